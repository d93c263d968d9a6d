#include "shed/bus/listener_api.h"

#include <algorithm>
#include <optional>

#include "http_answers.h"
#include "shed/base/json.h"
#include "shed/base/log.h"

namespace shed::bus {
namespace {

constexpr std::string_view kListeners = "/api/plugins/listeners";
constexpr std::string_view kSheds = "/api/plugins/sheds";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// RFC 3986 section 2.1. What is broken stays as it is, and is no valid namespace then.
std::string percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped =
        text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0;
    out += escaped ? static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])) : text[i];
    if (escaped) i += 2;
  }
  return out;
}

struct Route {
  std::string_view ns;      // as in the path, percent-encoded
  std::string_view action;  // "messages" or "respond"
};

// "/api/plugins/listeners/{namespace}/{action}"
std::optional<Route> parse_route(std::string_view path) {
  if (!path.starts_with(kListeners) || !path.substr(kListeners.size()).starts_with('/')) return std::nullopt;
  path.remove_prefix(kListeners.size() + 1);
  const auto slash = path.rfind('/');
  if (slash == path.npos) return std::nullopt;
  return Route{path.substr(0, slash), path.substr(slash + 1)};
}

// Sets a flag and wakes the writer when the listener is gone.
async::Task<> watch_connection(net::HttpExchange& exchange, async::Event& pending, bool& gone) {
  co_await exchange.disconnected();
  gone = true;
  pending.set();
}

}  // namespace

// RFC 6750 section 2.1; the scheme in any case (RFC 9110 section 11.1).
bool ListenerApi::is_authorized(std::string_view authorization) const {
  if (token_.empty()) return true;
  constexpr std::string_view kScheme = "bearer ";
  const bool is_bearer =
      authorization.size() > kScheme.size() &&
      std::ranges::equal(authorization.substr(0, kScheme.size()), kScheme,
                         [](char c, char wanted) { return c == wanted || (c | 0x20) == wanted; });
  return is_bearer && equal_in_constant_time(authorization.substr(kScheme.size()), token_.reveal());
}

std::optional<HttpRefusal> ListenerApi::check_head(const net::HttpExchange& exchange) const {
  if (auto refusal = check_caller(exchange)) return refusal;
  if (is_authorized(exchange.header("authorization"))) return std::nullopt;
  return HttpRefusal{401, "UNAUTHORIZED", "the bearer token of the bus (--token-file) is wanted",
                     "www-authenticate: Bearer\r\n"};
}

bool ListenerApi::wants_body(const net::HttpExchange& exchange) {
  const auto route = parse_route(exchange.path());
  return route && route->action == "respond" && exchange.method() == "POST" && !check_head(exchange);
}

async::Task<> ListenerApi::handle(net::HttpExchange& exchange) {
  const auto refusal = check_head(exchange);
  if (refusal) co_return co_await answer_error(exchange, *refusal);
  const std::string_view path = exchange.path();
  const bool get = exchange.method() == "GET";
  if (get && path == kListeners) co_return co_await list_listeners(exchange);
  if (get && path == kSheds) co_return co_await list_sheds(exchange);
  const auto route = parse_route(path);
  if (!route) co_return co_await answer_error(exchange, 404, "NOT_FOUND", "no such path");
  std::string decoded;
  const bool encoded = route->ns.find('%') != route->ns.npos;
  if (encoded) decoded = percent_decode(route->ns);
  const std::string_view ns = encoded ? decoded : route->ns;
  if (get && route->action == "messages") co_return co_await stream_messages(exchange, ns);
  if (exchange.method() == "POST" && route->action == "respond") co_return co_await respond(exchange, ns);
  co_await answer_error(exchange, 404, "NOT_FOUND", "no such path");
}

