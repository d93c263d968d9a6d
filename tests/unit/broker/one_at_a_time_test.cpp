// Questions that wait for their turn.
#include "broker/one_at_a_time.h"

#include <list>

#include "approval_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

class OneWindow : public OneAtATime {
 public:
  explicit OneWindow(async::Loop& loop) : OneAtATime(loop, "window"), closed(loop) {}
  std::string why_nobody() const override { return nobody; }

  std::vector<std::string> shown;
  std::vector<Millis> limits;
  int open = 0;
  async::Event closed;  // ends what is shown now
  std::string nobody;

 private:
  struct Open {
    explicit Open(int& count) : count_(count) { REQUIRE(++count_ == 1); }
    ~Open() { --count_; }
    int& count_;
  };
  async::Task<Answer> show(ApprovalQuestion question, std::uint64_t, Millis limit) override {
    const Open one(open);
    shown.push_back(question.shed + " " + question.subject);
    limits.push_back(limit);
    auto over = closed.wait_for(limit);
    const bool in_time = co_await over;
    closed.reset();
    Answer answer;
    answer.approved = in_time;
    answer.timed_out = !in_time;
    co_return answer;
  }
};

struct WindowFixture {
  using Running = net::Running<Person::Answer>;
  std::unique_ptr<Running> ask(std::string_view shed, std::string_view subject = "git commit") {
    return std::make_unique<Running>(loop, window.ask(login_question(shed, subject), 1, 25s));
  }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }
  FakeClock clock;
  async::Loop loop{clock};
  OneWindow window{loop};
};

TEST_CASE_METHOD(WindowFixture, "one question is shown at a time, the next one when it is over") {
  const auto first = ask("web");
  const auto second = ask("api");
  CHECK(window.shown == std::vector<std::string>{"web git commit"});
  window.closed.set();
  CHECK((*first)->approved);
  CHECK(window.shown.size() == 2);
  CHECK_FALSE(second->done());
  window.closed.set();
  CHECK((*second)->approved);
}

TEST_CASE_METHOD(WindowFixture, "guests take turns, however many questions one of them has") {
  const auto first = ask("web", "a");
  const auto second = ask("web", "b");
  const auto third = ask("web", "c");
  const auto other = ask("api", "d");
  window.closed.set();
  CHECK(first->done());
  window.closed.set();
  CHECK(other->done());
  CHECK(window.shown == std::vector<std::string>{"web a", "api d", "web b"});
}

TEST_CASE_METHOD(WindowFixture, "a guest's turn comes also behind two others that ask without end") {
  std::list<std::unique_ptr<Running>> open;
  for (int i = 0; i < 4; ++i) {
    open.push_back(ask("web", "a"));
    open.push_back(ask("api", "b"));
  }
  const auto quiet = ask("db", "c");
  for (int i = 0; i < 3; ++i) {
    window.closed.set();
    loop.poll();
  }
  CHECK(quiet->done());
  CHECK(window.shown == std::vector<std::string>{"web a", "api b", "db c", "web a"});
}

TEST_CASE_METHOD(WindowFixture,
                 "a question that waits has its own time, and less of it left when it is shown") {
  const auto first = ask("web");
  pass(10s);
  const auto second = ask("api");
  pass(15s);
  CHECK((*first)->timed_out);
  REQUIRE(window.limits.size() == 2);
  CHECK(window.limits[1] == 10s);
}

TEST_CASE_METHOD(WindowFixture,
                 "a question whose turn does not come in its time is denied, and never shown") {
  const auto first = ask("web");
  const auto second = ask("web", "b");
  const auto other = ask("api");
  pass(24s);
  const auto late = ask("new");
  pass(1s);
  CHECK(first->done());
  REQUIRE(second->done());
  CHECK((*second)->timed_out);
  CHECK((*second)->reason == "nobody answered within 25s: another question was open");
  CHECK_FALSE(late->done());
}

TEST_CASE_METHOD(WindowFixture, "a question that is given up makes room for the next") {
  const auto first = ask("web");
  const auto second = ask("api");
  const auto third = ask("db");
  second->drop();
  first->drop();
  CHECK(window.open == 1);
  CHECK(window.shown.back() == "db git commit");
}

TEST_CASE_METHOD(WindowFixture, "one guest has 8 questions open at most") {
  std::list<std::unique_ptr<Running>> open;
  for (int i = 0; i < 8; ++i) open.push_back(ask("web", fmt::format("{}", i)));
  const auto more = ask("web", "more");
  REQUIRE(more->done());
  CHECK((*more)->reason == "8 questions of this guest wait already; answer them first");
  CHECK_FALSE((*more)->approved);
  const auto other = ask("api");
  CHECK_FALSE(other->done());
}

TEST_CASE_METHOD(WindowFixture, "128 questions are open at most") {
  std::list<std::unique_ptr<Running>> open;
  for (int i = 0; i < 128; ++i) open.push_back(ask(fmt::format("web{}", i)));
  const auto more = ask("api");
  REQUIRE(more->done());
  CHECK((*more)->reason == "128 questions wait already; answer them first");
}

TEST_CASE_METHOD(WindowFixture, "where nobody can be asked it is denied at once, with the reason") {
  window.nobody = "no window";
  const auto asked = ask("web");
  REQUIRE(asked->done());
  CHECK_FALSE((*asked)->approved);
  CHECK((*asked)->reason == "no window");
  CHECK(window.shown.empty());
}

}  // namespace
}  // namespace shed::broker
