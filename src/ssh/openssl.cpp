#include "ssh/openssl.h"

#include <openssl/err.h>

namespace shed::ssh {

BigNumber public_number(std::string_view magnitude) {
  return BigNumber(BN_bin2bn(as_unsigned(magnitude), static_cast<int>(magnitude.size()), nullptr));
}

BigNumber secret_number(std::string_view magnitude) {
  BigNumber number(BN_secure_new());
  if (!number) return number;
  BN_set_flags(number.get(), BN_FLG_CONSTTIME);
  if (BN_bin2bn(as_unsigned(magnitude), static_cast<int>(magnitude.size()), number.get()) == nullptr) {
    number.reset();
  }
  return number;
}

std::string magnitude_of(const BIGNUM* number) {
  return padded_magnitude_of(number, static_cast<std::size_t>(BN_num_bytes(number)));
}

std::string padded_magnitude_of(const BIGNUM* number, std::size_t size) {
  std::string bytes(size, '\0');
  if (BN_bn2binpad(number, as_unsigned(bytes), static_cast<int>(size)) < 0) bytes.clear();
  return bytes;
}

EvpKey key_from_parameters(const char* type, int selection, OSSL_PARAM_BLD* builder) {
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder));
  const EvpKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, selection, parameters.get()) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  return EvpKey(key);
}

const EVP_MD* digest_of_format(std::string_view format) {
  if (format == "ssh-rsa") return EVP_sha1();
  if (format == "rsa-sha2-256" || format == "ecdsa-sha2-nistp256" ||
      format == "sk-ecdsa-sha2-nistp256@openssh.com") {
    return EVP_sha256();
  }
  if (format == "ecdsa-sha2-nistp384") return EVP_sha384();
  if (format == "rsa-sha2-512" || format == "ecdsa-sha2-nistp521") return EVP_sha512();
  return nullptr;
}

}  // namespace shed::ssh
