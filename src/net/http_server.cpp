#include "shed/net/http_server.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "http_parser.h"
#include "shed/base/log.h"
#include "socket_address.h"

namespace shed::net {
namespace {

// Read at a time: a request of ours fits, and an idle connection keeps little.
constexpr std::size_t kReadSize = 4096;
// A larger buffer is given back after the request that needed it.
constexpr std::size_t kKeptCapacity = 64 * 1024;
// What is read and thrown away so that a client that still sends can see the answer.
constexpr std::size_t kMaxDrained = 4 * 1024 * 1024;
constexpr Millis kDrainLimit{1'000};

// What a client may send ahead while its request is being answered.
constexpr std::size_t kMaxAhead = 4096;
// A stream's parts up to this size are copied behind their length and leave in one system call.
constexpr std::size_t kJoinedPart = 16 * 1024;

constexpr std::string_view kPlainText = "text/plain; charset=utf-8";

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Status";
  }
}

}  // namespace

// One connection: its buffers live as long as it does, and serve request after request.
class HttpConnection {
 public:
  HttpConnection(async::Loop& loop, async::Stream stream, HttpHandler& handler,
                 const HttpServerOptions& options)
      : loop_(loop),
        stream_(std::move(stream)),
        handler_(handler),
        options_(options),
        parser_(HTTP_REQUEST, {options.max_header, options.max_body}) {}
  ~HttpConnection() {
    input_.wipe();
    ahead_.wipe();
  }

  async::Task<> run() {
    for (;;) {
      const bool there = co_await read_request();
      if (!there) break;
      co_await serve_request();
      if (closing_) break;
      parser_.next_message(input_);
      input_.append(ahead_.view());
      ahead_.clear();
      if (input_.empty() && input_.capacity() > kKeptCapacity) input_.release();
    }
    if (lingering_) co_await drain();
  }

 private:
  friend class HttpExchange;

  // True when there is a request to answer.
  async::Task<bool> read_request() {
    if (input_.empty()) {
      const auto readable = co_await async::with_timeout(loop_, options_.idle_limit, receive());
      if (!readable || *readable == 0) co_return false;
    }
    const auto complete = co_await async::with_timeout(loop_, options_.request_limit, read_message());
    if (complete) co_return true;
    const Errc code = complete.error().code();
    if (code == Errc::kClosed || code == Errc::kIo) co_return false;
    closing_ = lingering_ = true;
    const bool late = code == Errc::kTimeout;
    const int status = late ? 408 : code == Errc::kLimit ? 431 : 400;
    const std::string reason = late ? "the request took too long" : complete.error().text();
    (void)co_await send_head(status, kPlainText, reason, {}, false);
    co_return false;
  }

  async::Task<Result<std::size_t>> receive() {
    const auto count = co_await stream_.read(input_.spare(kReadSize));
    if (count) input_.commit(*count);
    co_return count;
  }

  async::Task<Status> read_message() {
    for (;;) {
      const auto progress = parser_.advance(input_);
      if (!progress) co_return propagate(progress);
      if (*progress == HttpParser::Progress::kComplete) break;
      if (*progress == HttpParser::Progress::kBodyTooLarge) {
        too_large_ = closing_ = lingering_ = true;
        break;
      }
      if (*progress == HttpParser::Progress::kHeader) {
        const Status status = co_await allow_body();
        if (!status) co_return status;
        continue;  // the body may be there already
      }
      const auto count = co_await receive();
      if (!count) co_return propagate(count);
      if (*count == 0) co_return fail(Errc::kClosed, "the connection ended in the middle of a request");
    }
    input_.spare(kJsonPadding);
    co_return Status{};
  }

  async::Task<Status> allow_body() {
    const bool expected = same_name(parser_.header(input_, "expect"), "100-continue");
    if (!expected || parser_.is_http_1_0()) co_return Status{};
    co_return co_await stream_.write("HTTP/1.1 100 Continue\r\n\r\n");
  }

  async::Task<> serve_request() {
    // HTTP/1.0 has keep-alive as an afterthought that each side must ask for; nobody needs it here.
    if (!parser_.keep_alive() || parser_.is_http_1_0()) closing_ = true;
    HttpExchange exchange(*this);
    co_await handler_.handle(exchange);
    if (exchange.streaming_) {
      if (chunked_) (void)co_await send("0\r\n\r\n");
    } else if (!exchange.responded()) {
      (void)co_await exchange.respond(500, kPlainText, "no answer\n");
    }
  }

  // A peer that does not read must not hold the connection, and with it the handler, forever.
  async::Task<Status> send(std::string_view first, std::string_view second = {}) {
    if (broken_) co_return fail(Errc::kClosed, "the connection has ended");
    Status status = co_await async::with_timeout(loop_, options_.send_limit, stream_.write(first, second));
    if (!status) broken_ = closing_ = true;
    co_return status;
  }

