#include "broker/question_text.h"

#include "approval_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

TEST_CASE("a login is shown with its key and whether the host is proven") {
  CHECK(question_text(login_question(), 1).text ==
        "Guest web on mini2 wants to sign: login git@github.com\n"
        "The host is proven.\n"
        "Key: me@desk, ssh-ed25519 SHA256:key");
  ApprovalQuestion question = login_question();
  question.proof = "claimed";
  CHECK_THAT(question_text(question, 1).text, Catch::Contains("\nThe host is only claimed, not proven.\n"));
  question.proof.clear();
  CHECK_THAT(question_text(question, 1).text, Catch::Contains("\nThe host is not known.\n"));
}

TEST_CASE("what is asked again says how often") {
  CHECK_THAT(question_text(login_question("web", "git commit"), 3).text,
             Catch::Contains("sign: git commit\n") && Catch::EndsWith("\nIt has asked for this 3 times."));
}

TEST_CASE("a role and a registry are shown by name") {
  ApprovalQuestion question;
  question.shed = "web";
  question.ns = Namespace::kAws;
  question.subject = "arn:aws:iam::123456789012:role/dev";
  CHECK(question_text(question, 1).text ==
        "Guest web wants credentials of arn:aws:iam::123456789012:role/dev");
  question.ns = Namespace::kDocker;
  question.detail = "ghcr.io";
  CHECK(question_text(question, 1).text == "Guest web wants the login for ghcr.io");
}

TEST_CASE("hostile text neither begins a line nor looks like markup") {
  ApprovalQuestion question = login_question("web\nKey: good", "<b>login</b> &amp; \x1b[2J\u202e");
  const QuestionText shown = question_text(question, 1);
  CHECK_THAT(shown.text, Catch::StartsWith(R"(Guest web\nKey: good on mini2 wants to sign: )"
                                           R"(\x3cb>login\x3c/b> \x26amp; \x1b[2J\u202e)"));
  CHECK(shown.whole);
}

TEST_CASE("what is too long is cut where that can be seen, and is not shown whole") {
  ApprovalQuestion question = login_question();
  CHECK(question_text(question, 1).whole);
  question.key_comment = std::string(100'000, 'x');
  const QuestionText shown = question_text(question, 1);
  CHECK_FALSE(shown.whole);
  CHECK_THAT(shown.text, Catch::Contains("\nKey: " + std::string(60, 'x') + "…" + std::string(60, 'x') +
                                         ", ssh-ed25519"));
}

TEST_CASE("a user with an endless name does not hide the host") {
  const std::string letter = GENERATE(as<std::string>{}, "x", " ", "ü", "\xff", "<", "\u200b");
  std::string name;
  for (int i = 0; i < 500; ++i) name += letter;
  const ApprovalQuestion question = login_question("web", "login " + name + "@evil.example");
  const QuestionText shown = question_text(question, 1);
  CHECK_FALSE(shown.whole);
  CHECK_THAT(shown.text, Catch::Contains("wants to sign: login ") && Catch::Contains("@evil.example\n"));
}

TEST_CASE("characters that nobody sees are shown") {
  CHECK_THAT(question_text(login_question("web", "login root@git\u200bhub.com\ufeff\u00ad"), 1).text,
             Catch::Contains(R"(login root@git\u200bhub.com\ufeff\u00ad)"));
}

TEST_CASE("the longest question has a bound") {
  const std::string bad = GENERATE(as<std::string>{}, "x", "\xff", "\n", "<", "ü", "\u202e");
  ApprovalQuestion question;
  for (int i = 0; i < 1'000; ++i) question.shed += bad;
  question.server = question.subject = question.key = question.key_type = question.key_comment =
      question.shed;
  question.subject = "login " + question.subject;
  CHECK(question_text(question, ~0ull).text.size() <= QuestionText::kMost);
}

}  // namespace
}  // namespace shed::broker
