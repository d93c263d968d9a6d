#include "approve_fixture.h"

namespace shed::applets {
namespace {

using namespace testing;

TEST_CASE("a key answers the question that is read") {
  const auto [key, answer] = GENERATE(table<char, std::string>({
      {'o', R"("decision":"approve","decided_by":"ada","scope":"per-request")"},
      {'s', R"("decision":"approve","decided_by":"ada","scope":"per-session")"},
      {'d', R"("decision":"deny","decided_by":"ada")"},
      {'m', R"("decision":"deny","decided_by":"ada")"},
  }));
  CAPTURE(key);
  Approving fixture;
  fixture.ask();
  fixture.read();
  fixture.press(std::string(1, key));
  CHECK(fixture.has_sent(R"("request_id":"q1",)" + answer));
  CHECK(fixture.desk.questions().empty());
}

TEST_CASE("no other key answers") {
  for (int byte = 0; byte < 127; ++byte) {
    const char key = static_cast<char>(byte);
    if (std::string_view("osgdmq").find(key) != std::string_view::npos) continue;
    CAPTURE(byte);
    Approving fixture;
    fixture.ask();
    fixture.read();
    fixture.state.press(key);
    CHECK_FALSE(fixture.has_sent("approval_response"));
    CHECK(fixture.desk.questions().size() == 1);
  }
}

TEST_CASE("a key that is pressed before the question was on the screen for 300 ms does not count") {
  Approving fixture;
  fixture.ask();
  fixture.press("osgdm1");
  fixture.paint();
  fixture.press("osgdm1");
  fixture.clock.advance(299ms);
  fixture.press("osgdm1");
  CHECK(fixture.sent.empty());
  fixture.clock.advance(1ms);
  fixture.press("o");
  CHECK(fixture.has_sent("approve"));
}

TEST_CASE("a key for one question does not answer the next one") {
  Approving fixture;
  fixture.ask({.id = "q1"});
  fixture.ask({.id = "q2"});
  fixture.read();
  fixture.press("oooo");
  CHECK(fixture.desk.questions().size() == 1);
  fixture.paint();
  fixture.clock.advance(299ms);
  fixture.press("o");
  CHECK_FALSE(fixture.has_sent(R"("request_id":"q2")"));
  fixture.clock.advance(1ms);
  fixture.press("o");
  CHECK(fixture.has_sent(R"("request_id":"q2")"));
}

TEST_CASE("a question that takes the place of one that is over is not answered by a key for that one") {
  Approving fixture;
  fixture.ask({.id = "q1"});
  fixture.clock.advance(24s);
  fixture.ask({.id = "q2"});
  fixture.read();
  fixture.clock.advance(1s);  // q1 is over, and the screen still shows it
  fixture.press("o");
  CHECK(fixture.sent.empty());
}

TEST_CASE("after the window has changed the question has to be read again") {
  Approving fixture;
  fixture.ask();
  fixture.read();
  fixture.state.covered();
  fixture.press("o");
  CHECK(fixture.sent.empty());
  fixture.paint();
  fixture.clock.advance(299ms);
  fixture.press("o");
  CHECK(fixture.sent.empty());
  fixture.clock.advance(1ms);
  fixture.press("o");
  CHECK(fixture.has_sent("approve"));
}

TEST_CASE("painting the same question again does not put off the answer") {
  Approving fixture;
  fixture.ask();
  fixture.paint();
  for (int i = 0; i < 3; ++i) {
    fixture.clock.advance(100ms);
    fixture.paint();
  }
  fixture.press("o");
  CHECK(fixture.has_sent("approve"));
}

TEST_CASE("a question that does not fit on the screen is not answered") {
  Approving fixture;
  fixture.canvas.height = 6;
  fixture.ask();
  fixture.read();
  fixture.press("osgm1d");
  CHECK(fixture.sent.empty());
}

TEST_CASE("g asks for how long, and approves for the guest") {
  Approving fixture;
  fixture.ask();
  fixture.read();
  fixture.press("g");
  CHECK(fixture.sent.empty());
  fixture.read();
  fixture.press("2");
  CHECK(fixture.has_sent(R"("decision":"approve","decided_by":"ada","scope":"per-shed","ttl":"1h")"));
  CHECK_FALSE(fixture.state.choosing_time());
}

TEST_CASE("the choice of a time has to be read, too") {
  Approving fixture;
  fixture.ask();
  fixture.read();
  fixture.press("g1");
  CHECK(fixture.sent.empty());
}

TEST_CASE("another key goes back from the choice of a time") {
  Approving fixture;
  fixture.ask();
  fixture.read();
  fixture.press("g");
  fixture.read();
  fixture.press("o");
  CHECK_FALSE(fixture.state.choosing_time());
  CHECK(fixture.sent.empty());
}

TEST_CASE("a time that was chosen for a question that is over is for no other one") {
  Approving fixture;
  fixture.ask({.id = "q1"});
  fixture.clock.advance(24s);
  fixture.ask({.id = "q2"});
  fixture.read();
  fixture.press("g");
  fixture.read();
  fixture.clock.advance(1s);
  fixture.press("1");
  CHECK(fixture.sent.empty());
  CHECK_FALSE(fixture.state.choosing_time());
}

TEST_CASE("the choice of a time for one question is not the screen of another, whatever their ids are") {
  Approving fixture;
  fixture.ask({.id = "q1"});
  fixture.clock.advance(24s);
  const std::string prefix = GENERATE(as<std::string>{}, "q1/time", "time:q1", "answer:q1");
  fixture.ask({.id = prefix});
  fixture.read();
  fixture.press("g");
  fixture.read();
  fixture.clock.advance(1s);  // q1 is over, and the screen still asks for how long
  fixture.press("1o");
  CHECK(fixture.sent.empty());
}

TEST_CASE("a question under the id of one that is over has to be read like any other") {
  Approving fixture;
  fixture.ask({.id = "q1"});
  fixture.read();
  SECTION("answered") { fixture.press("d"); }
  SECTION("muted") { fixture.press("mu"); }
  SECTION("lost") {
    fixture.desk.lost("gone");
    fixture.state.follow();
    fixture.desk.connected([&fixture](std::string_view line) { fixture.sent += line; });
    fixture.tell(R"({"type":"hello_ack","accepted":true})");
  }
  fixture.sent.clear();
  fixture.ask({.id = "q1", .shed = "other"});
  fixture.press("o");
  CHECK(fixture.sent.empty());
  fixture.read();
  fixture.press("o");
  CHECK(fixture.has_sent("approve"));
}

TEST_CASE("a session is not for a host that is only claimed") {
  Approving fixture;
  fixture.ask(claimed());
  fixture.read();
  fixture.press("s");
  CHECK(fixture.sent.empty());
}

TEST_CASE("m mutes the guest") {
  Approving fixture;
  fixture.ask();
  fixture.read();
  fixture.press("m");
  CHECK(fixture.desk.muted().size() == 1);
  fixture.press("u");
  CHECK(fixture.desk.muted().empty());
}

TEST_CASE("q quits from everywhere, and answers nothing") {
  const std::string way = GENERATE(as<std::string>{}, "q", "lq", "eq", "?q");
  Approving fixture;
  fixture.ask();
  fixture.paint();
  fixture.press(way);
  CHECK(fixture.state.quit());
  CHECK_FALSE(fixture.has_sent("approval_response"));
}

TEST_CASE("each question rings once") {
  Approving fixture;
  CHECK_FALSE(fixture.state.take_bell());
  fixture.ask();
  CHECK(fixture.state.take_bell());
  fixture.paint();
  CHECK_FALSE(fixture.state.take_bell());
  fixture.ask({.id = "q2"});
  CHECK(fixture.state.take_bell());
}

TEST_CASE("a new question is shown, whatever is looked at") {
  Approving fixture;
  fixture.press("e");
  CHECK(fixture.state.view() == View::kEvents);
  fixture.ask();
  CHECK(fixture.state.view() == View::kQuestion);
}

TEST_CASE("a key in the list answers no question") {
  Approving fixture;
  fixture.ask();
  fixture.read();
  fixture.press("l");
  fixture.read();
  fixture.press("o");
  CHECK(fixture.state.view() == View::kQuestion);
  CHECK_FALSE(fixture.has_sent("approval_response"));
  // Nor when it is pressed again at once.
  fixture.press("o");
  CHECK_FALSE(fixture.has_sent("approval_response"));
}

TEST_CASE("a digit revokes the grant of that number on the page") {
  Approving fixture;
  fixture.press("l");
  CHECK(fixture.has_sent("list_grants"));
  fixture.grants(11);
  fixture.press("2");
  CHECK(fixture.has_sent(R"({"type":"revoke","id":"g2"})"));
  fixture.press("n1");
  CHECK(fixture.has_sent(R"({"type":"revoke","id":"g10"})"));
  fixture.sent.clear();
  fixture.press("9");
  CHECK(fixture.sent.empty());
  fixture.press("a");
  CHECK(fixture.has_sent(R"({"type":"revoke","all":true})"));
}

}  // namespace
}  // namespace shed::applets
