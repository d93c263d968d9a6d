#include "shed/ssh/destination.h"

#include "captured_data.h"
#include "key_fixture.h"
#include "shed/ssh/agent_protocol.h"
#include "shed/ssh/verify.h"
#include "shed/ssh/wire.h"

namespace shed::ssh::test {
namespace {

struct Found {
  Proof proof;
  std::string host_key;
  std::size_t hops;
  std::string note;
};

Found find(const SignRequest& request) {
  const SignedData data = read_signed_data(request.data, request.key_blob);
  const Destination found = find_destination(data, request.binds);
  return {found.proof, std::string(found.host_key), found.hops.size(), std::string(found.note)};
}

// A bind by a host whose key is a file of the tests.
SessionBind signed_bind(const std::string& host, const std::string& session_id, bool forwarding) {
  const auto signature = load_key(host).sign(session_id, SSH_AGENT_RSA_SHA2_512);
  REQUIRE(signature);
  return {public_blob_of_file(host), session_id, encode_signature(*signature), forwarding};
}

// The same login, plain: without the host key.
SignRequest without_host_key(const SignRequest& request) {
  const SignedData data = read_signed_data(request.data, request.key_blob);
  SignRequest plain = request;
  plain.data.clear();
  WireWriter(plain.data)
      .string(data.session_id)
      .byte(50)
      .string(data.user)
      .string("ssh-connection")
      .string("publickey")
      .byte(1)
      .string(data.algorithm)
      .string(data.key);
  return plain;
}

TEST_CASE("a login of ssh to a host that has signed its session is proven") {
  const CapturedData captured;
  for (const char* name : {"hostbound", "plain", "hostbound with rsa", "certificate", "certificate file",
                           "rsa host", "ecdsa host", "certified host"}) {
    INFO(name);
    const SignRequest request = captured.request(name);
    const Found found = find(request);
    CHECK(found.note.empty());
    CHECK(found.proof == Proof::kProven);
    CHECK(found.host_key == request.binds[0].host_key);
    CHECK(found.hops == 0);
  }
}

TEST_CASE("a forwarded login is proven for its last host, not for the one on the way") {
  const CapturedData captured;
  const SignRequest request = captured.request("forwarded");
  REQUIRE(request.binds.size() == 2);
  const Found found = find(request);
  CHECK(found.proof == Proof::kProven);
  CHECK(found.host_key == captured.host_key("hostbound to two"));
  CHECK(found.hops == 1);
  CHECK(request.binds[0].host_key == captured.host_key("hostbound"));
}

TEST_CASE("without a bind a hostbound login claims its host, and a plain one names none") {
  const CapturedData captured;
  SignRequest request = captured.request("hostbound");
  request.binds.clear();
  CHECK(find(request).proof == Proof::kClaimed);
  CHECK(find(request).host_key == captured.host_key("hostbound"));
  CHECK(find(request).note == "the client has bound no session");
  SignRequest plain = captured.request("plain");
  plain.binds.clear();
  CHECK(find(plain).proof == Proof::kUnknown);
  CHECK(find(plain).host_key.empty());
}

TEST_CASE("a bind for another session proves nothing, and names no host of a plain login") {
  const CapturedData captured;
  SignRequest plain = captured.request("plain");
  plain.binds = captured.request("hostbound to two").binds;
  CHECK(find(plain).proof == Proof::kUnknown);
  CHECK(find(plain).note == "the bind is of another session");
}

TEST_CASE("a bind replayed from another connection to the same host proves nothing") {
  const CapturedData captured;
  SignRequest request = captured.request("hostbound");
  const SignRequest other = captured.request("hostbound again");
  REQUIRE(other.binds[0].host_key == request.binds[0].host_key);
  REQUIRE(verify_session_bind(other.binds[0]));
  request.binds = other.binds;
  CHECK(find(request).proof == Proof::kClaimed);
  // Nor does it with the session id changed to fit: the signature does not.
  request.binds[0].session_id = captured.request("hostbound").binds[0].session_id;
  CHECK(find(request).proof == Proof::kClaimed);
  CHECK(find(request).note == "the host key has not signed the session");
}

TEST_CASE("a login crafted to look like one for another host stays a claim") {
  const CapturedData captured;
  const std::string wanted = captured.host_key("hostbound");
  const SignRequest real = captured.request("hostbound to two");
  // The bind names another host key, with the signature of the real one.
  SignRequest request = without_host_key(real);
  request.binds[0].host_key = wanted;
  CHECK(find(request).proof == Proof::kClaimed);
  CHECK(find(request).host_key == wanted);
  CHECK(find(request).note == "the host key has not signed the session");
  // The data names another host than the session was made with.
  SignRequest renamed = real;
  renamed.data.replace(renamed.data.size() - wanted.size(), wanted.size(), wanted);
  CHECK(find(renamed).proof == Proof::kClaimed);
  CHECK(find(renamed).host_key == wanted);
  CHECK(find(renamed).note == "the session is bound to another host");
  // A genuine bind of the wanted host in front or behind does not help.
  const SessionBind genuine = captured.request("hostbound").binds[0];
  renamed.binds = {genuine, real.binds[0]};
  CHECK(find(renamed).proof == Proof::kClaimed);
  renamed.binds = {real.binds[0], genuine};
  CHECK(find(renamed).proof == Proof::kClaimed);
}

TEST_CASE("no bit of a bind can be changed") {
  const CapturedData captured;
  SignRequest request = captured.request("hostbound");
  const SessionBind genuine = request.binds[0];
  for (std::string SessionBind::* field :
       {&SessionBind::host_key, &SessionBind::session_id, &SessionBind::signature}) {
    for (std::size_t at = 0; at < (genuine.*field).size(); ++at) {
      request.binds[0] = genuine;
      char& byte = (request.binds[0].*field)[at];
      byte = static_cast<char>(byte ^ (1 << (at % 8)));
      CHECK(find(request).proof != Proof::kProven);
    }
  }
}

TEST_CASE("a session that is bound for forwarding is for no login") {
  const CapturedData captured;
  SignRequest request = captured.request("hostbound");
  request.binds[0].forwarding = true;
  CHECK(find(request).proof == Proof::kClaimed);
  CHECK(find(request).note == "the session is bound for forwarding");
}

TEST_CASE("a hop that is no forwarding bind, or has not signed, breaks the chain") {
  const CapturedData captured;
  SignRequest request = captured.request("forwarded");
  request.binds[0].forwarding = false;
  CHECK(find(request).note == "the agent was forwarded over a session for logins");
  request = captured.request("forwarded");
  request.binds[0].signature = captured.request("hostbound").binds[0].signature;
  CHECK(find(request).proof == Proof::kClaimed);
  CHECK(find(request).note == "a host on the way has not signed its session");
}

TEST_CASE("behind a hop only a hostbound login is proven") {
  const CapturedData captured;
  const SignRequest plain = without_host_key(captured.request("forwarded"));
  REQUIRE(read_signed_data(plain.data, plain.key_blob).is_login());
  CHECK(find(plain).proof == Proof::kClaimed);
  CHECK(find(plain).host_key == captured.host_key("hostbound to two"));
  CHECK(find(plain).note == "forwarded, and the login names no host");
}

TEST_CASE("a chain of the most hops is proven, one more is not") {
  const CapturedData captured;
  SignRequest request = captured.request("hostbound");
  const SessionBind last = request.binds[0];
  request.binds.clear();
  for (std::size_t hop = 0; hop + 1 < kMaxSessionBinds; ++hop)
    request.binds.push_back(signed_bind("ed25519", std::string(32, static_cast<char>('a' + hop)), true));
  request.binds.push_back(last);
  CHECK(find(request).proof == Proof::kProven);
  CHECK(find(request).hops == kMaxSessionBinds - 1);
  request.binds.insert(request.binds.begin(), signed_bind("ed25519", std::string(32, 'z'), true));
  CHECK(find(request).note == "too many binds");
}

TEST_CASE("what is no login has no destination, whatever is bound") {
  const CapturedData captured;
  for (const char* name : {"git commit", "file", "ssh-add -T"}) {
    SignRequest request = captured.request(name);
    request.binds = captured.request("hostbound").binds;
    CHECK(find(request).proof == Proof::kUnknown);
    CHECK(find(request).host_key.empty());
  }
}

}  // namespace
}  // namespace shed::ssh::test
