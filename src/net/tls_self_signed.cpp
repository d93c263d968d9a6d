#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include <algorithm>

#include "shed/base/file.h"
#include "shed/net/tls_server.h"
#include "tls_openssl.h"

namespace shed::net {
namespace {

// RFC 5280, appendix A.1: ub-common-name.
constexpr std::size_t kMaxCommonName = 64;
constexpr int kSerialBits = 127;  // positive, and at most 20 bytes
constexpr long kDay = 24 * 60 * 60;
constexpr long kTenYears = 3652 * kDay;

using BigNumber = std::unique_ptr<BIGNUM, SslFreed<BN_free>>;

bool set_serial(X509* certificate) {
  const BigNumber serial(BN_new());
  return serial && BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

Certificate new_certificate(EVP_PKEY* key, std::string_view common_name) {
  Certificate made(X509_new());
  X509* certificate = made.get();
  if (certificate == nullptr) return nullptr;
  X509_NAME* name = X509_get_subject_name(certificate);
  const auto* bytes = reinterpret_cast<const unsigned char*>(common_name.data());
  const bool complete = X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
                        X509_gmtime_adj(X509_getm_notBefore(certificate), -kDay) != nullptr &&
                        X509_gmtime_adj(X509_getm_notAfter(certificate), kTenYears) != nullptr &&
                        X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC, bytes,
                                                   static_cast<int>(common_name.size()), -1, 0) == 1 &&
                        X509_set_issuer_name(certificate, name) == 1 &&
                        X509_set_pubkey(certificate, key) == 1 &&
                        X509_sign(certificate, key, EVP_sha256()) > 0;
  if (!complete) return nullptr;
  return made;
}

bool is_common_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxCommonName &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

Status make_self_signed(const std::string& path, std::string_view common_name) {
  if (!is_common_name(common_name)) {
    return fail(Errc::kInvalid, "{}: a certificate's name has 1 to {} printable characters", path,
                kMaxCommonName);
  }
  const PrivateKey key(EVP_EC_gen("P-256"));
  const Certificate certificate = key ? new_certificate(key.get(), common_name) : nullptr;
  const SslBio out(BIO_new(BIO_s_secmem()));  // wiped as it grows, and at its end
  const bool written =
      certificate && out &&
      PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1 &&
      PEM_write_bio_X509(out.get(), certificate.get()) == 1;
  if (!written) return fail(Errc::kInternal, "{}: make a certificate: {}", path, take_openssl_error());
  char* text = nullptr;
  const long length = BIO_get_mem_data(out.get(), &text);
  return write_file_atomically(path, {text, static_cast<std::size_t>(length)}, 0600);
}

}  // namespace shed::net