async::Task<> ListenerApi::list_listeners(net::HttpExchange& exchange) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("listeners").begin_array();
  for (const HostHalf::Subscription* subscription : half_.subscriptions()) {
    json.begin_object()
        .field("namespace", subscription->ns())
        .field("created_at", format_rfc3339(subscription->created_at()))
        .end_object();
  }
  json.end_array().end_object();
  (void)co_await exchange.respond(200, kJsonType, body);
}

async::Task<> ListenerApi::list_sheds(net::HttpExchange& exchange) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("sheds").begin_array();
  for (const GuestPort* guest : half_.guests()) {
    const ShedView shed = guest->shed();
    const GuestRecord record = guest->record();
    json.begin_object().field("name", shed.name).field("backend", shed.backend).field("server", shed.server);
    if (record.since) {
      json.field("since", format_rfc3339(*record.since))
          .field("dropped", record.dropped)
          .field("refused", record.refused);
    }
    json.end_object();
  }
  json.end_array().end_object();
  (void)co_await exchange.respond(200, kJsonType, body);
}

async::Task<> ListenerApi::stream_messages(net::HttpExchange& exchange, std::string_view ns) {
  auto subscription = half_.subscribe(ns);
  if (!subscription) {
    const Error& error = subscription.error();
    if (error.code() == Errc::kExists)
      co_return co_await answer_error(exchange, 409, "NAMESPACE_ALREADY_REGISTERED", error.text());
    if (error.code() == Errc::kRefused)
      co_return co_await answer_error(exchange, 403, "NAMESPACE_RESERVED", error.text());
    if (error.code() == Errc::kLimit)
      co_return co_await answer_error(exchange, 429, "TOO_MANY_LISTENERS", error.text());
    co_return co_await answer_error(exchange, 400, "INVALID_NAMESPACE", error.text());
  }
  HostHalf::Subscription& queue = **subscription;
  bool gone = false;
  async::Scope watcher(loop_);
  watcher.spawn(watch_connection(exchange, queue.pending(), gone));
  Status status = co_await exchange.start_stream("text/event-stream");
  // A comment at once: the listener sees that it is registered.
  if (status) status = co_await exchange.write(":\n\n");
  Buffer batch;
  while (status && !gone) {
    auto pending = queue.pending().wait_for(kCommentInterval);
    (void)co_await pending;
    if (gone) break;
    // Also when the time ran out: an event that came at the same moment must not be lost.
    queue.take(batch);
    status = co_await exchange.write(batch.empty() ? ":\n\n" : batch.view());
  }
}

async::Task<> ListenerApi::respond(net::HttpExchange& exchange, std::string_view ns) {
  if (exchange.body_too_large())
    co_return co_await answer_error(exchange, 413, "BODY_TOO_LARGE", "the body is too large");
  const auto envelope = decoder_.decode(exchange.body());
  if (!envelope) co_return co_await answer_error(exchange, 400, "INVALID_BODY", envelope.error().text());
  if (!envelope->has_shed) co_return co_await answer_error(exchange, 400, "MISSING_SHED", "no 'shed' object");
  const Status status = half_.respond(ns, *envelope, exchange.body());
  if (status) {
    // The guest waits for what it gets, the listener for nothing but the news that it went.
    auto others = loop_.turn();
    co_await others;
    (void)co_await exchange.respond(204, {}, {});
    co_return;
  }
  log::debug("bus: an answer in {} was dropped: {}", ns, status.error().text());
  switch (status.error().code()) {
    case Errc::kNotFound:
      co_return co_await answer_error(exchange, 404, "SHED_NOT_CONNECTED", status.error().text());
    case Errc::kRefused:
      co_return co_await answer_error(exchange, 404, "REQUEST_NOT_FOUND", status.error().text());
    case Errc::kLimit:
      co_return co_await answer_error(exchange, 429, "SHED_BUSY", status.error().text());
    default:
      co_return co_await answer_error(exchange, 400, "INVALID_BODY", status.error().text());
  }
}

}  // namespace shed::bus
