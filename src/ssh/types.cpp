#include "shed/ssh/types.h"

#include <algorithm>
#include <array>

#include "shed/base/base64.h"
#include "shed/ssh/wire.h"
#include "ssh/openssl.h"
#include "ssh/public_key.h"

namespace shed::ssh {
namespace {

// RFC 4251 section 6.
constexpr std::size_t kMaxAlgorithmName = 64;
// byte flags, uint32 counter: OpenSSH's PROTOCOL.u2f.
constexpr std::size_t kSecurityKeyRest = 5;

struct KeyType {
  std::string_view plain;
  std::string_view certificate;
  bool security_key;
};

constexpr std::array<KeyType, 7> kKeyTypes = {{
    {"ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com", false},
    {"ssh-rsa", "ssh-rsa-cert-v01@openssh.com", false},
    {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256-cert-v01@openssh.com", false},
    {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384-cert-v01@openssh.com", false},
    {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521-cert-v01@openssh.com", false},
    {"sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519-cert-v01@openssh.com", true},
    {"sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", true},
}};

const KeyType* find_key_type(std::string_view name) {
  const auto* found = std::find_if(kKeyTypes.begin(), kKeyTypes.end(), [&](const KeyType& type) {
    return type.plain == name || type.certificate == name;
  });
  return found == kKeyTypes.end() ? nullptr : found;
}

bool is_algorithm_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxAlgorithmName &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f && c != ','; });
}

// What a peer called its algorithm, for an error text.
std::string_view printable(std::string_view name) { return is_algorithm_name(name) ? name : "unreadable"; }

}  // namespace

std::string encode_signature(const Signature& signature) {
  std::string out;
  WireWriter(out).string(signature.format).string(signature.blob).bytes(signature.rest);
  return out;
}

Result<Signature> decode_signature(std::string_view bytes) {
  if (bytes.size() > kMaxSignatureBlob) {
    return fail(Errc::kLimit, "signature of {} bytes is over {}", bytes.size(), kMaxSignatureBlob);
  }
  WireReader reader(bytes);
  const auto format = reader.string();
  if (!format) return propagate(format, "signature format");
  const auto blob = reader.string();
  if (!blob) return propagate(blob, "signature");
  if (!is_algorithm_name(*format)) return fail(Errc::kInvalid, "signature format: not an algorithm name");
  if (blob->empty()) return fail(Errc::kInvalid, "signature: empty");
  return Signature{std::string(*format), std::string(*blob), std::string(reader.remaining())};
}

Result<std::string_view> key_type_of(std::string_view key_blob) {
  const auto type = WireReader(key_blob).string();
  if (!type) return propagate(type, "key type");
  if (!is_algorithm_name(*type)) return fail(Errc::kInvalid, "key type: not an algorithm name");
  return *type;
}

Result<std::string_view> plain_key_type(std::string_view key_type) {
  const KeyType* type = find_key_type(key_type);
  if (type == nullptr) return fail(Errc::kUnsupported, "key type {}: unknown", printable(key_type));
  return type->plain;
}

bool is_certificate_type(std::string_view key_type) {
  const KeyType* type = find_key_type(key_type);
  return type != nullptr && type->certificate == key_type;
}

bool is_security_key_type(std::string_view key_type) {
  const KeyType* type = find_key_type(key_type);
  return type != nullptr && type->security_key;
}

Status check_key_blob(std::string_view key_blob) {
  const auto key = parse_public_key(key_blob);
  if (!key) return propagate(key);
  return {};
}

Result<std::string_view> expected_signature_format(std::string_view key_type, std::uint32_t flags) {
  const auto plain = plain_key_type(key_type);
  if (!plain || *plain != "ssh-rsa") return plain;
  if ((flags & SSH_AGENT_RSA_SHA2_256) != 0) return "rsa-sha2-256";
  if ((flags & SSH_AGENT_RSA_SHA2_512) != 0) return "rsa-sha2-512";
  return plain;
}

Status check_signature_form(std::string_view key_blob, std::uint32_t flags, const Signature& signature) {
  const auto type = key_type_of(key_blob);
  if (!type) return propagate(type);
  const auto expected = expected_signature_format(*type, flags);
  if (!expected) return propagate(expected);
  // Refused on purpose, even where the other algorithm is the stronger one: the client has told its
  // server which one comes, and SHA-1 in the place of SHA-2 is what an attacker would want.
  if (signature.format != *expected) {
    return fail(Errc::kProtocol, "signature is {}, {} was asked for", printable(signature.format), *expected);
  }
  if (signature.blob.empty()) return fail(Errc::kProtocol, "signature is empty");
  if (!is_security_key_type(*type)) {
    if (signature.rest.empty()) return {};
    return fail(Errc::kProtocol, "{} bytes behind the signature", signature.rest.size());
  }
  if (signature.rest.empty()) {
    return fail(Errc::kProtocol, "the security key's flags and counter are missing from the signature");
  }
  if (signature.rest.size() != kSecurityKeyRest) {
    return fail(Errc::kProtocol, "the security key's flags and counter are {} bytes, not {}",
                signature.rest.size(), kSecurityKeyRest);
  }
  return {};
}

std::string plain_key_blob(std::string_view key_blob) {
  std::string blob;
  const auto key = parse_public_key(key_blob);
  if (key) WireWriter(blob).string(key->type).bytes(key->bytes);
  return blob;
}

std::string fingerprint(std::string_view key_blob) {
  std::string text = "SHA256:" + base64_encode(sha256(key_blob));
  text.erase(text.find_last_not_of('=') + 1);
  return text;
}

}  // namespace shed::ssh
