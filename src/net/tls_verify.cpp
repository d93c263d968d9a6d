#include "tls_verify.h"

#include <algorithm>
#include <ctime>

#include "shed/base/clock.h"
#include "socket_address.h"

namespace shed::net {
namespace {

// Names come from the peer: a message shows so much of them.
constexpr std::size_t kShownName = 128;
constexpr std::size_t kShownNames = 4;
// RFC 1035, section 2.3.4.
constexpr std::size_t kMaxHostName = 253;

std::string shown(std::string_view name) {
  std::string text(name.substr(0, kShownName));
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c >= 0x7f; }, '?');
  if (name.size() > kShownName) text += "...";
  return text;
}

std::string name_text(const X509_NAME* name) {
  const SslBio out(BIO_new(BIO_s_mem()));
  if (name == nullptr || !out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0) return "?";
  char* text = nullptr;
  const long length = BIO_get_mem_data(out.get(), &text);
  return length <= 0 ? "?" : shown({text, static_cast<std::size_t>(length)});
}

std::string time_text(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return "?";
  return format_rfc3339(std::chrono::system_clock::from_time_t(timegm(&parts)));
}

std::string_view bytes_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::string alternative_name(const GENERAL_NAME* name) {
  if (name->type == GEN_DNS) return shown(bytes_of(name->d.dNSName));
  if (name->type != GEN_IPADD) return {};
  const std::string_view ip = bytes_of(name->d.iPAddress);
  const auto byte = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(ip[i])); };
  if (ip.size() == 4) return fmt::format("{}.{}.{}.{}", byte(0), byte(1), byte(2), byte(3));
  return ip.size() == 16 ? "an IPv6 address" : "";
}

// Whom the certificate is for.
std::string subject_text(const X509* certificate) {
  const AlternativeNames names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  ERR_clear_error();
  std::string text;
  std::size_t count = 0;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const std::string name = alternative_name(sk_GENERAL_NAME_value(names.get(), i));
    if (name.empty()) continue;
    if (++count > kShownNames) return text + ", and others";
    text += (text.empty() ? "" : ", ") + name;
  }
  return text.empty() ? "no host" : text;
}

// "the certificate" of the server, or which one of its chain.
std::string which(const X509_STORE_CTX* store, const X509* certificate) {
  if (X509_STORE_CTX_get_error_depth(store) == 0) return "the certificate";
  return fmt::format("the issuer's certificate '{}'", name_text(X509_get_subject_name(certificate)));
}

std::string unknown_issuer(const Verification& verification, const X509* certificate) {
  const X509_NAME* issuer = X509_get_issuer_name(certificate);
  const bool self_signed = X509_NAME_cmp(issuer, X509_get_subject_name(certificate)) == 0;
  return fmt::format("the certificate is {} '{}', which is not in {}",
                     self_signed ? "signed by itself or by a root of its own," : "issued by",
                     name_text(issuer), verification.state->trusted());
}

std::string describe(X509_STORE_CTX* store, const Verification& verification) {
  const int error = X509_STORE_CTX_get_error(store);
  const X509* certificate = X509_STORE_CTX_get_current_cert(store);
  if (certificate == nullptr) certificate = X509_STORE_CTX_get0_cert(store);
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return fmt::format("{} expired on {}", which(store, certificate),
                         time_text(X509_get0_notAfter(certificate)));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return fmt::format("{} is not valid before {}; is this machine's clock right?",
                         which(store, certificate), time_text(X509_get0_notBefore(certificate)));
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return fmt::format("the certificate is for {}, not for {}", subject_text(certificate),
                         verification.host);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return unknown_issuer(verification, certificate);
    default:
      return fmt::format("{} is not accepted: {}", which(store, certificate),
                         X509_verify_cert_error_string(error));
  }
}

bool matches_pin(X509_STORE_CTX* store, Verification& verification) {
  Sha256 seen{};
  unsigned length = 0;
  const X509* leaf = X509_STORE_CTX_get0_cert(store);
  if (leaf == nullptr || X509_digest(leaf, EVP_sha256(), seen.data(), &length) != 1 ||
      length != seen.size()) {
    verification.problem = "the certificate cannot be read";
    return false;
  }
  if (seen == *verification.state->pin) return true;
  verification.problem = fmt::format("the certificate's pin is {}, wanted is {}", pin_text(seen),
                                     pin_text(*verification.state->pin));
  return false;
}

}  // namespace

Status expect_peer(SSL* ssl, Verification& verification) {
  std::string_view host = verification.host;
  if (host.ends_with('.')) host.remove_suffix(1);  // the root's dot is not part of a certificate's names
  if (host.empty() || host.size() > kMaxHostName || host.find('\0') != host.npos) {
    return fail(Errc::kInvalid, "no certificate could name this host");
  }
  const std::string name(host);
  SSL_set_app_data(ssl, &verification);
  X509_VERIFY_PARAM* wanted = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(wanted,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  bool set = false;
  if (ip_literal(name)) {
    set = X509_VERIFY_PARAM_set1_ip_asc(wanted, name.c_str()) == 1;  // and no SNI: RFC 6066, section 3
  } else {
    set = X509_VERIFY_PARAM_set1_host(wanted, name.data(), name.size()) == 1 &&
          SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
  }
  if (!set) return fail(Errc::kInternal, "{}", take_openssl_error());
  return {};
}

int verify_certificate(X509_STORE_CTX* store, void*) {
  const auto* ssl =
      static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& verification = *static_cast<Verification*>(SSL_get_app_data(ssl));
  if (verification.state->pin) {
    if (matches_pin(store, verification)) {
      X509_STORE_CTX_set_error(store, X509_V_OK);
      return 1;
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
  }
  if (X509_verify_cert(store) == 1) return 1;
  // A failure without a reason must not pass for success in what looks at the reason.
  if (X509_STORE_CTX_get_error(store) == X509_V_OK) X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
  verification.problem = describe(store, verification);
  return 0;
}

}  // namespace shed::net
