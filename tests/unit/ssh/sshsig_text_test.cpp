#include <catch2/catch.hpp>

#include "shed/ssh/sshsig.h"
#include "sshsig_vectors.h"

namespace shed::ssh {
namespace {

constexpr std::string_view kBegin = "-----BEGIN SSH SIGNATURE-----\n";
constexpr std::string_view kEnd = "-----END SSH SIGNATURE-----";

std::string armored(std::string_view inside) {
  return std::string(kBegin).append(inside).append("\n").append(kEnd).append("\n");
}

std::string text_of(std::string_view armor) {
  const auto blob = dearmor_sshsig(armor);
  REQUIRE_FALSE(blob);
  return blob.error().text();
}

TEST_CASE("armor has lines of 70 columns and ends with a line feed") {
  // 70 digits hold no whole number of bytes: the line is cut inside a group.
  CHECK(armor_sshsig(std::string(54, '\0')) == armored(std::string(70, 'A') + "\nAA"));
  CHECK(armor_sshsig("M") == armored("TQ=="));
  CHECK(armor_sshsig(std::string(105, '\0')) == armored(std::string(70, 'A') + "\n" + std::string(70, 'A')));
}

TEST_CASE("any blob comes back from its armor") {
  for (std::size_t size = 1; size < 300; ++size) {
    const std::string blob(size, static_cast<char>(size));
    CHECK(dearmor_sshsig(armor_sshsig(blob)) == blob);
  }
}

TEST_CASE("white space may stand anywhere in the base64") {
  CHECK(dearmor_sshsig(armored("TWFu")) == "Man");
  CHECK(dearmor_sshsig(armored(" T\tW\n\nF\r\nu\v\f ")) == "Man");
  CHECK(dearmor_sshsig(armored("TQ= \n =")) == "M");
}

TEST_CASE("anything may stand behind the last line") {
  CHECK(dearmor_sshsig(std::string(kBegin) + "TWFu\n" + std::string(kEnd)) == "Man");
  CHECK(dearmor_sshsig(armored("TWFu") + "more\n" + armored("TWFu")) == "Man");
  CHECK(dearmor_sshsig(std::string(kBegin) + "TWFu\n" + std::string(kEnd) + "more") == "Man");
}

TEST_CASE("armor without its first line is no signature") {
  for (const std::string& text :
       {std::string(), std::string("\n") + armored("TWFu"), " " + armored("TWFu"),
        std::string("-----BEGIN SSH SIGNATURE-----\r\nTWFu\r\n-----END SSH SIGNATURE-----\r\n"),
        std::string("-----BEGIN SSH SIGNATURE----- \nTWFu\n-----END SSH SIGNATURE-----\n"),
        std::string("-----BEGIN PGP SIGNATURE-----\nTWFu\n-----END PGP SIGNATURE-----\n"),
        std::string("-----BEGIN SSH SIGNATURE-----")}) {
    CHECK(text_of(text) == "Couldn't parse signature: missing header");
  }
}

TEST_CASE("armor without its last line at the start of a line is no signature") {
  for (const std::string& inside :
       {std::string("TWFu"), std::string("TWFu\n"), "TWFu" + std::string(kEnd), "TWFu\n " + std::string(kEnd),
        std::string(kEnd), std::string("TWFu\n-----END SSH SIGNATURE----")}) {
    INFO(inside);
    CHECK(text_of(std::string(kBegin) + inside) == "Couldn't parse signature: missing footer");
  }
}

TEST_CASE("what is no base64 is no signature") {
  for (const char* inside : {"TWF", "TWFu=", "T-Fu", "TWFu#", "TR==", "TQ==TQ==", "T=Fu"}) {
    INFO(inside);
    CHECK(text_of(armored(inside)).starts_with("Couldn't decode signature: "));
  }
  CHECK(text_of(armored(std::string("TWFu\0", 5))).starts_with("Couldn't decode signature: "));
}

TEST_CASE("armor and blob over their limits are refused before they are read") {
  const auto too_long = dearmor_sshsig(armored("TWFu") + std::string(kMaxSshsigArmor, ' '));
  REQUIRE_FALSE(too_long);
  CHECK(too_long.error().code() == Errc::kLimit);
  CHECK(dearmor_sshsig(armor_sshsig(std::string(kMaxSshsigBlob, 'x'))));
  const auto large = dearmor_sshsig(armor_sshsig(std::string(kMaxSshsigBlob + 1, 'x')));
  REQUIRE_FALSE(large);
  CHECK(large.error().code() == Errc::kLimit);
  CHECK(parse_sshsig(std::string(kMaxSshsigBlob + 1, 'x')).error().code() == Errc::kLimit);
}

TEST_CASE("key types are called as ssh-keygen calls them") {
  const test::SshsigVectors vectors;
  const auto title = [&](std::string_view name) { return key_type_title(vectors.get(name).key_blob()); };
  CHECK(title("ed25519") == "ED25519");
  CHECK(title("ed25519-cert") == "ED25519-CERT");
  CHECK(title("ecdsa384") == "ECDSA");
  CHECK(title("ecdsa521-cert") == "ECDSA-CERT");
  CHECK(title("rsa") == "RSA");
  CHECK(title("rsa-cert") == "RSA-CERT");
  CHECK(title("sk-ed25519") == "ED25519-SK");
  CHECK(title("sk-ed25519-cert") == "ED25519-SK-CERT");
  CHECK(title("sk-ecdsa") == "ECDSA-SK");
  CHECK(title("sk-ecdsa-cert") == "ECDSA-SK-CERT");
  CHECK(key_type_title("no key").empty());
}

TEST_CASE("a good signature is told with the principal and the plain key's fingerprint") {
  const test::SshsigVectors vectors;
  const Sshsig plain = vectors.get("ed25519").sshsig();
  const std::string print = fingerprint(plain.key_blob);
  CHECK(good_signature_text(plain, "jane@example.com") ==
        "Good \"git\" signature for jane@example.com with ED25519 key " + print);
  CHECK(good_signature_text(plain) == "Good \"git\" signature with ED25519 key " + print);
  CHECK(good_signature_text(vectors.get("ed25519-cert").sshsig(), "jane") ==
        "Good \"git\" signature for jane with ED25519-CERT key " + print);
}

}  // namespace
}  // namespace shed::ssh
