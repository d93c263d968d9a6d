#include "tls_roots.h"

#include <dirent.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <algorithm>

#include "shed/base/file.h"

namespace shed::net {
namespace {

// Debian's bundle of all roots has 220 KiB.
constexpr std::size_t kMaxBundle = 4 * 1024 * 1024;
constexpr std::size_t kMaxCertificates = 4096;
// A folder of roots has two entries for each of about 150.
constexpr std::size_t kMaxFolderEntries = 4096;

// In the order in which Go looks, with Homebrew's behind.
constexpr const char* kBundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",                 // Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",                   // Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",                             // SUSE
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // RHEL 7 and newer
    "/etc/ssl/cert.pem",                                  // Alpine, macOS
    "/opt/homebrew/etc/ca-certificates/cert.pem",
    "/usr/local/etc/ca-certificates/cert.pem",
    "/opt/homebrew/etc/openssl@3/cert.pem",
    "/usr/local/etc/openssl@3/cert.pem",
};
constexpr const char* kFolders[] = {"/etc/ssl/certs", "/etc/pki/tls/certs"};

std::vector<std::string> split_path(std::string_view text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(':', begin), text.size());
    if (end > begin) parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// OpenSSL would ask at the terminal for the password of an entry that says it is encrypted.
int no_password(char*, int, int, void*) { return -1; }

// Adds what it finds and returns how many those are. What is no certificate is passed over, as keys
// and comments are; a certificate that cannot be read is an error.
Result<std::size_t> add_certificates(X509_STORE* store, std::string_view pem) {
  const SslBio input(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  for (std::size_t count = 0;; ++count) {
    const Certificate certificate(PEM_read_bio_X509_AUX(input.get(), nullptr, no_password, nullptr));
    if (!certificate) {
      const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
      ERR_clear_error();
      if (at_end) return count;
      return fail(Errc::kInvalid, "certificate {} in it cannot be read", count + 1);
    }
    if (count == kMaxCertificates) {
      return fail(Errc::kLimit, "more than {} certificates are in it", kMaxCertificates);
    }
    if (X509_STORE_add_cert(store, certificate.get()) != 1) {
      return fail(Errc::kInternal, "{}", take_openssl_error());
    }
  }
}

CertificateStore empty_store() {
  CertificateStore store(X509_STORE_new());
  // Whoever puts a server's own or an intermediate certificate there means to trust it.
  if (store) X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
  return store;
}

Result<std::size_t> add_file(X509_STORE* store, const std::string& path) {
  const auto pem = read_file(path, kMaxBundle);
  if (!pem) return propagate(pem);  // names the path
  const auto count = add_certificates(store, *pem);
  if (!count) return propagate(count, path);
  if (*count == 0) return fail(Errc::kInvalid, "{}: no certificate is in it", path);
  return *count;
}

// Files that are no certificates are expected in such a folder; the same certificate twice as well.
std::size_t add_folder(X509_STORE* store, const std::string& path) {
  std::unique_ptr<DIR, SslFreed<closedir>> folder(::opendir(path.c_str()));
  if (!folder) return 0;
  std::size_t added = 0;
  for (std::size_t seen = 0; seen < kMaxFolderEntries; ++seen) {
    const dirent* entry = ::readdir(folder.get());
    if (entry == nullptr) break;
    const auto count = add_file(store, path + "/" + entry->d_name);
    if (count) added += *count;
  }
  return added;
}

Status add_chosen(X509_STORE* store, const RootPlaces& places) {
  for (const std::string& file : places.files) {
    const auto count = add_file(store, file);
    if (!count) return fail(Errc::kRefused, "SSL_CERT_FILE: {}", count.error().text());
  }
  std::size_t found = 0;
  for (const std::string& folder : places.folders) found += add_folder(store, folder);
  if (found > 0 || places.folders.empty()) return {};
  return fail(Errc::kRefused, "SSL_CERT_DIR: no root certificate is in {}", places.folders.front());
}

Status add_first(X509_STORE* store, const RootPlaces& places) {
  for (const std::string& file : places.files) {
    if (::access(file.c_str(), R_OK) == 0 && add_file(store, file)) return {};
  }
  for (const std::string& folder : places.folders) {
    if (add_folder(store, folder) > 0) return {};
  }
  return fail(Errc::kRefused,
              "this system has no root certificates; install its ca-certificates package or set "
              "SSL_CERT_FILE");
}

}  // namespace

std::string take_openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  if (reason != nullptr) return reason;
  return code == 0 ? "OpenSSL failed without a reason" : fmt::format("OpenSSL error {:08x}", code);
}

Result<CertificateStore> read_bundle(const std::string& path) {
  CertificateStore store = empty_store();
  if (!store) return fail(Errc::kInternal, "{}", take_openssl_error());
  const auto count = add_file(store.get(), path);
  if (!count) return propagate(count);
  return store;
}

RootPlaces system_root_places() {
  RootPlaces places;
  const std::string file = environment("SSL_CERT_FILE");
  if (!file.empty()) places.files.push_back(file);
  places.folders = split_path(environment("SSL_CERT_DIR"));
  places.chosen = !places.files.empty() || !places.folders.empty();
  if (places.chosen) return places;
  places.files.assign(std::begin(kBundles), std::end(kBundles));
  places.folders.assign(std::begin(kFolders), std::end(kFolders));
  return places;
}

Result<CertificateStore> read_roots(const RootPlaces& places) {
  CertificateStore store = empty_store();
  if (!store) return fail(Errc::kInternal, "{}", take_openssl_error());
  const Status added = places.chosen ? add_chosen(store.get(), places) : add_first(store.get(), places);
  if (!added) return propagate(added);
  return store;
}

}  // namespace shed::net
