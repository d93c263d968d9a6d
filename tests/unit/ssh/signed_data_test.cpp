#include "shed/ssh/signed_data.h"

#include <functional>
#include <optional>

#include "captured_data.h"
#include "key_fixture.h"
#include "shed/ssh/wire.h"

namespace shed::ssh::test {
namespace {

using Kind = SignedData::Kind;

std::string ed25519_blob(char fill = 'k') {
  std::string blob;
  WireWriter(blob).string("ssh-ed25519").string(std::string(32, fill));
  return blob;
}

std::string rsa_blob() {
  std::string blob;
  WireWriter(blob).string("ssh-rsa").mpint("\x01\x01\x01").mpint(std::string(256, 'n'));
  return blob;
}

// The fields of a login, each of which a test can make wrong.
struct Login {
  std::string session_id = std::string(32, 's');
  std::uint8_t number = 50;
  std::string user = "git";
  std::string service = "ssh-connection";
  std::string method = "publickey-hostbound-v00@openssh.com";
  std::uint8_t boolean = 1;
  std::string algorithm = "ssh-ed25519";
  std::string key = ed25519_blob();
  std::optional<std::string> host_key = ed25519_blob('h');

  std::string bytes() const {
    std::string out;
    WireWriter writer(out);
    writer.string(session_id).byte(number).string(user).string(service).string(method);
    writer.byte(boolean).string(algorithm).string(key);
    if (host_key) writer.string(*host_key);
    return out;
  }
};

Login plain_login() {
  Login login;
  login.method = "publickey";
  login.host_key.reset();
  return login;
}

struct Sshsig {
  std::string magic = "SSHSIG";
  std::string name_space = "git";
  std::string reserved;
  std::string hash = "sha512";
  std::string digest = std::string(64, 'd');

  std::string bytes() const {
    std::string out;
    WireWriter(out).bytes(magic).string(name_space).string(reserved).string(hash).string(digest);
    return out;
  }
};

Kind kind_of(std::string_view data, std::string_view key = ed25519_blob()) {
  return read_signed_data(data, key).kind;
}
Kind kind_of(const Login& login) { return kind_of(login.bytes()); }

std::string note_of(const std::string& data, std::string_view key = ed25519_blob()) {
  const SignedData read = read_signed_data(data, key);
  CHECK(read.kind == Kind::kOpaque);
  return std::string(read.note);
}

TEST_CASE("what ssh signs to log in is a login, with every kind of key and host key") {
  const CapturedData captured;
  for (const char* name : {"hostbound", "hostbound to two", "plain", "hostbound with rsa", "plain with rsa",
                           "hostbound with ecdsa", "certificate", "certificate file", "rsa host",
                           "ecdsa host", "certified host", "forwarded"}) {
    INFO(name);
    const SignRequest request = captured.request(name);
    const SignedData read = read_signed_data(request.data, request.key_blob);
    CHECK(read.kind == Kind::kLogin);
    CHECK(read.user == "root");
    CHECK(read.session_id == request.binds.back().session_id);
    CHECK(read.note.empty());
    const bool plain = std::string_view(name).starts_with("plain");
    CHECK(read.is_hostbound() == !plain);
    CHECK(read.host_key == (plain ? "" : request.binds.back().host_key));
  }
}

TEST_CASE("the algorithm of a login is the one that ssh has chosen") {
  const CapturedData captured;
  const auto algorithm = [&](const char* name) {
    const SignRequest request = captured.request(name);
    return std::string(read_signed_data(request.data, request.key_blob).algorithm);
  };
  CHECK(algorithm("hostbound") == "ssh-ed25519");
  CHECK(algorithm("hostbound with rsa") == "rsa-sha2-512");
  CHECK(algorithm("plain with rsa") == "rsa-sha2-256");
  CHECK(algorithm("hostbound with ecdsa") == "ecdsa-sha2-nistp256");
  CHECK(algorithm("certificate") == "ssh-ed25519-cert-v01@openssh.com");
}

TEST_CASE("what git and ssh-keygen sign is SSHSIG with its namespace and hash") {
  const CapturedData captured;
  for (const char* name : {"git commit", "git tag", "file"}) {
    INFO(name);
    const SignRequest request = captured.request(name);
    const SignedData read = read_signed_data(request.data, request.key_blob);
    CHECK(read.kind == Kind::kSshsig);
    CHECK(read.sshsig_namespace == (std::string_view(name) == "file" ? "file" : "git"));
    CHECK(read.hash == "sha512");
    CHECK(read.digest.size() == 64);
  }
}

TEST_CASE("1,024 bytes that are nothing else are a test of the agent, 1,023 and 1,025 are not") {
  const CapturedData captured;
  const SignRequest request = captured.request("ssh-add -T");
  CHECK(kind_of(request.data, request.key_blob) == Kind::kAgentTest);
  CHECK(kind_of(request.data.substr(1), request.key_blob) == Kind::kOpaque);
  CHECK(kind_of(request.data + "x", request.key_blob) == Kind::kOpaque);
}

TEST_CASE("a login of 1,024 bytes is a login, and a malformed one no test of the agent") {
  Login login;
  login.user.append(kMaxUserName - 3, 'x');
  login.session_id.append(96, 's');
  const std::size_t size = login.bytes().size();
  REQUIRE(size < kAgentTestSize);
  CHECK(kind_of(login) == Kind::kLogin);
  CHECK(note_of(login.bytes() + std::string(kAgentTestSize - size, '\0')) == "a malformed login");
  Sshsig sshsig;
  CHECK(note_of(sshsig.bytes() + std::string(kAgentTestSize - sshsig.bytes().size(), '\0')) ==
        "a malformed SSHSIG");
}

TEST_CASE("anything else is opaque, without a note") {
  for (const std::string& data :
       {std::string(), std::string("data"), std::string(64, '\0'), std::string(32, '\xff'),
        std::string("sshsig"), std::string("SSHSI"), std::string("\0\0\0\0\x32", 5)}) {
    const SignedData read = read_signed_data(data, ed25519_blob());
    CHECK(read.kind == Kind::kOpaque);
    CHECK(read.note.empty());
  }
}

TEST_CASE("a login cut anywhere is opaque") {
  for (const std::string& whole : {Login().bytes(), plain_login().bytes(), Sshsig().bytes()}) {
    REQUIRE(kind_of(whole) != Kind::kOpaque);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      CHECK(kind_of(std::string_view(whole).substr(0, size)) == Kind::kOpaque);
    }
  }
}

TEST_CASE("trailing bytes make a login or an SSHSIG opaque") {
  for (const std::string& trailing : {std::string("x"), std::string(1, '\0'), std::string(4, '\0')}) {
    CHECK(note_of(Login().bytes() + trailing) == "a malformed login");
    CHECK(note_of(plain_login().bytes() + trailing) == "a malformed login");
    CHECK(note_of(Sshsig().bytes() + trailing) == "a malformed SSHSIG");
  }
}

TEST_CASE("no length is taken for more or less than it says") {
  const std::string whole = Login().bytes();
  // Each string's length, one byte changed: never another login.
  const SignedData right = read_signed_data(whole, ed25519_blob());
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int change : {1, 0x80}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ change);
      const SignedData read = read_signed_data(damaged, ed25519_blob());
      if (read.kind != Kind::kLogin) continue;
      INFO(at);
      // What may differ are the bytes of three fields, and none of their sizes.
      CHECK(read.user.size() == right.user.size());
      CHECK(read.session_id.size() == right.session_id.size());
      CHECK(read.host_key.size() == right.host_key.size());
      CHECK(read.key == right.key);
    }
  }
}

