// The fields of a public key blob, for this room's own use.
//
//   ssh-ed25519           string key (32 bytes)
//   ssh-rsa               mpint e, mpint n
//   ecdsa-sha2-nistpN     string curve name, string point (uncompressed)
//   sk-ssh-ed25519        string key, string application
//   sk-ecdsa-sha2-nistpN  string curve name, string point, string application
//   ...-cert-v01          string nonce, the fields above, uint64 serial, uint32 kind, string key id,
//                         string principals, uint64 from, uint64 to, string critical options,
//                         string extensions, string reserved, string authority's key, string signature
//
// each behind the type as a string: RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709 section 4 and
// OpenSSH's PROTOCOL.certkeys and PROTOCOL.u2f.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "shed/base/result.h"

namespace shed::ssh {

// Views into the blob, empty where the type has no such field. `type` is the plain type.
struct PublicKeyFields {
  std::string_view type;
  std::string_view point;  // of ECDSA: 0x04, x, y; of Ed25519: the key
  std::string_view e;      // magnitudes, without sign bytes
  std::string_view n;
  std::string_view application;  // of a security key: "ssh:"
  std::string_view bytes;        // the fields above as they stand in the blob, application and all
};

// Errors as check_key_blob() has them.
Result<PublicKeyFields> parse_public_key(std::string_view key_blob);

// Whether both blobs are of one key: the same bytes, or one of them a certificate of the other, or both
// certificates of the same. Neither a certificate's signature nor its dates are looked at.
bool same_public_key(std::string_view key_blob, std::string_view other);

// What a certificate says, in views into its blob; nothing of it has been verified.
struct CertificateFields {
  std::uint32_t kind = 0;       // kUserCertificate, kHostCertificate
  std::string_view principals;  // strings, one behind the other
  std::uint64_t valid_after = 0;
  std::uint64_t valid_before = 0;  // seconds since 1970; from the one up to the other, without it
  std::string_view critical_options;
  std::string_view authority;    // key blob of the authority
  std::string_view signature;    // its signature blob
  std::string_view signed_part;  // over these bytes
};
inline constexpr std::uint32_t kUserCertificate = 1;
inline constexpr std::uint32_t kHostCertificate = 2;

// Errors as check_key_blob() has them; Errc::kUnsupported for a key that is no certificate.
Result<CertificateFields> parse_certificate(std::string_view key_blob);

// A NIST curve by its SSH key type; nullptr for other types.
struct Curve {
  std::string_view key_type;  // also of the signatures
  std::string_view ssh_name;  // inside key blobs
  const char* openssl_name;   // as OpenSSL reports the group of a key
  std::size_t field_size;     // bytes of a coordinate
};
const Curve* curve_of_type(std::string_view plain_type);
const Curve* curve_of_group(std::string_view openssl_name);

}  // namespace shed::ssh
