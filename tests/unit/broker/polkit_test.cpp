// Biometrics on Linux, with a pkcheck that the tests play.
#include "shed/broker/polkit.h"

#include "prompt_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

class PolkitFixture : public ProgramFixture {
 public:
  PolkitFixture() {
    options.action_folders = {folder / "no-actions", folder / "."};
    options.user = 1000;
    options.process_status = folder / "stat";
    std::ofstream(folder / "stat")
        << "42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 1 2 3 4 20 0 1 0 987654 1 2\n";
    std::ofstream(folder / "shed-ext.host-agent.approve.policy") << "<policyconfig/>";
  }
  std::unique_ptr<Person> pkcheck(std::string_view script) {
    options.program = program("pkcheck", script);
    return make_polkit(loop, options);
  }
  Person::Answer ask(Person& person, Millis limit = 20s) {
    return loop.block_on(person.ask(login_question(), 1, limit));
  }
  PolkitOptions options;
};

TEST_CASE_METHOD(PolkitFixture, "polkit is asked about this process, by its number, start and user") {
  const auto person = pkcheck("echo \"$@\" >" + (folder / "arguments"));
  CHECK(person->method() == "polkit");
  CHECK(person->why_nobody().empty());
  const Person::Answer answer = ask(*person);
  CHECK(answer.approved);
  CHECK(answer.scope_as_configured);
  CHECK(written("arguments") ==
        fmt::format(
            "--action-id shed-ext.host-agent.approve --process {},987654,1000 --allow-user-interaction\n",
            ::getpid()));
}

TEST_CASE_METHOD(PolkitFixture, "what is asked is in the log, because polkit does not show it") {
  (void)ask(*pkcheck("exit 1"));
  CHECK(log.count("polkit asks for this: Guest web on mini2 wants to sign: login git@github.com The host is "
                  "proven. Key: me@desk, ssh-ed25519 SHA256:key") == 1);
}

TEST_CASE_METHOD(PolkitFixture, "a yes to what is not whole in the log is for one request") {
  ApprovalQuestion question = login_question();
  question.subject = "login " + std::string(500, 'x') + "@github.com";
  const auto person = pkcheck("exit 0");
  const Person::Answer answer = loop.block_on(person->ask(std::move(question), 1, 20s));
  CHECK(answer.approved);
  CHECK_FALSE(answer.scope_as_configured);
}

TEST_CASE_METHOD(PolkitFixture, "each way in which pkcheck ends without a yes is told") {
  const auto [script, reason] = GENERATE(table<std::string, std::string>({
      {"exit 1", "the authentication failed, or polkit's rules say no"},
      {"exit 2",
       "no authentication agent of polkit runs in this session; start the desktop's, or pkttyagent"},
      {"exit 3", "the person at polkit's dialogue said no"},
      {"echo 'Action is not registered' >&2; exit 127",
       "pkcheck failed: exit code 127: Action is not registered"},
      {"exit 126", "pkcheck failed: exit code 126"},
      {"kill -9 $$", "pkcheck failed: ended by signal 9"},
      {"while :; do echo yes; done", "polkit cannot be asked: it printed more than 16384 bytes"},
  }));
  const Person::Answer answer = ask(*pkcheck(script));
  CHECK_FALSE(answer.approved);
  CHECK_FALSE(answer.scope_as_configured);
  CHECK(answer.reason == reason);
}

TEST_CASE_METHOD(PolkitFixture, "a pkcheck that hangs is killed when the time is over") {
  const Person::Answer answer = ask(*pkcheck("exec sleep 1000"), 200ms);
  CHECK_FALSE(answer.approved);
  CHECK(answer.timed_out);
}

TEST_CASE_METHOD(PolkitFixture, "root is never asked, because polkit says yes to root without asking") {
  options.user = 0;
  const auto person = pkcheck("touch " + (folder / "asked"));
  CHECK(ask(*person).reason == "polkit lets root do everything without asking; do not run this as root");
  CHECK_FALSE(std::filesystem::exists(folder / "asked"));
}

TEST_CASE_METHOD(PolkitFixture, "without pkcheck nobody can be asked, and it says what to install") {
  options.program = folder / "nothing";
  const auto person = make_polkit(loop, options);
  CHECK(person->why_nobody() == folder / "nothing is missing; install polkit");
  CHECK(ask(*person).reason == person->why_nobody());
}

TEST_CASE_METHOD(PolkitFixture,
                 "without the action's file nobody can be asked, and it says where it belongs") {
  std::filesystem::remove(folder / "shed-ext.host-agent.approve.policy");
  const auto person = pkcheck("exit 0");
  CHECK(ask(*person).reason ==
        fmt::format("polkit does not know the action shed-ext.host-agent.approve; install "
                    "shed-ext.host-agent.approve.policy into {}",
                    folder / "no-actions"));
}

TEST_CASE_METHOD(PolkitFixture, "a status of this process that cannot be read denies") {
  const auto person = pkcheck("exit 0");
  const std::string status = GENERATE(as<std::string>{}, "", "42", "42 (a) S 1 2",
                                      "42 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 20", ")");
  std::ofstream(folder / "stat") << status;
  CHECK_FALSE(ask(*person).approved);
  std::filesystem::remove(folder / "stat");
  CHECK_THAT(ask(*person).reason, Catch::StartsWith("polkit cannot be asked: "));
}

TEST_CASE("the action that is shipped is the one that is asked for, each time anew") {
  const auto text = read_file(
      std::string(SHED_TEST_DATA) + "/../../applets/host/shed-ext.host-agent.approve.policy", 64 * 1024);
  REQUIRE(text);
  CHECK_THAT(*text, Catch::Contains(fmt::format("<action id=\"{}\">", kPolkitAction)));
  CHECK_THAT(*text, Catch::Contains("<allow_active>auth_self</allow_active>"));
  CHECK(text->find("_keep</") == std::string::npos);
  CHECK(text->find(">yes<") == std::string::npos);
}

}  // namespace
}  // namespace shed::broker
