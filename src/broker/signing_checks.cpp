// What is refused before the agent is asked.
#include <algorithm>

#include "broker/signing_texts.h"
#include "shed/broker/signing_host.h"
#include "shed/broker/signing_proxy.h"

namespace shed::broker {
namespace {

// Nothing for a percent sign without two hexadecimal digits. A + is a +: this is no form.
std::optional<std::string> percent_decoded(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) return std::nullopt;
    decoded += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    i += 2;
  }
  return decoded;
}

// The first `namespace=` of a query; other parts are passed over, as by the existing program.
std::optional<std::string_view> asked_namespace(std::string_view query) {
  constexpr std::string_view kName = "namespace=";
  for (;;) {
    const auto end = std::min(query.find('&'), query.size());
    const std::string_view part = query.substr(0, end);
    if (part.starts_with(kName)) return part.substr(kName.size());
    if (end == query.size()) return std::nullopt;
    query.remove_prefix(end + 1);
  }
}

// A browser says so with every request but the ones that a person types in.
bool is_web_page(const net::HttpExchange& exchange) {
  const std::string_view site = exchange.header("sec-fetch-site");
  return !exchange.header("origin").empty() || (!site.empty() && site != "none");
}

}  // namespace

std::optional<SigningProxy::Answer> SigningProxy::refusal(const net::HttpExchange& exchange, Entry& entry) {
  auto answer = refusal_of_head(exchange, entry);
  if (!answer && entry.path == kSignPath) answer = check_body(exchange, entry);
  return answer;
}

std::optional<SigningProxy::Answer> SigningProxy::refusal_of_head(const net::HttpExchange& exchange,
                                                                  Entry& entry) {
  auto answer = check_caller(exchange);
  if (!answer) answer = check_route(exchange);
  if (!answer && entry.path != kHealthPath) answer = check_token(exchange, entry);
  return answer;
}

bool SigningProxy::wants_body(const net::HttpExchange& exchange) {
  Entry entry;
  entry.path = exchange.path();
  return entry.path == kSignPath && !refusal_of_head(exchange, entry);
}

// First, so that a web page learns nothing else.
std::optional<SigningProxy::Answer> SigningProxy::check_caller(const net::HttpExchange& exchange) const {
  if (!options_.on_unix_socket && !is_signing_host(exchange.header("host"), options_.hosts)) {
    return text(403, "forbidden: Host is not a name of this machine; SSH_AGENT_PROXY_HOSTS can name more",
                "a Host that is not ours");
  }
  if (is_web_page(exchange)) return text(403, "forbidden: web pages are not served", "a web page");
  return std::nullopt;
}

std::optional<SigningProxy::Answer> SigningProxy::check_route(const net::HttpExchange& exchange) const {
  const std::string_view path = exchange.path();
  const std::string_view method = exchange.method();
  const bool signs = path == kSignPath;
  Answer answer;
  answer.type = {};
  if (!signs && path != kKeyPath && path != kHealthPath) {
    answer.status = 404;
    answer.outcome = "no such path";
    return answer;
  }
  const bool allowed = signs ? method == "POST" : method == "GET" || method == "HEAD";
  if (allowed) return std::nullopt;
  answer.status = 405;
  answer.headers = signs ? "allow: POST\r\n" : "allow: GET,HEAD\r\n";
  answer.outcome = "no such method";
  return answer;
}

std::optional<SigningProxy::Answer> SigningProxy::check_token(const net::HttpExchange& exchange,
                                                              Entry& entry) {
  entry.container = kUnnamedContainer;
  if (tokens_ == nullptr) return std::nullopt;
  auto name = tokens_->name_of(exchange.header("authorization"));
  if (name) {
    entry.container = std::move(*name);
    return std::nullopt;
  }
  if (name.error().code() != Errc::kRefused) return text(503, kUnavailable, name.error().text());
  Answer answer = text(401, name.error().text());
  answer.headers = "www-authenticate: Bearer\r\n";
  return answer;
}

std::optional<SigningProxy::Answer> SigningProxy::check_body(const net::HttpExchange& exchange,
                                                             Entry& entry) const {
  if (exchange.body_too_large()) return text(413, "request body too large");
  if (exchange.body().empty()) return text(400, "empty request body");
  entry.name_space = options_.namespaces.front();
  const auto asked = asked_namespace(exchange.query());
  if (!asked) return std::nullopt;
  const auto decoded = percent_decoded(*asked);
  const auto found = std::ranges::find(options_.namespaces, decoded.value_or(""));
  if (found == options_.namespaces.end()) {
    return text(403, "forbidden: the namespace is not one of SSH_AGENT_PROXY_NAMESPACE",
                "a namespace that is not allowed");
  }
  entry.name_space = *found;
  return std::nullopt;
}

}  // namespace shed::broker
