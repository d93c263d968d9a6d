// The messages of the SSH agent protocol, RFC 9987, in both directions: we are a client of the host's
// agent and a server to the programs in the guest.
//
//   frame     uint32 length of what follows (1 to 256 KiB), byte message number, contents
//
// Every encode_ function returns a whole frame, ready to be written. Every decode_ function takes a
// message without its length. What breaks the format is Errc::kInvalid, what is over a bound
// Errc::kLimit; a client's decoder adds Errc::kRefused for an answer that says no (5 or 28) and
// Errc::kProtocol for a well-formed answer with another number than was waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "shed/base/result.h"
#include "shed/ssh/types.h"

namespace shed::ssh {

// Message numbers, RFC 9987 (message numbers).
inline constexpr std::uint8_t SSH_AGENT_FAILURE = 5;
inline constexpr std::uint8_t SSH_AGENT_SUCCESS = 6;
inline constexpr std::uint8_t SSH_AGENTC_REQUEST_IDENTITIES = 11;
inline constexpr std::uint8_t SSH_AGENT_IDENTITIES_ANSWER = 12;
inline constexpr std::uint8_t SSH_AGENTC_SIGN_REQUEST = 13;
inline constexpr std::uint8_t SSH_AGENT_SIGN_RESPONSE = 14;
inline constexpr std::uint8_t SSH_AGENTC_ADD_IDENTITY = 17;
inline constexpr std::uint8_t SSH_AGENTC_REMOVE_IDENTITY = 18;
inline constexpr std::uint8_t SSH_AGENTC_REMOVE_ALL_IDENTITIES = 19;
inline constexpr std::uint8_t SSH_AGENTC_ADD_SMARTCARD_KEY = 20;
inline constexpr std::uint8_t SSH_AGENTC_REMOVE_SMARTCARD_KEY = 21;
inline constexpr std::uint8_t SSH_AGENTC_LOCK = 22;
inline constexpr std::uint8_t SSH_AGENTC_UNLOCK = 23;
inline constexpr std::uint8_t SSH_AGENTC_ADD_ID_CONSTRAINED = 25;
inline constexpr std::uint8_t SSH_AGENTC_ADD_SMARTCARD_KEY_CONSTRAINED = 26;
inline constexpr std::uint8_t SSH_AGENTC_EXTENSION = 27;
inline constexpr std::uint8_t SSH_AGENT_EXTENSION_FAILURE = 28;
inline constexpr std::uint8_t SSH_AGENT_EXTENSION_RESPONSE = 29;

// OpenSSH's bounds for what it takes from an agent.
inline constexpr std::size_t kMaxAgentMessage = std::size_t{256} * 1024;
inline constexpr std::size_t kMaxIdentities = 2048;
// OpenSSH's agent remembers as many for a connection.
inline constexpr std::size_t kMaxSessionBinds = 16;
// Names in the answer to "query"; OpenSSH's has fewer than ten.
inline constexpr std::size_t kMaxExtensionNames = 64;

inline constexpr std::size_t kFrameHeaderSize = 4;
inline constexpr std::string_view kSessionBindExtension = "session-bind@openssh.com";
inline constexpr std::string_view kQueryExtension = "query";

// The length of the message behind these first kFrameHeaderSize bytes of a frame: look at it before
// making room for the message. Errc::kInvalid for fewer bytes and for 0, Errc::kLimit over
// kMaxAgentMessage; either way the rest of the stream means nothing and the connection is to be closed.
Result<std::size_t> frame_length(std::string_view header);

// Requests, as a server reads them.

struct RequestIdentities {};

// Views into the message.
struct ExtensionRequest {
  std::string_view name;
  std::string_view contents;
};

// Any other message, known or not, with contents that nobody looked at. The answer is
// SSH_AGENT_FAILURE: everything that would change the host's agent is in here.
struct OtherRequest {
  std::uint8_t number = 0;
};

using AgentRequest = std::variant<RequestIdentities, SignRequest, ExtensionRequest, OtherRequest>;

// The SignRequest owns its bytes and has no binds; the server adds those of the connection.
Result<AgentRequest> decode_request(std::string_view message);

// The contents of a session-bind extension, checked with check_session_bind().
Result<SessionBind> decode_session_bind(std::string_view contents);

// In form only: host key of a known type with that type's fields, session id of 1 to kMaxSessionId
// bytes, a signature that parses, nothing longer than its bound. Whether the host key made the
// signature is verify_session_bind()'s matter (verify.h).
Status check_session_bind(const SessionBind& bind);

// Appends a bind to those of its connection, by the rules of OpenSSH's agent: Errc::kLimit when there
// are kMaxSessionBinds; Errc::kRefused behind a bind that was not for forwarding, and for a session id
// that stands there with another host key; the same session and host key again is taken once. What
// is refused leaves `binds` as it was: then a host's agent refuses constrained keys by itself, since
// the session it is asked to sign for is not the last one bound.
Status add_session_bind(std::vector<SessionBind>& binds, SessionBind bind);

// Answers, as a server writes them.

std::string encode_failure();            // 5
std::string encode_success();            // 6
std::string encode_extension_failure();  // 28: the extension is known and failed
// Errc::kLimit over kMaxIdentities or kMaxAgentMessage.
Result<std::string> encode_identities(std::span<const Identity> identities);
Result<std::string> encode_sign_response(const Signature& signature);
// 29, "query" and the names.
std::string encode_query_response(std::span<const std::string_view> names);

// Requests, as a client writes them.

std::string encode_request_identities();
// Errc::kLimit over kMaxAgentMessage. Does not send `binds`: each is a message of its own, before it.
Result<std::string> encode_sign_request(const SignRequest& request);
Result<std::string> encode_session_bind(const SessionBind& bind);
std::string encode_query();

// Answers, as a client reads them.

// Errc::kLimit over kMaxIdentities, before anything is allocated for them. Identities whose blob has
// no key type are left out: nobody could ask for a signature with them.
Result<std::vector<Identity>> decode_identities(std::string_view message);
Result<Signature> decode_sign_response(std::string_view message);
// SSH_AGENT_SUCCESS, and nothing with it.
Status decode_success(std::string_view message);
// The names of extensions. Agents older than RFC 9987 answer with SSH_AGENT_SUCCESS and the names;
// that is read, too.
Result<std::vector<std::string>> decode_query_response(std::string_view message);

}  // namespace shed::ssh
