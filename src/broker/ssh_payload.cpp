#include "shed/broker/ssh_payload.h"

#include "shed/base/base64.h"
#include "shed/ssh/agent_protocol.h"

namespace shed::broker {
namespace {

void write_binds(JsonWriter& json, const std::vector<ssh::SessionBind>& binds) {
  if (binds.empty()) return;
  json.key("session_binds").begin_array();
  for (const ssh::SessionBind& bind : binds) {
    json.begin_object();
    json.key("host_key").base64(bind.host_key);
    json.key("session_id").base64(bind.session_id);
    json.key("signature").base64(bind.signature);
    json.field("forwarding", bind.forwarding).end_object();
  }
  json.end_array();
}

// base64 of the wire form alone, or "ssh-ed25519 AAAA... comment".
std::string_view base64_part(std::string_view public_key) {
  const auto space = public_key.find(' ');
  if (space == public_key.npos) return public_key;
  public_key.remove_prefix(space + 1);
  return public_key.substr(0, public_key.find(' '));
}

Result<std::string> decode_member(const JsonValue& object, std::string_view name) {
  const auto text = object[name].string();
  if (!text) return fail(Errc::kProtocol, "no '{}'", name);
  auto bytes = base64_decode(*text);
  if (!bytes) return fail(Errc::kProtocol, "'{}' is not base64", name);
  return bytes;
}

// Absent flags are none. Anything but a number is refused, not taken for none: an RSA key would sign
// with SHA-1 for somebody who asked for better.
Result<std::uint32_t> decode_flags(const JsonValue& value) {
  if (!value.exists() || value.is_null()) return 0;
  const auto flags = value.integer();
  if (!flags || *flags < 0 || *flags > UINT32_MAX) return fail(Errc::kInvalid, "invalid sign flags");
  return static_cast<std::uint32_t>(*flags);
}

Result<ssh::SessionBind> decode_bind(const JsonValue& value) {
  auto host_key = decode_member(value, "host_key");
  auto session_id = decode_member(value, "session_id");
  auto signature = decode_member(value, "signature");
  const auto forwarding = value["forwarding"].boolean();
  if (!host_key || !session_id || !signature || !forwarding)
    return fail(Errc::kInvalid, "invalid session bind");
  ssh::SessionBind bind{std::move(*host_key), std::move(*session_id), std::move(*signature), *forwarding};
  if (const Status status = ssh::check_session_bind(bind); !status)
    return fail(Errc::kInvalid, "invalid session bind");
  return bind;
}

}  // namespace

std::string encode_list_payload(const std::vector<ssh::SessionBind>& binds) {
  std::string payload;
  JsonWriter json(payload);
  json.begin_object().field("operation", "list");
  write_binds(json, binds);
  json.end_object();
  return payload;
}

std::string encode_sign_payload(const ssh::SignRequest& request) {
  std::string payload;
  JsonWriter json(payload);
  json.begin_object().field("operation", "sign");
  json.key("public_key").base64(request.key_blob);
  json.key("data").base64(request.data);
  json.field("flags", request.flags);
  write_binds(json, request.binds);
  json.end_object();
  return payload;
}

Result<std::vector<ssh::SessionBind>> decode_binds(const JsonValue& payload) {
  const JsonValue array = payload["session_binds"];
  std::vector<ssh::SessionBind> binds;
  if (!array.exists() || array.is_null()) return binds;
  if (!array.is_array()) return fail(Errc::kInvalid, "invalid session bind");
  const auto values = array.elements();
  if (values.size() > ssh::kMaxSessionBinds) return fail(Errc::kLimit, "too many session binds");
  for (const JsonValue& value : values) {
    auto bind = decode_bind(value);
    if (!bind) return propagate(bind);
    binds.push_back(std::move(*bind));
  }
  return binds;
}

Result<ssh::SignRequest> decode_sign_request(const JsonValue& payload) {
  ssh::SignRequest request;
  auto key = base64_decode(base64_part(payload["public_key"].string_or("")));
  if (!key) return fail(Errc::kInvalid, "invalid public key encoding");
  // Refused on purpose: an agent finds some keys under more forms than their own, and rules go by
  // fingerprints.
  if (!ssh::check_key_blob(*key)) return fail(Errc::kNotFound, "invalid public key");
  request.key_blob = std::move(*key);
  const auto data_text = payload["data"].string();
  auto data = base64_decode(data_text.value_or("*"));
  if (!data) return fail(Errc::kInvalid, "invalid challenge data encoding");
  request.data = std::move(*data);
  const auto flags = decode_flags(payload["flags"]);
  if (!flags) return propagate(flags);
  request.flags = *flags;
  auto binds = decode_binds(payload);
  if (!binds) return propagate(binds);
  request.binds = std::move(*binds);
  return request;
}

std::string encode_keys(const std::vector<ssh::Identity>& identities) {
  std::string payload;
  JsonWriter json(payload);
  json.begin_object().key("keys").begin_array();
  for (const ssh::Identity& identity : identities) {
    const auto type = ssh::key_type_of(identity.key_blob);
    if (!type) continue;
    json.begin_object().field("format", *type).key("blob").base64(identity.key_blob);
    json.field("comment", identity.comment).end_object();
  }
  json.end_array().end_object();
  return payload;
}

std::string encode_signature_payload(const ssh::Signature& signature) {
  std::string payload;
  JsonWriter json(payload);
  json.begin_object().field("format", signature.format).key("blob").base64(signature.blob);
  json.key("rest").base64(signature.rest).end_object();
  return payload;
}

std::string encode_ssh_status(std::string_view mode, std::size_t key_count) {
  std::string payload;
  JsonWriter(payload)
      .begin_object()
      .field("connected", true)
      .field("mode", mode)
      .field("key_count", key_count)
      .end_object();
  return payload;
}

Result<std::vector<ssh::Identity>> decode_keys(const JsonValue& payload) {
  const JsonValue array = payload["keys"];
  if (!array.is_array()) return fail(Errc::kProtocol, "the answer has no list of keys");
  const auto values = array.elements();
  if (values.size() > ssh::kMaxIdentities)
    return fail(Errc::kLimit, "the answer lists {} keys", values.size());
  std::vector<ssh::Identity> identities;
  for (const JsonValue& value : values) {
    auto blob = decode_member(value, "blob");
    if (!blob) return propagate(blob, "the answer's list of keys");
    identities.push_back({std::move(*blob), std::string(value["comment"].string_or(""))});
  }
  return identities;
}

Result<ssh::Signature> decode_signature_payload(const JsonValue& payload) {
  const auto format = payload["format"].string();
  auto blob = decode_member(payload, "blob");
  if (!format || format->empty() || !blob) return fail(Errc::kProtocol, "the answer is no signature");
  ssh::Signature signature{std::string(*format), std::move(*blob), {}};
  if (payload["rest"].string_or("").empty()) return signature;
  auto rest = decode_member(payload, "rest");
  if (!rest) return propagate(rest, "the answer's signature");
  signature.rest = std::move(*rest);
  return signature;
}

}  // namespace shed::broker
