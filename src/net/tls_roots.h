// Root certificates: from a file of the caller's, or where the systems keep theirs.
#pragma once

#include <string>
#include <vector>

#include "shed/base/result.h"
#include "tls_openssl.h"

namespace shed::net {

// Every certificate of a PEM bundle. Errc::kInvalid when there is none, or one that cannot be read.
// Errors name the file.
Result<CertificateStore> read_bundle(const std::string& path);

struct RootPlaces {
  std::vector<std::string> files;    // all of them when `chosen`, else the first that is there
  std::vector<std::string> folders;  // likewise
  bool chosen = false;               // by SSL_CERT_FILE or SSL_CERT_DIR
};
RootPlaces system_root_places();

// Blocks for as long as it takes to read some hundred certificates: for the thread pool.
// Errc::kRefused when there are no roots to be found: then no certificate can be accepted.
Result<CertificateStore> read_roots(const RootPlaces& places);

}  // namespace shed::net
