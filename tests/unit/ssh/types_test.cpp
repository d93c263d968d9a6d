#include "shed/ssh/types.h"

#include <catch2/catch.hpp>

#include <array>

#include "key_fixture.h"
#include "shed/ssh/wire.h"

namespace shed::ssh {
namespace {

using namespace std::string_literals;

std::string blob(std::string_view type, std::string_view rest = {}) {
  std::string out;
  WireWriter(out).string(type).bytes(rest);
  return out;
}

TEST_CASE("a signature keeps what stands behind its two strings") {
  const Signature signature{"sk-ssh-ed25519@openssh.com", std::string(64, 's'), "\x01\0\0\0\x2a"s};
  CHECK(decode_signature(encode_signature(signature)) == signature);
}

TEST_CASE("a signature cut anywhere before its rest is refused") {
  const std::string bytes = encode_signature({"ssh-ed25519", std::string(64, 's'), ""});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(decode_signature(std::string_view(bytes).substr(0, size)));
  }
}

TEST_CASE("a signature without format or without bytes is refused") {
  CHECK_FALSE(decode_signature(encode_signature({"", "s", ""})));
  CHECK_FALSE(decode_signature(encode_signature({"ssh-ed25519", "", ""})));
  CHECK_FALSE(decode_signature(encode_signature({"ssh ed25519", "s", ""})));
}

TEST_CASE("a signature over its limit is refused as such") {
  const auto decoded =
      decode_signature(encode_signature({"ssh-rsa", std::string(kMaxSignatureBlob, 's'), ""}));
  REQUIRE_FALSE(decoded);
  CHECK(decoded.error().code() == Errc::kLimit);
}

TEST_CASE("the type of a key is a view of its first string") {
  const std::string key = blob("ssh-ed25519", "anything");
  const auto type = key_type_of(key);
  REQUIRE(type);
  CHECK(*type == "ssh-ed25519");
  CHECK(type->data() == key.data() + 4);
}

TEST_CASE("a key type that is no algorithm name is refused") {
  for (const std::string& type : {""s, "a b"s, "a,b"s, "a\n"s, "\xc3\xa4"s, std::string(65, 'a')}) {
    CHECK_FALSE(key_type_of(blob(type)));
  }
  CHECK(key_type_of(blob(std::string(64, 'a'))));
  CHECK_FALSE(key_type_of("\0\0\0\xff"s));
}

TEST_CASE("a certificate's type names the certified key's") {
  CHECK(plain_key_type("ssh-ed25519-cert-v01@openssh.com") == "ssh-ed25519");
  CHECK(plain_key_type("ecdsa-sha2-nistp521-cert-v01@openssh.com") == "ecdsa-sha2-nistp521");
  CHECK(plain_key_type("sk-ssh-ed25519-cert-v01@openssh.com") == "sk-ssh-ed25519@openssh.com");
  CHECK(plain_key_type("ssh-ed25519") == "ssh-ed25519");
}

TEST_CASE("an unknown key type is unsupported") {
  for (const std::string_view type :
       {"ssh-dss", "ssh-ed25519@example.com", "", "ssh-rsa-cert-v00@openssh.com"}) {
    const auto plain = plain_key_type(type);
    REQUIRE_FALSE(plain);
    CHECK(plain.error().code() == Errc::kUnsupported);
  }
}

TEST_CASE("certificates and security keys are told from the rest by their type") {
  CHECK(is_certificate_type("ssh-rsa-cert-v01@openssh.com"));
  CHECK_FALSE(is_certificate_type("ssh-rsa"));
  CHECK(is_security_key_type("sk-ecdsa-sha2-nistp256@openssh.com"));
  CHECK(is_security_key_type("sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"));
  CHECK_FALSE(is_security_key_type("ecdsa-sha2-nistp256"));
}

TEST_CASE("RSA keys and certificates sign by the flags") {
  for (const std::string_view type : {"ssh-rsa", "ssh-rsa-cert-v01@openssh.com"}) {
    CHECK(expected_signature_format(type, 0) == "ssh-rsa");
    CHECK(expected_signature_format(type, SSH_AGENT_RSA_SHA2_256) == "rsa-sha2-256");
    CHECK(expected_signature_format(type, SSH_AGENT_RSA_SHA2_512) == "rsa-sha2-512");
  }
}

TEST_CASE("with both RSA flags SHA-256 is meant, as OpenSSH's agent decides") {
  CHECK(expected_signature_format("ssh-rsa", 6) == "rsa-sha2-256");
}

TEST_CASE("flags without a meaning change nothing") {
  CHECK(expected_signature_format("ssh-rsa", 0xfffffff9u) == "ssh-rsa");
}

TEST_CASE("other keys have one algorithm whatever the flags say") {
  for (const std::uint32_t flags : {0u, 2u, 4u, 6u}) {
    CHECK(expected_signature_format("ssh-ed25519", flags) == "ssh-ed25519");
    CHECK(expected_signature_format("ecdsa-sha2-nistp384-cert-v01@openssh.com", flags) ==
          "ecdsa-sha2-nistp384");
    CHECK(expected_signature_format("sk-ssh-ed25519@openssh.com", flags) == "sk-ssh-ed25519@openssh.com");
  }
}

TEST_CASE("a signature of another algorithm than was asked for is a downgrade and refused") {
  const auto checked = check_signature_form(blob("ssh-rsa"), SSH_AGENT_RSA_SHA2_512, {"ssh-rsa", "s", ""});
  REQUIRE_FALSE(checked);
  CHECK(checked.error().code() == Errc::kProtocol);
  CHECK(checked.error().text() == "signature is ssh-rsa, rsa-sha2-512 was asked for");
  CHECK(check_signature_form(blob("ssh-rsa"), SSH_AGENT_RSA_SHA2_512, {"rsa-sha2-512", "s", ""}));
}

TEST_CASE("a format that a terminal should not see is not repeated in the error") {
  const auto checked = check_signature_form(blob("ssh-ed25519"), 0, {"\x1b[2J", "s", ""});
  REQUIRE_FALSE(checked);
  CHECK(checked.error().text() == "signature is unreadable, ssh-ed25519 was asked for");
}

TEST_CASE("a security key's signature without flags and counter is refused") {
  const std::string type = "sk-ssh-ed25519@openssh.com";
  CHECK(check_signature_form(blob(type), 0, {type, "s", "\1\0\0\0\1"s}));
  const auto checked = check_signature_form(blob(type), 0, {type, "s", ""});
  REQUIRE_FALSE(checked);
  CHECK(checked.error().text() == "the security key's flags and counter are missing from the signature");
  CHECK_FALSE(check_signature_form(blob(type), 0, {type, "s", "\1\0\0\0"s}));
  CHECK_FALSE(check_signature_form(blob(type), 0, {type, "s", "\1\0\0\0\1\1"s}));
}

TEST_CASE("other signatures have nothing behind them and are not empty") {
  CHECK(check_signature_form(blob("ssh-ed25519"), 0, {"ssh-ed25519", "s", ""}));
  CHECK_FALSE(check_signature_form(blob("ssh-ed25519"), 0, {"ssh-ed25519", "s", "x"}));
  CHECK_FALSE(check_signature_form(blob("ssh-ed25519"), 0, {"ssh-ed25519", "", ""}));
}

constexpr std::array kKeys = {"ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa"};

TEST_CASE("real keys and certificates of each type have the fields of their type") {
  for (const char* name : kKeys) {
    INFO(name);
    CHECK(check_key_blob(test::public_blob_of_file(name)));
    CHECK(check_key_blob(test::blob_of_line(test::read_text(test::host_certificate(name)))));
  }
}

TEST_CASE("a key or certificate cut anywhere, or with a byte more, is refused") {
  for (const char* name : kKeys) {
    for (const std::string& whole : {test::public_blob_of_file(name),
                                     test::blob_of_line(test::read_text(test::host_certificate(name)))}) {
      for (std::size_t size = 0; size < whole.size(); ++size) {
        CHECK_FALSE(check_key_blob(std::string_view(whole).substr(0, size)));
      }
      CHECK_FALSE(check_key_blob(whole + "x"));
    }
  }
}

TEST_CASE("a certificate's nonce has no room for another certificate") {
  const std::string good = test::blob_of_line(test::read_text(test::host_certificate("rsa")));
  const std::size_t nonce = 4 + key_type_of(good)->size();
  REQUIRE(good.substr(nonce, 4) == std::string("\0\0\0 ", 4));
  const auto with_nonce = [&](std::size_t size) {
    return good.substr(0, nonce) + std::string(3, '\0') + static_cast<char>(size) + std::string(size, 'n') +
           good.substr(nonce + 4 + 32);
  };
  CHECK(check_key_blob(with_nonce(64)));
  CHECK(check_key_blob(with_nonce(65)).error().text().ends_with("a nonce of 65 bytes"));
  CHECK(check_key_blob(with_nonce(0)));
}

TEST_CASE("security keys have an application behind their key") {
  std::string ed25519 = blob("sk-ssh-ed25519@openssh.com");
  WireWriter(ed25519).string(std::string(32, 'k')).string("ssh:");
  CHECK(check_key_blob(ed25519));
  std::string ecdsa = blob("sk-ecdsa-sha2-nistp256@openssh.com");
  WireWriter(ecdsa).string("nistp256").string("\x04" + std::string(64, 'p'));
  CHECK_FALSE(check_key_blob(ecdsa));
  WireWriter(ecdsa).string("ssh:");
  CHECK(check_key_blob(ecdsa));
}

TEST_CASE("a security key has one form: no byte of its application is a NUL") {
  for (const std::string_view application : {std::string_view("ssh:\0", 5), std::string_view("s\0h:", 4)}) {
    std::string key = blob("sk-ssh-ed25519@openssh.com");
    WireWriter(key).string(std::string(32, 'k')).string(application);
    CHECK_FALSE(check_key_blob(key));
  }
}

TEST_CASE("an ECDSA key must name the curve of its type and give a point of its size") {
  std::string other_curve = blob("ecdsa-sha2-nistp256");
  WireWriter(other_curve).string("nistp384").string("\x04" + std::string(64, 'p'));
  CHECK_FALSE(check_key_blob(other_curve));
  std::string compressed = blob("ecdsa-sha2-nistp256");
  WireWriter(compressed).string("nistp256").string("\x02" + std::string(32, 'p'));
  CHECK_FALSE(check_key_blob(compressed));
}

TEST_CASE("a key over its limit is refused before it is looked at") {
  const auto checked = check_key_blob(blob("ssh-rsa", std::string(kMaxKeyBlob, 'x')));
  REQUIRE_FALSE(checked);
  CHECK(checked.error().code() == Errc::kLimit);
}

TEST_CASE("the fingerprint is the one that ssh-keygen prints") {
  const std::string listing = test::key_path("ed25519") + ".listing";
  test::run("ssh-keygen -l -f " + test::key_path("ed25519") + ".pub > " + listing);
  const std::string expected = fingerprint(test::public_blob_of_file("ed25519"));
  CHECK(test::read_text(listing).find(" " + expected + " ") != std::string::npos);
  CHECK(expected.size() == 7 + 43);
}

}  // namespace
}  // namespace shed::ssh
