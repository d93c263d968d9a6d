// SHA-256, HMAC-SHA256 and random bytes for the audit trail: the only file of this room that calls
// OpenSSL.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "shed/base/result.h"
#include "shed/base/secret.h"

namespace shed::broker {

using Digest = std::array<char, 32>;

inline std::string_view bytes_of(const Digest& digest) { return {digest.data(), digest.size()}; }

// Errc::kInternal without a hash provider or memory: nothing may be vouched for then.
Result<Digest> sha256(std::string_view bytes);
Result<Secret> random_secret(std::size_t size);

// With one key for many texts, which is read once. The library wipes its copy on destruction.
class HmacSha256 {
 public:
  explicit HmacSha256(std::string_view key);
  ~HmacSha256();
  HmacSha256(HmacSha256&&) noexcept;
  HmacSha256& operator=(HmacSha256&&) noexcept;
  // Errc::kInternal as above.
  Result<Digest> of(std::string_view text) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A digest of what comes in pieces. After finish() it starts anew.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  void update(std::string_view piece);
  Result<Digest> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shed::broker
