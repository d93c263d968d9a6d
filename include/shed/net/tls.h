// TLS for clients (RFC 8446; 1.2 at least): verified certificates, or one that is pinned.
//
// Verified means: a chain to a trusted root, valid now, for the host's name or IP literal (RFC 6125;
// the subject's common name counts for nothing). No renegotiation, no compression, no resumption.
#pragma once

#include <memory>
#include <string>

#include "shed/async/loop.h"
#include "shed/async/stream.h"
#include "shed/base/result.h"
#include "shed/net/channel.h"

namespace shed::net {

struct TlsOptions {
  std::string ca_file;  // PEM bundle used instead of the system's roots; empty: the system's
  std::string pin;      // "sha256:<64 hex>" of the leaf's DER: replaces chain, dates and name
  // Offered to the server (ALPN, RFC 7301), which may choose none but no other. Empty: none is offered.
  std::string protocol = "http/1.1";
};

// What connections to servers have in common. Belongs to one loop; shared by its clients.
class TlsContext {
 public:
  // Checks the pin's form (Errc::kInvalid), and reads ca_file, which must hold certificates and nothing
  // broken (at most 4 MiB); its errors name the file. With both, the pin decides alone.
  //
  // The system's roots are read at the first connection, on the thread pool: the files of SSL_CERT_FILE
  // and the folders of SSL_CERT_DIR (separated by colons) where one of the two is set, and nothing
  // else then; otherwise the first bundle that Debian, Fedora, Alpine, SUSE or Homebrew keep.
  static Result<std::shared_ptr<TlsContext>> create(TlsOptions options);
  // Use create().
  struct State;
  explicit TlsContext(std::shared_ptr<State> state);
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  const TlsOptions& options() const;
  const std::shared_ptr<State>& state() const { return state_; }  // for this room

 private:
  std::shared_ptr<State> state_;
};

// TLS over a connected stream, with the server that calls itself `host` (a name or an IP literal
// without brackets; names are sent as SNI). Has no time limit of its own: put with_timeout() around.
//
// Errc::kRefused: the certificate is not accepted; the text says why: expired, not valid yet, issuer
// unknown (and who that is), other host (and which), other pin (and which), no roots on this system.
// kProtocol: the peer speaks no TLS, or none that we do, or refused (its alert is named). kClosed: it
// hung up.
async::Task<Result<std::unique_ptr<Channel>>> start_tls(async::Loop& loop,
                                                        std::shared_ptr<TlsContext> context,
                                                        async::Stream stream, std::string host);

}  // namespace shed::net