TEST_CASE("a plain login with a host key behind it is no hostbound one") {
  Login login = plain_login();
  login.host_key = ed25519_blob('h');
  CHECK(note_of(login.bytes()) == "a malformed login");
  Login without;
  without.host_key.reset();
  CHECK(note_of(without.bytes()) == "a malformed login");
}

TEST_CASE("a login is one for this key only") {
  Login login;
  login.key = ed25519_blob('x');
  CHECK(note_of(login.bytes()) == "a login with another key");
  // The same bytes are a login for whom they name.
  CHECK(kind_of(login.bytes(), ed25519_blob('x')) == Kind::kLogin);
}

TEST_CASE("a login with a certificate is one for its key, and for no other certificate's") {
  const CapturedData captured;
  const SignRequest request = captured.request("certificate file");
  REQUIRE(key_type_of(request.key_blob) == "ssh-ed25519");
  const SignedData read = read_signed_data(request.data, request.key_blob);
  CHECK(key_type_of(read.key) == "ssh-ed25519-cert-v01@openssh.com");
  CHECK(note_of(request.data, ed25519_blob()) == "a login with another key");
  // Asked of a certificate, a login with the plain key or another certificate is not what it says.
  const SignRequest certified = captured.request("certificate");
  CHECK(note_of(request.data, certified.key_blob) == "a login with another key");
  const std::string certificate(read.key);
  const SignedData by_the_certificate = read_signed_data(request.data, certificate);
  CHECK(by_the_certificate.kind == Kind::kLogin);
  Login plain;
  plain.key = request.key_blob;
  CHECK(kind_of(plain.bytes(), request.key_blob) == Kind::kLogin);
  CHECK(note_of(plain.bytes(), certificate) == "a login with another key");
}

TEST_CASE("the boolean of a login is exactly 1") {
  for (const int value : {0, 2, 255}) {
    Login login;
    login.boolean = static_cast<std::uint8_t>(value);
    CHECK(note_of(login.bytes()) == "a login without a signature");
  }
}

TEST_CASE("a login is one for ssh-connection by public key") {
  Login other_service;
  other_service.service = "ssh-userauth";
  CHECK(note_of(other_service.bytes()) == "a login for another service");
  for (const char* method : {"hostbased", "password", "none", "", "publickey-hostbound@openssh.com"}) {
    Login login = plain_login();
    login.method = method;
    CHECK(note_of(login.bytes()) == "a login by another method");
  }
  Login other_number;
  other_number.number = 51;
  CHECK(note_of(other_number.bytes()).empty());
}

