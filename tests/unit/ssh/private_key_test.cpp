#include "shed/ssh/private_key.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <catch2/catch.hpp>

#include <array>
#include <thread>

#include "key_fixture.h"
#include "shed/base/base64.h"
#include "shed/ssh/verify.h"
#include "shed/ssh/wire.h"

namespace shed::ssh {
namespace {

using test::key_text;
using test::load_key;

constexpr std::array kNames = {"ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa"};
constexpr std::string_view kBegin = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
constexpr std::string_view kEnd = "-----END OPENSSH PRIVATE KEY-----\n";

KeyProblem problem_of(std::string_view text) {
  const auto key = PrivateKey::parse(text, "the-file");
  REQUIRE_FALSE(key);
  return key.error().problem;
}

std::string text_of(std::string_view text) {
  const auto key = PrivateKey::parse(text, "the-file");
  REQUIRE_FALSE(key);
  return key.error().text;
}

std::string unwrap(const std::string& text) {
  std::string joined;
  for (const char c : text.substr(kBegin.size(), text.find(kEnd) - kBegin.size())) {
    if (c != '\n') joined.push_back(c);
  }
  const auto bytes = base64_decode(joined);
  REQUIRE(bytes);
  return *bytes;
}

std::string wrap(std::string_view bytes) {
  return std::string(kBegin) + base64_encode(bytes) + "\n" + std::string(kEnd);
}

TEST_CASE("the public part of each type of key is the one in its .pub file") {
  for (const char* name : kNames) {
    INFO(name);
    const PrivateKey key = load_key(name);
    CHECK(key.public_blob() == test::public_blob_of_file(name));
    CHECK(key.comment() == std::string(name) + " key");
    CHECK(key.key_type() == key_type_of(key.public_blob()));
  }
}

TEST_CASE("signatures of each type of key verify") {
  for (const char* name : kNames) {
    INFO(name);
    const PrivateKey key = load_key(name);
    const auto signature = key.sign("what is signed", SSH_AGENT_RSA_SHA2_256);
    REQUIRE(signature);
    CHECK(check_signature_form(key.public_blob(), SSH_AGENT_RSA_SHA2_256, *signature));
    CHECK(verify_signature(key.public_blob(), encode_signature(*signature), "what is signed"));
    CHECK_FALSE(verify_signature(key.public_blob(), encode_signature(*signature), "something else"));
  }
}

// Not through our verify: with the public key that ssh-keygen exports.
bool openssl_verifies(const std::string& name, const EVP_MD* digest, const Signature& signature) {
  const std::string exported = test::key_path(name) + ".exported";
  test::run("ssh-keygen -e -m PKCS8 -f " + test::key_path(name) + ".pub > " + exported);
  const std::string pem = test::read_text(exported);
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  EVP_PKEY* key = PEM_read_bio_PUBKEY(bio, nullptr, nullptr, nullptr);
  REQUIRE(key != nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const std::string data = "what is signed";
  const bool verified =
      EVP_DigestVerifyInit(context, nullptr, digest, nullptr, key) == 1 &&
      EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature.blob.data()),
                       signature.blob.size(), reinterpret_cast<const unsigned char*>(data.data()),
                       data.size()) == 1;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  BIO_free(bio);
  return verified;
}

TEST_CASE("RSA signs with the hash that the flags ask for") {
  const PrivateKey key = load_key("rsa");
  const auto sha1 = key.sign("what is signed", 0);
  const auto sha256 = key.sign("what is signed", SSH_AGENT_RSA_SHA2_256);
  const auto sha512 = key.sign("what is signed", SSH_AGENT_RSA_SHA2_512);
  REQUIRE((sha1 && sha256 && sha512));
  CHECK(sha1->format == "ssh-rsa");
  CHECK(sha256->format == "rsa-sha2-256");
  CHECK(sha512->format == "rsa-sha2-512");
  CHECK(openssl_verifies("rsa", EVP_sha1(), *sha1));
  CHECK(openssl_verifies("rsa", EVP_sha256(), *sha256));
  CHECK(openssl_verifies("rsa", EVP_sha512(), *sha512));
  CHECK_FALSE(openssl_verifies("rsa", EVP_sha256(), *sha512));
}

TEST_CASE("a signature over an empty text is a signature") {
  const PrivateKey key = load_key("ed25519");
  const auto signature = key.sign("", 0);
  REQUIRE(signature);
  CHECK(verify_signature(key.public_blob(), encode_signature(*signature), ""));
}

TEST_CASE("several threads sign with one key at a time") {
  const PrivateKey key = load_key("ecdsa256");
  std::array<int, 4> good = {};
  std::vector<std::thread> threads;
  for (int& count : good) {
    threads.emplace_back([&key, &count] {
      for (int i = 0; i < 20; ++i) {
        const auto signature = key.sign("data", 0);
        if (signature && verify_signature(key.public_blob(), encode_signature(*signature), "data")) ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(good == std::array<int, 4>{20, 20, 20, 20});
}

TEST_CASE("PEM forms hold the same key, without a comment") {
  for (const std::string name : {"rsa.pem", "rsa.pkcs8", "ecdsa256.pem", "ecdsa384.pkcs8", "ecdsa521.pem"}) {
    INFO(name);
    CHECK(key_text(name).find("OPENSSH") == std::string::npos);
    const PrivateKey key = load_key(name);
    CHECK(key.public_blob() == test::public_blob_of_file(name));
    CHECK(key.comment().empty());
    const auto signature = key.sign("data", SSH_AGENT_RSA_SHA2_512);
    REQUIRE(signature);
    CHECK(verify_signature(key.public_blob(), encode_signature(*signature), "data"));
  }
}

TEST_CASE("a PKCS#8 file with the Ed25519 key of RFC 8032's second test gives its signature") {
  const auto prefix = base64_decode("MC4CAQAwBQYDK2VwBCIEIA==");
  REQUIRE(prefix);
  const std::string seed =
      "\x4c\xcd\x08\x9b\x28\xff\x96\xda\x9d\xb6\xc3\x46\xec\x11\x4e\x0f\x5b\x8a\x31\x9f\x35\xab\xa6\x24\xda"
      "\x8c\xf6"
      "\xed\x4f\xb8\xa6\xfb";
  const auto key = PrivateKey::parse(
      "-----BEGIN PRIVATE KEY-----\n" + base64_encode(*prefix + seed) + "\n-----END PRIVATE KEY-----\n",
      "file");
  REQUIRE(key);
  const auto signature = key->sign("\x72", 0);
  REQUIRE(signature);
  CHECK(base64_encode(signature->blob) ==
        "kqAJqfDUyrhyDoILX2QlQKKye1QWUD+Ps3YiI+vbadoIWsHkPhWZbkWPNhPQ8R2MOHsurrQwKu6wDSkWErsMAA==");
}

TEST_CASE("an EC key behind its parameters is found") {
  const std::string text = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" +
                           key_text("ecdsa256.pem");
  const auto key = PrivateKey::parse(text, "file");
  REQUIRE(key);
  CHECK(key->public_blob() == test::public_blob_of_file("ecdsa256"));
}

TEST_CASE("text in front of the armor and carriage returns do no harm") {
  std::string text = "# my key\r\n";
  for (const char c : key_text("ed25519")) text += c == '\n' ? std::string("\r\n") : std::string(1, c);
  CHECK(PrivateKey::parse(text, "file"));
}

TEST_CASE("an encrypted key of each form says how the agent can hold it") {
  for (const std::string name : {"ed25519.locked", "rsa.pem.locked", "rsa.pkcs8.locked"}) {
    INFO(name);
    CHECK(problem_of(key_text(name)) == KeyProblem::kEncrypted);
    CHECK(text_of(key_text(name)) == "needs a passphrase; run 'ssh-add the-file' and the agent holds it");
  }
}

TEST_CASE("an RSA key under 2048 bits is too short") {
  CHECK(problem_of(key_text("rsa1024")) == KeyProblem::kTooShort);
  CHECK(problem_of(key_text("rsa1024.pem")) == KeyProblem::kTooShort);
  CHECK(text_of(key_text("rsa1024")) ==
        "an RSA key of 1024 bits, 2048 are needed; make a new key with ssh-keygen");
}

TEST_CASE("a file over 64 KiB is not looked into") {
  CHECK(problem_of(std::string(kMaxKeyFile + 1, ' ') + key_text("ed25519")) == KeyProblem::kTooLarge);
}

TEST_CASE("what is no private key is of unknown type") {
  CHECK(problem_of("") == KeyProblem::kUnknownType);
  CHECK(problem_of("ssh-ed25519 AAAA comment\n") == KeyProblem::kUnknownType);
  CHECK(problem_of("PuTTY-User-Key-File-3: ssh-ed25519\n") == KeyProblem::kUnknownType);
  CHECK(problem_of("-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n") ==
        KeyProblem::kUnknownType);
  CHECK(problem_of("-----BEGIN ") == KeyProblem::kUnknownType);
}

std::string pkcs8_of(int type, const char* curve) {
  EVP_PKEY* key =
      curve != nullptr ? EVP_EC_gen(curve) : EVP_PKEY_Q_keygen(nullptr, nullptr, OBJ_nid2sn(type));
  REQUIRE(key != nullptr);
  BIO* bio = BIO_new(BIO_s_mem());
  REQUIRE(PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(bio);
  EVP_PKEY_free(key);
  return pem;
}

TEST_CASE("well-formed keys of other types and curves are of unknown type") {
  CHECK(problem_of(pkcs8_of(EVP_PKEY_X25519, nullptr)) == KeyProblem::kUnknownType);
  CHECK(problem_of(pkcs8_of(EVP_PKEY_ED448, nullptr)) == KeyProblem::kUnknownType);
  CHECK(problem_of(pkcs8_of(EVP_PKEY_EC, "secp256k1")) == KeyProblem::kUnknownType);
}

TEST_CASE("the text of an OpenSSH key cut anywhere is refused") {
  const std::string text = key_text("ed25519");
  const std::size_t whole = text.size() - 1;  // the last line break is not needed
  for (std::size_t size = 0; size < whole; ++size) {
    CHECK_FALSE(PrivateKey::parse(std::string_view(text).substr(0, size), "file"));
  }
  CHECK(PrivateKey::parse(std::string_view(text).substr(0, whole), "file"));
}

TEST_CASE("the text of a PEM key cut anywhere is refused") {
  for (const std::string name : {"ecdsa256.pem", "ecdsa384.pkcs8"}) {
    const std::string text = key_text(name);
    for (std::size_t size = 0; size < text.size() - 1; ++size) {
      INFO(size);
      CHECK_FALSE(PrivateKey::parse(std::string_view(text).substr(0, size), "file"));
    }
  }
}

TEST_CASE("the bytes of an OpenSSH key cut anywhere, or with more behind them, are refused") {
  for (const char* name : kNames) {
    const std::string bytes = unwrap(key_text(name));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      CHECK_FALSE(PrivateKey::parse(wrap(std::string_view(bytes).substr(0, size)), "file"));
    }
    CHECK_FALSE(PrivateKey::parse(wrap(bytes + std::string(8, '\0')), "file"));
  }
}

TEST_CASE("no flipped bit gives a key with another public part than the file states") {
  for (const char* name : {"ed25519", "ecdsa256", "rsa"}) {
    const std::string bytes = unwrap(key_text(name));
    const std::string blob = test::public_blob_of_file(name);
    int accepted = 0;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
      const auto key = PrivateKey::parse(wrap(damaged), "file");
      if (!key) continue;
      ++accepted;
      CHECK(key->public_blob() == blob);
    }
    INFO(name);
    // Only the comment may differ: eight letters and more, nothing of the key.
    CHECK(accepted == static_cast<int>(std::string_view(name).size() + 4));
  }
}

// Puts other bytes of the same length in the place of the first ones found.
std::string replaced(std::string text, std::string_view from, std::string_view to, std::size_t start = 0) {
  REQUIRE(from.size() == to.size());
  const auto at = text.find(from, start);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("check numbers that differ are damage") {
  std::string bytes = unwrap(key_text("ed25519"));
  const std::size_t checks = bytes.rfind("ssh-ed25519") - 4 - 8;
  bytes[checks] = static_cast<char>(bytes[checks] ^ 1);
  CHECK(text_of(wrap(bytes)) == "damaged: the check numbers differ");
}

TEST_CASE("padding has to count") {
  std::string bytes = unwrap(key_text("ed25519"));
  REQUIRE(bytes.back() < 8);
  bytes.back() = 9;
  CHECK(text_of(wrap(bytes)) == "damaged: wrong padding");
}

TEST_CASE("a public part of another key is a mismatch") {
  const std::string bytes = unwrap(key_text("ed25519"));
  const std::string point = test::public_blob_of_file("ed25519").substr(4 + 11 + 4);
  const std::string other(32, 'x');
  CHECK(problem_of(wrap(replaced(bytes, point, other))) == KeyProblem::kMismatch);
  const std::string inner = replaced(bytes, point, other, bytes.find(point) + 1);
  CHECK(problem_of(wrap(inner)) == KeyProblem::kMismatch);
  // Outside, inside and behind the seed alike: then only the seed itself tells.
  std::string everywhere = bytes;
  for (int i = 0; i < 3; ++i) everywhere = replaced(everywhere, point, other);
  CHECK(problem_of(wrap(everywhere)) == KeyProblem::kMismatch);
}

TEST_CASE("an ECDSA number that does not belong to the point is a mismatch") {
  const std::string bytes = unwrap(key_text("ecdsa256"));
  const std::string point = test::public_blob_of_file("ecdsa256").substr(4 + 19 + 4 + 8 + 4);
  std::string other = bytes;
  const std::size_t number = bytes.rfind(point) + point.size() + 4 + 8;  // inside the scalar
  other[number] = static_cast<char>(other[number] ^ 1);
  CHECK(problem_of(wrap(other)) == KeyProblem::kMismatch);
}

TEST_CASE("an encrypted container, several keys and a derivation without cipher are told apart") {
  const std::string bytes = unwrap(key_text("ed25519"));
  const std::string none("\0\0\0\4none", 8);
  CHECK(problem_of(wrap(replaced(bytes, none, std::string("\0\0\0\4aesX", 8)))) == KeyProblem::kEncrypted);
  CHECK(problem_of(wrap(replaced(bytes, none, std::string("\0\0\0\4kdfX", 8), 20))) == KeyProblem::kCorrupt);
  const std::string one("\0\0\0\0\0\0\0\1", 8);
  CHECK(problem_of(wrap(replaced(bytes, one, std::string("\0\0\0\0\0\0\0\2", 8)))) ==
        KeyProblem::kUnknownType);
}

TEST_CASE("a security key's file is of unknown type and says that the agent can use it") {
  std::string section;
  WireWriter(section).uint32(7).uint32(7).string("sk-ssh-ed25519@openssh.com");
  while (section.size() % 8 != 0) section.push_back('\0');
  std::string bytes("openssh-key-v1\0", 15);
  WireWriter(bytes).string("none").string("none").string("").uint32(1).string("").string(section);
  CHECK(problem_of(wrap(bytes)) == KeyProblem::kUnknownType);
  CHECK(text_of(wrap(bytes)).find("only an agent") != std::string::npos);
}

}  // namespace
}  // namespace shed::ssh
