// A TLS server in the test's hands: keys and certificates made on the spot, and the server's end of a
// connection, driven step by step like net::Peer.
#pragma once

#include <cstdlib>
#include <fstream>

#include "client_fixture.h"
#include "net/tls_openssl.h"
#include "shed/net/tls.h"

namespace shed::net {

struct CertificateWish {
  std::string subject = "server";
  std::string names = "DNS:localhost";  // as in OpenSSL's subjectAltName; empty: none
  long valid_from = -3600;              // seconds from now
  long valid_until = 3600;
  bool authority = false;
};

// A key and its certificate.
class Identity {
 public:
  // Signed by itself, or by the issuer.
  explicit Identity(const CertificateWish& wish = {}, const Identity* issuer = nullptr);
  X509* certificate() const { return certificate_.get(); }
  EVP_PKEY* key() const { return key_.get(); }
  std::string pem() const;
  std::string pin() const;

 private:
  PrivateKey key_;
  Certificate certificate_;
};

// What a server has to show: made once, since every test wants it.
const Identity& test_authority();
const Identity& test_server();  // for "localhost", from test_authority()

inline void write_text(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

struct TlsPeerOptions {
  const Identity* identity = nullptr;      // null: test_server()
  const Identity* intermediate = nullptr;  // sent behind the certificate
  int lowest = TLS1_2_VERSION;
  int highest = TLS1_3_VERSION;
};

// The server's end of one connection.
class TlsPeer {
 public:
  TlsPeer(async::Loop& loop, Peer peer, const TlsPeerOptions& options = {});
  // TLS inside the other one.
  TlsPeer(async::Loop& loop, TlsPeer& below, const TlsPeerOptions& options = {});
  TlsPeer(TlsPeer&&) noexcept = default;

  // Answers the handshake; whether it came to its end.
  bool accept();
  bool send(std::string_view bytes);
  // What has come since the last call.
  std::string received();
  bool ended() const { return ended_; }             // the client said goodbye
  bool broken() const { return broken_; }           // it went without
  std::string failure() const { return failure_; }  // of the handshake
  void goodbye();                                   // close_notify; the connection stays
  void close();                                     // close_notify, and the connection closed
  void cut() { peer_->reset(); }                    // closed without a word
  Peer& raw() { return *peer_; }
  SSL* native() { return ssl_.get(); }

 private:
  void configure(const TlsPeerOptions& options);
  async::Loop& loop_;
  std::optional<Peer> peer_;
  SslContext context_;
  SslConnection ssl_;
  bool ended_ = false;
  bool broken_ = false;
  std::string failure_;
};

// Two connected sockets, and what start_tls() makes of the first.
class TlsPair {
 public:
  explicit TlsPair(TlsOptions options, std::string host = "localhost", const TlsPeerOptions& server = {});

  using Opened = Result<std::unique_ptr<Channel>>;
  Channel& channel() { return ****opened; }
  // The handshake's error, after the server has done its part.
  Error error();
  template <class T>
  auto run(async::Task<T> task) {
    return std::make_unique<Running<T>>(loop, std::move(task));
  }

  FakeClock clock;
  async::Loop loop{clock};
  int client_fd = -1;  // that of the channel
  std::optional<TlsPeer> server;
  std::optional<Running<Opened>> opened;
};

// The bundle of test_authority() in a file.
class AuthorityFile {
 public:
  AuthorityFile() { write_text(path, test_authority().pem()); }
  TlsOptions options() const { return {.ca_file = path, .pin = ""}; }
  TemporaryFolder folder;
  std::string path = folder / "ca.pem";
};

inline TlsOptions authority_options() {
  static const AuthorityFile kFile;
  return kFile.options();
}

// A pair after its handshake.
class Connected : public TlsPair {
 public:
  explicit Connected(const TlsPeerOptions& options = {})
      : TlsPair(authority_options(), "localhost", options) {
    REQUIRE(server->accept());
    REQUIRE(opened->done());
    REQUIRE(**opened);
  }

  // Everything until the end, or the error that stands there instead.
  async::Task<Result<std::string>> read_all() {
    std::string text, part(4096, '\0');
    for (;;) {
      const auto count = co_await channel().read(part);
      if (!count) co_return propagate(count);
      if (*count == 0) co_return text;
      text.append(part, 0, *count);
    }
  }
};

// A client of "https://localhost" whose connections arrive at a unix socket.
class TlsStage : public Stage {
 public:
  explicit TlsStage(HttpClientOptions options = {}, const TlsOptions* tls = nullptr) : Stage(), authority_() {
    auto context = TlsContext::create(tls != nullptr ? *tls : authority_.options());
    REQUIRE(context);
    options.tls = *context;
    client.emplace(loop, origin(), std::move(options));
  }
  Url origin() const {
    Url url = url_of(path);
    url.address.host = "localhost";
    url.tls = true;
    return url;
  }
  // The next connection, after its handshake.
  TlsPeer accept_tls(const TlsPeerOptions& options = {}) {
    TlsPeer peer(loop, accept(), options);
    INFO(peer.failure());
    REQUIRE(peer.accept());
    return peer;
  }

 private:
  AuthorityFile authority_;
};

}  // namespace shed::net
