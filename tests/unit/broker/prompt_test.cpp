// policy: prompt with programs that the tests play.
#include "shed/broker/prompt.h"

#include "prompt_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

class PromptFixture : public ProgramFixture {
 public:
  PromptFixture() {
    variables["USER"] = "me";
    variables["PATH"] = "/usr/bin:/bin";
  }
  std::unique_ptr<Person> askpass(std::string_view script) {
    variables["SSH_ASKPASS"] = program("ask", script);
    return make_prompt(loop, variable());
  }
  std::unique_ptr<Person> pinentry(std::string_view script) {
    (void)program("pinentry", script);
    variables["PATH"] = programs() + ":/usr/bin:/bin";
    return make_prompt(loop, variable());
  }
  Person::Answer ask(Person& person, ApprovalQuestion question = login_question(), Millis limit = 20s) {
    return loop.block_on(person.ask(std::move(question), 1, limit));
  }
  std::string reason(Person& person) {
    const Person::Answer answer = ask(person);
    CHECK_FALSE(answer.approved);
    return answer.reason;
  }
  // Waits until the program has written its process number.
  pid_t started(std::string_view name) {
    std::string text;
    while (!(text = written(name)).ends_with('\n')) wait();
    return std::stoi(text);
  }
};

TEST_CASE_METHOD(PromptFixture, "an askpass program is asked to confirm the question") {
  const auto person =
      askpass("printf '%s' \"$1\" >" + (folder / "question") + "; env >" + (folder / "environment"));
  CHECK(person->method() == "prompt");
  CHECK(person->why_nobody().empty());
  const Person::Answer answer = ask(*person);
  CHECK(answer.approved);
  CHECK(answer.decided_by == "me");
  CHECK(answer.scope_as_configured);
  CHECK(written("question") ==
        "Guest web on mini2 wants to sign: login git@github.com\nThe host is proven.\n"
        "Key: me@desk, ssh-ed25519 SHA256:key\n\nAllow it?");
  CHECK_THAT(written("environment"), Catch::Contains("SSH_ASKPASS_PROMPT=confirm\n"));
}

TEST_CASE_METHOD(PromptFixture, "a no at the prompt is a person's no") {
  const auto person = askpass("exit 1");
  const Person::Answer answer = ask(*person);
  CHECK_FALSE(answer.approved);
  CHECK(answer.reason == "the person at the prompt said no");
  CHECK(answer.decided_by == "me");
}

TEST_CASE_METHOD(PromptFixture, "a prompt that fails denies, with what it says") {
  const auto [script, cause] = GENERATE(table<std::string, std::string>({
      {"exit 2", "exit code 2"},
      {"echo 'cannot open display' >&2; exit 255", "exit code 255: cannot open display"},
      {"kill -9 $$", "ended by signal 9"},
      {"echo hunter2", "what it says is no answer; is it one that can confirm?"},
      {"while :; do echo yes; done", "it printed more than 16384 bytes"},
  }));
  const auto person = askpass(script);
  CHECK(reason(*person) == fmt::format("the prompt failed: {}: {}", folder / "ask", cause));
}

TEST_CASE_METHOD(PromptFixture, "a program that goes away after the start denies") {
  const auto person = askpass("exit 0");
  std::filesystem::remove(folder / "ask");
  CHECK_THAT(reason(*person), Catch::Contains("no such file or directory", Catch::CaseSensitive::No));
}

TEST_CASE_METHOD(PromptFixture,
                 "a prompt that hangs is killed with what it started, and nobody has answered") {
  const auto person = askpass("sleep 1000 & echo $! >" + (folder / "child") + "; wait");
  const Person::Answer answer = ask(*person, login_question(), 400ms);
  CHECK_FALSE(answer.approved);
  CHECK(answer.timed_out);
  CHECK_THAT(answer.reason, Catch::StartsWith("nobody answered within "));
  CHECK(ends(started("child")));
}

TEST_CASE_METHOD(PromptFixture, "a question that is given up closes its prompt") {
  const auto person = askpass("echo $$ >" + (folder / "child") + "; exec sleep 1000");
  pid_t process = 0;
  {
    net::Running<Person::Answer> asking(loop, person->ask(login_question(), 1, 20s));
    process = started("child");
    CHECK(::kill(process, 0) == 0);
    asking.drop();
  }
  CHECK(ends(process));
}

