#include "shed/ssh/agent_client.h"

#include "agent_fixture.h"
#include "shed/ssh/wire.h"
#include "support/fake_clock.h"

namespace shed::ssh::test {
namespace {

using namespace std::string_literals;

const Signature kSignature{"ssh-ed25519", std::string(64, 's'), ""};

// An agent with one key that takes every bind and signs everything.
std::optional<std::string> good_answer(std::string_view message) {
  switch (message[0]) {
    case SSH_AGENTC_REQUEST_IDENTITIES:
      return encode_identities(std::vector<Identity>{{ed25519_blob(), "the key"}}).value();
    case SSH_AGENTC_SIGN_REQUEST:
      return encode_sign_response(kSignature).value();
    default:
      return encode_success();
  }
}

// Good, but for the messages with this number.
ScriptedAgent::Answer but(std::uint8_t number, std::optional<std::string> answer) {
  return [=](std::string_view message) {
    return static_cast<std::uint8_t>(message[0]) == number ? answer : good_answer(message);
  };
}

struct Forwarding {
  FakeClock clock;
  LogLines log;
  TemporaryFolder folder;
  async::Loop loop{clock};
  std::string path = folder / "upstream.sock";
  std::optional<ScriptedAgent> agent;
  AgentBackend backend{loop, {path, Millis(25'000)}};

  void start(ScriptedAgent::Answer answer = good_answer) { agent.emplace(loop, path, std::move(answer)); }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }
  Running<Result<std::vector<Identity>>> list(std::vector<SessionBind> binds = {}) {
    return {loop, backend.list(std::move(binds))};
  }
  Running<Result<Signature>> sign(std::string key = ed25519_blob(), std::uint32_t flags = 0,
                                  std::vector<SessionBind> binds = {}) {
    return {loop, backend.sign({std::move(key), "data", flags, std::move(binds)})};
  }
};

template <class T>
Error error_of(const std::optional<Result<T>>& result) {
  REQUIRE(result.has_value());
  REQUIRE_FALSE(result->has_value());
  return result->error();
}

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

TEST_CASE("each answer has the time that its option says") {
  Forwarding it;
  AgentOptions options;
  options.socket_path = it.path;
  options.sign_limit = Millis(60'000);
  options.list_limit = Millis(40'000);
  AgentBackend backend(it.loop, options);
  it.start([](std::string_view) { return std::nullopt; });
  const Running<Result<Signature>> signing(it.loop, backend.sign({ed25519_blob(), "data", 0, {}}));
  const Running<Result<std::vector<Identity>>> listing(it.loop, backend.list({}));
  it.loop.poll();
  it.pass(Millis(39'999));
  CHECK_FALSE(listing.result.has_value());
  it.pass(Millis(1));
  CHECK(error_of(listing.result).code() == Errc::kTimeout);
  it.pass(Millis(19'999));
  CHECK_FALSE(signing.result.has_value());
  it.pass(Millis(1));
  CHECK(error_of(signing.result).code() == Errc::kTimeout);
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

TEST_CASE("an agent that comes back within the pauses is found") {
  const auto wait = GENERATE(Millis(200), Millis(600));
  Forwarding it;
  const auto listing = it.list();
  it.loop.poll();
  if (wait > Millis(200)) it.pass(Millis(200));
  it.start();
  it.pass(wait > Millis(200) ? Millis(399) : Millis(199));
  CHECK_FALSE(listing.result.has_value());
  it.pass(Millis(1));
  REQUIRE(listing.result.has_value());
  CHECK(listing.result->has_value());
}

TEST_CASE("a missing socket is unavailable after the third attempt, and says which") {
  Forwarding it;
  const auto listing = it.list();
  const auto signing = it.sign();
  it.loop.poll();
  it.pass(Millis(200));
  CHECK_FALSE(listing.result.has_value());
  it.pass(Millis(400));
  CHECK(error_of(listing.result).code() == Errc::kUnavailable);
  CHECK(error_of(signing.result).code() == Errc::kUnavailable);
  CHECK(error_of(signing.result).text() ==
        "SSH agent: connect to " + it.path + ": no such file or directory");
}

TEST_CASE("a socket that refuses is tried three times") {
  Forwarding it;
  write_text(it.path, "");  // nobody listens on a plain file
  const auto listing = it.list();
  it.loop.poll();
  it.pass(Millis(200));
  it.pass(Millis(399));
  CHECK_FALSE(listing.result.has_value());
  it.pass(Millis(1));
  CHECK(error_of(listing.result).code() == Errc::kUnavailable);
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

TEST_CASE("an agent that does not answer list is given three seconds") {
  Forwarding it;
  it.start(but(SSH_AGENTC_REQUEST_IDENTITIES, std::nullopt));
  const auto listing = it.list();
  it.loop.poll();
  it.pass(Millis(2'999));
  CHECK_FALSE(listing.result.has_value());
  it.pass(Millis(1));
  CHECK(error_of(listing.result).code() == Errc::kTimeout);
  CHECK(it.agent->open_connections == 0);
}

TEST_CASE("an agent that does not answer sign is given ten seconds") {
  Forwarding it;
  it.start(but(SSH_AGENTC_SIGN_REQUEST, std::nullopt));
  const auto signing = it.sign();
  it.loop.poll();
  it.pass(Millis(9'999));
  CHECK_FALSE(signing.result.has_value());
  it.pass(Millis(1));
  CHECK(error_of(signing.result).code() == Errc::kTimeout);
  CHECK(it.agent->open_connections == 0);
}

TEST_CASE("a security key is waited for as long as a person may take to touch it") {
  Forwarding it;
  it.start(but(SSH_AGENTC_SIGN_REQUEST, std::nullopt));
  const auto signing = it.sign(key_blob("sk-ssh-ed25519@openssh.com"));
  it.loop.poll();
  it.pass(Millis(24'999));
  CHECK_FALSE(signing.result.has_value());
  it.pass(Millis(1));
  CHECK(error_of(signing.result).code() == Errc::kTimeout);
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

TEST_CASE("binds that are not answered do not use up the time for the signature") {
  Forwarding it;
  it.start(but(SSH_AGENTC_EXTENSION, std::nullopt));
  const auto signing = it.sign(ed25519_blob(), 0, {make_bind(1)});
  it.loop.poll();
  it.pass(Millis(3'000));
  CHECK(error_of(signing.result).code() == Errc::kTimeout);
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

TEST_CASE("more operations than allowed at a time wait for their turn") {
  Forwarding it;
  it.start(but(SSH_AGENTC_SIGN_REQUEST, std::nullopt));
  std::deque<Running<Result<Signature>>> signings;
  for (std::size_t i = 0; i < kMaxAgentOperations; ++i) {
    signings.emplace_back(it.loop, it.backend.sign({ed25519_blob(), "data", 0, {}}));
  }
  it.loop.poll();
  const auto listing = it.list();
  it.loop.poll();
  CHECK(it.agent->most_connections == kMaxAgentOperations);
  CHECK_FALSE(listing.result.has_value());
  signings.pop_front();
  it.loop.poll();
  REQUIRE(listing.result.has_value());
  CHECK(listing.result->has_value());
  CHECK(it.agent->most_connections == kMaxAgentOperations);
}

TEST_CASE("an operation whose turn does not come ends in time") {
  Forwarding it;
  it.start(but(SSH_AGENTC_SIGN_REQUEST, std::nullopt));
  std::deque<Running<Result<Signature>>> signings;
  for (std::size_t i = 0; i <= kMaxAgentOperations; ++i) {
    signings.emplace_back(it.loop, it.backend.sign({ed25519_blob(), "data", 0, {}}));
  }
  it.loop.poll();
  it.pass(kAgentLimit);
  CHECK(error_of(signings.back().result).code() == Errc::kTimeout);
  CHECK_FALSE(signings.front().result.has_value());
}

TEST_CASE("a dropped operation gives back its connection and its turn") {
  Forwarding it;
  it.start(but(SSH_AGENTC_SIGN_REQUEST, std::nullopt));
  const std::size_t before = open_descriptors();
  for (std::size_t i = 0; i < 2 * kMaxAgentOperations; ++i) {
    const auto signing = it.sign();
    it.loop.poll();
    CHECK(it.agent->open_connections == 1);
  }
  it.loop.poll();
  CHECK(it.agent->open_connections == 0);
  CHECK(open_descriptors() == before);
}

}  // namespace
}  // namespace shed::ssh::test
