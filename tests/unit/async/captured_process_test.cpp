#include "shed/async/captured_process.h"

#include <array>
#include <optional>

#include "shed/async/stream.h"
#include "unit/async/support.h"

namespace shed::async {
namespace {

using namespace std::chrono_literals;

CaptureOptions shell(std::string script) {
  CaptureOptions options;
  options.command = {"/bin/sh", "-c", std::move(script)};
  options.environment = {"PATH=/usr/bin:/bin"};
  return options;
}

// Children that were killed at the end of a loop are nobody's but the test's.
struct Reaper {
  ~Reaper() {
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }
};

struct CaptureFixture {
  Reaper reaper;
  Loop loop;
  Result<CapturedRun> run(CaptureOptions options) {
    return loop.block_on(run_captured(loop, std::move(options)));
  }
  Result<CapturedRun> run(std::string script) { return run(shell(std::move(script))); }
};

// A program that hangs, on a loop whose time stands still. `witness` is a pipe of which the program and its
// children hold the other end: it ends with the last of them.
struct HangingFixture : Reaper, LoopFixture {
  HangingFixture() {
    auto [from, to] = make_pipe();
    fcntl(to.get(), F_SETFD, 0);
    witness.emplace(loop, std::move(from));
    scope.spawn(run(shell(fmt::format("sleep 1000 & sleep 1001 & echo >/dev/fd/{}; wait", to.get()))));
    loop.poll();
    to.reset();
    std::array<char, 1> line_end;
    REQUIRE(loop.block_on(witness->read_exactly(line_end)).has_value());
  }
  Task<> run(CaptureOptions options) { result.emplace(co_await run_captured(loop, std::move(options))); }
  // Waits for the end of all that hold the pipe.
  bool all_end() {
    std::array<char, 1> byte;
    const auto count = loop.block_on(witness->read(byte));
    return count.has_value() && *count == 0;
  }

  std::optional<Result<CapturedRun>> result;
  std::optional<Stream> witness;
  Scope scope{loop};
};

}  // namespace

TEST_CASE_METHOD(CaptureFixture, "a program reads its input to the end") {
  CaptureOptions options = shell("cat; echo end");
  options.input = "line\nwithout an end";
  CHECK(run(options)->output.reveal() == "line\nwithout an endend\n");
  options.input = std::string(kMaxCaptureInput, 'x');
  CHECK(run(options)->output.size() == kMaxCaptureInput + 4);
  options.input += 'x';
  CHECK(run(options).error().code() == Errc::kLimit);
}

TEST_CASE_METHOD(CaptureFixture, "a program that does not read its input is none the worse for it") {
  CaptureOptions options = shell("echo done");
  options.input = "unread";
  CHECK(run(options)->output.reveal() == "done\n");
}

TEST_CASE_METHOD(CaptureFixture, "both outputs and the exit code of a program are told apart") {
  const auto done = run("echo words; echo complaints >&2; exit 3");
  REQUIRE(done.has_value());
  CHECK(done->status.code == 3);
  CHECK(done->output.reveal() == "words\n");
  CHECK(done->errors.reveal() == "complaints\n");
}

TEST_CASE_METHOD(CaptureFixture, "a program's standard input is empty") {
  CHECK(run("cat")->output.reveal().empty());
}

TEST_CASE_METHOD(CaptureFixture, "output up to the limit is kept whole") {
  CaptureOptions options = shell("printf 12345678");
  options.max_output = 8;
  CHECK(run(options)->output.reveal() == "12345678");
  options.max_output = 7;
  const auto over = run(options);
  REQUIRE_FALSE(over.has_value());
  CHECK(over.error().code() == Errc::kLimit);
  CHECK(over.error().text() == "it printed more than 7 bytes");
}

TEST_CASE_METHOD(CaptureFixture, "a program that prints without end is stopped") {
  CHECK(run("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done").error().code() ==
        Errc::kLimit);
}

TEST_CASE_METHOD(CaptureFixture, "of a long standard error the end is kept") {
  CaptureOptions options = shell("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done");
  options.kept_errors = 20;
  CHECK(run(options)->errors.reveal() == "line 2998\nline 2999\n");
}

TEST_CASE_METHOD(CaptureFixture, "a program is done when it exits, whoever else holds its output") {
  const auto done = run("sleep 1000 & echo $!");
  REQUIRE(done.has_value());
  const pid_t left = std::stoi(std::string(done->output.reveal()));
  CHECK(::kill(left, SIGKILL) == 0);
}

TEST_CASE_METHOD(HangingFixture, "a program that hangs is killed with its children at the limit") {
  advance(59'999ms);
  CHECK_FALSE(result.has_value());
  advance(1ms);
  REQUIRE(result.has_value());
  CHECK(result->error().code() == Errc::kTimeout);
  CHECK(result->error().text() == "it has not ended within 1m");
  CHECK(all_end());
}

TEST_CASE_METHOD(HangingFixture, "a program is killed with its children when nobody waits any more") {
  scope.cancel();
  CHECK_FALSE(result.has_value());
  CHECK(all_end());
}

TEST_CASE_METHOD(CaptureFixture, "a program that is not there is named") {
  CaptureOptions options = shell("");
  options.command = {"shed-no-such-program"};
  const auto none = run(options);
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().code() == Errc::kNotFound);
  CHECK(none.error().text().starts_with("shed-no-such-program: "));
}

TEST_CASE_METHOD(CaptureFixture, "a run leaves no descriptor behind") {
  const auto before = open_descriptors();
  (void)run("echo words");
  loop.run();
  CHECK(open_descriptors() == before);
}

}  // namespace shed::async
