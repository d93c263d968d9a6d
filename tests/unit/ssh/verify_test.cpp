#include "shed/ssh/verify.h"

#include <openssl/evp.h>

#include <catch2/catch.hpp>

#include <array>

#include "key_fixture.h"
#include "shed/base/base64.h"
#include "shed/ssh/wire.h"

namespace shed::ssh {
namespace {

using test::load_key;

constexpr std::array kNames = {"ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa"};

Signature sign(const std::string& name, std::string_view data, std::uint32_t flags = SSH_AGENT_RSA_SHA2_512) {
  const auto signature = load_key(name).sign(data, flags);
  REQUIRE(signature);
  return *signature;
}

Errc code_of(const Status& status) {
  REQUIRE_FALSE(status);
  return status.error().code();
}

struct Sshsig {
  std::string key_blob;
  std::string signature;
  std::string signed_data;
};

// Has ssh-keygen sign a file and takes its answer apart (OpenSSH's PROTOCOL.sshsig).
Sshsig sign_with_ssh_keygen(const std::string& name) {
  const std::string file = test::key_path(name) + ".message";
  test::write_text(file, "a message");
  test::run("rm -f " + file + ".sig && ssh-keygen -q -Y sign -n file -f " + test::key_path(name) + " " +
            file + " 2>/dev/null");
  std::string base64;
  const std::string text = test::read_text(file + ".sig");
  const auto start = text.find('\n') + 1;
  for (const char c : text.substr(start, text.find("-----END") - start)) {
    if (c != '\n') base64.push_back(c);
  }
  const auto bytes = base64_decode(base64);
  REQUIRE(bytes);
  WireReader reader(*bytes);
  REQUIRE(reader.bytes(6) == "SSHSIG");
  REQUIRE(reader.uint32() == 1u);
  Sshsig result;
  result.key_blob = reader.string().value();
  const auto name_space = reader.string().value();
  const auto reserved = reader.string().value();
  const auto hash = reader.string().value();
  REQUIRE(hash == "sha512");
  result.signature = reader.string().value();
  std::string digest(64, '\0');
  REQUIRE(EVP_Digest("a message", 9, reinterpret_cast<unsigned char*>(digest.data()), nullptr, EVP_sha512(),
                     nullptr) == 1);
  WireWriter(result.signed_data)
      .bytes("SSHSIG")
      .string(name_space)
      .string(reserved)
      .string(hash)
      .string(digest);
  return result;
}

TEST_CASE("signatures that ssh-keygen made verify") {
  for (const char* name : kNames) {
    INFO(name);
    const Sshsig made = sign_with_ssh_keygen(name);
    CHECK(made.key_blob == test::public_blob_of_file(name));
    CHECK(verify_signature(made.key_blob, made.signature, made.signed_data));
  }
}

TEST_CASE("no signature with a flipped bit verifies, and no other data") {
  for (const char* name : kNames) {
    INFO(name);
    const std::string blob = test::public_blob_of_file(name);
    const std::string signature = encode_signature(sign(name, "data"));
    REQUIRE(verify_signature(blob, signature, "data"));
    for (std::size_t at = 0; at < signature.size(); ++at) {
      std::string damaged = signature;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
      CHECK_FALSE(verify_signature(blob, damaged, "data"));
    }
    CHECK(code_of(verify_signature(blob, signature, "Data")) == Errc::kRefused);
  }
}

TEST_CASE("a signature cut anywhere is refused") {
  for (const char* name : {"ed25519", "ecdsa256"}) {
    const std::string blob = test::public_blob_of_file(name);
    const std::string signature = encode_signature(sign(name, "data"));
    for (std::size_t size = 0; size < signature.size(); ++size) {
      CHECK_FALSE(verify_signature(blob, std::string_view(signature).substr(0, size), "data"));
    }
    CHECK_FALSE(verify_signature(blob, signature + "x", "data"));
  }
}

TEST_CASE("a key cut anywhere verifies nothing") {
  for (const char* name : kNames) {
    const std::string blob = test::public_blob_of_file(name);
    const std::string signature = encode_signature(sign(name, "data"));
    for (std::size_t size = 0; size < blob.size(); ++size) {
      CHECK_FALSE(verify_signature(std::string_view(blob).substr(0, size), signature, "data"));
    }
  }
}

TEST_CASE("a host certificate verifies what its certified key signed") {
  for (const char* name : kNames) {
    INFO(name);
    const std::string certificate = test::blob_of_line(test::read_text(test::host_certificate(name)));
    CHECK(verify_signature(certificate, encode_signature(sign(name, "data")), "data"));
  }
  // Not what its authority signed.
  const std::string certificate = test::blob_of_line(test::read_text(test::host_certificate("rsa")));
  CHECK_FALSE(verify_signature(certificate, encode_signature(sign("ed25519", "data")), "data"));
}

TEST_CASE("both SHA-2 signatures of RSA verify and the one with SHA-1 is unsupported") {
  const std::string blob = test::public_blob_of_file("rsa");
  CHECK(verify_signature(blob, encode_signature(sign("rsa", "data", SSH_AGENT_RSA_SHA2_256)), "data"));
  CHECK(verify_signature(blob, encode_signature(sign("rsa", "data", SSH_AGENT_RSA_SHA2_512)), "data"));
  CHECK(code_of(verify_signature(blob, encode_signature(sign("rsa", "data", 0)), "data")) ==
        Errc::kUnsupported);
}

TEST_CASE("a signature that names another algorithm than its key's is refused") {
  Signature signature = sign("ecdsa256", "data");
  signature.format = "ecdsa-sha2-nistp384";
  CHECK(code_of(verify_signature(test::public_blob_of_file("ecdsa256"), encode_signature(signature),
                                 "data")) == Errc::kInvalid);
  signature = sign("rsa", "data", SSH_AGENT_RSA_SHA2_256);
  signature.format = "rsa-sha2-512";
  CHECK(code_of(verify_signature(test::public_blob_of_file("rsa"), encode_signature(signature), "data")) ==
        Errc::kRefused);
}

TEST_CASE("an RSA signature may lack its leading zeros but not be longer than the modulus") {
  const std::string blob = test::public_blob_of_file("rsa");
  const PrivateKey key = load_key("rsa");
  Signature shortened;
  std::string data;
  // One signature in 256 begins with a zero.
  for (int i = 0; i < 5000 && shortened.blob.empty(); ++i) {
    data = std::to_string(i);
    const auto signature = key.sign(data, SSH_AGENT_RSA_SHA2_256);
    REQUIRE(signature);
    if (signature->blob.front() == 0) shortened = *signature;
  }
  REQUIRE_FALSE(shortened.blob.empty());
  shortened.blob.erase(0, 1);
  CHECK(verify_signature(blob, encode_signature(shortened), data));
  shortened.blob.insert(0, 2, '\0');
  CHECK(code_of(verify_signature(blob, encode_signature(shortened), data)) == Errc::kInvalid);
}

TEST_CASE("an RSA key of 1024 bits is accepted for a host, a smaller one is not") {
  std::string small;
  WireWriter(small).string("ssh-rsa").mpint("\x01\x01").mpint("\xff" + std::string(94, 'n') + "\x01");
  const std::string signature = encode_signature({"rsa-sha2-256", std::string(96, 's'), ""});
  const auto status = verify_signature(small, signature, "data");
  REQUIRE_FALSE(status);
  CHECK(status.error().text() == "RSA key of 768 bits; 1024 to 16384 are accepted");
  std::string accepted;
  WireWriter(accepted).string("ssh-rsa").mpint("\x01\x01").mpint("\xff" + std::string(126, 'n') + "\x01");
  CHECK(code_of(verify_signature(accepted, signature, "data")) == Errc::kRefused);
}

TEST_CASE("RSA exponents of one, even and over 64 bits are refused") {
  for (const std::string& exponent : {std::string("\x01"), std::string("\x02"), std::string(9, '\x11')}) {
    std::string blob;
    WireWriter(blob).string("ssh-rsa").mpint(exponent).mpint("\xff" + std::string(254, 'n') + "\x01");
    const std::string signature = encode_signature({"rsa-sha2-256", std::string(256, 's'), ""});
    CHECK(code_of(verify_signature(blob, signature, "data")) == Errc::kInvalid);
  }
}

TEST_CASE("a point that is not on its curve is no key") {
  std::string blob;
  WireWriter(blob).string("ecdsa-sha2-nistp256").string("nistp256").string("\x04" + std::string(64, 'p'));
  const auto status = verify_signature(blob, encode_signature(sign("ecdsa256", "data")), "data");
  REQUIRE_FALSE(status);
  CHECK(status.error().text() == "the point is not on nistp256");
}

TEST_CASE("a certificate is what the authority it names has signed") {
  for (const char* name : kNames) {
    INFO(name);
    const std::string certificate = test::blob_of_line(test::read_text(test::host_certificate(name)));
    CHECK(verify_certificate(certificate));
    std::string damaged = certificate;
    damaged[certificate.find("host.example")] = 'H';
    CHECK(code_of(verify_certificate(damaged)) == Errc::kRefused);
  }
  CHECK(code_of(verify_certificate(test::public_blob_of_file("ed25519"))) == Errc::kUnsupported);
}

TEST_CASE("security keys are unsupported where hosts are verified") {
  std::string blob;
  WireWriter(blob).string("sk-ssh-ed25519@openssh.com").string(std::string(32, 'k')).string("ssh:");
  const std::string signature =
      encode_signature({"sk-ssh-ed25519@openssh.com", std::string(64, 's'), "12345"});
  CHECK(code_of(verify_signature(blob, signature, "data")) == Errc::kUnsupported);
}

TEST_CASE("a session bind is proven by the host key's signature over the session id") {
  const std::string session_id(32, 'i');
  SessionBind bind{test::public_blob_of_file("ed25519"), session_id,
                   encode_signature(sign("ed25519", session_id)), true};
  CHECK(verify_session_bind(bind));
  bind.session_id[0] = 'j';
  CHECK(code_of(verify_session_bind(bind)) == Errc::kRefused);
}

TEST_CASE("a session bind with the signature of another host is refused") {
  const std::string session_id(32, 'i');
  const SessionBind bind{test::public_blob_of_file("ecdsa256"), session_id,
                         encode_signature(sign("ed25519", session_id)), false};
  CHECK(code_of(verify_session_bind(bind)) == Errc::kInvalid);
}

}  // namespace
}  // namespace shed::ssh
