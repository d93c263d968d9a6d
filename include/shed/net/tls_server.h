// TLS for servers (RFC 8446; 1.2 at least): a certificate of their own, which clients pin as a rule.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "shed/async/loop.h"
#include "shed/async/stream.h"
#include "shed/base/result.h"
#include "shed/net/channel.h"

namespace shed::net {

struct TlsServerOptions {
  std::string certificate_file;  // PEM: the server's certificate first, then its issuers (at most 8)
  std::string key_file;          // PEM, not encrypted; empty: the key stands in certificate_file
};

// What the connections of a server have in common. Belongs to one loop.
class TlsServerContext {
 public:
  // Reads the files (at most 1 MiB each). Errc::kNotFound, kPermission (also for a key that users
  // beyond its owner and group can read, or that its group can write), kInvalid: no certificate or
  // key in them, a key of another certificate, or one with a password. Errors name the file.
  static Result<std::shared_ptr<TlsServerContext>> create(const TlsServerOptions& options);
  // Use create().
  struct State;
  explicit TlsServerContext(std::unique_ptr<State> state);
  TlsServerContext(const TlsServerContext&) = delete;
  TlsServerContext& operator=(const TlsServerContext&) = delete;
  ~TlsServerContext();

  // "sha256:<64 hex>" of the certificate's DER: what clients put into TlsOptions::pin.
  std::string pin() const;
  const State& state() const { return *state_; }  // for this room

 private:
  std::unique_ptr<State> state_;
};

// TLS over a connection that was accepted. No client certificates, no resumption, no renegotiation,
// and no protocol is chosen among those that the client offers (ALPN). Has no time limit of its own:
// put with_timeout() around.
//
// Errc::kProtocol: the client speaks no TLS, or none that we do, or does not accept the certificate
// (its alert is named). kClosed: it hung up.
async::Task<Result<std::unique_ptr<Channel>>> accept_tls(async::Loop& loop,
                                                         std::shared_ptr<TlsServerContext> context,
                                                         async::Stream stream);

// Writes a new P-256 key and a certificate that it has signed itself, valid from yesterday (clocks
// differ) for ten years, into one file with mode 0600, which replaces what is there as a whole.
// `common_name` has 1 to 64 printable ASCII characters (Errc::kInvalid). Errors name the file.
Status make_self_signed(const std::string& path, std::string_view common_name);

}  // namespace shed::net
