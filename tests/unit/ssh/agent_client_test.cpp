#include "agent_client_fixture.h"
#include "shed/ssh/wire.h"

namespace shed::ssh::test {
namespace {

using namespace std::string_literals;

TEST_CASE("the agent's keys are listed") {
  Forwarding it;
  it.start();
  const auto listing = it.list();
  it.loop.poll();
  REQUIRE(listing.result.has_value());
  CHECK(listing.result->value() == std::vector<Identity>{{ed25519_blob(), "the key"}});
}

TEST_CASE("a sign request reaches the agent unchanged and its signature comes back") {
  Forwarding it;
  it.start();
  const auto signing = it.sign();
  it.loop.poll();
  REQUIRE(signing.result.has_value());
  CHECK(signing.result->value() == kSignature);
  CHECK(it.agent->messages ==
        std::vector{message_of(encode_sign_request({ed25519_blob(), "data", 0, {}}).value())});
}

TEST_CASE("binds are replayed in order, on the connection that asks") {
  Forwarding it;
  it.start();
  const auto signing = it.sign(ed25519_blob(), 0, {make_bind(1), make_bind(2, false)});
  it.loop.poll();
  REQUIRE(signing.result.has_value());
  CHECK(signing.result->has_value());
  CHECK(it.agent->connections == 1);
  REQUIRE(it.agent->messages.size() == 3);
  CHECK(it.agent->messages[0] == bind_message(make_bind(1)));
  CHECK(it.agent->messages[1] == bind_message(make_bind(2, false)));
}

TEST_CASE("every operation has a connection of its own and leaves none") {
  Forwarding it;
  it.start();
  const auto first = it.list({make_bind(1)});
  const auto second = it.list();
  it.loop.poll();
  CHECK(it.agent->connections == 2);
  CHECK(it.agent->open_connections == 0);
}

TEST_CASE("a refused bind is one line, ends the replay and lets the operation go on") {
  Forwarding it;
  it.start(but(SSH_AGENTC_EXTENSION, encode_failure()));
  const auto signing = it.sign(ed25519_blob(), 0, {make_bind(1), make_bind(2, false)});
  const auto listing = it.list({make_bind(1)});
  it.loop.poll();
  REQUIRE(signing.result.has_value());
  CHECK(signing.result->has_value());
  REQUIRE(listing.result.has_value());
  CHECK(listing.result->has_value());
  CHECK(it.agent->messages.size() == 4);
  CHECK(it.log.count("keys constrained to destinations will not work") == 1);
}

struct FirstKey : KeyChoice {
  Result<std::string> choose(const std::vector<Identity>& identities) override {
    offered = identities;
    if (identities.empty()) return fail(Errc::kNotFound, "none will do");
    return identities.front().key_blob;
  }
  std::vector<Identity> offered;
};

TEST_CASE("a key is chosen from the list and signs on the same connection") {
  Forwarding it;
  it.start();
  FirstKey choice;
  const Running<Result<Signature>> signing(it.loop, it.backend.sign_with_chosen(choice, {"", "data", 0, {}}));
  it.loop.poll();
  REQUIRE(signing.result.has_value());
  CHECK(signing.result->value() == kSignature);
  CHECK(choice.offered == std::vector<Identity>{{ed25519_blob(), "the key"}});
  CHECK(it.agent->connections == 1);
  CHECK(it.agent->open_connections == 0);
}

TEST_CASE("where no key will do, nothing is signed") {
  Forwarding it;
  it.start(but(SSH_AGENTC_REQUEST_IDENTITIES, encode_identities({}).value()));
  FirstKey choice;
  const Running<Result<Signature>> signing(it.loop, it.backend.sign_with_chosen(choice, {"", "data", 0, {}}));
  it.loop.poll();
  CHECK(error_of(signing.result).code() == Errc::kNotFound);
  CHECK_THAT(error_of(signing.result).text(), Catch::Contains("none will do"));
  CHECK(it.agent->messages.size() == 1);
}

TEST_CASE("malformed binds from a guest reach no agent") {
  Forwarding it;
  it.start();
  auto bad = make_bind(1);
  bad.host_key = "not a key";
  const auto signing = it.sign(ed25519_blob(), 0, {make_bind(0), bad});
  const auto listing = it.list(std::vector<SessionBind>(kMaxSessionBinds + 1, make_bind(1)));
  it.loop.poll();
  CHECK(error_of(signing.result).code() == Errc::kInvalid);
  CHECK(error_of(listing.result).code() == Errc::kLimit);
  CHECK(it.agent->connections == 0);
}

TEST_CASE("a key of an unknown type is refused before anybody has to touch anything") {
  Forwarding it;
  it.start();
  const auto signing = it.sign(key_blob("ssh-unknown"));
  it.loop.poll();
  CHECK(error_of(signing.result).code() == Errc::kUnsupported);
  CHECK(it.agent->connections == 0);
}

TEST_CASE("a socket path that cannot be one is refused at once") {
  Forwarding it;
  AgentBackend unset(it.loop, {"", Millis(1)});
  AgentBackend endless(it.loop, {"/" + std::string(200, 'x'), Millis(1)});
  const Running first(it.loop, unset.list({}));
  const Running second(it.loop, endless.list({}));
  it.loop.poll();
  CHECK(error_of(first.result).code() == Errc::kInvalid);
  CHECK(error_of(second.result).code() == Errc::kLimit);
}

TEST_CASE("a security key's flags and counter come back with the signature") {
  Forwarding it;
  const Signature signature{"sk-ssh-ed25519@openssh.com", std::string(64, 's'), "\1\0\0\0\7"s};
  it.start(but(SSH_AGENTC_SIGN_REQUEST, encode_sign_response(signature).value()));
  const auto signing = it.sign(key_blob("sk-ssh-ed25519@openssh.com"));
  it.loop.poll();
  REQUIRE(signing.result.has_value());
  CHECK(signing.result->value() == signature);
}

TEST_CASE("an answer with another algorithm than was asked for is refused") {
  Forwarding it;
  std::string rsa;
  WireWriter(rsa).string("ssh-rsa").mpint("\1\0\1"s).mpint(std::string(256, '\x7f'));
  it.start(but(SSH_AGENTC_SIGN_REQUEST, encode_sign_response({"ssh-rsa", "sha-1", ""}).value()));
  const auto signing = it.sign(rsa, SSH_AGENT_RSA_SHA2_512);
  it.loop.poll();
  CHECK(error_of(signing.result).code() == Errc::kProtocol);
  CHECK(error_of(signing.result).text() == "SSH agent: signature is ssh-rsa, rsa-sha2-512 was asked for");
}

TEST_CASE("an agent that refuses to sign with a key it has is a refusal") {
  Forwarding it;
  it.start(but(SSH_AGENTC_SIGN_REQUEST, encode_failure()));
  const auto signing = it.sign();
  it.loop.poll();
  CHECK(error_of(signing.result).code() == Errc::kRefused);
  CHECK(it.agent->connections == 1);
}

TEST_CASE("an agent that refuses to sign with a key it has not says that there is none") {
  Forwarding it;
  it.start(but(SSH_AGENTC_SIGN_REQUEST, encode_failure()));
  const auto signing = it.sign(ed25519_blob('z'), 0, {make_bind(1)});
  it.loop.poll();
  CHECK(error_of(signing.result).code() == Errc::kNotFound);
  CHECK(it.agent->connections == 1);
  CHECK(it.agent->messages.size() == 3);
}

TEST_CASE("a refusal stays one when the agent does not list") {
  Forwarding it;
  it.start([](std::string_view message) -> std::optional<std::string> {
    if (message[0] == SSH_AGENTC_SIGN_REQUEST) return encode_failure();
    return "";
  });
  const auto signing = it.sign(ed25519_blob('z'));
  it.loop.poll();
  CHECK(error_of(signing.result).code() == Errc::kRefused);
}

TEST_CASE("nonsense from the agent is a protocol error") {
  const auto nonsense = GENERATE(as<std::string>{}, "\0\0\0\0"s,    // of length 0
                                 "\xff\xff\xff\xff\x0e"s,           // 4 GiB, not allocated
                                 "\0\0\0\1\x0c"s,                   // cut off, or another message
                                 "\0\0\0\5\x0e\0\0\0\x09"s,         // a length that lies
                                 "\0\0\0\5\x0c\xff\xff\xff\xff"s);  // four billion keys
  Forwarding it;
  it.start([&](std::string_view) { return nonsense; });
  const auto signing = it.sign();
  const auto listing = it.list();
  it.loop.poll();
  CHECK(error_of(signing.result).code() == Errc::kProtocol);
  CHECK(error_of(listing.result).code() == Errc::kProtocol);
}

TEST_CASE("an agent that hangs up instead of an answer is unavailable") {
  Forwarding it;
  it.start([](std::string_view) { return ""; });
  const auto signing = it.sign();
  it.loop.poll();
  CHECK(error_of(signing.result).code() == Errc::kUnavailable);
}

}  // namespace
}  // namespace shed::ssh::test
