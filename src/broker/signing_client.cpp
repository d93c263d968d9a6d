#include "shed/broker/signing_client.h"

#include <algorithm>

#include "broker/signing_texts.h"
#include "shed/async/scope.h"
#include "shed/base/file.h"
#include "shed/base/log.h"
#include "shed/bus/token_file.h"
#include "shed/ssh/public_key_line.h"

namespace shed::broker {
namespace {

// Of what the proxy says: it goes into one line for a person.
constexpr std::size_t kMaxReason = 300;

net::HttpClientOptions client_options() {
  net::HttpClientOptions options;
  options.connect_limit = SigningClient::kConnectLimit;
  options.max_connections = 1;
  options.max_body = ssh::kMaxSshsigArmor;
  return options;
}

// "/x/sign?y" is "/x" and "?y".
std::string public_key_path(std::string_view path) {
  const std::string_view query = path.substr(std::min(path.find('?'), path.size()));
  path.remove_suffix(query.size());
  if (path.ends_with(kSignPath)) {
    path.remove_suffix(kSignPath.size());
  } else if (path.ends_with('/')) {
    path.remove_suffix(1);
  }
  return fmt::format("{}{}{}", path, kKeyPath, query);
}

Result<net::Url> read_url(std::string_view variable, std::string_view text) {
  auto url = net::parse_url(text);
  if (!url) return propagate(url, variable);
  return url;
}

Result<Secret> read_token(SigningServerSettings& settings) {
  std::string_view variable = "SSH_AGENT_PROXY_TOKEN";
  Secret token = Secret::take(settings.token);
  if (token.empty() && !settings.token_file.empty()) {
    variable = "SSH_AGENT_PROXY_TOKEN_FILE";
    auto file = read_secret_file(settings.token_file, bus::kMaxToken + 2);
    if (!file) return propagate(file, variable);
    std::string_view line = file->reveal();
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) return fail(Errc::kInvalid, "{}: {}: empty", variable, settings.token_file);
    token = Secret(line);
  }
  // Anything else could end the header line in which it is sent.
  const auto is_bad = [](char c) { return c <= ' ' || c >= 0x7f; };
  if (token.size() > bus::kMaxToken || std::ranges::any_of(token.reveal(), is_bad)) {
    return fail(Errc::kInvalid, "{}: a token is one line of at most {} printable characters without a space",
                variable, bus::kMaxToken);
  }
  return token;
}

// What to do about an answer that is none.
std::string_view remedy_for(int status) {
  switch (status) {
    case 401:
      return "; set SSH_AGENT_PROXY_TOKEN or SSH_AGENT_PROXY_TOKEN_FILE";
    case 404:
    case 405:
      return "; is SSH_AGENT_PROXY_URL the one of /sign?";
    case 413:
      return "; 16 MiB are accepted";
    case 503:
      return "; the proxy's agent is away or lacks the key";
    default:
      return "";
  }
}

// "503 signer unavailable"
std::string answer_text(int status, std::string_view body) {
  const std::string_view line = body.substr(0, std::min(body.find_first_of("\r\n"), kMaxReason));
  std::string text = fmt::format("the proxy answers {}", status);
  if (!line.empty()) text += fmt::format(" {}", log::printable(line));
  return text.append(remedy_for(status));
}

Error explain(const Error& error, const net::Url& url) {
  const Error told = error.in(url.origin());
  if (error.code() == Errc::kUnavailable || error.code() == Errc::kNotFound) {
    return {error.code(), told.text() + "; is ssh-agent-proxy running there?"};
  }
  return told;
}

// A query of the URL's own stays.
std::string with_namespace(std::string_view path, std::string_view name_space) {
  std::string result(path);
  result += path.contains('?') ? "&namespace=" : "?namespace=";
  for (const char c : name_space) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~@").contains(c);
    if (plain) {
      result += c;
    } else {
      result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return result;
}

}  // namespace

Result<SigningServer> signing_server(SigningServerSettings settings) {
  if (settings.url.empty()) settings.url = kDefaultSigningUrl;
  auto sign = read_url("SSH_AGENT_PROXY_URL", settings.url);
  if (!sign) return propagate(sign);
  if (sign->path == "/") sign->path = kSignPath;
  net::Url key = *sign;
  key.path = public_key_path(sign->path);
  if (!settings.public_key_url.empty()) {
    auto given = read_url("SSH_AGENT_PROXY_PUBKEY_URL", settings.public_key_url);
    if (!given) return propagate(given);
    key = std::move(*given);
  }
  auto token = read_token(settings);
  if (!token) return propagate(token);
  return SigningServer{std::move(*sign), std::move(key), std::move(*token)};
}

SigningClient::SigningClient(async::Loop& loop, SigningServer server)
    : loop_(loop), server_(std::move(server)), client_(loop, server_.sign, client_options()) {
  if (server_.token.empty()) return;
  constexpr std::string_view kBefore = "authorization: Bearer ", kAfter = "\r\n";
  std::string line;  // grows at once, for what is left behind by growing is not wiped
  line.reserve(kBefore.size() + server_.token.size() + kAfter.size());
  line.append(kBefore).append(server_.token.reveal()).append(kAfter);
  authorization_ = Secret::take(line);
}

net::HttpClient& SigningClient::key_client() {
  if (server_.public_key.origin() == server_.sign.origin()) return client_;
  if (!other_client_) other_client_.emplace(loop_, server_.public_key, client_options());
  return *other_client_;
}

async::Task<Result<std::string>> SigningClient::ask(net::HttpClient& client, net::HttpRequest request) {
  request.headers = authorization_.reveal();
  auto exchange = client.send(request);
  auto answer = co_await async::with_timeout(loop_, kExchangeLimit, std::move(exchange));
  if (!answer) co_return std::unexpected(explain(answer.error(), client.origin()));
  if (answer->status() != 200) {
    co_return fail(answer->status() == 503 ? Errc::kUnavailable : Errc::kRefused, "{}: {}",
                   client.origin().origin(), answer_text(answer->status(), answer->body()));
  }
  co_return std::string(answer->body());
}

async::Task<Result<std::string>> SigningClient::public_key() {
  net::HttpRequest request;
  request.path = server_.public_key.path;
  const auto text = co_await ask(key_client(), request);
  if (!text) co_return propagate(text);
  const auto keys = ssh::parse_public_keys(*text);
  if (!keys) {
    co_return fail(Errc::kProtocol, "{}: what the proxy answers is no public key: {}",
                   server_.public_key.origin(), keys.error().text());
  }
  co_return keys->front().key_blob;
}

async::Task<Result<ssh::Sshsig>> SigningClient::sign(std::string_view message, std::string name_space) {
  const std::string path = with_namespace(server_.sign.path, name_space);
  net::HttpRequest request;
  request.method = "POST";
  request.path = path;
  request.content_type = "application/octet-stream";
  request.body = message;
  const auto armor = co_await ask(client_, request);
  if (!armor) co_return propagate(armor);
  auto sshsig = ssh::read_sshsig(*armor);
  if (!sshsig) {
    co_return fail(Errc::kProtocol, "{}: what the proxy answers is no signature: {}", server_.sign.origin(),
                   sshsig.error().text());
  }
  co_return std::move(*sshsig);
}

}  // namespace shed::broker
