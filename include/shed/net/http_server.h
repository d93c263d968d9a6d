// HTTP/1.1 server (RFC 9112), parsed by llhttp. Small on purpose: what the bus, the credentials
// endpoint and the signing proxy need.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "shed/async/list.h"
#include "shed/async/scope.h"
#include "shed/async/stream.h"
#include "shed/base/result.h"

namespace shed::net {

class HttpConnection;

// One request and its answer. Views are valid until the handler returns.
class HttpExchange {
 public:
  std::string_view method() const;
  std::string_view path() const;   // without the query
  std::string_view query() const;  // without the question mark
  // Case-insensitive; empty when absent. The first of several.
  std::string_view header(std::string_view name) const;
  // kJsonPadding bytes behind it are readable. Empty when body_too_large(), or not wanted by the handler.
  std::string_view body() const;
  // The body is over the limit and was not read: answer 413; the connection ends after it. Of what the client
  // still sends, twice the limit is thrown away, so that it sees the answer.
  bool body_too_large() const;

  // Answers; once. `headers` are further header lines, each ended by CR LF. Errc::kTimeout when the
  // client does not take the answer within send_limit; the connection ends then. Errc::kInternal
  // for a second answer.
  async::Task<Status> respond(int status, std::string_view content_type, std::string_view body,
                              std::string_view headers = {});
  // Answers 200 with a body of unknown length (chunked), whose parts follow with write(). The
  // connection ends after it. Errors as with respond(); after one, nothing more can be written.
  async::Task<Status> start_stream(std::string_view content_type);
  async::Task<Status> write(std::string_view part);
  // Returns when the peer has closed the connection, or has no more room for what it sends ahead. A
  // request that it sends ahead is kept for its turn.
  async::Task<> disconnected();

  bool responded() const { return responded_; }

 private:
  friend class HttpConnection;
  explicit HttpExchange(HttpConnection& connection) : connection_(connection) {}
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;
  HttpConnection& connection_;
  bool responded_ = false;
  bool streaming_ = false;
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Must respond; a request that it leaves unanswered gets a 500.
  virtual async::Task<> handle(HttpExchange& exchange) = 0;
  // Asked after the header, when there is more of the body to come. False: it is not read, handle() is called
  // at once with an empty body, and the connection ends after the answer. So nobody who is refused anyway
  // takes the memory and the time of a body.
  virtual bool wants_body(const HttpExchange& exchange) {
    (void)exchange;
    return true;
  }
};

struct HttpServerOptions {
  std::size_t max_connections = 1024;  // the next waits its turn, see HttpServer
  std::size_t max_header = 16 * 1024;  // 431 above
  std::size_t max_body = 1024 * 1024;  // HttpExchange::body_too_large() above
  Millis header_limit{5'000};          // from the first byte of a request to the end of its header
  Millis request_limit{10'000};        // from the first byte of a request to its last
  Millis idle_limit{120'000};          // between requests of one connection
  Millis send_limit{30'000};           // until an answer, or a part of a stream, is with the peer
};

// When all connections are taken and another client comes, the one that has been idle longest is ended, if
// that is for a second at least: who has nothing to say keeps nobody out. The others are left alone.
class HttpServer {
 public:
  // The handler must outlive the server.
  HttpServer(async::Loop& loop, HttpHandler& handler, HttpServerOptions options = {});
  // Ends all connections.
  ~HttpServer();

  // Serves connections of the acceptor until the task is dropped. May run for several acceptors.
  async::Task<> serve(async::Acceptor& acceptor);

 private:
  async::Task<> serve_connection(async::Stream stream);
  async::Task<> make_room();
  HttpHandler& handler_;
  HttpServerOptions options_;
  async::IntrusiveList<HttpConnection> spare_;  // the longest first
  async::Scope connections_;
};

// True for "localhost", 127.0.0.0/8 and [::1], with or without a port: the only Host a loopback
// service answers to, because anything else is a web page's trick (DNS rebinding).
bool is_loopback_host(std::string_view host_header);

}  // namespace shed::net
