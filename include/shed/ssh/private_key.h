// Private keys from files, and signatures made with them.
//
// Formats: OpenSSH's own ("BEGIN OPENSSH PRIVATE KEY", its PROTOCOL.key) and PEM: PKCS#1 (RFC 8017),
// SEC 1 (RFC 5915), PKCS#8 (RFC 5958). None of them encrypted: passphrases are the agent's business.
// Types: Ed25519, ECDSA on P-256, P-384 and P-521, RSA of 2048 to 16384 bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "shed/base/result.h"
#include "shed/ssh/types.h"

namespace shed::ssh {

// The largest honest file, RSA with 16384 bits, has 13 KiB.
inline constexpr std::size_t kMaxKeyFile = std::size_t{64} * 1024;
inline constexpr int kMinRsaBits = 2048;
inline constexpr int kMaxRsaBits = 16384;

enum class KeyProblem : std::uint8_t {
  kTooLarge,     // over kMaxKeyFile
  kEncrypted,    // needs a passphrase
  kUnknownType,  // a format, type or curve that is not in the list above
  kCorrupt,      // damaged: armor, lengths, check numbers, padding or the key's own arithmetic
  kTooShort,     // RSA under kMinRsaBits
  kMismatch,     // private and public part in the file belong to different keys
};

// `text` is the cause and, where there is one, the remedy, for a person; never bytes of the key.
struct KeyError {
  KeyProblem problem;
  std::string text;
};

// Move-only; the key material is wiped with the object. A moved-from key may only be destroyed or
// assigned to.
class PrivateKey {
 public:
  // From the text of a key file. `name` is what the remedy in an error calls the file ("run ssh-add
  // NAME"). The caller wipes `text`; copies made here are wiped here.
  static std::expected<PrivateKey, KeyError> parse(std::string_view text, std::string_view name);

  PrivateKey(PrivateKey&&) noexcept;
  PrivateKey& operator=(PrivateKey&&) noexcept;
  ~PrivateKey();

  const std::string& public_blob() const;
  std::string_view key_type() const;  // the plain type; valid as long as the key
  // What the OpenSSH format has stored; empty for PEM, which has no place for one.
  const std::string& comment() const;
  void set_comment(std::string comment);

  // Signs `data`, whose hash the algorithm decides: expected_signature_format(key_type(), flags).
  // An RSA signature takes milliseconds: call it on a worker thread. Safe to call from several threads
  // at a time, as long as none moves, assigns or destroys the key. Errc::kInternal when the library fails.
  Result<Signature> sign(std::string_view data, std::uint32_t flags) const;

 private:
  struct State;
  explicit PrivateKey(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shed::ssh
