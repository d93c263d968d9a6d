// Keys, signatures and requests, as the agent protocol (RFC 9987) and the bus payloads carry them,
// and what may be said about a public key without doing arithmetic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/result.h"

namespace shed::ssh {

// Limits of single values; what is longer is Errc::kLimit. The largest honest values are an RSA key
// of 16384 bits (2 KiB), its signature (2 KiB) and its certificate signed by another such key (7 KiB,
// with room for principals).
inline constexpr std::size_t kMaxKeyBlob = std::size_t{16} * 1024;
inline constexpr std::size_t kMaxSignatureBlob = std::size_t{8} * 1024;
// As OpenSSH's agent bounds it; the exchange hash is 20 to 64 bytes.
inline constexpr std::size_t kMaxSessionId = 128;

// Flags of a sign request, RFC 9987 (signature flags).
inline constexpr std::uint32_t SSH_AGENT_RSA_SHA2_256 = 0x02;
inline constexpr std::uint32_t SSH_AGENT_RSA_SHA2_512 = 0x04;

// A key that an agent offers. `key_blob` is the public key's wire form, RFC 4253 section 6.6 (or a
// certificate's); the comment is anything at all.
struct Identity {
  std::string key_blob;
  std::string comment;

  bool operator==(const Identity&) const = default;
};

// An SSH signature: string format, string blob, then anything after the two. Security keys have
// byte flags and uint32 counter in `rest`; it is empty for all others.
struct Signature {
  std::string format;
  std::string blob;
  std::string rest;

  bool operator==(const Signature&) const = default;
};

// The signature blob that the agent's answer carries as one string. decode_signature: Errc::kInvalid
// for what are not two strings or has an empty one, Errc::kLimit over kMaxSignatureBlob.
std::string encode_signature(const Signature& signature);
Result<Signature> decode_signature(std::string_view bytes);

// One `session-bind@openssh.com` message (OpenSSH's PROTOCOL.agent, section 1): the client tells the
// agent to which host the connection it asks for belongs. `signature` is the signature blob.
struct SessionBind {
  std::string host_key;
  std::string session_id;
  std::string signature;
  bool forwarding = false;

  bool operator==(const SessionBind&) const = default;
};

// `binds` are those of the connection that the request came on, oldest first.
struct SignRequest {
  std::string key_blob;
  std::string data;
  std::uint32_t flags = 0;
  std::vector<SessionBind> binds;
};

// The first string of a key blob: "ssh-ed25519". A view into the blob. Errc::kInvalid when there is
// none or it is no algorithm name (RFC 4251 section 6: 1 to 64 printable ASCII characters, no comma).
Result<std::string_view> key_type_of(std::string_view key_blob);

// The type without its certificate form: "ssh-rsa" of "ssh-rsa-cert-v01@openssh.com". Errc::kUnsupported
// for a type not known here. Known are ssh-ed25519, ssh-rsa, ecdsa-sha2-nistp256, -384, -521,
// sk-ssh-ed25519@openssh.com, sk-ecdsa-sha2-nistp256@openssh.com and the v01 certificates of each.
Result<std::string_view> plain_key_type(std::string_view key_type);
bool is_certificate_type(std::string_view key_type);
bool is_security_key_type(std::string_view key_type);  // certificates of security keys, too

// Errc::kUnsupported for an unknown type, Errc::kInvalid for a blob that has not the fields of its
// type or something behind them, Errc::kLimit over kMaxKeyBlob. Says nothing about points and moduli.
Status check_key_blob(std::string_view key_blob);

// The algorithm that a signature by such a key must name. RSA keys and RSA certificates go by the
// flags: none "ssh-rsa", SSH_AGENT_RSA_SHA2_256 "rsa-sha2-256", SSH_AGENT_RSA_SHA2_512 "rsa-sha2-512".
// With both set it is "rsa-sha2-256": RFC 9987 leaves the choice open and OpenSSH's agent looks at
// that flag first. Other keys have one algorithm, their plain type; flags do not matter, and bits
// not named here never do. Errc::kUnsupported for an unknown type.
Result<std::string_view> expected_signature_format(std::string_view key_type, std::uint32_t flags);

// Whether `signature` is of the kind that was asked for: the algorithm exactly as expected (no
// downgrade, no upgrade), and flags and counter present for a security key and absent for others.
// Errc::kProtocol with the reason. Does not verify the signature.
Status check_signature_form(std::string_view key_blob, std::uint32_t flags, const Signature& signature);

// A certificate's key without its certificate; a copy of anything else. Empty for what is malformed.
std::string plain_key_blob(std::string_view key_blob);

// "SHA256:" and the base64 of the SHA-256 of the blob, without padding: what ssh-keygen -l prints.
std::string fingerprint(std::string_view key_blob);

}  // namespace shed::ssh