  async::Task<Status> send_head(int status, std::string_view content_type, std::string_view body,
                                std::string_view headers, bool streaming) {
    head_.clear();
    auto out = std::back_inserter(head_);
    fmt::format_to(out, "HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
    if (!content_type.empty()) fmt::format_to(out, "content-type: {}\r\n", content_type);
    if (streaming) {
      fmt::format_to(out, "cache-control: no-cache\r\n");
      if (!parser_.is_http_1_0()) fmt::format_to(out, "transfer-encoding: chunked\r\n");
    } else if (status != 204) {
      fmt::format_to(out, "content-length: {}\r\n", body.size());
    }
    if (closing_) fmt::format_to(out, "connection: close\r\n");
    fmt::format_to(out, "{}\r\n", headers);
    // The answer to HEAD says how long the body would be, and has none.
    bodiless_ = status == 204 || parser_.method() == "HEAD";
    chunked_ = streaming && !bodiless_ && !parser_.is_http_1_0();
    co_return co_await send(head_, bodiless_ ? std::string_view{} : body);
  }

  async::Task<Status> send_part(std::string_view part) {
    if (bodiless_ || part.empty()) co_return Status{};
    if (!chunked_) co_return co_await send(part);
    head_.clear();
    fmt::format_to(std::back_inserter(head_), "{:x}\r\n", part.size());
    if (part.size() <= kJoinedPart) {
      head_.append(part).append("\r\n");
      co_return co_await send(head_);
    }
    const Status status = co_await send(head_, part);
    if (!status) co_return status;
    co_return co_await send("\r\n");
  }

  // Views into input_ are in use, so what comes meanwhile goes elsewhere.
  async::Task<> wait_for_end() {
    std::array<char, 256> bytes;
    while (ahead_.size() < kMaxAhead) {
      const auto count = co_await stream_.read(bytes);
      if (!count || *count == 0) break;
      ahead_.append({bytes.data(), *count});
    }
    closing_ = true;
  }

  // Closing while the client still sends would reset the connection and with it the answer.
  async::Task<> drain() {
    stream_.shut_down_writing();
    (void)co_await async::with_timeout(loop_, kDrainLimit, discard_input());
  }

  async::Task<Status> discard_input() {
    for (std::size_t total = 0; total < kMaxDrained;) {
      input_.clear();
      const auto count = co_await stream_.read(input_.spare(kKeptCapacity));
      if (!count || *count == 0) break;
      total += *count;
    }
    co_return Status{};
  }

  async::Loop& loop_;
  async::Stream stream_;
  HttpHandler& handler_;
  const HttpServerOptions& options_;
  HttpParser parser_;
  Buffer input_;
  Buffer ahead_;  // what came while a handler waited for the end of the connection
  std::string head_;
  bool too_large_ = false;
  bool closing_ = false;    // no further request
  bool lingering_ = false;  // the client may still be sending
  bool broken_ = false;     // nothing more can be sent
  bool bodiless_ = false;   // the answer has no body, whatever the handler writes
  bool chunked_ = false;
};

std::string_view HttpExchange::method() const { return connection_.parser_.method(); }

std::string_view HttpExchange::path() const {
  const std::string_view target = connection_.parser_.target(connection_.input_);
  return target.substr(0, target.find('?'));
}

std::string_view HttpExchange::query() const {
  const std::string_view target = connection_.parser_.target(connection_.input_);
  const auto mark = target.find('?');
  return mark == target.npos ? std::string_view{} : target.substr(mark + 1);
}

std::string_view HttpExchange::header(std::string_view name) const {
  return connection_.parser_.header(connection_.input_, name);
}

std::string_view HttpExchange::body() const {
  if (body_too_large()) return {};
  return connection_.parser_.body(connection_.input_);
}

bool HttpExchange::body_too_large() const { return connection_.too_large_; }

async::Task<Status> HttpExchange::respond(int status, std::string_view content_type, std::string_view body,
                                          std::string_view headers) {
  if (std::exchange(responded_, true)) co_return fail(Errc::kInternal, "the request is answered already");
  co_return co_await connection_.send_head(status, content_type, body, headers, false);
}

async::Task<Status> HttpExchange::start_stream(std::string_view content_type) {
  if (std::exchange(responded_, true)) co_return fail(Errc::kInternal, "the request is answered already");
  streaming_ = connection_.closing_ = true;
  co_return co_await connection_.send_head(200, content_type, {}, {}, true);
}

async::Task<Status> HttpExchange::write(std::string_view part) {
  if (!streaming_) co_return fail(Errc::kInternal, "no stream was started");
  co_return co_await connection_.send_part(part);
}

async::Task<> HttpExchange::disconnected() { return connection_.wait_for_end(); }

HttpServer::HttpServer(async::Loop& loop, HttpHandler& handler, HttpServerOptions options)
    : handler_(handler), options_(options), connections_(loop) {}

HttpServer::~HttpServer() = default;

async::Task<> HttpServer::serve(async::Acceptor& acceptor) {
  for (;;) {
    co_await connections_.below(options_.max_connections);
    auto fd = co_await acceptor.accept();
    if (!fd) {
      log::error("http: accept: {}", fd.error().text());
      co_return;
    }
    connections_.spawn(serve_connection(async::Stream(connections_.loop(), std::move(*fd))));
  }
}

async::Task<> HttpServer::serve_connection(async::Stream stream) {
  HttpConnection connection(connections_.loop(), std::move(stream), handler_, options_);
  co_await connection.run();
}

bool is_loopback_host(std::string_view host) {
  const bool bracketed = host.starts_with("[::1]");
  const auto end = bracketed ? std::size_t{5} : std::min(host.find(':'), host.size());
  const std::string_view port = host.substr(end);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!port.empty() && (port.front() != ':' || !std::all_of(port.begin() + 1, port.end(), is_digit))) {
    return false;
  }
  const std::string_view name = host.substr(0, end);
  return bracketed || same_name(name, "localhost") || is_loopback_literal(name);
}

}  // namespace shed::net
