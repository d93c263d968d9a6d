#include "shed/net/http_client.h"

#include <algorithm>
#include <iterator>

#include "dial.h"
#include "http_parser.h"
#include "shed/base/secret.h"

namespace shed::net {
namespace {

constexpr std::size_t kReadSize = 4096;
// A larger buffer is given back after the answer that needed it.
constexpr std::size_t kKeptCapacity = 64 * 1024;
// Enough for the header of a request of ours with a token in it.
constexpr std::size_t kHeadCapacity = 1024;
// "100 Continue" and the like before the answer; a server that sends more is up to no good.
constexpr int kMaxInterim = 8;

bool has_control_or_space(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c <= ' ' || c == 0x7f; });
}

// Nothing that a caller passes on may end the line it stands in: the rest would be a request of its
// own. The header lines are not quoted, they may hold a token.
Status check_request(const HttpRequest& request) {
  if (request.method.empty() || has_control_or_space(request.method)) {
    return fail(Errc::kInvalid, "'{}' is not a method", request.method);
  }
  if (!request.path.starts_with('/') || has_control_or_space(request.path)) {
    return fail(Errc::kInvalid, "'{}' is not a path", request.path);
  }
  const std::string_view lines = request.headers;
  const bool whole = lines.empty() || (lines.ends_with("\r\n") && !lines.starts_with("\r\n"));
  if (!whole || lines.find("\r\n\r\n") != lines.npos) {
    return fail(Errc::kInvalid, "the header lines of a request must each end with CR LF");
  }
  return {};
}

// Whether a receiver expects to be told the length of the body, even of an empty one (RFC 9110,
// section 8.6).
bool announces_body(const HttpRequest& request) {
  if (!request.body.empty()) return true;
  return request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
}

}  // namespace

class ClientConnection {
 public:
  ClientConnection(std::unique_ptr<Channel> channel, HttpLimits limits)
      : channel_(std::move(channel)), parser_(HTTP_RESPONSE, limits), limits_(limits) {}
  ~ClientConnection() {
    input_.wipe();
    wipe(head_);
  }

  async::Task<Status> write_request(const HttpRequest& request, const std::string& host) {
    head_.clear();
    head_.reserve(kHeadCapacity);  // growing would leave pieces behind that are not wiped
    auto out = std::back_inserter(head_);
    fmt::format_to(out, "{} {} HTTP/1.1\r\nhost: {}\r\n", request.method, request.path, host);
    if (!request.content_type.empty()) fmt::format_to(out, "content-type: {}\r\n", request.content_type);
    if (announces_body(request)) fmt::format_to(out, "content-length: {}\r\n", request.body.size());
    fmt::format_to(out, "{}\r\n", request.headers);
    bodiless_ = request.method == "HEAD";
    if (bodiless_) parser_.expect_no_body();
    Status status = co_await channel_->write(head_, request.body);
    wipe(head_);  // bearer tokens travel here
    co_return status;
  }

  // Reads on until the parser has come that far in the answer proper.
  async::Task<Status> read_until(HttpParser::Progress wanted) {
    for (;;) {
      auto progress = parser_.advance(input_);
      if (progress && *progress == HttpParser::Progress::kMore) progress = co_await receive();
      if (!progress) co_return propagate(progress);
      if (*progress == HttpParser::Progress::kBodyTooLarge) {
        co_return fail(Errc::kLimit, "the answer is longer than {} bytes", limits_.body);
      }
      if (*progress == HttpParser::Progress::kMore) continue;
      if (parser_.status() / 100 == 1) {
        if (const Status passed = pass_over_interim(*progress); !passed) co_return passed;
      } else if (*progress == wanted || *progress == HttpParser::Progress::kComplete) {
        break;
      }
    }
    input_.spare(kJsonPadding);
    co_return Status{};
  }

  async::Task<Result<std::size_t>> read_body_part(Buffer& out) {
    const std::size_t before = out.size();
    while (out.size() == before && !ended_) {
      parser_.stream_body_into(out);
      auto progress = parser_.advance(input_);
      parser_.drop_parsed(input_);
      if (progress && out.size() == before && *progress == HttpParser::Progress::kMore)
        progress = co_await receive();
      if (!progress) co_return propagate(progress);
      ended_ = *progress == HttpParser::Progress::kComplete;
    }
    co_return out.size() - before;
  }

  // False when the server closed it, or sent bytes that nobody asked for: those would be taken for
  // the next answer.
  bool still_usable() {
    char byte;
    const auto count = channel_->try_read({&byte, 1});
    return count && !*count;
  }

  // Makes ready for another request; false when this connection cannot serve one.
  bool prepare_for_next() {
    if (!parser_.keep_alive()) return false;
    parser_.next_message(input_);
    interim_ = 0;
    if (!input_.empty()) return false;
    if (input_.capacity() > kKeptCapacity) input_.release();
    return true;
  }

  std::unique_ptr<Channel> channel_;
  HttpParser parser_;
  Buffer input_;
  std::string head_;
  SteadyTime idle_since_;
  bool ended_ = false;

 private:
  Status pass_over_interim(HttpParser::Progress progress) {
    if (parser_.status() == 101) return fail(Errc::kProtocol, "the server switched protocols unasked");
    if (progress != HttpParser::Progress::kComplete) return {};
    if (++interim_ > kMaxInterim) return fail(Errc::kProtocol, "too many interim answers");
    parser_.next_message(input_);
    if (bodiless_) parser_.expect_no_body();
    return {};
  }

