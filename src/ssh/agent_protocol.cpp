#include "shed/ssh/agent_protocol.h"

#include <algorithm>
#include <utility>

#include "shed/ssh/wire.h"

namespace shed::ssh {
namespace {

// An identity is at least two lengths: a count that needs more bytes than there are is a lie.
constexpr std::size_t kMinIdentitySize = 8;

// Starts a frame whose length finish() fills in.
std::string begin(std::uint8_t number) {
  std::string frame(kFrameHeaderSize, '\0');
  frame.push_back(static_cast<char>(number));
  return frame;
}

std::string finish(std::string frame) {
  std::string header;
  WireWriter(header).uint32(static_cast<std::uint32_t>(frame.size() - kFrameHeaderSize));
  frame.replace(0, kFrameHeaderSize, header);
  return frame;
}

Result<std::string> finish_bounded(std::string frame) {
  const std::size_t size = frame.size() - kFrameHeaderSize;
  if (size > kMaxAgentMessage) {
    return fail(Errc::kLimit, "agent message of {} bytes is over {}", size, kMaxAgentMessage);
  }
  return finish(std::move(frame));
}

Result<AgentRequest> decode_sign_request(WireReader& reader) {
  const auto key_blob = reader.string();
  if (!key_blob) return propagate(key_blob, "sign request: key");
  const auto data = reader.string();
  if (!data) return propagate(data, "sign request: data");
  const auto flags = reader.uint32();
  if (!flags) return propagate(flags, "sign request: flags");
  if (const auto end = reader.end(); !end) return propagate(end, "sign request");
  if (key_blob->size() > kMaxKeyBlob) {
    return fail(Errc::kLimit, "sign request: key of {} bytes is over {}", key_blob->size(), kMaxKeyBlob);
  }
  return SignRequest{std::string(*key_blob), std::string(*data), *flags, {}};
}

Result<AgentRequest> decode_extension(WireReader& reader) {
  const auto name = reader.string();
  if (!name) return propagate(name, "extension request");
  return ExtensionRequest{*name, reader.remaining()};
}

// Reads the number of an answer and turns a refusal, or another answer than `wanted`, into an error.
Result<WireReader> open_answer(std::string_view message, std::uint8_t wanted) {
  if (message.size() > kMaxAgentMessage) {
    return fail(Errc::kLimit, "agent message of {} bytes is over {}", message.size(), kMaxAgentMessage);
  }
  WireReader reader(message);
  const auto number = reader.byte();
  if (!number) return fail(Errc::kInvalid, "empty agent message");
  if (*number == wanted) return reader;
  if (*number == SSH_AGENT_FAILURE) return fail(Errc::kRefused, "the agent refused");
  if (*number == SSH_AGENT_EXTENSION_FAILURE) return fail(Errc::kRefused, "the agent's extension failed");
  return fail(Errc::kProtocol, "the agent answered with message {} instead of {}", *number, wanted);
}

}  // namespace

Result<std::size_t> frame_length(std::string_view header) {
  WireReader reader(header.substr(0, kFrameHeaderSize));
  const auto length = reader.uint32();
  if (!length) return propagate(length, "agent message length");
  if (*length == 0) return fail(Errc::kInvalid, "agent message of length 0");
  if (*length > kMaxAgentMessage) {
    return fail(Errc::kLimit, "agent message of {} bytes is over {}", *length, kMaxAgentMessage);
  }
  return *length;
}

Result<AgentRequest> decode_request(std::string_view message) {
  if (message.size() > kMaxAgentMessage) {
    return fail(Errc::kLimit, "agent message of {} bytes is over {}", message.size(), kMaxAgentMessage);
  }
  WireReader reader(message);
  const auto number = reader.byte();
  if (!number) return fail(Errc::kInvalid, "empty agent message");
  switch (*number) {
    case SSH_AGENTC_REQUEST_IDENTITIES:
      if (const auto end = reader.end(); !end) return propagate(end, "identities request");
      return RequestIdentities{};
    case SSH_AGENTC_SIGN_REQUEST:
      return decode_sign_request(reader);
    case SSH_AGENTC_EXTENSION:
      return decode_extension(reader);
    default:
      return OtherRequest{*number};
  }
}

Result<SessionBind> decode_session_bind(std::string_view contents) {
  WireReader reader(contents);
  const auto host_key = reader.string();
  if (!host_key) return propagate(host_key, "session bind: host key");
  const auto session_id = reader.string();
  if (!session_id) return propagate(session_id, "session bind: session id");
  const auto signature = reader.string();
  if (!signature) return propagate(signature, "session bind: signature");
  const auto forwarding = reader.boolean();
  if (!forwarding) return propagate(forwarding, "session bind: forwarding");
  if (const auto end = reader.end(); !end) return propagate(end, "session bind");
  SessionBind bind{std::string(*host_key), std::string(*session_id), std::string(*signature), *forwarding};
  if (const auto checked = check_session_bind(bind); !checked) return propagate(checked);
  return bind;
}

Status check_session_bind(const SessionBind& bind) {
  if (bind.session_id.empty()) return fail(Errc::kInvalid, "session bind: session id: empty");
  if (bind.session_id.size() > kMaxSessionId) {
    return fail(Errc::kLimit, "session bind: session id of {} bytes is over {}", bind.session_id.size(),
                kMaxSessionId);
  }
  if (const auto key = check_key_blob(bind.host_key); !key) return propagate(key, "session bind: host key");
  const auto signature = decode_signature(bind.signature);
  if (!signature) return propagate(signature, "session bind");
  return {};
}

Status add_session_bind(std::vector<SessionBind>& binds, SessionBind bind) {
  for (const SessionBind& earlier : binds) {
    // A connection bound for authentication has reached its destination; nothing lies behind it.
    if (!earlier.forwarding) {
      return fail(Errc::kRefused, "session bind: the connection is bound for authentication already");
    }
    if (earlier.session_id != bind.session_id) continue;
    if (earlier.host_key == bind.host_key) return {};
    return fail(Errc::kRefused, "session bind: the session is bound to another host key already");
  }
  if (binds.size() >= kMaxSessionBinds) {
    return fail(Errc::kLimit, "session bind: the connection has {} already", binds.size());
  }
  binds.push_back(std::move(bind));
  return {};
}

std::string encode_failure() { return finish(begin(SSH_AGENT_FAILURE)); }
std::string encode_success() { return finish(begin(SSH_AGENT_SUCCESS)); }
std::string encode_extension_failure() { return finish(begin(SSH_AGENT_EXTENSION_FAILURE)); }

Result<std::string> encode_identities(std::span<const Identity> identities) {
  if (identities.size() > kMaxIdentities) {
    return fail(Errc::kLimit, "{} identities are over {}", identities.size(), kMaxIdentities);
  }
  std::string frame = begin(SSH_AGENT_IDENTITIES_ANSWER);
  WireWriter writer(frame);
  writer.uint32(static_cast<std::uint32_t>(identities.size()));
  for (const Identity& identity : identities) {
    if (identity.key_blob.size() > kMaxAgentMessage || identity.comment.size() > kMaxAgentMessage ||
        frame.size() > kMaxAgentMessage) {
      return fail(Errc::kLimit, "identities do not fit into a message of {} bytes", kMaxAgentMessage);
    }
    writer.string(identity.key_blob).string(identity.comment);
  }
  return finish_bounded(std::move(frame));
}

Result<std::string> encode_sign_response(const Signature& signature) {
  const std::string blob = encode_signature(signature);
  if (blob.size() > kMaxSignatureBlob) {
    return fail(Errc::kLimit, "signature of {} bytes is over {}", blob.size(), kMaxSignatureBlob);
  }
  std::string frame = begin(SSH_AGENT_SIGN_RESPONSE);
  WireWriter(frame).string(blob);
  return finish(std::move(frame));
}

std::string encode_query_response(std::span<const std::string_view> names) {
  std::string frame = begin(SSH_AGENT_EXTENSION_RESPONSE);
  WireWriter writer(frame);
  writer.string(kQueryExtension);
  for (const std::string_view name : names) writer.string(name);
  return finish(std::move(frame));
}

std::string encode_request_identities() { return finish(begin(SSH_AGENTC_REQUEST_IDENTITIES)); }

Result<std::string> encode_sign_request(const SignRequest& request) {
  if (request.key_blob.size() > kMaxKeyBlob) {
    return fail(Errc::kLimit, "key of {} bytes is over {}", request.key_blob.size(), kMaxKeyBlob);
  }
  if (request.data.size() > kMaxAgentMessage) {
    return fail(Errc::kLimit, "data of {} bytes do not fit into a message of {}", request.data.size(),
                kMaxAgentMessage);
  }
  std::string frame = begin(SSH_AGENTC_SIGN_REQUEST);
  WireWriter(frame).string(request.key_blob).string(request.data).uint32(request.flags);
  return finish_bounded(std::move(frame));
}

Result<std::string> encode_session_bind(const SessionBind& bind) {
  if (const auto checked = check_session_bind(bind); !checked) return propagate(checked);
  std::string frame = begin(SSH_AGENTC_EXTENSION);
  WireWriter(frame)
      .string(kSessionBindExtension)
      .string(bind.host_key)
      .string(bind.session_id)
      .string(bind.signature)
      .boolean(bind.forwarding);
  return finish(std::move(frame));
}

std::string encode_query() {
  std::string frame = begin(SSH_AGENTC_EXTENSION);
  WireWriter(frame).string(kQueryExtension);
  return finish(std::move(frame));
}

Result<std::vector<Identity>> decode_identities(std::string_view message) {
  auto reader = open_answer(message, SSH_AGENT_IDENTITIES_ANSWER);
  if (!reader) return propagate(reader);
  const auto count = reader->uint32();
  if (!count) return propagate(count, "identities: count");
  if (*count > kMaxIdentities) return fail(Errc::kLimit, "{} identities are over {}", *count, kMaxIdentities);
  if (*count > reader->remaining().size() / kMinIdentitySize) {
    return fail(Errc::kInvalid, "{} identities in {} bytes", *count, reader->remaining().size());
  }
  std::vector<Identity> identities;
  identities.reserve(*count);
  for (std::uint32_t i = 0; i < *count; ++i) {
    const auto key_blob = reader->string();
    if (!key_blob) return propagate(key_blob, "identities: key");
    const auto comment = reader->string();
    if (!comment) return propagate(comment, "identities: comment");
    if (key_blob->size() > kMaxKeyBlob || !key_type_of(*key_blob)) continue;
    identities.push_back({std::string(*key_blob), std::string(*comment)});
  }
  if (const auto end = reader->end(); !end) return propagate(end, "identities");
  return identities;
}

Result<Signature> decode_sign_response(std::string_view message) {
  auto reader = open_answer(message, SSH_AGENT_SIGN_RESPONSE);
  if (!reader) return propagate(reader);
  const auto blob = reader->string();
  if (!blob) return propagate(blob, "sign response");
  if (const auto end = reader->end(); !end) return propagate(end, "sign response");
  return decode_signature(*blob);
}

Status decode_success(std::string_view message) {
  const auto reader = open_answer(message, SSH_AGENT_SUCCESS);
  if (!reader) return propagate(reader);
  return reader->end();
}

Result<std::vector<std::string>> decode_query_response(std::string_view message) {
  const bool older = !message.empty() && message[0] == SSH_AGENT_SUCCESS;
  auto reader = open_answer(message, older ? SSH_AGENT_SUCCESS : SSH_AGENT_EXTENSION_RESPONSE);
  if (!reader) return propagate(reader);
  if (!older) {
    const auto extension = reader->string();
    if (!extension) return propagate(extension, "query response");
    if (*extension != kQueryExtension) return fail(Errc::kProtocol, "query response: of another extension");
  }
  std::vector<std::string> names;
  while (!reader->at_end()) {
    if (names.size() == kMaxExtensionNames) {
      return fail(Errc::kLimit, "query response: over {} names", kMaxExtensionNames);
    }
    const auto name = reader->string();
    if (!name) return propagate(name, "query response");
    names.emplace_back(*name);
  }
  return names;
}

}  // namespace shed::ssh