TEST_CASE("the algorithm of a login fits its key") {
  const auto with = [](const char* algorithm, const std::string& key) {
    Login login;
    login.algorithm = algorithm;
    login.key = key;
    return read_signed_data(login.bytes(), key).kind == Kind::kLogin;
  };
  for (const char* algorithm : {"ssh-rsa", "rsa-sha2-256", "rsa-sha2-512"}) {
    CHECK(with(algorithm, rsa_blob()));
    CHECK_FALSE(with(algorithm, ed25519_blob()));
  }
  CHECK_FALSE(with("ssh-ed25519", rsa_blob()));
  CHECK_FALSE(with("rsa-sha2-512-cert-v01@openssh.com", rsa_blob()));
  CHECK_FALSE(with("ssh-ed25519-cert-v01@openssh.com", ed25519_blob()));
  CHECK_FALSE(with("", ed25519_blob()));
}

TEST_CASE("a certificate of an RSA key signs with either hash, named as certificates have it") {
  const std::string certificate = blob_of_line(read_text(host_certificate("rsa")));
  const auto with = [&](const char* algorithm) {
    Login login;
    login.algorithm = algorithm;
    login.key = certificate;
    return read_signed_data(login.bytes(), certificate).kind == Kind::kLogin;
  };
  CHECK(with("ssh-rsa-cert-v01@openssh.com"));
  CHECK(with("rsa-sha2-256-cert-v01@openssh.com"));
  CHECK(with("rsa-sha2-512-cert-v01@openssh.com"));
  CHECK_FALSE(with("rsa-sha2-512"));
  CHECK_FALSE(with("rsa-sha2-1024-cert-v01@openssh.com"));
}

TEST_CASE("session ids and user names have their bounds") {
  Login login;
  login.session_id.clear();
  CHECK(kind_of(login) == Kind::kOpaque);
  login.session_id.assign(kMaxSessionId, 's');
  CHECK(kind_of(login) == Kind::kLogin);
  login.session_id.push_back('s');
  CHECK(kind_of(login) == Kind::kOpaque);
  Login long_name;
  long_name.user.assign(kMaxUserName, 'u');
  CHECK(kind_of(long_name) == Kind::kLogin);
  long_name.user.push_back('u');
  CHECK(note_of(long_name.bytes()) == "a login with an impossible user name");
  Login with_nul;
  with_nul.user = std::string("git\0root", 8);
  CHECK(note_of(with_nul.bytes()) == "a login with an impossible user name");
}

TEST_CASE("malformed keys make a login opaque") {
  Login login;
  login.host_key = "";
  CHECK(note_of(login.bytes()) == "a login with a malformed host key");
  login.host_key = ed25519_blob() + "x";
  CHECK(note_of(login.bytes()) == "a login with a malformed host key");
  Login bad_key;
  bad_key.key = ed25519_blob() + "x";
  CHECK(note_of(bad_key.bytes(), bad_key.key) == "a login with another key");
}

TEST_CASE("SSHSIG is read as strictly as it is verified") {
  const auto changed = [](const std::function<void(Sshsig&)>& change) {
    Sshsig sshsig;
    change(sshsig);
    return note_of(sshsig.bytes());
  };
  CHECK(kind_of(Sshsig().bytes()) == Kind::kSshsig);
  CHECK(changed([](Sshsig& it) { it.name_space.clear(); }) == "an SSHSIG with an impossible namespace");
  CHECK(changed([](Sshsig& it) { it.name_space.assign(kMaxSshsigNamespace + 1, 'n'); }) ==
        "an SSHSIG with an impossible namespace");
  CHECK(changed([](Sshsig& it) { it.reserved = "1"; }) == "an SSHSIG of another version");
  CHECK(changed([](Sshsig& it) { it.hash = "sha256"; }) == "an SSHSIG with an impossible hash");
  CHECK(changed([](Sshsig& it) { it.hash = "sha1"; }) == "an SSHSIG with an impossible hash");
  CHECK(changed([](Sshsig& it) { it.hash = "md5", it.digest.clear(); }) ==
        "an SSHSIG with an impossible hash");
  CHECK(changed([](Sshsig& it) { it.digest.pop_back(); }) == "an SSHSIG with an impossible hash");
  Sshsig shorter;
  shorter.hash = "sha256";
  shorter.digest.resize(32);
  CHECK(kind_of(shorter.bytes()) == Kind::kSshsig);
}

TEST_CASE("a namespace says nothing but itself") {
  Sshsig sshsig;
  sshsig.name_space = "git\n";
  CHECK(read_signed_data(sshsig.bytes(), ed25519_blob()).sshsig_namespace == "git\n");
  sshsig.name_space = "Git";
  CHECK(read_signed_data(sshsig.bytes(), ed25519_blob()).sshsig_namespace == "Git");
}

}  // namespace
}  // namespace shed::ssh::test