  async::Task<Result<HttpParser::Progress>> receive() {
    const auto count = co_await channel_->read(input_.spare(kReadSize));
    if (!count) co_return propagate(count);
    if (*count == 0) co_return parser_.finish();
    input_.commit(*count);
    co_return HttpParser::Progress::kMore;
  }

  HttpLimits limits_;
  bool bodiless_ = false;  // the request was HEAD
  int interim_ = 0;
};

HttpResponse::HttpResponse(HttpClient& client, std::unique_ptr<ClientConnection> connection)
    : client_(&client), connection_(std::move(connection)) {}
HttpResponse::HttpResponse(HttpResponse&&) noexcept = default;
HttpResponse::~HttpResponse() {
  if (connection_) client_->give_back(std::move(connection_));
}

int HttpResponse::status() const { return connection_->parser_.status(); }
std::string_view HttpResponse::header(std::string_view name) const {
  return connection_->parser_.header(connection_->input_, name);
}
std::string_view HttpResponse::body() const { return connection_->parser_.body(connection_->input_); }
void HttpResponse::wipe_body() { connection_->parser_.wipe_body(connection_->input_); }

HttpStream::HttpStream(std::unique_ptr<ClientConnection> connection) : connection_(std::move(connection)) {}
HttpStream::HttpStream(HttpStream&&) noexcept = default;
HttpStream& HttpStream::operator=(HttpStream&&) noexcept = default;
HttpStream::~HttpStream() = default;

int HttpStream::status() const { return connection_->parser_.status(); }
async::Task<Result<std::size_t>> HttpStream::read(Buffer& out) { return connection_->read_body_part(out); }

HttpClient::HttpClient(async::Loop& loop, Url origin, HttpClientOptions options)
    : loop_(loop), origin_(std::move(origin)), options_(std::move(options)), released_(loop) {}
HttpClient::~HttpClient() = default;

void HttpClient::drop_expired() {
  // The oldest stand in front.
  const SteadyTime now = loop_.clock().now();
  const auto first = std::find_if(idle_.begin(), idle_.end(), [&](const auto& connection) {
    return now - connection->idle_since_ < options_.max_idle;
  });
  idle_.erase(idle_.begin(), first);
}

std::unique_ptr<ClientConnection> HttpClient::take_idle() {
  drop_expired();
  while (!idle_.empty()) {
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    if (connection->still_usable()) return connection;
  }
  return nullptr;
}

namespace {

// Gives the place of a request back, whichever way it ends.
class Place {
 public:
  Place(std::size_t& in_use, async::Event& released) : in_use_(&in_use), released_(released) { ++in_use; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    if (in_use_ == nullptr) return;
    --*in_use_;
    released_.wake_all();
  }
  void keep() { in_use_ = nullptr; }

 private:
  std::size_t* in_use_;
  async::Event& released_;
};

}  // namespace

async::Task<Result<std::unique_ptr<ClientConnection>>> HttpClient::dial() {
  auto channel = co_await open_channel(loop_, origin_, options_);
  if (!channel) co_return propagate(channel);
  co_return std::make_unique<ClientConnection>(std::move(*channel),
                                               HttpLimits{options_.max_header, options_.max_body});
}

async::Task<Result<std::unique_ptr<ClientConnection>>> HttpClient::acquire() {
  if (auto idle = take_idle()) co_return idle;
  co_return co_await dial();
}

async::Task<Result<HttpResponse>> HttpClient::send(HttpRequest request) {
  if (const Status valid = check_request(request); !valid) co_return propagate(valid);
  while (in_use_ >= options_.max_connections) {
    auto released = released_.wait();
    co_await released;
  }
  Place place(in_use_, released_);
  auto connection = co_await acquire();
  if (!connection) co_return propagate(connection);
  ClientConnection& c = **connection;
  Status status = co_await c.write_request(request, origin_.host_header);
  // A server may answer and close before it has read everything: its answer says why.
  if (status || status.error().code() == Errc::kClosed) {
    status = co_await c.read_until(HttpParser::Progress::kComplete);
  }
  if (!status) co_return propagate(status, origin_.address.text());
  place.keep();  // the answer has it now
  co_return HttpResponse(*this, std::move(*connection));
}

async::Task<Result<HttpStream>> HttpClient::open_stream(HttpRequest request) {
  if (const Status valid = check_request(request); !valid) co_return propagate(valid);
  auto connection = co_await dial();
  if (!connection) co_return propagate(connection);
  ClientConnection& c = **connection;
  Status status = co_await c.write_request(request, origin_.host_header);
  if (status || status.error().code() == Errc::kClosed) {
    status = co_await c.read_until(HttpParser::Progress::kHeader);
  }
  if (!status) co_return propagate(status, origin_.address.text());
  co_return HttpStream(std::move(*connection));
}

void HttpClient::give_back(std::unique_ptr<ClientConnection> connection) {
  --in_use_;
  released_.wake_all();
  drop_expired();
  if (!connection->prepare_for_next()) return;
  connection->idle_since_ = loop_.clock().now();
  idle_.push_back(std::move(connection));
}

}  // namespace shed::net
