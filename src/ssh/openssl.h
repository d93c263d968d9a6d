// OpenSSL's objects with owners, and the few calls that several files of this room make. Never
// included by a header outside src/ssh.
#pragma once

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <memory>
#include <string>
#include <string_view>

namespace shed::ssh {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

using EvpKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using EvpKeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using EvpDigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
// Cleared when freed, public numbers as well: they are small, and no one can mix them up.
using BigNumber = std::unique_ptr<BIGNUM, Freed<BN_clear_free>>;
using BigNumberContext = std::unique_ptr<BN_CTX, Freed<BN_CTX_free>>;
using ParameterBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;

inline const unsigned char* as_unsigned(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
inline unsigned char* as_unsigned(std::string& bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

// From an unsigned big-endian number; null without memory. A secret one is computed with in constant
// time, and copies that OpenSSL makes of it as a parameter are cleared, too.
BigNumber public_number(std::string_view magnitude);
BigNumber secret_number(std::string_view magnitude);
// Big-endian, as short as it can be; or left-padded with zeros to `size` bytes.
std::string magnitude_of(const BIGNUM* number);
std::string padded_magnitude_of(const BIGNUM* number, std::size_t size);

// A key of this type ("RSA", "EC") from parameters; `selection` is EVP_PKEY_PUBLIC_KEY or
// EVP_PKEY_KEYPAIR. Null when OpenSSL refuses them; its error queue is left empty.
EvpKey key_from_parameters(const char* type, int selection, OSSL_PARAM_BLD* builder);

// The hash under a signature of this format; null for Ed25519, which has its own.
const EVP_MD* digest_of_format(std::string_view format);

std::string sha256(std::string_view bytes);

}  // namespace shed::ssh
