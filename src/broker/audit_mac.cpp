#include "broker/audit_mac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <utility>

namespace shed::broker {
namespace {

unsigned char* as_unsigned(char* bytes) { return reinterpret_cast<unsigned char*>(bytes); }
const unsigned char* as_unsigned(const char* bytes) { return reinterpret_cast<const unsigned char*>(bytes); }

std::unexpected<Error> crypto_failure(std::string_view what) {
  return fail(Errc::kInternal, "{} failed in the cryptography library", what);
}

// Looked up once: EVP_sha256() is looked up with every use. Null without a provider, and every use fails
// then.
const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const kAlgorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return kAlgorithm;
}

}  // namespace

Result<Digest> sha256(std::string_view bytes) {
  Digest digest{};
  const EVP_MD* algorithm = sha256_algorithm();
  if (algorithm == nullptr ||
      EVP_Digest(bytes.data(), bytes.size(), as_unsigned(digest.data()), nullptr, algorithm, nullptr) != 1)
    return crypto_failure("SHA-256");
  return digest;
}

struct HmacSha256::State {
  explicit State(std::string_view key) {
    EVP_MAC* algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    if (algorithm == nullptr) return;
    context = EVP_MAC_CTX_new(algorithm);
    EVP_MAC_free(algorithm);  // the context has its own reference
    char digest[] = "SHA256";
    const OSSL_PARAM settings[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                   OSSL_PARAM_construct_end()};
    good = context != nullptr && EVP_MAC_init(context, as_unsigned(key.data()), key.size(), settings) == 1;
  }
  ~State() { EVP_MAC_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  EVP_MAC_CTX* context = nullptr;
  bool good = false;
};

HmacSha256::HmacSha256(std::string_view key) : state_(std::make_unique<State>(key)) {}
HmacSha256::~HmacSha256() = default;
HmacSha256::HmacSha256(HmacSha256&&) noexcept = default;
HmacSha256& HmacSha256::operator=(HmacSha256&&) noexcept = default;

Result<Digest> HmacSha256::of(std::string_view text) const {
  Digest digest{};
  std::size_t size = 0;
  // Without a key it starts anew with the one that it has.
  const bool good = state_->good && EVP_MAC_init(state_->context, nullptr, 0, nullptr) == 1 &&
                    EVP_MAC_update(state_->context, as_unsigned(text.data()), text.size()) == 1 &&
                    EVP_MAC_final(state_->context, as_unsigned(digest.data()), &size, digest.size()) == 1;
  if (!good || size != digest.size()) return crypto_failure("HMAC");
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
  void start() {
    const EVP_MD* algorithm = sha256_algorithm();
    good = context != nullptr && algorithm != nullptr && EVP_DigestInit_ex(context, algorithm, nullptr) == 1;
  }

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
