#include "shed/ssh/sshsig.h"

#include <catch2/catch.hpp>

#include "key_fixture.h"
#include "shed/ssh/wire.h"
#include "sshsig_vectors.h"

namespace shed::ssh {
namespace {

const test::SshsigVectors& vectors() {
  static const test::SshsigVectors loaded;
  return loaded;
}

template <class T>
Errc code_of(const Result<T>& result) {
  REQUIRE_FALSE(result);
  return result.error().code();
}

Status verify(const Sshsig& sshsig, std::string_view name_space = "git") {
  return verify_sshsig(sshsig, name_space, vectors().digest(sshsig));
}

std::string blob_of(std::string_view name) { return dearmor_sshsig(vectors().get(name).armor).value(); }

// The signature of a vector with other flags, counter or bytes behind it.
Sshsig with_rest(std::string_view name, std::string_view rest) {
  Sshsig sshsig = vectors().get(name).sshsig();
  Signature signature = decode_signature(sshsig.signature).value();
  signature.rest = rest;
  sshsig.signature = encode_signature(signature);
  return sshsig;
}

TEST_CASE("signatures by every type of key and certificate verify") {
  for (const test::SshsigVector& vector : vectors().all()) {
    INFO(vector.name);
    const Sshsig sshsig = vector.sshsig();
    CHECK(sshsig.key_blob == vector.key_blob());
    CHECK(sshsig.name_space == "git");
    CHECK(hash_name(sshsig.hash) == vector.hash);
    CHECK(verify(sshsig));
  }
}

TEST_CASE("a signature put together from its parts is what ssh-keygen wrote, to the byte") {
  for (const test::SshsigVector& vector : vectors().all()) {
    INFO(vector.name);
    const auto blob = make_sshsig(vector.sshsig());
    REQUIRE(blob);
    CHECK(armor_sshsig(*blob) == vector.armor);
  }
}

TEST_CASE("Ed25519 and RSA keys sign what ssh-keygen signs, to the byte") {
  for (const char* name : {"ed25519", "rsa"}) {
    INFO(name);
    const std::string file = test::key_path(name) + ".sshsig";
    const std::string message(100'000, 'm');
    test::write_text(file, message);
    test::run("rm -f " + file + ".sig && ssh-keygen -q -Y sign -n a@b -f " + test::key_path(name) + " " +
              file + " 2>/dev/null");
    const auto digest = message_digest(SshsigHash::kSha512, message);
    REQUIRE(digest);
    const auto signature =
        test::load_key(name).sign(sshsig_signed_data("a@b", SshsigHash::kSha512, *digest), kSshsigSignFlags);
    REQUIRE(signature);
    const auto blob = make_sshsig(
        {test::public_blob_of_file(name), "a@b", SshsigHash::kSha512, encode_signature(*signature)});
    REQUIRE(blob);
    CHECK(armor_sshsig(*blob) == test::read_text(file + ".sig"));
  }
}

TEST_CASE("what is signed is what the reader of signed data reads") {
  const auto digest = message_digest(SshsigHash::kSha256, "message");
  REQUIRE(digest);
  const std::string data = sshsig_signed_data("file", SshsigHash::kSha256, *digest);
  const SignedData read = read_signed_data(data, vectors().get("ed25519").key_blob());
  CHECK(read.kind == SignedData::Kind::kSshsig);
  CHECK(read.sshsig_namespace == "file");
  CHECK(read.hash == "sha256");
  CHECK(read.digest == *digest);
}

TEST_CASE("a message may be hashed in pieces of any size") {
  for (const SshsigHash hash : {SshsigHash::kSha512, SshsigHash::kSha256}) {
    MessageDigest digest(hash);
    for (const char* piece : {"a", "", " message", "\n"}) digest.update(piece);
    const auto whole = message_digest(hash, "a message\n");
    REQUIRE(whole);
    CHECK(digest.finish().value() == *whole);
    CHECK(code_of(digest.finish()) == Errc::kInternal);
  }
}

TEST_CASE("another message, namespace or hash is not what was signed") {
  for (const test::SshsigVector& vector : vectors().all()) {
    INFO(vector.name);
    Sshsig sshsig = vector.sshsig();
    const auto other = message_digest(sshsig.hash, "another message\n");
    CHECK(code_of(verify_sshsig(sshsig, "git", *other)) == Errc::kRefused);
    CHECK(verify_sshsig(sshsig, "file", vectors().digest(sshsig)).error().text() ==
          "Couldn't verify signature: namespace does not match");
    // A signature that was made for one namespace and says another.
    sshsig.name_space = "file";
    CHECK(verify(sshsig, "file").error().text() ==
          "Signature verification failed: the signature is not by this key");
  }
}

TEST_CASE("a signature is not trusted for an empty namespace nor with a digest of another size") {
  Sshsig sshsig = vectors().get("ed25519").sshsig();
  CHECK(code_of(verify_sshsig(sshsig, "git", std::string(32, 'd'))) == Errc::kInvalid);
  sshsig.name_space.clear();
  CHECK(code_of(verify(sshsig, "")) == Errc::kInvalid);
}

TEST_CASE("no blob with a flipped bit verifies") {
  for (const char* name : {"ed25519", "ed25519-cert", "ecdsa256", "sk-ed25519", "sk-ecdsa", "rsa"}) {
    const std::string blob = blob_of(name);
    for (std::size_t at = 0; at < blob.size(); ++at) {
      INFO(name << " byte " << at);
      std::string damaged = blob;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
      const auto sshsig = parse_sshsig(damaged);
      CHECK_FALSE((sshsig && verify(*sshsig)));
    }
  }
}

TEST_CASE("a blob that is cut anywhere or has bytes left over is malformed") {
  for (const char* name : {"ed25519-cert", "sk-ecdsa"}) {
    const std::string blob = blob_of(name);
    for (std::size_t size = 0; size < blob.size(); ++size) {
      CHECK_FALSE(parse_sshsig(std::string_view(blob).substr(0, size)));
    }
    CHECK(parse_sshsig(blob + '\0').error().text() == "Signature contains trailing data");
  }
}

TEST_CASE("a version over 1 is unsupported") {
  std::string blob = blob_of("ed25519");
  blob[9] = 2;
  const auto parsed = parse_sshsig(blob);
  CHECK(code_of(parsed) == Errc::kUnsupported);
  CHECK(parsed.error().text() == "Signature version 2 is larger than supported version 1");
}

TEST_CASE("what is in the reserved field is passed over") {
  const Sshsig sshsig = vectors().get("ed25519").sshsig();
  std::string blob;
  WireWriter(blob).bytes("SSHSIG").uint32(1).string(sshsig.key_blob).string("git").string("reserved");
  WireWriter(blob).string("sha512").string(sshsig.signature);
  const auto parsed = parse_sshsig(blob);
  REQUIRE(parsed);
  CHECK(verify(*parsed));
}

TEST_CASE("only sha256 and sha512 are hashes of a signature") {
  const Sshsig sshsig = vectors().get("ed25519").sshsig();
  for (const char* hash : {"sha1", "SHA512", "sha384", "", "md5"}) {
    INFO(hash);
    std::string blob;
    WireWriter(blob).bytes("SSHSIG").uint32(1).string(sshsig.key_blob).string("git").string("");
    WireWriter(blob).string(hash).string(sshsig.signature);
    CHECK(code_of(parse_sshsig(blob)) == Errc::kUnsupported);
  }
}

TEST_CASE("a namespace has 1 to 256 bytes and no control characters") {
  CHECK(check_sshsig_namespace("git"));
  CHECK(check_sshsig_namespace("f\xc3\xbcr@example.com"));
  CHECK(check_sshsig_namespace(std::string(256, 'n')));
  CHECK(code_of(check_sshsig_namespace("")) == Errc::kInvalid);
  CHECK(code_of(check_sshsig_namespace(std::string_view("a\0b", 3))) == Errc::kInvalid);
  CHECK(code_of(check_sshsig_namespace("a\nb")) == Errc::kInvalid);
  CHECK(code_of(check_sshsig_namespace(std::string(257, 'n'))) == Errc::kLimit);
}

TEST_CASE("an agent's answer by another RSA algorithm is refused") {
  Sshsig sshsig = vectors().get("rsa").sshsig();
  for (const char* format : {"ssh-rsa", "rsa-sha2-256", "ssh-ed25519"}) {
    sshsig.signature = encode_signature({format, std::string(256, 's'), ""});
    const auto made = make_sshsig(sshsig);
    CHECK(code_of(made) == Errc::kProtocol);
    CHECK(made.error().text() == fmt::format("signature is {}, rsa-sha2-512 was asked for", format));
  }
}

TEST_CASE("an RSA signature with SHA-1 does not verify, whoever made it") {
  Sshsig sshsig = vectors().get("rsa").sshsig();
  sshsig.signature = encode_signature({"ssh-rsa", std::string(256, 's'), ""});
  CHECK(code_of(verify(sshsig)) == Errc::kUnsupported);
}

TEST_CASE("a security key's answer without flags and counter is refused") {
  CHECK(code_of(make_sshsig(with_rest("sk-ed25519", ""))) == Errc::kProtocol);
  CHECK(code_of(make_sshsig(with_rest("sk-ecdsa", "1234"))) == Errc::kProtocol);
  CHECK(code_of(make_sshsig(with_rest("ed25519", std::string("\x01\0\0\0\x07", 5)))) == Errc::kProtocol);
}

TEST_CASE("flags, counter and application of a security key are signed, too") {
  const std::string rest("\x01\0\0\0\x07", 5);
  CHECK(verify(with_rest("sk-ed25519", rest)));
  CHECK(code_of(verify(with_rest("sk-ed25519", std::string("\x05\0\0\0\x07", 5)))) == Errc::kRefused);
  CHECK(code_of(verify(with_rest("sk-ed25519", std::string("\x01\0\0\0\x08", 5)))) == Errc::kRefused);
  CHECK(code_of(verify(with_rest("sk-ed25519", ""))) == Errc::kInvalid);
  CHECK(code_of(verify(with_rest("sk-ed25519", rest + "x"))) == Errc::kInvalid);
  Sshsig sshsig = vectors().get("sk-ecdsa").sshsig();
  sshsig.key_blob.back() = ';';
  CHECK(code_of(verify(sshsig)) == Errc::kRefused);
}

TEST_CASE("a security key's signature that was made through a browser is unsupported") {
  Sshsig sshsig = vectors().get("sk-ecdsa").sshsig();
  Signature signature = decode_signature(sshsig.signature).value();
  signature.format = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com";
  sshsig.signature = encode_signature(signature);
  CHECK(code_of(verify(sshsig)) == Errc::kUnsupported);
}

TEST_CASE("a key that is malformed or of an unknown type makes no signature and is read from none") {
  Sshsig sshsig = vectors().get("ed25519").sshsig();
  std::string unknown;
  WireWriter(unknown).string("ssh-dss").string("p");
  for (const auto& [key, code] :
       {std::pair(std::string("key"), Errc::kInvalid), {unknown, Errc::kUnsupported}}) {
    std::string blob;
    WireWriter(blob).bytes("SSHSIG").uint32(1).string(key).string("git").string("");
    WireWriter(blob).string("sha512").string(sshsig.signature);
    CHECK(code_of(parse_sshsig(blob)) == code);
    Sshsig parts = sshsig;
    parts.key_blob = key;
    CHECK(code_of(make_sshsig(parts)) == code);
  }
}

}  // namespace
}  // namespace shed::ssh
