#include "shed/net/http_server.h"

#include <algorithm>
#include <utility>

#include "http_connection.h"
#include "shed/base/log.h"
#include "socket_address.h"

namespace shed::net {
namespace {

// A client that keeps its connection asks again within that, or does not miss it.
constexpr Millis kSpareAge{1'000};

async::Task<Status> wait_below(async::Scope& scope, std::size_t limit) {
  auto waiting = scope.below(limit);
  co_await std::move(waiting);
  co_return Status{};
}

}  // namespace

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
  if (body_too_large() || connection_.unwanted_) return {};
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
    auto fd = co_await acceptor.accept();
    if (!fd) {
      log::error("http: accept: {}", fd.error().text());
      co_return;
    }
    auto room = make_room();
    co_await std::move(room);
    connections_.spawn(serve_connection(async::Stream(connections_.loop(), std::move(*fd))));
  }
}

async::Task<> HttpServer::make_room() {
  async::Loop& loop = connections_.loop();
  while (connections_.size() >= options_.max_connections) {
    Millis wait = kSpareAge;  // one may become idle meanwhile
    if (!spare_.empty()) {
      HttpConnection& oldest = spare_.front();
      const auto age = std::chrono::duration_cast<Millis>(loop.clock().now() - oldest.spare_since());
      if (age < kSpareAge) {
        wait = kSpareAge - age;
      } else {
        oldest.dismiss();
      }
    }
    auto below = async::with_timeout(loop, wait, wait_below(connections_, options_.max_connections));
    (void)co_await std::move(below);
  }
}

async::Task<> HttpServer::serve_connection(async::Stream stream) {
  HttpConnection connection(connections_.loop(), std::move(stream), handler_, options_, spare_);
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
