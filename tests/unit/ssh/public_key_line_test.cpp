#include "shed/ssh/public_key_line.h"

#include <catch2/catch.hpp>

#include "sshsig_vectors.h"

namespace shed::ssh {
namespace {

const test::SshsigVectors& vectors() {
  static const test::SshsigVectors loaded;
  return loaded;
}

std::string key() { return vectors().get("ed25519").key_line; }
std::string blob() { return vectors().get("ed25519").key_blob(); }

PublicKeyLine parsed(std::string_view line) {
  INFO(line);
  const auto read = parse_public_key_line(line);
  INFO((read ? "" : read.error().text()));
  REQUIRE(read);
  CHECK(read->key_blob == blob());
  return *read;
}

Error error_of(std::string_view line) {
  INFO(line);
  const auto read = parse_public_key_line(line);
  REQUIRE_FALSE(read);
  return read.error();
}

TEST_CASE("a line of every type of key and certificate is read and written") {
  for (const test::SshsigVector& vector : vectors().all()) {
    INFO(vector.name);
    const auto read = parse_public_key_line(vector.key_line + " a comment");
    REQUIRE(read);
    CHECK(*read == PublicKeyLine{"", vector.key_blob(), "a comment", 0});
    CHECK(public_key_text(read->key_blob) == vector.key_line);
  }
}

TEST_CASE("tabs, double blanks, CRLF and blanks at both ends mean nothing") {
  std::string tabs = key();
  tabs[tabs.find(' ')] = '\t';
  CHECK(parsed(tabs).comment.empty());
  CHECK(parsed("  \t" + key() + "\r\n").comment.empty());
  CHECK(parsed(key() + " \t \r\n").comment.empty());
  CHECK(parsed(key() + "  jane  doe\t\r\n").comment == "jane  doe");
  std::string doubled = key();
  doubled.insert(doubled.find(' '), "\t  ");
  CHECK(parsed(doubled + "\tjane@example.com").comment == "jane@example.com");
}

TEST_CASE("options may have commas, blanks and quotes in quotes") {
  for (const char* options : {"no-pty", "from=\"10.0.0.0/8,*.example.com\",no-pty",
                              "command=\"ls -l\\t/tmp\"", "environment=\"A=\\\"b c\\\"\",restrict",
                              "command=\"ssh-ed25519 AAAA\"", "cert-authority,principals=\"a b\""}) {
    const PublicKeyLine line = parsed(std::string(options) + " " + key() + " jane");
    CHECK(line.options == options);
    CHECK(line.comment == "jane");
    CHECK(parsed(std::string(options) + "\t \t" + key()).options == options);
  }
}

TEST_CASE("a line that is no key says what is expected and nothing of what stands there") {
  for (const char* line : {"", "hello", "hello world", "AAAAC3NzaC1lZDI1NTE5AAAA", "no-pty", "no-pty  ",
                           "hunter2 ssh-ed25519x AAAA"}) {
    CHECK(error_of(line).code() == Errc::kInvalid);
    CHECK(error_of(line).text() ==
          "no public key; '<type> <base64>' is expected, with or without options before it");
  }
  CHECK(error_of("command=\"ls " + key()).text() == "a quote in the options does not end");
  CHECK(error_of("-----BEGIN OPENSSH PRIVATE KEY-----").text() ==
        "a private key stands where a public one should");
}

TEST_CASE("a key that is cut, damaged or of another type than the line says is told as such") {
  CHECK(error_of("ssh-ed25519").text() == "nothing behind the type ssh-ed25519");
  CHECK(error_of("ssh-ed25519 ").text() == "nothing behind the type ssh-ed25519");
  const std::string whole = key();
  for (std::size_t size = whole.find(' ') + 2; size < whole.size(); ++size) {
    CHECK(error_of(whole.substr(0, size)).text().starts_with("key is damaged: "));
  }
  CHECK(error_of(whole + "AAAA").text().starts_with("key is damaged: "));
  CHECK(error_of(std::string(whole).insert(30, "*")).text() ==
        "key is damaged: base64 text is cut off or has no padding");
  CHECK(error_of("ssh-rsa" + whole.substr(whole.find(' '))).text() ==
        "key is damaged: it is not of type ssh-rsa, as the line says");
}

TEST_CASE("a type that is not known is named") {
  // string "ssh-dss", string "p"
  CHECK(error_of("ssh-dss AAAAB3NzaC1kc3MAAAABcA== old").text() == "key type ssh-dss: unknown");
  CHECK(error_of("ssh-dss AAAAB3NzaC1kc3MAAAABcA==").code() == Errc::kUnsupported);
}

TEST_CASE("a text has keys, comments and empty lines") {
  const auto keys = parse_public_keys("# mine\r\n\r\n" + key() + " one\r\n  \t\n  # " + key() + "\nno-pty " +
                                      vectors().get("rsa-cert").key_line);
  REQUIRE(keys);
  REQUIRE(keys->size() == 2);
  CHECK((*keys)[0] == PublicKeyLine{"", blob(), "one", 3});
  CHECK((*keys)[1] == PublicKeyLine{"no-pty", vectors().get("rsa-cert").key_blob(), "", 6});
}

TEST_CASE("the first wrong line of a text is told by its number") {
  const auto keys = parse_public_keys(key() + "\n\nhello\n" + key() + "\nworld");
  REQUIRE_FALSE(keys);
  CHECK(keys.error().text().starts_with("line 3: no public key; "));
}

TEST_CASE("a text without any key is not found") {
  for (const char* text : {"", "\n", "  \r\n# none\n"}) {
    const auto keys = parse_public_keys(text);
    REQUIRE_FALSE(keys);
    CHECK(keys.error().code() == Errc::kNotFound);
  }
}

TEST_CASE("lines and texts over their limits are refused") {
  CHECK(parse_public_key_line(key() + std::string(kMaxPublicKeyLine, ' ')).error().code() == Errc::kLimit);
  CHECK(parse_public_keys(key() + std::string(kMaxPublicKeyFile, '\n')).error().code() == Errc::kLimit);
}

TEST_CASE("a malformed key has no text") { CHECK(public_key_text("key").empty()); }

TEST_CASE("a revoked key is revoked with all its certificates, and an authority with all it has issued") {
  const auto revoked = [](std::string_view list, std::string_view name) {
    const auto answer = is_revoked_key(list, vectors().get(name).key_blob());
    REQUIRE(answer);
    return *answer;
  };
  CHECK(revoked("# lost\n" + key() + "\n", "ed25519"));
  CHECK(revoked(key(), "ed25519-cert"));
  CHECK(revoked(vectors().authority(), "ed25519-cert"));
  CHECK_FALSE(revoked(vectors().authority(), "ed25519"));
  CHECK_FALSE(revoked(key(), "rsa-cert"));
  CHECK_FALSE(revoked("", "rsa"));
}

TEST_CASE("a list of revoked keys that cannot be read is an error, not an empty one") {
  CHECK(is_revoked_key("hello", blob()).error().code() == Errc::kInvalid);
  const std::string other = vectors().authority();
  CHECK(is_revoked_key(other + "\nno-pty " + other, blob()).error().text() == "line 2: not a key alone");
  CHECK(is_revoked_key(std::string_view("SSHKRL\n\0", 8), blob()).error().code() == Errc::kUnsupported);
}

}  // namespace
}  // namespace shed::ssh
