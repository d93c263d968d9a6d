// Real children: they print credentials, print nonsense, hang, and leave children of their own.
#include "shed/aws/program.h"

#include <signal.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "shed/async/stream.h"
#include "support/environment_variable.h"
#include "support/fake_clock.h"
#include "unit/async/support.h"
#include "unit/net/net_fixture.h"

namespace shed::aws {
namespace {

using namespace std::chrono_literals;
using Kind = Failure::Kind;

constexpr const char* kDocument =
    R"({"Version":1,"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"top-secret","SessionToken":"top-token",)"
    R"("Expiration":"2026-03-31T16:04:05Z","AccountId":"123456789012"})";

// Children that were killed at the end of a loop are nobody's but the test's.
struct Reaper {
  ~Reaper() {
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }
};

struct ProgramFixture : Reaper, async::LoopFixture {
  Outcome<Credentials> run(std::vector<std::string> command) {
    return loop.block_on(program->run(std::move(command), "credential_process of profile web (config:7)"));
  }
  Outcome<Credentials> shell(std::string script) { return run({"/bin/sh", "-c", std::move(script)}); }
  Failure failure_of(std::string script) {
    auto outcome = shell(std::move(script));
    REQUIRE_FALSE(outcome);
    return outcome.error();
  }

  std::unique_ptr<CredentialProgram> program = make_credential_program(loop);
};

TEST_CASE_METHOD(ProgramFixture, "a program's document becomes credentials") {
  const auto credentials = shell(fmt::format("echo '{}'", kDocument));
  REQUIRE(credentials);
  CHECK(credentials->access_key_id == "ASIAEXAMPLE");
  CHECK(credentials->secret_access_key.reveal() == "top-secret");
  CHECK(credentials->session_token.reveal() == "top-token");
  CHECK(credentials->account_id == "123456789012");
  CHECK(format_rfc3339(*credentials->expiration) == "2026-03-31T16:04:05Z");
}

TEST_CASE_METHOD(ProgramFixture, "a program that complains and succeeds has succeeded") {
  CHECK(shell(fmt::format("echo warning >&2; echo '{}'", kDocument)));
}

TEST_CASE_METHOD(ProgramFixture, "a program that fails is told with its last words") {
  const Failure failure = failure_of("echo first >&2; echo 'The SSO session has expired' >&2; exit 255");
  CHECK(failure.kind == Kind::kUnavailable);
  CHECK(failure.code == "SourceProgram");
  CHECK(failure.message == "the host's own AWS credentials cannot be used");
  CHECK(failure.detail ==
        "credential_process of profile web (config:7): exit code 255: The SSO session has expired");
  CHECK(failure_of("kill -KILL $$").detail ==
        "credential_process of profile web (config:7): ended by signal 9: it said nothing on stderr");
}

TEST_CASE_METHOD(ProgramFixture, "a failure counts also when credentials were printed") {
  CHECK_FALSE(shell(fmt::format("echo '{}'; exit 1", kDocument)));
}

TEST_CASE_METHOD(ProgramFixture, "what a program prints is in no text, on whichever stream") {
  const std::string secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
  for (const std::string script :
       {"echo '{}'; exit 1", "echo '{}'", "echo '{}' >&2; exit 1", "echo 'SecretAccessKey: {}' >&2; exit 1",
        "echo 'password={}' >&2; exit 1"}) {
    for (const std::string& word : {secret, std::string("ASIAIOSFODNN7EXAMPLE")}) {
      CAPTURE(script);
      const Failure failure = failure_of(fmt::format(fmt::runtime(script), word));
      CHECK(failure.detail.find(word) == std::string::npos);
      CHECK(failure.message.find(word) == std::string::npos);
    }
  }
}

TEST_CASE_METHOD(ProgramFixture, "last words are cut at 200 characters") {
  const Failure failure =
      failure_of("i=0; while [ $i -lt 100 ]; do printf 'word ' >&2; i=$((i+1)); done; exit 1");
  CHECK(failure.detail == "credential_process of profile web (config:7): exit code 1: " +
                              std::string(failure.detail.substr(failure.detail.size() - 200)));
}

TEST_CASE_METHOD(ProgramFixture, "what cannot be read is told without being quoted") {
  const Failure failure = failure_of("echo hello");
  CHECK(failure.kind == Kind::kSource);
  CHECK(failure.code == "BadAnswer");
  CHECK(
      failure.detail ==
      "credential_process of profile web (config:7): what it printed cannot be used: it is no JSON document");
  CHECK(failure_of("true").code == "BadAnswer");
}

TEST_CASE_METHOD(ProgramFixture, "a program that prints too much is stopped") {
  const Failure failure = failure_of("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
  CHECK(failure.code == "BadAnswer");
  CHECK(failure.detail == "credential_process of profile web (config:7): it printed more than 65536 bytes");
}

TEST_CASE_METHOD(ProgramFixture, "credentials that are over already are not taken") {
  clock.advance(1h);
  const Failure failure = failure_of(fmt::format("echo '{}'", kDocument));
  CHECK(failure.kind == Kind::kSource);
  CHECK(failure.code == "SourceExpired");
  CHECK(failure.message == "the host's own AWS credentials have expired");
  CHECK(failure.detail ==
        "credential_process of profile web (config:7): what it printed expired at 2026-03-31T16:04:05Z");
}

TEST_CASE_METHOD(ProgramFixture, "a program that is not there is the owner's to mend") {
  const auto outcome = run({"shed-no-such-program"});
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().kind == Kind::kSource);
  CHECK(outcome.error().code == "SourceProgram");
  CHECK(outcome.error().detail.starts_with(
      "credential_process of profile web (config:7): shed-no-such-program: "));
}

TEST_CASE_METHOD(ProgramFixture, "no shell reads a program's arguments") {
  const auto outcome = run({"/bin/sh", "-c", "echo \"$1\" >&2; exit 1", "sh", "$(echo x); y"});
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().detail.ends_with(": $(echo x); y"));
}

