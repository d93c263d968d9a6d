#include "shed/ssh/agent_protocol.h"

#include <catch2/catch.hpp>

#include <functional>

#include "shed/ssh/wire.h"

namespace shed::ssh {
namespace {

using namespace std::string_literals;

std::string body(const std::string& frame) {
  const auto length = frame_length(frame);
  REQUIRE(length);
  REQUIRE(frame.size() == kFrameHeaderSize + *length);
  return frame.substr(kFrameHeaderSize);
}

std::string body(const Result<std::string>& frame) {
  REQUIRE(frame);
  return body(*frame);
}

std::string ed25519_blob(char fill) {
  std::string blob;
  WireWriter(blob).string("ssh-ed25519").string(std::string(32, fill));
  return blob;
}

SessionBind make_bind(int number, bool forwarding = true) {
  return {ed25519_blob('h'), fmt::format("session {:024}", number),
          encode_signature({"ssh-ed25519", std::string(64, 's'), ""}), forwarding};
}

std::string number_and(std::uint8_t number, std::string_view rest) {
  std::string out;
  WireWriter(out).byte(number).bytes(rest);
  return out;
}

template <class T>
Errc code_of(const Result<T>& result) {
  REQUIRE_FALSE(result);
  return result.error().code();
}

// Each prefix of a message that allows nothing behind its end breaks the format.
void check_every_cut(const std::string& message, const std::function<bool(std::string_view)>& decodes) {
  REQUIRE(decodes(message));
  for (std::size_t size = 0; size < message.size(); ++size) {
    INFO(size);
    CHECK_FALSE(decodes(std::string_view(message).substr(0, size)));
  }
  CHECK_FALSE(decodes(message + "x"));
}

TEST_CASE("a frame of length 0 or over 256 KiB is refused by its header alone") {
  CHECK(code_of(frame_length("\0\0\0\0"s)) == Errc::kInvalid);
  CHECK(code_of(frame_length("\0\4\0\1"s)) == Errc::kLimit);
  CHECK(code_of(frame_length("\xff\xff\xff\xff"s)) == Errc::kLimit);
  CHECK(frame_length("\0\4\0\0"s) == kMaxAgentMessage);
  CHECK(frame_length("\0\0\0\1"s) == 1u);
}

TEST_CASE("a header of fewer than four bytes is no header") {
  for (std::size_t size = 0; size < kFrameHeaderSize; ++size) {
    CHECK(code_of(frame_length("\0\0\0\1"s.substr(0, size))) == Errc::kInvalid);
  }
}

TEST_CASE("a request for identities is one byte") {
  CHECK(encode_request_identities() == "\0\0\0\1\x0b"s);
  const auto request = decode_request("\x0b");
  REQUIRE(request);
  CHECK(std::holds_alternative<RequestIdentities>(*request));
  CHECK_FALSE(decode_request("\x0bx"));
}

TEST_CASE("a sign request arrives as it was sent") {
  const std::string data("\0data\xff", 6);
  const auto request = decode_request(body(encode_sign_request({ed25519_blob('k'), data, 6, {}})));
  REQUIRE(request);
  const auto* sign = std::get_if<SignRequest>(&*request);
  REQUIRE(sign != nullptr);
  CHECK(sign->key_blob == ed25519_blob('k'));
  CHECK(sign->data == data);
  CHECK(sign->flags == 6);
  CHECK(sign->binds.empty());
}

TEST_CASE("a sign request cut anywhere is refused") {
  check_every_cut(body(encode_sign_request({ed25519_blob('k'), "data", 2, {}})),
                  [](std::string_view message) { return decode_request(message).has_value(); });
}

TEST_CASE("a request that does not fit into a message is not encoded") {
  CHECK(code_of(encode_sign_request({ed25519_blob('k'), std::string(kMaxAgentMessage, 'd'), 0, {}})) ==
        Errc::kLimit);
  CHECK(code_of(encode_sign_request({std::string(kMaxKeyBlob + 1, 'k'), "data", 0, {}})) == Errc::kLimit);
}

TEST_CASE("a message over the limit is refused even without its header") {
  CHECK(code_of(decode_request(number_and(SSH_AGENTC_EXTENSION, std::string(kMaxAgentMessage, '\0')))) ==
        Errc::kLimit);
  CHECK(code_of(decode_identities(
            number_and(SSH_AGENT_IDENTITIES_ANSWER, std::string(kMaxAgentMessage, '\0')))) == Errc::kLimit);
}

TEST_CASE("whatever else a client asks is told apart by its number only") {
  for (const int number : {0, 1, 5, 17, 18, 19, 20, 22, 23, 25, 26, 28, 200, 255}) {
    const auto request = decode_request(number_and(static_cast<std::uint8_t>(number), "contents"));
    REQUIRE(request);
    REQUIRE(std::holds_alternative<OtherRequest>(*request));
    CHECK(std::get<OtherRequest>(*request).number == number);
  }
  CHECK(code_of(decode_request("")) == Errc::kInvalid);
}

TEST_CASE("an extension request gives its name and its contents") {
  std::string rest;
  WireWriter(rest).string("name@example.com").bytes("contents");
  const std::string message = number_and(SSH_AGENTC_EXTENSION, rest);
  const auto request = decode_request(message);
  REQUIRE(request);
  const auto* extension = std::get_if<ExtensionRequest>(&*request);
  REQUIRE(extension != nullptr);
  CHECK(extension->name == "name@example.com");
  CHECK(extension->contents == "contents");
}

SessionBind decode_bind_frame(const std::string& message) {
  const auto request = decode_request(message);
  REQUIRE(request);
  const auto& extension = std::get<ExtensionRequest>(*request);
  CHECK(extension.name == "session-bind@openssh.com");
  const auto bind = decode_session_bind(extension.contents);
  REQUIRE(bind);
  return *bind;
}

TEST_CASE("a session bind arrives as it was sent") {
  for (const bool forwarding : {false, true}) {
    const SessionBind bind = make_bind(1, forwarding);
    CHECK(decode_bind_frame(body(encode_session_bind(bind))) == bind);
  }
}

std::string bind_contents(const SessionBind& bind) {
  std::string contents;
  WireWriter(contents)
      .string(bind.host_key)
      .string(bind.session_id)
      .string(bind.signature)
      .boolean(bind.forwarding);
  return contents;
}

TEST_CASE("a session bind cut anywhere is refused") {
  check_every_cut(bind_contents(make_bind(1)),
                  [](std::string_view contents) { return decode_session_bind(contents).has_value(); });
}

TEST_CASE("a session bind whose host key is no key of a known type is refused") {
  SessionBind bind = make_bind(1);
  bind.host_key.clear();
  CHECK(code_of(decode_session_bind(bind_contents(bind))) == Errc::kInvalid);
  WireWriter(bind.host_key).string("ssh-unknown").string("key");
  CHECK(code_of(decode_session_bind(bind_contents(bind))) == Errc::kUnsupported);
  bind.host_key = ed25519_blob('h') + "x";
  CHECK(code_of(decode_session_bind(bind_contents(bind))) == Errc::kInvalid);
}

TEST_CASE("a session id is 1 to 128 bytes long") {
  SessionBind bind = make_bind(1);
  bind.session_id = std::string(kMaxSessionId, 'i');
  CHECK(check_session_bind(bind));
  bind.session_id.push_back('i');
  CHECK(code_of(check_session_bind(bind)) == Errc::kLimit);
  bind.session_id.clear();
  CHECK(code_of(check_session_bind(bind)) == Errc::kInvalid);
}

TEST_CASE("a session bind's signature has to parse and to be within its limit") {
  SessionBind bind = make_bind(1);
  bind.signature = "no signature";
  CHECK(code_of(check_session_bind(bind)) == Errc::kInvalid);
  bind.signature = encode_signature({"ssh-ed25519", std::string(kMaxSignatureBlob, 's'), ""});
  CHECK(code_of(check_session_bind(bind)) == Errc::kLimit);
}

TEST_CASE("a malformed session bind is not sent either") {
  SessionBind bind = make_bind(1);
  bind.session_id.clear();
  CHECK_FALSE(encode_session_bind(bind));
}

TEST_CASE("a connection has at most 16 session binds and keeps the earlier ones") {
  std::vector<SessionBind> binds;
  for (int i = 0; i < static_cast<int>(kMaxSessionBinds); ++i) REQUIRE(add_session_bind(binds, make_bind(i)));
  CHECK(code_of(add_session_bind(binds, make_bind(99))) == Errc::kLimit);
  REQUIRE(binds.size() == kMaxSessionBinds);
  CHECK(binds.front() == make_bind(0));
  CHECK(binds.back() == make_bind(15));
}

TEST_CASE("nothing is bound behind a bind for authentication") {
  std::vector<SessionBind> binds;
  REQUIRE(add_session_bind(binds, make_bind(1, true)));
  REQUIRE(add_session_bind(binds, make_bind(2, false)));
  CHECK(code_of(add_session_bind(binds, make_bind(3, true))) == Errc::kRefused);
  CHECK(binds.size() == 2);
}

TEST_CASE("the same session and host key is bound once, with another host key never") {
  std::vector<SessionBind> binds;
  REQUIRE(add_session_bind(binds, make_bind(1)));
  CHECK(add_session_bind(binds, make_bind(1)));
  CHECK(binds.size() == 1);
  SessionBind other = make_bind(1);
  other.host_key = ed25519_blob('o');
  CHECK(code_of(add_session_bind(binds, other)) == Errc::kRefused);
  CHECK(binds.size() == 1);
}

TEST_CASE("the answers without contents are single bytes") {
  CHECK(encode_failure() == "\0\0\0\1\5"s);
  CHECK(encode_success() == "\0\0\0\1\6"s);
  CHECK(encode_extension_failure() == "\0\0\0\1\x1c"s);
}

TEST_CASE("identities arrive as they were sent") {
  const std::vector<Identity> identities = {{ed25519_blob('a'), "a comment"}, {ed25519_blob('b'), ""}};
  CHECK(decode_identities(body(encode_identities(identities))) == identities);
  CHECK(decode_identities(body(encode_identities({}))) == std::vector<Identity>());
}

TEST_CASE("an identities answer cut anywhere is refused") {
  const std::vector<Identity> identities = {{ed25519_blob('a'), "comment"}, {ed25519_blob('b'), "other"}};
  check_every_cut(body(encode_identities(identities)),
                  [](std::string_view message) { return decode_identities(message).has_value(); });
}

TEST_CASE("an identities answer with a count that its bytes cannot hold is refused") {
  CHECK(code_of(decode_identities("\x0c\0\0\x08\0"s)) == Errc::kInvalid);
  CHECK(code_of(decode_identities("\x0c\0\0\0\2"s + std::string(15, '\0'))) == Errc::kInvalid);
}

TEST_CASE("more than 2048 identities are refused in both directions") {
  CHECK(code_of(decode_identities("\x0c\0\0\x08\1"s)) == Errc::kLimit);
  CHECK(code_of(decode_identities("\x0c\xff\xff\xff\xff"s)) == Errc::kLimit);
  const std::vector<Identity> many(kMaxIdentities + 1, Identity{ed25519_blob('a'), ""});
  CHECK(code_of(encode_identities(many)) == Errc::kLimit);
  const auto most = decode_identities(body(encode_identities(std::span(many).first(kMaxIdentities))));
  REQUIRE(most);
  CHECK(most->size() == kMaxIdentities);
}

TEST_CASE("identities that do not fit into one message are refused") {
  const std::vector<Identity> large(20, Identity{ed25519_blob('a'), std::string(16 * 1024, 'c')});
  CHECK(code_of(encode_identities(large)) == Errc::kLimit);
}

TEST_CASE("an identity without a readable key type is left out") {
  std::string rest;
  WireWriter(rest).uint32(2).string("junk").string("comment").string(ed25519_blob('a')).string("good");
  const auto identities = decode_identities(number_and(SSH_AGENT_IDENTITIES_ANSWER, rest));
  REQUIRE(identities);
  REQUIRE(identities->size() == 1);
  CHECK(identities->front().comment == "good");
}

TEST_CASE("a signature arrives as it was sent, rest included") {
  const Signature signature{"sk-ssh-ed25519@openssh.com", std::string(64, 's'), "\x01\0\0\0\x07"s};
  CHECK(decode_sign_response(body(encode_sign_response(signature))) == signature);
}

TEST_CASE("a sign response cut anywhere is refused") {
  check_every_cut(body(encode_sign_response({"ssh-ed25519", std::string(64, 's'), ""})),
                  [](std::string_view message) { return decode_sign_response(message).has_value(); });
}

TEST_CASE("a signature over its limit is not encoded") {
  CHECK(code_of(encode_sign_response({"ssh-rsa", std::string(kMaxSignatureBlob, 's'), ""})) == Errc::kLimit);
}

TEST_CASE("an agent that refuses is told from one that breaks the protocol") {
  for (const std::string_view refusal : {"\x05", "\x1c"}) {
    CHECK(code_of(decode_identities(refusal)) == Errc::kRefused);
    CHECK(code_of(decode_sign_response(refusal)) == Errc::kRefused);
    CHECK(code_of(decode_success(refusal)) == Errc::kRefused);
    CHECK(code_of(decode_query_response(refusal)) == Errc::kRefused);
  }
  CHECK(code_of(decode_identities("\x0e")) == Errc::kProtocol);
  CHECK(code_of(decode_sign_response("\x06")) == Errc::kProtocol);
  CHECK(code_of(decode_success("\x1d")) == Errc::kProtocol);
  CHECK(code_of(decode_success("")) == Errc::kInvalid);
}

TEST_CASE("success has nothing with it") {
  CHECK(decode_success("\x06"));
  CHECK(code_of(decode_success("\x06x")) == Errc::kInvalid);
}

TEST_CASE("a query is an extension without contents and its answer names itself") {
  CHECK(encode_query() == "\0\0\0\x0a\x1b\0\0\0\5query"s);
  const std::vector<std::string_view> names = {kQueryExtension, kSessionBindExtension};
  const std::string answer = body(encode_query_response(names));
  CHECK(answer == "\x1d\0\0\0\5query\0\0\0\5query\0\0\0\x18session-bind@openssh.com"s);
  CHECK(decode_query_response(answer) == std::vector<std::string>{"query", "session-bind@openssh.com"});
}

TEST_CASE("the older answer to a query is read, too") {
  CHECK(decode_query_response("\x06\0\0\0\1a\0\0\0\1b"s) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("the answer to a query is bounded, complete and of that extension") {
  CHECK(code_of(decode_query_response("\x1d\0\0\0\4list"s)) == Errc::kProtocol);
  CHECK(code_of(decode_query_response("\x1d\0\0\0\5query\0\0\0\2a"s)) == Errc::kInvalid);
  std::string many = "\x06";
  for (std::size_t i = 0; i <= kMaxExtensionNames; ++i) many += "\0\0\0\1a"s;
  CHECK(code_of(decode_query_response(many)) == Errc::kLimit);
}

}  // namespace
}  // namespace shed::ssh
