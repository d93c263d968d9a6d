#include "shed/net/http_client.h"

#include <iterator>

#include "http_parser.h"
#include "shed/async/scope.h"

namespace shed::net {
namespace {

constexpr std::size_t kReadSize = 4096;
constexpr std::size_t kKeptCapacity = 64 * 1024;

}  // namespace

class ClientConnection {
 public:
  ClientConnection(async::Stream stream, HttpLimits limits)
      : stream_(std::move(stream)), parser_(HTTP_RESPONSE, limits) {}

  async::Task<Status> write_request(const HttpRequest& request, const std::string& host) {
    head_.clear();
    auto out = std::back_inserter(head_);
    fmt::format_to(out, "{} {} HTTP/1.1\r\nhost: {}\r\n", request.method, request.path, host);
    if (!request.content_type.empty()) fmt::format_to(out, "content-type: {}\r\n", request.content_type);
    if (request.method != "GET") fmt::format_to(out, "content-length: {}\r\n", request.body.size());
    fmt::format_to(out, "{}\r\n", request.headers);
    co_return co_await stream_.write(head_, request.body);
  }

  // Reads on until the parser has come that far.
  async::Task<Status> read_until(HttpParser::Progress wanted) {
    for (;;) {
      auto progress = parser_.advance(input_);
      if (progress && *progress == HttpParser::Progress::kMore) progress = co_await receive();
      if (!progress) co_return propagate(progress);
      if (*progress == HttpParser::Progress::kBodyTooLarge)
        co_return fail(Errc::kLimit, "the answer is too large");
      if (*progress == wanted || *progress == HttpParser::Progress::kComplete) break;
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

  // Closed by the server, or with bytes that nobody asked for: not to be used again.
  bool still_usable() {
    char byte;
    const auto count = stream_.try_read({&byte, 1});
    return count && !*count;
  }

  void prepare_for_next() {
    parser_.next_message(input_);
    if (input_.capacity() > kKeptCapacity) input_.release();
  }

  async::Stream stream_;
  HttpParser parser_;
  Buffer input_;
  std::string head_;
  SteadyTime idle_since_;
  bool complete_ = false;
  bool ended_ = false;

 private:
  async::Task<Result<HttpParser::Progress>> receive() {
    const auto count = co_await stream_.read(input_.spare(kReadSize));
    if (!count) co_return propagate(count);
    if (*count == 0) co_return parser_.finish();
    input_.commit(*count);
    co_return HttpParser::Progress::kMore;
  }
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
void HttpResponse::wipe_body() {
  // The parser's offsets stay; what they point at is gone.
  const std::size_t size = connection_->input_.size();
  connection_->input_.wipe();
  connection_->input_.spare(size);
  connection_->input_.commit(size);
}

HttpStream::HttpStream(std::unique_ptr<ClientConnection> connection) : connection_(std::move(connection)) {}
HttpStream::HttpStream(HttpStream&&) noexcept = default;
HttpStream& HttpStream::operator=(HttpStream&&) noexcept = default;
HttpStream::~HttpStream() = default;

int HttpStream::status() const { return connection_->parser_.status(); }
async::Task<Result<std::size_t>> HttpStream::read(Buffer& out) { return connection_->read_body_part(out); }

HttpClient::HttpClient(async::Loop& loop, Url origin, HttpClientOptions options)
    : loop_(loop), origin_(std::move(origin)), options_(options), released_(loop) {}
HttpClient::~HttpClient() = default;

std::unique_ptr<ClientConnection> HttpClient::take_idle() {
  while (!idle_.empty()) {
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    if (loop_.clock().now() - connection->idle_since_ < options_.max_idle && connection->still_usable()) {
      return connection;
    }
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

async::Task<Result<std::unique_ptr<ClientConnection>>> HttpClient::acquire() {
  if (auto idle = take_idle()) co_return idle;
  auto stream = co_await connect(loop_, origin_.address, options_.connect_limit);
  if (!stream) co_return propagate(stream);
  co_return std::make_unique<ClientConnection>(std::move(*stream),
                                               HttpLimits{options_.max_header, options_.max_body});
}

async::Task<Result<HttpResponse>> HttpClient::send(HttpRequest request) {
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
  c.complete_ = true;
  place.keep();  // the answer has it now
  co_return HttpResponse(*this, std::move(*connection));
}

async::Task<Result<HttpStream>> HttpClient::open_stream(HttpRequest request) {
  auto stream = co_await connect(loop_, origin_.address, options_.connect_limit);
  if (!stream) co_return propagate(stream);
  auto connection = std::make_unique<ClientConnection>(std::move(*stream),
                                                       HttpLimits{options_.max_header, options_.max_body});
  Status status = co_await connection->write_request(request, origin_.host_header);
  if (status) status = co_await connection->read_until(HttpParser::Progress::kHeader);
  if (!status) co_return propagate(status, origin_.address.text());
  co_return HttpStream(std::move(connection));
}

void HttpClient::give_back(std::unique_ptr<ClientConnection> connection) {
  --in_use_;
  released_.wake_all();
  if (!connection->parser_.keep_alive() || idle_.size() >= options_.max_connections) return;
  connection->prepare_for_next();
  connection->idle_since_ = loop_.clock().now();
  idle_.push_back(std::move(connection));
}

}  // namespace shed::net
