// Whether a server's certificate is accepted, and why not, in words.
#pragma once

#include <string>

#include "tls_context.h"

namespace shed::net {

// What one connection wants of its peer, and what was wrong. Found from the SSL by verify_certificate(),
// so it stays where it is until the handshake is over.
struct Verification {
  std::shared_ptr<TlsContext::State> state;
  std::string host;
  std::string problem;  // empty: nothing
};

// Tells `ssl` whom to expect. Errc::kInvalid for a host that no certificate could name.
Status expect_peer(SSL* ssl, Verification& verification);

// For SSL_CTX_set_cert_verify_callback().
int verify_certificate(X509_STORE_CTX* store, void*);

}  // namespace shed::net