TEST_CASE_METHOD(ProgramFixture,
                 "a program gets this process's environment, and further folders behind PATH") {
  const EnvironmentVariable variable("SHED_TEST_VARIABLE", "passed on");
  CHECK(failure_of("echo \"$SHED_TEST_VARIABLE\" >&2; exit 1").detail.ends_with(": passed on"));
  CHECK(failure_of("echo \"${PATH#\"${PATH%:*:*}\"}\" >&2; exit 1")
            .detail.ends_with(":/usr/local/bin:/opt/homebrew/bin"));
}

TEST_CASE_METHOD(ProgramFixture, "a program that hangs is killed with its children after a minute") {
  auto [from, to] = async::make_pipe();
  fcntl(to.get(), F_SETFD, 0);
  async::Stream witness(loop, std::move(from));
  net::Running<Outcome<Credentials>> running(
      loop,
      program->run({"/bin/sh", "-c", fmt::format("sleep 1000 & echo >/dev/fd/{}; sleep 1001", to.get())},
                   "credential_process of profile web (config:7)"));
  to.reset();
  char byte = 0;
  REQUIRE(loop.block_on(witness.read_exactly({&byte, 1})).has_value());
  advance(59'999ms);
  CHECK_FALSE(running.done());
  advance(1ms);
  REQUIRE(running.done());
  const Failure& failure = (*running).error();
  CHECK(failure.kind == Kind::kUnavailable);
  CHECK(failure.code == "Timeout");
  CHECK(failure.message == "a program of the host did not answer in time");
  CHECK(failure.detail == "credential_process of profile web (config:7): it has not ended within 1m");
  CHECK(loop.block_on(witness.read({&byte, 1})).value() == 0);  // nobody is left who holds the pipe
}

}  // namespace
}  // namespace shed::aws
