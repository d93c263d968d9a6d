#include "http_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "shed/async/scope.h"

namespace shed::net {
namespace {

// Read at a time: a request of ours fits, and an idle connection keeps little.
constexpr std::size_t kReadSize = 4096;
// A larger buffer is given back after the request that needed it.
constexpr std::size_t kKeptCapacity = 64 * 1024;
// What is read and thrown away so that a client that still sends can see the answer: twice the largest body,
// so that one which is somewhat too large is told so, and not less than this. It costs time and no memory.
constexpr std::size_t kMinDrained = 4 * 1024 * 1024;
constexpr Millis kDrainLimit{5'000};
constexpr Millis kQuietLimit{1'000};  // between two parts of it
// What a client may send ahead while its request is being answered and the handler watches for its end.
constexpr std::size_t kMaxAhead = 4096;
// A stream's parts up to this size are copied behind their length and leave in one system call.
constexpr std::size_t kJoinedPart = 16 * 1024;

constexpr std::string_view kPlainText = "text/plain; charset=utf-8";

struct Phrase {
  int status;
  std::string_view text;
};
constexpr std::array kPhrases{
    Phrase{200, "OK"},
    Phrase{202, "Accepted"},
    Phrase{204, "No Content"},
    Phrase{400, "Bad Request"},
    Phrase{401, "Unauthorized"},
    Phrase{403, "Forbidden"},
    Phrase{404, "Not Found"},
    Phrase{405, "Method Not Allowed"},
    Phrase{408, "Request Timeout"},
    Phrase{409, "Conflict"},
    Phrase{413, "Content Too Large"},
    Phrase{429, "Too Many Requests"},
    Phrase{431, "Request Header Fields Too Large"},
    Phrase{500, "Internal Server Error"},
    Phrase{503, "Service Unavailable"},
    Phrase{504, "Gateway Timeout"},
};

// People read it, programs do not.
std::string_view reason_phrase(int status) {
  const auto found = std::find_if(kPhrases.begin(), kPhrases.end(),
                                  [status](const Phrase& phrase) { return phrase.status == status; });
  return found == kPhrases.end() ? "Status" : found->text;
}

}  // namespace

HttpConnection::HttpConnection(async::Loop& loop, async::Stream stream, HttpHandler& handler,
                               const HttpServerOptions& options, async::IntrusiveList<HttpConnection>& spare)
    : loop_(loop),
      stream_(std::move(stream)),
      handler_(handler),
      options_(options),
      spare_(spare),
      parser_(HTTP_REQUEST, {options.max_header, options.max_body}) {}

HttpConnection::~HttpConnection() {
  input_.wipe();
  ahead_.wipe();
}

async::Task<> HttpConnection::run() {
  for (;;) {
    const bool there = co_await read_request();
    if (!there) break;
    co_await serve_request();
    if (closing_ || broken_) break;
    parser_.next_message(input_);
    input_.append(ahead_.view());
    ahead_.clear();
    if (input_.empty() && input_.capacity() > kKeptCapacity) input_.release();
  }
  if (lingering_) co_await drain();
}

void HttpConnection::become_spare() {
  spare_since_ = loop_.clock().now();
  spare_.push_back(*this);
}

void HttpConnection::dismiss() {
  unlink();
  dismissed_ = true;
  ::shutdown(stream_.fd(), SHUT_RD);  // the next read is the end, once what has come is read
}

async::Task<bool> HttpConnection::read_request() {
  if (input_.empty()) {
    become_spare();
    const auto readable = co_await async::with_timeout(loop_, options_.idle_limit, receive());
    unlink();
    if (!readable || *readable == 0) co_return false;
  }
  const Status complete = co_await read_message();
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

async::Task<Result<std::size_t>> HttpConnection::receive() {
  const auto count = co_await stream_.read(input_.spare(kReadSize));
  if (count) input_.commit(*count);
  co_return count;
}

async::Task<Status> HttpConnection::read_message() {
  using Progress = HttpParser::Progress;
  const SteadyTime end = loop_.clock().now() + options_.request_limit;
  auto progress = parser_.advance(input_);
  if (progress && *progress == Progress::kMore) {
    // Short: nothing is known of the client yet, and whoever may send a body took no longer for this.
    auto reading = async::with_timeout(loop_, options_.header_limit, read_on());
    progress = co_await std::move(reading);
  }
  if (progress && *progress == Progress::kHeader) {
    progress = parser_.advance(input_);  // the body may be there already
  }
  if (progress && *progress == Progress::kMore && wants_body()) {
    const auto left = std::chrono::duration_cast<Millis>(end - loop_.clock().now());
    auto reading = async::with_timeout(loop_, left, read_body());
    progress = co_await std::move(reading);
  }
  if (!progress) co_return propagate(progress);
  if (*progress == Progress::kBodyTooLarge) too_large_ = closing_ = lingering_ = true;
  input_.spare(kJsonPadding);
  co_return Status{};
}

async::Task<Result<HttpParser::Progress>> HttpConnection::read_on() {
  for (;;) {
    const auto count = co_await receive();
    if (!count) co_return propagate(count);
    if (*count == 0) co_return fail(Errc::kClosed, "the connection ended in the middle of a request");
    const auto progress = parser_.advance(input_);
    if (!progress || *progress != HttpParser::Progress::kMore) co_return progress;
  }
}

async::Task<Result<HttpParser::Progress>> HttpConnection::read_body() {
  const Status allowed = co_await allow_body();
  if (!allowed) co_return propagate(allowed);
  co_return co_await read_on();
}

bool HttpConnection::wants_body() {
  const HttpExchange exchange(*this);
  if (handler_.wants_body(exchange)) return true;
  unwanted_ = closing_ = lingering_ = true;
  return false;
}

async::Task<Status> HttpConnection::allow_body() {
  const bool expected = same_name(parser_.header(input_, "expect"), "100-continue");
  if (!expected || parser_.is_http_1_0()) co_return Status{};
  co_return co_await stream_.write("HTTP/1.1 100 Continue\r\n\r\n");
}

async::Task<> HttpConnection::serve_request() {
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

async::Task<Status> HttpConnection::send(std::string_view first, std::string_view second) {
  if (broken_) co_return fail(Errc::kClosed, "the connection has ended");
  broken_ = true;  // and stays so when this is dropped after half of it
  const Status status =
      co_await async::with_timeout(loop_, options_.send_limit, stream_.write(first, second));
  broken_ = !status;
  co_return status;
}

async::Task<Status> HttpConnection::send_head(int status, std::string_view content_type,
                                              std::string_view body, std::string_view headers,
                                              bool streaming) {
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

async::Task<Status> HttpConnection::send_part(std::string_view part) {
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

async::Task<> HttpConnection::wait_for_end() {
  std::array<char, 256> bytes;
  while (ahead_.size() < kMaxAhead) {
    const auto count = co_await stream_.read(bytes);
    if (!count || *count == 0) break;
    ahead_.append({bytes.data(), *count});
  }
  closing_ = true;
}

async::Task<> HttpConnection::drain() {
  stream_.shut_down_writing();
  become_spare();
  (void)co_await async::with_timeout(loop_, kDrainLimit, discard_input());
}

async::Task<Status> HttpConnection::discard_input() {
  const std::size_t most = std::max(kMinDrained, 2 * options_.max_body);
  for (std::size_t total = 0; total < most && !dismissed_;) {
    input_.clear();
    auto reading = async::with_timeout(loop_, kQuietLimit, stream_.read(input_.spare(kKeptCapacity)));
    const auto count = co_await std::move(reading);
    if (!count || *count == 0) break;
    total += *count;
  }
  co_return Status{};
}

}  // namespace shed::net
