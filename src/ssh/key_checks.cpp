// Whether a private key is what its type demands. OpenSSL's own check of RSA keys tests primes,
// which takes seconds for a large key; multiplying does for a file that may be damaged, not forged:
// who can forge it has the key.
#include <openssl/core_names.h>
#include <openssl/err.h>

#include <initializer_list>

#include "shed/ssh/wire.h"
#include "ssh/key_formats.h"
#include "ssh/public_key.h"

namespace shed::ssh {
namespace {

BigNumber number_of(EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) ERR_clear_error();
  return BigNumber(number);
}

// a * b mod m == 1 with m = modulus - less.
bool inverse_modulo(const BIGNUM* a, const BIGNUM* b, const BIGNUM* modulus, BN_ULONG less) {
  const BigNumberContext context(BN_CTX_secure_new());
  const BigNumber reduced(BN_dup(modulus));
  const BigNumber product(BN_secure_new());
  return context && reduced && product && BN_sub_word(reduced.get(), less) == 1 &&
         BN_cmp(reduced.get(), BN_value_one()) > 0 &&
         BN_mod_mul(product.get(), a, b, reduced.get(), context.get()) == 1 && BN_is_one(product.get());
}

bool product_is(const BIGNUM* p, const BIGNUM* q, const BIGNUM* n) {
  const BigNumberContext context(BN_CTX_secure_new());
  const BigNumber product(BN_secure_new());
  return context && product && BN_mul(product.get(), p, q, context.get()) == 1 &&
         BN_cmp(product.get(), n) == 0;
}

bool odd_and_large(std::initializer_list<const BIGNUM*> numbers) {
  for (const BIGNUM* number : numbers) {
    if (number == nullptr || BN_is_odd(number) != 1 || BN_cmp(number, BN_value_one()) <= 0) return false;
  }
  return true;
}

KeyResult<void> check_rsa(EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  if (bits < kMinRsaBits) {
    return std::unexpected(
        KeyError{KeyProblem::kTooShort,
                 fmt::format("an RSA key of {} bits, {} are needed; make a new key with ssh-keygen", bits,
                             kMinRsaBits)});
  }
  if (bits > kMaxRsaBits) return unknown_type(fmt::format("an RSA key of over {} bits", kMaxRsaBits));
  const BigNumber n = number_of(key, OSSL_PKEY_PARAM_RSA_N);
  const BigNumber e = number_of(key, OSSL_PKEY_PARAM_RSA_E);
  const BigNumber d = number_of(key, OSSL_PKEY_PARAM_RSA_D);
  const BigNumber p = number_of(key, OSSL_PKEY_PARAM_RSA_FACTOR1);
  const BigNumber q = number_of(key, OSSL_PKEY_PARAM_RSA_FACTOR2);
  const BigNumber d_mod_p1 = number_of(key, OSSL_PKEY_PARAM_RSA_EXPONENT1);
  const BigNumber d_mod_q1 = number_of(key, OSSL_PKEY_PARAM_RSA_EXPONENT2);
  const BigNumber inverse = number_of(key, OSSL_PKEY_PARAM_RSA_COEFFICIENT1);
  if (!odd_and_large({n.get(), e.get(), d.get(), p.get(), q.get()}) || !d_mod_p1 || !d_mod_q1 || !inverse) {
    return corrupt("a number of the RSA key is missing or impossible");
  }
  if (!product_is(p.get(), q.get(), n.get()) || !inverse_modulo(e.get(), d.get(), p.get(), 1) ||
      !inverse_modulo(e.get(), d.get(), q.get(), 1)) {
    return mismatch();
  }
  if (!inverse_modulo(e.get(), d_mod_p1.get(), p.get(), 1) ||
      !inverse_modulo(e.get(), d_mod_q1.get(), q.get(), 1) ||
      !inverse_modulo(inverse.get(), q.get(), p.get(), 0)) {
    return corrupt("the numbers of the RSA key do not fit together");
  }
  return {};
}

KeyResult<void> check_ec(EVP_PKEY* key) {
  const EvpKeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  const bool fits = context && EVP_PKEY_check(context.get()) == 1;
  ERR_clear_error();
  if (!fits) return mismatch();
  return {};
}

const Curve* curve_of(EVP_PKEY* key) {
  char group[64] = {};
  std::size_t length = 0;
  if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, &length) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  return curve_of_group({group, length});
}

KeyResult<std::string> rsa_blob(EVP_PKEY* key) {
  const BigNumber e = number_of(key, OSSL_PKEY_PARAM_RSA_E);
  const BigNumber n = number_of(key, OSSL_PKEY_PARAM_RSA_N);
  if (!e || !n) return corrupt("the RSA key has no public part");
  std::string blob;
  WireWriter(blob).string("ssh-rsa").mpint(magnitude_of(e.get())).mpint(magnitude_of(n.get()));
  return blob;
}

KeyResult<std::string> ec_blob(EVP_PKEY* key) {
  const Curve* curve = curve_of(key);
  if (curve == nullptr) return unknown_type("an ECDSA key on another curve than P-256, P-384 and P-521");
  const BigNumber x = number_of(key, OSSL_PKEY_PARAM_EC_PUB_X);
  const BigNumber y = number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y);
  if (!x || !y) return corrupt("the ECDSA key has no public part");
  const std::string point = '\x04' + padded_magnitude_of(x.get(), curve->field_size) +
                            padded_magnitude_of(y.get(), curve->field_size);
  std::string blob;
  WireWriter(blob).string(curve->key_type).string(curve->ssh_name).string(point);
  return blob;
}

KeyResult<std::string> ed25519_blob(EVP_PKEY* key) {
  std::string point(32, '\0');
  std::size_t size = point.size();
  if (EVP_PKEY_get_raw_public_key(key, as_unsigned(point), &size) != 1 || size != point.size()) {
    ERR_clear_error();
    return corrupt("the Ed25519 key has no public part");
  }
  std::string blob;
  WireWriter(blob).string("ssh-ed25519").string(point);
  return blob;
}

}  // namespace

KeyResult<void> check_key(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA") == 1) return check_rsa(key);
  if (EVP_PKEY_is_a(key, "EC") == 1) return check_ec(key);
  return {};
}

KeyResult<std::string> public_blob_of(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA") == 1) return rsa_blob(key);
  if (EVP_PKEY_is_a(key, "EC") == 1) return ec_blob(key);
  if (EVP_PKEY_is_a(key, "ED25519") == 1) return ed25519_blob(key);
  return unknown_type("a key that is not Ed25519, ECDSA or RSA");
}

}  // namespace shed::ssh
