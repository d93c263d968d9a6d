#include "shed/ssh/agent_session.h"

#include "agent_fixture.h"
#include "shed/ssh/wire.h"
#include "support/fake_clock.h"

namespace shed::ssh::test {
namespace {

using namespace std::string_literals;

// A connection without a socket.
struct Conversation {
  FakeClock clock;
  LogLines log;
  log::Limiter limiter{clock};
  async::Loop loop;
  FakeService service{loop};
  AgentSession session{service, limiter};

  std::string ask(const std::string& message) { return message_of(loop.block_on(session.handle(message))); }
};

const std::string kFailure = encode_failure().substr(kFrameHeaderSize);
const std::string kSuccess = encode_success().substr(kFrameHeaderSize);
const std::string kExtensionFailure = encode_extension_failure().substr(kFrameHeaderSize);

std::string sign_message(const std::string& key, const std::string& data, std::uint32_t flags = 0) {
  return message_of(encode_sign_request({key, data, flags, {}}).value());
}

TEST_CASE("the service's keys are listed") {
  Conversation talk;
  talk.service.identities = std::vector<Identity>{{ed25519_blob('a'), "first"}, {ed25519_blob('b'), ""}};
  const auto listed = decode_identities(talk.ask("\x0b"));
  REQUIRE(listed);
  CHECK(*listed == *talk.service.identities);
}

TEST_CASE("a sign request reaches the service as it came and its signature comes back") {
  Conversation talk;
  const auto signature = decode_sign_response(talk.ask(sign_message(ed25519_blob(), "challenge", 4)));
  REQUIRE(signature);
  CHECK(*signature == *talk.service.signature);
  REQUIRE(talk.service.signs.size() == 1);
  CHECK(talk.service.signs[0].key_blob == ed25519_blob());
  CHECK(talk.service.signs[0].data == "challenge");
  CHECK(talk.service.signs[0].flags == 4);
}

TEST_CASE("every message but list, sign and extension is refused without asking the service") {
  Conversation talk;
  for (int number = 0; number < 256; ++number) {
    if (number == SSH_AGENTC_REQUEST_IDENTITIES || number == SSH_AGENTC_SIGN_REQUEST) continue;
    if (number == SSH_AGENTC_EXTENSION) continue;
    INFO(number);
    CHECK(talk.ask(std::string(1, static_cast<char>(number)) + "anything") == kFailure);
  }
  CHECK(talk.service.lists.empty());
  CHECK(talk.service.signs.empty());
  CHECK(talk.log.count("its keys are changed on the host") == 1);
}

TEST_CASE("a malformed request is refused and the connection goes on") {
  Conversation talk;
  CHECK(talk.ask("\x0b"s + "more") == kFailure);
  CHECK(talk.ask("\x0d\0\0\0\x09"s) == kFailure);
  CHECK(talk.ask("\x1b\0\0"s) == kFailure);
  CHECK(talk.service.lists.empty());
  CHECK(decode_identities(talk.ask("\x0b")));
}

TEST_CASE("query names the extensions") {
  Conversation talk;
  const auto names = decode_query_response(talk.ask(extension_message("query", "")));
  REQUIRE(names);
  CHECK(*names == std::vector<std::string>{"query", "session-bind@openssh.com"});
}

TEST_CASE("an extension that is not known is answered as an unknown message") {
  Conversation talk;
  CHECK(talk.ask(extension_message("restrict-destination-v00@openssh.com", "x")) == kFailure);
}

TEST_CASE("binds are remembered in order and go along with every list and sign") {
  Conversation talk;
  CHECK(talk.ask(bind_message(make_bind(1))) == kSuccess);
  talk.ask("\x0b");
  CHECK(talk.ask(bind_message(make_bind(2, false))) == kSuccess);
  talk.ask(sign_message(ed25519_blob(), "x"));
  REQUIRE(talk.service.lists.size() == 1);
  CHECK(talk.service.lists[0] == std::vector{make_bind(1)});
  REQUIRE(talk.service.signs.size() == 1);
  CHECK(talk.service.signs[0].binds == std::vector{make_bind(1), make_bind(2, false)});
}

TEST_CASE("binds of one connection are not seen by another") {
  Conversation talk;
  talk.ask(bind_message(make_bind(1)));
  AgentSession other(talk.service, talk.limiter);
  talk.loop.block_on(other.handle("\x0b"));
  REQUIRE(talk.service.lists.size() == 1);
  CHECK(talk.service.lists[0].empty());
}

TEST_CASE("a malformed bind is an extension failure, told once") {
  Conversation talk;
  auto bind = make_bind(1);
  bind.host_key = key_blob("ssh-unknown");
  std::string contents;
  WireWriter(contents).string(bind.host_key).string(bind.session_id).string(bind.signature).boolean(true);
  CHECK(talk.ask(extension_message(kSessionBindExtension, contents)) == kExtensionFailure);
  CHECK(talk.session.binds().empty());
  CHECK(talk.log.count("keys constrained to destinations will not work on this connection") == 1);
}

TEST_CASE("after a refused bind no other is taken, so that a missing hop stays visible") {
  Conversation talk;
  CHECK(talk.ask(bind_message(make_bind(1))) == kSuccess);
  CHECK(talk.ask(extension_message(kSessionBindExtension, "garbage")) == kExtensionFailure);
  CHECK(talk.ask(bind_message(make_bind(3, false))) == kExtensionFailure);
  CHECK(talk.session.binds() == std::vector{make_bind(1)});
}

TEST_CASE("a connection is bound at most as often as OpenSSH's agent allows") {
  Conversation talk;
  for (std::size_t i = 0; i < kMaxSessionBinds; ++i) {
    CHECK(talk.ask(bind_message(make_bind(static_cast<int>(i)))) == kSuccess);
  }
  CHECK(talk.ask(bind_message(make_bind(99))) == kExtensionFailure);
  CHECK(talk.session.binds().size() == kMaxSessionBinds);
}

TEST_CASE("what the service cannot do is a failure with its cause in the log") {
  Conversation talk;
  talk.service.identities = fail(Errc::kUnavailable, "the bus is away");
  talk.service.signature = fail(Errc::kRefused, "approval denied");
  CHECK(talk.ask("\x0b") == kFailure);
  CHECK(talk.ask(sign_message(ed25519_blob(), "x")) == kFailure);
  CHECK(talk.log.count("warning: list: the bus is away") == 1);
  CHECK(talk.log.count("warning: sign with " + fingerprint(ed25519_blob()) + ": approval denied") == 1);
}

TEST_CASE("the same cause is logged once a minute, whatever keys a guest asks for") {
  Conversation talk;
  talk.service.signature = fail(Errc::kRefused, "approval denied");
  for (char fill = 'a'; fill <= 'z'; ++fill) talk.ask(sign_message(ed25519_blob(fill), "x"));
  CHECK(talk.log.count("approval denied") == 1);
  talk.clock.advance(Millis(61'000));
  talk.ask(sign_message(ed25519_blob(), "x"));
  CHECK(talk.log.count("25 more like this") == 1);
}

TEST_CASE("more keys than a client takes are a failure, not a truncated list") {
  Conversation talk;
  talk.service.identities = std::vector<Identity>(kMaxIdentities + 1, {ed25519_blob(), ""});
  CHECK(talk.ask("\x0b") == kFailure);
  talk.service.identities = std::vector<Identity>(20, {ed25519_blob(), std::string(20'000, 'c')});
  CHECK(talk.ask("\x0b") == kFailure);
}

TEST_CASE("a signature over its bound is a failure") {
  Conversation talk;
  talk.service.signature = Signature{"ssh-ed25519", std::string(kMaxSignatureBlob, 's'), ""};
  CHECK(talk.ask(sign_message(ed25519_blob(), "x")) == kFailure);
}

}  // namespace
}  // namespace shed::ssh::test
