// HTTP/1.1 client for one origin, with connections that are kept alive and reused.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shed/async/event.h"
#include "shed/async/stream.h"
#include "shed/base/buffer.h"
#include "shed/net/address.h"
#include "shed/net/proxy.h"
#include "shed/net/tls.h"

namespace shed::net {

class ClientConnection;
class HttpClient;

// An answer. Owns the connection that it came on, so that the body can be read where it lies, and
// gives it back to its client on destruction. Must not outlive the client.
class HttpResponse {
 public:
  HttpResponse(HttpClient& client, std::unique_ptr<ClientConnection> connection);
  HttpResponse(HttpResponse&&) noexcept;
  HttpResponse& operator=(HttpResponse&&) = delete;
  ~HttpResponse();

  int status() const;
  std::string_view header(std::string_view name) const;
  std::string_view body() const;  // kJsonPadding bytes behind it are readable
  void wipe_body();               // where it holds a secret; reads as zeros afterwards

 private:
  HttpClient* client_;
  std::unique_ptr<ClientConnection> connection_;
};

// An answer whose body goes on: an event stream.
class HttpStream {
 public:
  explicit HttpStream(std::unique_ptr<ClientConnection> connection);
  HttpStream(HttpStream&&) noexcept;
  HttpStream& operator=(HttpStream&&) noexcept;
  ~HttpStream();

  int status() const;
  // Appends what comes next to `out`, at least one byte; 0 when the body has ended.
  async::Task<Result<std::size_t>> read(Buffer& out);

 private:
  std::unique_ptr<ClientConnection> connection_;
};

struct HttpClientOptions {
  // For all that comes before the request: look-up, connection, CONNECT and the TLS handshakes.
  Millis connect_limit{2'000};
  std::size_t max_connections = 128;  // the next request waits for one of them
  std::size_t max_header = 16 * 1024;
  std::size_t max_body = 1024 * 1024;  // Errc::kLimit above
  Millis max_idle{30'000};             // shorter than servers keep idle connections
  // For an https origin; null: a context with the system's roots is made at the first connection.
  std::shared_ptr<TlsContext> tls = {};
  // Used for an https origin only. A proxy with TLS is verified with `tls` too, unless that has a pin,
  // which is the origin's: with the system's roots then.
  std::optional<Proxy> proxy = {};
};

struct HttpRequest {
  std::string_view method = "GET";
  std::string_view path = "/";
  std::string_view content_type = {};  // empty: no such header
  std::string_view headers = {};       // further lines, each ended by CR LF
  std::string_view body = {};
};

class HttpClient {
 public:
  HttpClient(async::Loop& loop, Url origin, HttpClientOptions options = {});
  ~HttpClient();

  // Sends and waits for the whole answer; use with_timeout() around it. The views of the request
  // must stay until then. Never sent twice: a connection that dies in the middle is an error.
  // Errc::kUnavailable: nobody there, or the proxy refused (its status is named). kClosed: the
  // connection ended. kProtocol: not HTTP or not TLS. kLimit: the answer is too large. kInvalid: the
  // method or path would break the request line. kRefused: the certificate is not accepted, see
  // start_tls(). kTimeout: connect_limit passed.
  async::Task<Result<HttpResponse>> send(HttpRequest request);
  // The same, returning once the header is there. On a connection of its own, which counts for no
  // limit: the caller knows how many streams it opens.
  async::Task<Result<HttpStream>> open_stream(HttpRequest request);

  const Url& origin() const { return origin_; }

 private:
  friend class HttpResponse;
  async::Task<Result<std::unique_ptr<ClientConnection>>> acquire();
  async::Task<Result<std::unique_ptr<ClientConnection>>> dial();
  void drop_expired();
  std::unique_ptr<ClientConnection> take_idle();
  void give_back(std::unique_ptr<ClientConnection> connection);

  async::Loop& loop_;
  Url origin_;
  HttpClientOptions options_;
  std::vector<std::unique_ptr<ClientConnection>> idle_;
  std::size_t in_use_ = 0;
  async::Event released_;
};

}  // namespace shed::net
