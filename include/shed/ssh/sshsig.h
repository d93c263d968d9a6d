// SSHSIG: signatures over messages of any length, as `ssh-keygen -Y sign` makes them and git reads them.
//
//   blob   "SSHSIG", uint32 version 1, string public key, string namespace, string reserved (empty),
//          string hash, string signature; OpenSSH's PROTOCOL.sshsig section 2
//   armor  "-----BEGIN SSH SIGNATURE-----", the blob in base64 with lines of 70, "-----END SSH
//   SIGNATURE-----"
//
// The signature is not over the message but over the data of section 3, which signed_data.h reads. A signer
// hashes the message (MessageDigest), has the agent sign sshsig_signed_data() with kSshsigSignFlags, and puts
// the agent's signature into make_sshsig(), as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "shed/base/result.h"
#include "shed/ssh/signed_data.h"
#include "shed/ssh/types.h"

namespace shed::ssh {

inline constexpr std::uint32_t kSshsigVersion = 1;
// RSA keys sign with SHA-512, and an agent that answers with anything else is refused.
inline constexpr std::uint32_t kSshsigSignFlags = SSH_AGENT_RSA_SHA2_512;
// The largest key and signature with their base64 are 33 KiB; what a file has behind the armor counts, too.
inline constexpr std::size_t kMaxSshsigBlob = kMaxKeyBlob + kMaxSignatureBlob + 1024;
inline constexpr std::size_t kMaxSshsigArmor = std::size_t{128} * 1024;

enum class SshsigHash : std::uint8_t { kSha512, kSha256 };
std::string_view hash_name(SshsigHash hash);  // "sha512", "sha256"
// Errc::kUnsupported for other names; upper case is another name.
Result<SshsigHash> sshsig_hash(std::string_view name);

// The hash of a message that comes piece by piece.
class MessageDigest {
 public:
  explicit MessageDigest(SshsigHash hash);
  MessageDigest(MessageDigest&&) noexcept;
  MessageDigest& operator=(MessageDigest&&) noexcept;
  ~MessageDigest();

  void update(std::string_view bytes);
  // Once, at the end. Errc::kInternal when the library has failed on the way.
  Result<std::string> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};
Result<std::string> message_digest(SshsigHash hash, std::string_view message);

// 1 to kMaxSshsigNamespace bytes, none of them a control character. ssh-keygen has no limit but takes no
// empty one.
Status check_sshsig_namespace(std::string_view name);

// What the key signs. The namespace has been checked; `digest` is of that hash.
std::string sshsig_signed_data(std::string_view name_space, SshsigHash hash, std::string_view digest);

// What a signature says; nothing of it has been verified.
struct Sshsig {
  std::string key_blob;  // or a certificate
  std::string name_space;
  SshsigHash hash = SshsigHash::kSha512;
  std::string signature;  // signature blob; of a security key with flags and counter

  bool operator==(const Sshsig&) const = default;
};

// The blob around an agent's answer. Errc::kProtocol when that is another algorithm than the one asked for
// with kSshsigSignFlags, or has not the fields of its kind (check_signature_form); as check_key_blob() for
// the key. Does not verify the signature.
Result<std::string> make_sshsig(const Sshsig& parts);
// Lines end with LF, the last one too. The same bytes as ssh-keygen's.
std::string armor_sshsig(std::string_view blob);

// Takes what ssh-keygen takes: the first line alone, to the byte; white space anywhere in the base64;
// anything at all behind the last line. Errc::kInvalid, or Errc::kLimit for a text over kMaxSshsigArmor or a
// blob over kMaxSshsigBlob.
Result<std::string> dearmor_sshsig(std::string_view text);
// Errc::kInvalid for cut fields and bytes left over, Errc::kUnsupported for a version over 1, a hash or a key
// type that is not known, Errc::kLimit for a field over its bound. What is in the reserved field is passed
// over, as the specification has it: nothing of it is signed.
Result<Sshsig> parse_sshsig(std::string_view blob);
// Both at once.
Result<Sshsig> read_sshsig(std::string_view armor);

// Whether the key in it has signed the message with this digest (of its own hash) for the namespace.
// Errc::kRefused: it has not, or for another namespace. Errc::kInvalid, Errc::kUnsupported as
// verify_any_signature() has them. A certificate must be signed by the authority it names, and the certified
// key counts; who may sign, and when, is allowed_signers.h's business. The texts are ssh-keygen's where it
// has one.
Status verify_sshsig(const Sshsig& sshsig, std::string_view name_space, std::string_view digest);

// How ssh-keygen calls a key's type: "ED25519", "ECDSA-SK", "RSA-CERT". Empty for unknown types.
std::string key_type_title(std::string_view key_blob);
// What `ssh-keygen -Y verify` says on success, without the end of line: Good "git" signature for jane with
// ED25519 key SHA256:...; without a principal what -Y check-novalidate says. The fingerprint is the plain
// key's.
std::string good_signature_text(const Sshsig& sshsig, std::string_view principal = {});
inline constexpr std::string_view kCouldNotVerify = "Could not verify signature.";

}  // namespace shed::ssh
