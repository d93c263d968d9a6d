#include "shed/base/redact.h"

#include <catch2/catch.hpp>

namespace shed {
namespace {

TEST_CASE("words of a person stay") {
  for (const char* text :
       {"The SSO session associated with this profile has expired. To refresh it run aws sso login",
        "An error occurred (UnauthorizedSSOTokenException): the token is over", "KeyError: 'Expiration'",
        "Error when retrieving token from sso: Token has expired and refresh failed",
        "/usr/bin/tool: cannot open display :0", "User: arn:aws:iam::123456789012:user/me"}) {
    CHECK(without_secrets(text) == text);
  }
}

TEST_CASE("keys and tokens go, wherever they stand") {
  CHECK(without_secrets("AKIAIOSFODNN7EXAMPLE") == "***");
  CHECK(without_secrets("key wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY.") == "key ***.");
  CHECK(without_secrets("sent IQoJb3JpZ2luX2VjEOf//////////wEaCXVzLWVhc3QtMSJHMEUCIQD==") == "sent ***==");
  CHECK(without_secrets("AAAAAAAAAAAAAAAAAAAAAAAAAAA") == "***");
  CHECK(without_secrets("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz") == "***");
}

TEST_CASE("what is assigned to a secret's name goes, however short") {
  CHECK(without_secrets("password=x!y, next") == "password=***, next");
  CHECK(without_secrets(R"({"SecretAccessKey": "ab", "SessionToken":"cd", "Version": 1})") ==
        R"({"SecretAccessKey": "***", "SessionToken":"***", "Version": 1})");
  CHECK(without_secrets("aws_session_token = t$t") == "aws_session_token = ***");
  CHECK(without_secrets("--client-secret: abc def") == "--client-secret: *** def");
}

TEST_CASE("the last line that has something on it counts") {
  CHECK(last_words("first\nsecond\r\n \n") == "second");
  CHECK(last_words("only") == "only");
  CHECK(last_words("").empty());
  CHECK(last_words(" \n\n").empty());
}

TEST_CASE("last words are redacted before they are cut") {
  const std::string words = last_words(std::string(190, ' ') + "a" + std::string(40, 'K'));
  CHECK(words.size() <= 200);
  CHECK(words.find('K') == std::string::npos);
}

TEST_CASE("every occurrence of a secret is struck out") {
  std::string text = "a tok b tok";
  strike_out(text, "tok");
  CHECK(text == "a *** b ***");
  strike_out(text, "");
  CHECK(text == "a *** b ***");
  std::string stars = "****";
  strike_out(stars, "*");  // also one that is part of what replaces it
  CHECK(stars == "************");
}

}  // namespace
}  // namespace shed
