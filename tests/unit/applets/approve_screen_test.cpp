#include <algorithm>

#include "approve/words.h"
#include "approve_fixture.h"

namespace shed::applets {
namespace {

using namespace testing;

constexpr std::string_view kHeader =
    "shed-ext approve                                     connected to host agent 9.9\n\n";

std::string head(std::string_view rest) { return std::string(kHeader) + std::string(rest); }

TEST_CASE("a login to a proven host, at 80 columns") {
  Approving fixture;
  fixture.ask();
  CHECK(fixture.text() ==
        head("web asks for a signature                                               25 s left\n"
             "\n"
             "  guest     web on mini2\n"
             "  asks      sign (ssh-agent)\n"
             "  for       login git@github.com\n"
             "  host      verified: the host has proven its key for this login\n"
             "  key       me@desk (ssh-ed25519)\n"
             "            SHA256:1234567890123456789012345678901234567890123\n"
             "  asked     for the first time\n"
             "\n"
             "o once   s this session   g this guest for a time   d deny   m deny and mute\n"
             "l grants   e events   q quit   ? help\n"));
}

TEST_CASE("a host that is only claimed is a warning in words") {
  Approving fixture;
  Asked asked = claimed();
  asked.count = 7;
  fixture.ask(asked);
  CHECK(fixture.text() ==
        head("web asks for a signature                                               25 s left\n"
             "\n"
             "  guest     web on mini2\n"
             "  asks      sign (ssh-agent)\n"
             "  for       login git@github.com\n"
             "  host      claimed, not proven\n"
             "  key       me@desk (ssh-ed25519)\n"
             "            SHA256:1234567890123456789012345678901234567890123\n"
             "  asked     7 times\n"
             "\n"
             "WARNING: the host is only claimed by the guest, not proven. It may be another\n"
             "one.\n"
             "\n"
             "o once   g this guest for a time   d deny   m deny and mute\n"
             "l grants   e events   q quit   ? help\n"));
}

TEST_CASE("a registry login has no key and no warning") {
  Approving fixture;
  fixture.ask(registry());
  CHECK(fixture.text() ==
        head("web asks for a registry login                                          25 s left\n"
             "\n"
             "  guest     web on mini2\n"
             "  asks      get (docker-credentials)\n"
             "  registry  ghcr.io\n"
             "  asked     for the first time\n"
             "\n"
             "o once   s this session   g this guest for a time   d deny   m deny and mute\n"
             "l grants   e events   q quit   ? help\n"));
}

TEST_CASE("a role is named") {
  Approving fixture;
  Asked asked = registry();
  asked.ns = "aws-credentials";
  asked.subject = "arn:aws:iam::123456789012:role/web";
  fixture.ask(asked);
  const std::string text = fixture.text();
  CHECK(text.find("web asks for AWS credentials ") != std::string::npos);
  CHECK(text.find("  role      arn:aws:iam::123456789012:role/web\n") != std::string::npos);
}

TEST_CASE("at 40 columns nothing is longer and nothing is left out") {
  Approving fixture;
  fixture.canvas.width = 40;
  fixture.ask(opaque());
  CHECK(fixture.text() ==
        "shed-ext approve\n"
        "connected to host agent 9.9\n"
        "\n"
        "web asks for a signature       25 s left\n"
        "\n"
        "  guest     web on mini2\n"
        "  asks      sign (ssh-agent)\n"
        "  for       opaque\n"
        "  key       me@desk (ssh-ed25519)\n"
        "            SHA256:123456789012345678901\n"
        "            2345678901234567890123\n"
        "  asked     for the first time\n"
        "\n"
        "WARNING: nobody can read what is signed.\n"
        "It may be a login to any host.\n"
        "\n"
        "o once   g this guest for a time\n"
        "d deny   m deny and mute\n"
        "l grants   e events   q quit   ? help\n");
}

TEST_CASE("where lines are few the empty ones go first") {
  Approving fixture;
  fixture.canvas.height = 11;
  fixture.ask();
  const Frame frame = fixture.paint();
  CHECK(frame.lines.size() == 11);
  CHECK(frame.answerable == "answer:q1");
  CHECK(std::ranges::count(frame.lines, std::string()) == 0);
}

TEST_CASE("a question that does not fit says so, and is not to be answered") {
  const auto [width, height] =
      GENERATE(table<std::size_t, std::size_t>({{80, 10}, {12, 24}, {80, 1}, {1, 1}}));
  CAPTURE(width, height);
  Approving fixture;
  fixture.canvas.width = width;
  fixture.canvas.height = height;
  fixture.ask();
  const Frame frame = fixture.paint();
  CHECK(frame.answerable.empty());
  CHECK(frame.lines.size() <= height);
  if (height == 10) CHECK(frame.lines[1].starts_with("The window is too small"));
}

TEST_CASE("no screen is larger than its canvas, whatever a guest calls itself") {
  const std::string evil =
      GENERATE(as<std::string>{}, std::string(3'000, 'a'), "\x1b[2J\x1b[Ho once", "a\r\nb\tc",
               "\xe2\x80\xae"
               "moc.buhtig",
               "\xe4\xbd\xa0\xe5\xa5\xbd", "a\xcc\x81\xcc\x81", "\xf0\x9f\x94\x91");
  const auto width = GENERATE(as<std::size_t>{}, 20, 33, 80, 200);
  CAPTURE(evil, width);
  Approving fixture;
  fixture.canvas.width = width;
  fixture.canvas.height = 60;
  Asked asked;
  asked.server = asked.shed = asked.ns = asked.op = asked.key_comment = asked.key_type = asked.key = evil;
  asked.subject = "login " + evil + "@github.com";
  asked.proof = evil;
  fixture.ask(asked);
  fixture.grants(20);
  for (const std::string_view view : {"", "l", "e", "?"}) {
    fixture.press(view);
    for (const std::string& line : fixture.paint().lines) {
      CHECK(columns(line) <= width);
      for (const char byte : line) CHECK((static_cast<unsigned char>(byte) >= 0x20 && byte != 0x7f));
    }
    fixture.state.press(kOther);
  }
}

TEST_CASE("the end of a login is seen however long the user's name is") {
  Approving fixture;
  Asked asked;
  asked.subject = "login " + std::string(500, 'a') + "@evil.example";
  fixture.ask(asked);
  const std::string text = fixture.text();
  CHECK(text.find("@evil.example\n") != std::string::npos);
  CHECK(text.find("…\n") != std::string::npos);
}

TEST_CASE("those that wait are counted") {
  Approving fixture;
  fixture.ask({.id = "q1"});
  fixture.ask({.id = "q2"});
  CHECK(fixture.text().find("25 s left, 1 more waits\n") != std::string::npos);
  fixture.ask({.id = "q3"});
  CHECK(fixture.text().find("25 s left, 2 more wait\n") != std::string::npos);
}

TEST_CASE("the choice of a time says what the yes is for") {
  Approving fixture;
  fixture.ask();
  fixture.read();
  fixture.press("g");
  CHECK(fixture.text().find("Yes to whatever this guest signs with this key, for at most:\n"
                            "1 15m   2 1h   3 4h   any other key: back\n") != std::string::npos);
}

TEST_CASE("without a question it says what it waits for") {
  Approving fixture;
  CHECK(fixture.text() == head("Nothing is asked.\n"
                               "Asked here: ssh-agent\n"
                               "\n"
                               "l grants   e events   q quit   ? help\n"));
  fixture.tell(R"({"type":"hello_ack","accepted":true,"agent":{"version":"9.9"},"gate_namespaces":null})");
  CHECK(fixture.text().find("Nothing will be asked: no policy of the host agent is shed-desktop.\n") !=
        std::string::npos);
}

TEST_CASE("a host agent that is away is named, with the cause and the remedy") {
  Approving fixture;
  fixture.desk.lost("connection refused");
  CHECK(fixture.text() ==
        "shed-ext approve                                                   not connected\n\n"
        "No host agent answers at /run/host-agent.sock.\n"
        "(connection refused)\n"
        "Trying again until one does. Start it with: shed-ext host\n"
        "\n"
        "l grants   e events   q quit   ? help\n");
}

TEST_CASE("the last answer and who is muted stay to be seen") {
  Approving fixture;
  fixture.ask();
  fixture.read();
  fixture.press("m");
  CHECK(fixture.text() == head("Nothing is asked.\n"
                               "Asked here: ssh-agent\n"
                               "muted: web on mini2 5 m 0 s left\n"
                               "\n"
                               "u unmute   l grants   e events   q quit   ? help\n"
                               "\n"
                               "denied, and so is all that web on mini2 asks for the next 5 minutes\n"));
}

TEST_CASE("grants are numbered, nine on a page") {
  Approving fixture;
  fixture.press("l");
  CHECK(fixture.text().find("No grants are in force.\n") != std::string::npos);
  fixture.grants(2);
  CHECK(fixture.text() ==
        head("Grants in force: 2\n"
             "1 web1, session                                         used once, 30 m 0 s left\n"
             "    login git@host1, SHA256:k1\n"
             "2 web2, session                                      used 2 times, 30 m 0 s left\n"
             "    login git@host2, SHA256:k2\n"
             "1-9 revoke that one   a revoke all   q quit   any other key: back\n"));
  fixture.grants(10);
  CHECK(fixture.text().find("9 web9") != std::string::npos);
  fixture.press("n");
  CHECK(fixture.text().find("1 web10") != std::string::npos);
}

TEST_CASE("events are listed, the newest last, as many as fit") {
  Approving fixture;
  fixture.press("e");
  CHECK(fixture.text().find("Nothing has happened yet.\n") != std::string::npos);
  for (int i = 0; i < 50; ++i) {
    fixture.tell(fmt::format(
        R"({{"type":"event","kind":"audit","id":"e{}","ts":"2026-03-31T15:04:05Z","shed":"web{}",)"
        R"("ns":"ssh-agent","op":"sign","result":"ok"}})",
        i, i));
  }
  const Frame frame = fixture.paint();
  CHECK(frame.lines.size() <= 24);
  CHECK(frame.lines[2].starts_with("TIME "));
  CHECK(frame.lines[frame.lines.size() - 2] == "2026-03-31T15:04:05Z web49        ssh sign   ok");
}

TEST_CASE("a question that waits is named in the other views") {
  Approving fixture;
  fixture.ask();
  fixture.paint();
  fixture.press("e");
  CHECK(fixture.text().find("1 question waits, 25 s left\n") != std::string::npos);
}

TEST_CASE("help fits on the smallest usual terminal") {
  Approving fixture;
  fixture.press("?");
  const Frame frame = fixture.paint();
  CHECK(frame.lines.size() <= 24);
  CHECK(frame.lines.back() == "any other key: back");
}

TEST_CASE("colour is for terminals that want it, and says nothing that words do not say") {
  Approving plain, coloured;
  coloured.canvas.colour = true;
  plain.ask(claimed());
  coloured.ask(claimed());
  std::string text = coloured.text();
  CHECK(text.find("\x1b[1;31mWARNING") != std::string::npos);
  for (std::size_t at; (at = text.find('\x1b')) != std::string::npos;)
    text.erase(at, text.find('m', at) + 1 - at);
  CHECK(text == plain.text());
}

TEST_CASE("without a countdown the frame stays the same while time passes") {
  Approving fixture;
  fixture.canvas.countdown = false;
  fixture.ask();
  const Frame before = fixture.paint();
  fixture.clock.advance(3s);
  CHECK(fixture.paint() == before);
}

TEST_CASE("one line for a script has all of it, and nothing that ends the line") {
  Approving fixture;
  Asked asked = claimed();
  asked.shed = "we\nb";
  asked.count = 2;
  fixture.ask(asked);
  CHECK(one_line(fixture.desk.questions().front(), fixture.clock.now()) ==
        "we\\nb on mini2: sign (ssh-agent): login git@github.com [claimed], key me@desk "
        "SHA256:1234567890123456789012345678901234567890123, asked 2 times, 25 s left; WARNING: the host is "
        "only "
        "claimed by the guest, not proven. It may be another one.\n");
}

TEST_CASE("times are said as people say them") {
  const SteadyTime now{};
  CHECK(time_words(now, now) == "0 s");
  CHECK(time_words(now + 1ms, now) == "1 s");
  CHECK(time_words(now + 119s, now) == "119 s");
  CHECK(time_words(now + 120s, now) == "2 m 0 s");
  CHECK(time_words(now + 3h + 59min, now) == "3 h 59 m");
}

TEST_CASE("a window that is narrower than anybody's does not cut the colours in two") {
  const auto width = GENERATE(as<std::size_t>{}, 1, 5, 12, 19);
  Approving fixture;
  fixture.canvas.colour = true;
  fixture.canvas.width = width;
  SECTION("a question") { fixture.ask(opaque()); }
  SECTION("none") {}
  std::size_t coloured = 0;
  for (const std::string& line : fixture.paint().lines) {
    CAPTURE(line);
    if (!line.starts_with('\x1b')) continue;
    ++coloured;
    CHECK(line.ends_with("\x1b[0m"));
    CHECK(columns(line.substr(line.find('m') + 1)) <= width + 4);
  }
  CHECK(coloured > 0);
}

}  // namespace
}  // namespace shed::applets
