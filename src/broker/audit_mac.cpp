#include "broker/audit_mac.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <utility>

namespace shed::broker {
namespace {

unsigned char* as_unsigned(char* bytes) { return reinterpret_cast<unsigned char*>(bytes); }
const unsigned char* as_unsigned(const char* bytes) { return reinterpret_cast<const unsigned char*>(bytes); }

std::unexpected<Error> crypto_failure(std::string_view what) {
  return fail(Errc::kInternal, "{} failed in the cryptography library", what);
}

}  // namespace

Result<Digest> sha256(std::string_view bytes) {
  Digest digest{};
  if (EVP_Digest(bytes.data(), bytes.size(), as_unsigned(digest.data()), nullptr, EVP_sha256(), nullptr) != 1)
    return crypto_failure("SHA-256");
  return digest;
}

Result<Digest> hmac_sha256(std::string_view key, std::string_view text) {
  Digest digest{};
  unsigned int size = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), as_unsigned(text.data()), text.size(),
           as_unsigned(digest.data()), &size) == nullptr ||
      size != digest.size())
    return crypto_failure("HMAC");
  return digest;
}

Result<Secret> random_secret(std::size_t size) {
  std::string bytes(size, '\0');
  if (RAND_priv_bytes(as_unsigned(bytes.data()), static_cast<int>(size)) != 1) {
    wipe(bytes);
    return crypto_failure("the random generator");
  }
  return Secret::take(bytes);
}

struct Sha256::State {
  State() : context(EVP_MD_CTX_new()) { start(); }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  void start() { good = context != nullptr && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1; }

  EVP_MD_CTX* context;
  bool good = false;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;

void Sha256::update(std::string_view piece) {
  state_->good = state_->good && EVP_DigestUpdate(state_->context, piece.data(), piece.size()) == 1;
}

Result<Digest> Sha256::finish() {
  Digest digest{};
  const bool good =
      state_->good && EVP_DigestFinal_ex(state_->context, as_unsigned(digest.data()), nullptr) == 1;
  state_->start();
  if (!good) return crypto_failure("SHA-256");
  return digest;
}

}  // namespace shed::broker
