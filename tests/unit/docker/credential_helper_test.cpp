#include "shed/docker/credential_helper.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "shed/async/scope.h"
#include "support/fake_clock.h"
#include "support/log_lines.h"
#include "support/temporary_folder.h"

using namespace shed;
using namespace shed::docker;

namespace {

// Helpers that are shell scripts in a folder of the test's own.
class Fixture {
 public:
  Fixture() {
    variables = {{"PATH", folder.path() + ":/usr/bin:/bin"}, {"HOME", "/home/me"}, {"SECRET_OF_MINE", "x"}};
    helper = make_credential_helper(loop, [this](const char* name) { return variables[name]; });
  }

  void install(const std::string& name, std::string_view script) {
    const std::string path = folder / ("docker-credential-" + name);
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    REQUIRE(::chmod(path.c_str(), 0700) == 0);
  }
  std::string content(const char* file) {
    std::ifstream stream(folder / file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  Result<Login> get(const std::string& name, const std::string& key = "ghcr.io") {
    return loop.block_on(helper->get(name, key));
  }

  std::map<std::string, std::string> variables;
  TemporaryFolder folder;
  async::Loop loop;
  std::unique_ptr<CredentialHelper> helper;
};

constexpr std::string_view kLogin = R"(echo '{"ServerURL":"ghcr.io","Username":"me","Secret":"pw"}')";

}  // namespace

TEST_CASE_METHOD(Fixture, "a helper is asked on its standard input, without a newline") {
  install("good", "cat >\"$(dirname \"$0\")/asked\"; echo \"$1\" >>\"$(dirname \"$0\")/asked\"; " +
                      std::string(kLogin));
  const auto login = get("good", "https://index.docker.io/v1/");
  REQUIRE(login);
  CHECK(login->server_url == "ghcr.io");
  CHECK(login->username.reveal() == "me");
  CHECK(login->secret.reveal() == "pw");
  CHECK(content("asked") == "https://index.docker.io/v1/get\n");
}

TEST_CASE_METHOD(Fixture, "a helper gets a small environment and no terminal") {
  install("env", "env >\"$(dirname \"$0\")/env\"; tty >>\"$(dirname \"$0\")/env\" </dev/tty; " +
                     std::string(kLogin));
  REQUIRE(get("env"));
  CHECK_THAT(content("env"), Catch::Contains("HOME=/home/me\n"));
  CHECK_THAT(content("env"), Catch::Contains(":/usr/local/bin:/opt/homebrew/bin\n"));
  CHECK_THAT(content("env"), !Catch::Contains("SECRET_OF_MINE"));
  CHECK_THAT(content("env"), !Catch::Contains("/dev/pts"));
}

TEST_CASE_METHOD(Fixture, "what a helper does not know is not found") {
  install("empty", "echo 'credentials not found in native keychain'; exit 1");
  const auto login = get("empty");
  REQUIRE_FALSE(login);
  CHECK(login.error().code() == Errc::kNotFound);
}

TEST_CASE_METHOD(Fixture, "a helper that is missing is named") {
  const auto login = get("missing");
  REQUIRE_FALSE(login);
  CHECK(login.error().code() == Errc::kUnavailable);
  CHECK(login.error().text() == "docker-credential-missing is not installed, or not in PATH");
}

TEST_CASE_METHOD(Fixture, "a helper that fails is named, with its status and none of its words") {
  install("bad", "echo 'hunter2 is wrong'; echo 'password hunter2' >&2; exit 3");
  const auto login = get("bad");
  REQUIRE_FALSE(login);
  CHECK(login.error().code() == Errc::kUnavailable);
  CHECK(login.error().text() == "docker-credential-bad get ended with status 3");
}

TEST_CASE_METHOD(Fixture, "what a failing helper says is logged at debug, with secrets cut") {
  log::set_level(log::Level::kDebug);
  LogLines log;
  install("bad", "echo 'gpg: password: hunter2'; echo 'cannot open the keychain' >&2; exit 3");
  CHECK_FALSE(get("bad"));
  install("good", kLogin);
  CHECK(get("good"));
  log::set_level(log::Level::kInfo);
  CHECK(log.count("docker-credential-bad: status 3, stdout: gpg: password: ***") == 1);
  CHECK(log.count("docker-credential-bad: status 3, stderr: cannot open the keychain") == 1);
  CHECK(log.count("hunter2") == 0);
  CHECK(log.count("docker-credential-good") == 0);
}

TEST_CASE_METHOD(Fixture, "a helper that prints no login is named, and its words are not") {
  const auto said = GENERATE("echo hunter2", "echo '{\"Username\":\"me\"}'", "echo '[]'", ":",
                             "echo '{\"Username\":1,\"Secret\":\"hunter2\"}'",
                             "echo '{\"Username\":\"me\",\"Secret\":\"hunter2\"'");
  install("odd", said);
  const auto login = get("odd");
  REQUIRE_FALSE(login);
  CHECK(login.error().code() == Errc::kUnavailable);
  CHECK(login.error().text() == "docker-credential-odd get: it printed no login");
}

TEST_CASE_METHOD(Fixture, "a helper that prints too much is stopped") {
  install("flood", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
  CHECK(get("flood").error().text() == "docker-credential-flood get: it printed more than 65536 bytes");
}

TEST_CASE_METHOD(Fixture, "a helper that hangs is given up after 5 s") {
  install("hang", "sleep 1000");
  FakeClock clock;
  async::Loop still(clock);
  const auto slow = make_credential_helper(still, [this](const char* name) { return variables[name]; });
  std::optional<Result<Login>> answer;
  async::Event done(still);
  async::Scope scope(still);
  scope.spawn(async::detail::store_and_signal(slow->get("hang", "ghcr.io"), answer, done));
  still.poll();
  clock.advance(CredentialHelper::kLimit - Millis(1));
  still.poll();
  CHECK_FALSE(answer.has_value());
  clock.advance(Millis(1));
  still.poll();
  REQUIRE(answer.has_value());
  REQUIRE_FALSE(answer->has_value());
  CHECK(answer->error().code() == Errc::kTimeout);
  CHECK_THAT(answer->error().text(), Catch::Contains("docker-credential-hang"));
}

TEST_CASE_METHOD(Fixture, "a store lists what it has") {
  install("pass", R"([ "$1" = list ] && echo '{"https://index.docker.io/v1/":"me","ghcr.io":"you"}')");
  const auto listed = loop.block_on(helper->list("pass"));
  REQUIRE(listed);
  CHECK(*listed ==
        std::map<std::string, std::string>{{"https://index.docker.io/v1/", "me"}, {"ghcr.io", "you"}});
  install("null", "echo null");
  CHECK(loop.block_on(helper->list("null"))->empty());
  install("odd", "echo '[1]'");
  CHECK(loop.block_on(helper->list("odd")).error().text() ==
        "docker-credential-odd list: it printed no list");
}

TEST_CASE_METHOD(Fixture, "more helpers than may run at a time all get their turn") {
  install("good", kLogin);
  std::vector<std::optional<Result<Login>>> answers(3 * CredentialHelper::kMaxAtATime);
  const auto ask_all = [](Fixture& fixture, auto& slots) -> async::Task<> {
    async::Event done(fixture.loop);
    async::Scope scope(fixture.loop);
    for (auto& slot : slots)
      scope.spawn(async::detail::store_and_signal(fixture.helper->get("good", "ghcr.io"), slot, done));
    co_await scope.join();
  };
  loop.block_on(ask_all(*this, answers));
  for (const auto& answer : answers) CHECK((answer && *answer));
}
