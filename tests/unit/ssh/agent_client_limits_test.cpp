// How long an agent is waited for, and how many at a time wait for it.
#include "agent_client_fixture.h"

namespace shed::ssh::test {
namespace {

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

TEST_CASE("binds that are not answered do not use up the time for the signature") {
  Forwarding it;
  it.start(but(SSH_AGENTC_EXTENSION, std::nullopt));
  const auto signing = it.sign(ed25519_blob(), 0, {make_bind(1)});
  it.loop.poll();
  it.pass(Millis(3'000));
  CHECK(error_of(signing.result).code() == Errc::kTimeout);
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