TEST_CASE_METHOD(PromptFixture, "a yes to a question that was cut is for that request alone") {
  const auto person = askpass("exit 0");
  const Person::Answer answer = ask(*person, login_question("web", "login " + std::string(1'000, 'x')));
  CHECK(answer.approved);
  CHECK_FALSE(answer.scope_as_configured);
}

TEST_CASE_METHOD(PromptFixture, "pinentry is asked to confirm, and its answer counts") {
  const std::string talk =
      "echo OK hello; while read -r line; do echo \"$line\" >>" + (folder / "said") +
      "; case $line in CONFIRM) echo '{}';; BYE) echo OK; exit;; *) echo OK;; esac; done";
  const auto yes = pinentry(fmt::format(fmt::runtime(talk), "OK"));
  CHECK(ask(*yes).approved);
  CHECK_THAT(written("said"),
             Catch::Contains("SETDESC Guest web on mini2 wants to sign: login git@github.com%0A"));
  const auto no = pinentry(fmt::format(fmt::runtime(talk), "ERR 83886194 Not confirmed"));
  CHECK(reason(*no) == "the person at the prompt said no");
  const auto late = pinentry(fmt::format(fmt::runtime(talk), "ERR 83886142 Timeout"));
  CHECK(ask(*late).timed_out);
}

TEST_CASE_METHOD(PromptFixture, "a pinentry that fails denies") {
  const auto crash = pinentry("echo OK hello; exit 3");
  CHECK_THAT(reason(*crash), Catch::EndsWith("pinentry: it ended without an answer"));
  const auto garbage = pinentry("head -c 1000 /dev/zero");
  CHECK_THAT(reason(*garbage), Catch::EndsWith("it does not greet as pinentry does"));
  const auto window = pinentry("echo 'no DISPLAY' >&2; exit 1");
  CHECK_THAT(reason(*window), Catch::EndsWith("no DISPLAY"));
}

TEST_CASE_METHOD(PromptFixture,
                 "a pinentry that answers in pieces is understood, and one that breaks off is not") {
  const auto talk = [&](std::string_view last) {
    return fmt::format(
        "printf O; printf 'K hello'; echo; while read -r line; do case $line in CONFIRM) {} exit;; "
        "*) printf '#'; echo remark; printf O; echo K;; esac; done",
        last);
  };
  CHECK(ask(*pinentry(talk("printf O; printf K; echo;"))).approved);
  CHECK_THAT(reason(*pinentry(talk("printf OK;"))), Catch::EndsWith("it ended without an answer"));
  CHECK_THAT(reason(*pinentry(talk("printf O; kill -TERM $$;"))), Catch::EndsWith("ended by signal 15"));
}

TEST_CASE_METHOD(PromptFixture, "a yes of a pinentry that is killed after it is none") {
  const auto person = pinentry("echo OK hello; while read -r line; do echo OK; done; kill -KILL $$");
  CHECK_THAT(reason(*person), Catch::EndsWith("ended by signal 9"));
}

TEST_CASE_METHOD(PromptFixture, "a pinentry that never stops talking is stopped") {
  const auto person = pinentry("echo OK hello; while :; do echo '# wait'; done");
  CHECK_THAT(reason(*person), Catch::EndsWith("it printed more than 16384 bytes"));
}

TEST_CASE_METHOD(PromptFixture, "a prompt program that reads nothing, or closes everything, denies in time") {
  const std::string script = GENERATE(as<std::string>{}, "exec <&-; echo OK hello; exit 0",
                                      "exec >&- 2>&-; exit 0", "exec <&- >&- 2>&-; exit 0");
  CAPTURE(script);
  CHECK_THAT(reason(*pinentry(script)), Catch::StartsWith("the prompt failed: "));
}

TEST_CASE_METHOD(PromptFixture, "an askpass program that prints garbage has said nothing") {
  const auto person = askpass(R"(printf '\001\377\033[2Jyes'; exit 0)");
  CHECK_THAT(reason(*person), Catch::EndsWith("what it says is no answer; is it one that can confirm?"));
}

TEST_CASE_METHOD(PromptFixture, "the installed pinentry refuses without a terminal, and that denies") {
  variables["PATH"] = "/usr/bin:/bin";
  const auto person = make_prompt(loop, variable());
  CHECK(person->why_nobody().empty());
  CHECK_THAT(reason(*person), Catch::StartsWith("the prompt failed: /") && Catch::Contains("/pinentry: "));
}

TEST_CASE_METHOD(PromptFixture, "without a program nobody can be asked, and it says what to install") {
  variables["SSH_ASKPASS"] = "/nowhere";
  const auto person = make_prompt(loop, variable());
  CHECK(person->why_nobody() ==
        "nobody can be prompted: SSH_ASKPASS is /nowhere, which is no program; correct it or unset it");
  CHECK(reason(*person) == person->why_nobody());
}

}  // namespace
}  // namespace shed::broker
