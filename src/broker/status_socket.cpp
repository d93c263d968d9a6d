#include "shed/broker/status_socket.h"

#include <unistd.h>

#include "broker/approval_lines.h"
#include "shed/base/file.h"
#include "shed/base/json.h"
#include "shed/base/log.h"
#include "shed/broker/private_socket.h"

namespace shed::broker {
namespace {

constexpr std::size_t kMaxClients = 16;
constexpr Millis kWriteLimit{2'000};
constexpr Millis kReadLimit{2'000};
constexpr std::size_t kMaxDocument = 1024 * 1024;

async::Task<Result<std::string>> read_all(async::Stream& stream) {
  std::string text;
  char part[4096];
  while (text.size() <= kMaxDocument) {
    const auto count = co_await stream.read(part);
    if (!count) co_return propagate(count);
    if (*count == 0) co_return text;
    text.append(part, *count);
  }
  co_return fail(Errc::kLimit, "the document is too long");
}

}  // namespace

std::string encode_status(const StatusDocument& document, WallTime now) {
  std::string text;
  JsonWriter json(text);
  json.begin_object()
      .field("schema", kStatusSchema)
      .field("version", SHED_VERSION)
      .field("pid", ::getpid())
      .field("started_at", format_rfc3339(document.started_at))
      .field("written_at", format_rfc3339(now))
      .field("config_path", document.config_path);
  json.key("policies").begin_object();
  for (const auto& [ns, policy] : document.policies) json.field(ns, policy);
  json.end_object();
  if (!document.nobody_to_ask.empty()) {
    json.key("nobody_to_ask").begin_object();
    for (const auto& [ns, why] : document.nobody_to_ask) json.field(ns, why);
    json.end_object();
  }
  if (!document.gate_namespaces.empty()) {
    json.key("gate_namespaces").begin_array();
    for (const std::string& ns : document.gate_namespaces) json.string(ns);
    json.end_array();
  }
  json.key("approval_channel")
      .begin_object()
      .field("socket_path", document.approval.socket_path)
      .field("consumer_connected", document.approval.consumer_connected)
      .field("client_name", document.approval.client_name)
      .field("client_version", document.approval.client_version)
      .field("grants", document.approval.grants)
      .end_object();
  if (!document.granted.empty()) {
    json.key("granted");
    write_grants(json, text, document.granted);
  }
  json.key("servers").begin_array();
  for (const auto& server : document.servers) {
    json.begin_object().field("name", server.name).field("url", server.url).key("namespaces").begin_array();
    for (const auto& listener : server.listeners) {
      json.begin_object()
          .field("namespace", listener.ns)
          .field("state", listener.state)
          .field("last_error", listener.last_error)
          .field("since", format_rfc3339(listener.since))
          .end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
  if (!document.paused.empty()) {
    json.key("paused").begin_array();
    for (const auto& [server, shed] : document.paused)
      json.begin_object().field_unless_empty("server", server).field_unless_empty("shed", shed).end_object();
    json.end_array();
  }
  json.end_object();
  text += '\n';
  return text;
}

std::string host_agent_socket_directory() {
  const std::string named = environment("SHED_HOST_AGENT_SOCKET_DIR");
  if (!named.empty()) return named;
#ifdef __APPLE__
  return home_directory() + "/Library/Application Support/shed";
#else
  const std::string runtime = environment("XDG_RUNTIME_DIR");
  return runtime.empty() ? home_directory() + "/.local/share/shed" : runtime + "/shed";
#endif
}

std::string default_status_socket() { return host_agent_socket_directory() + "/host-agent-status.sock"; }

Result<std::unique_ptr<StatusSocket>> StatusSocket::open(async::Loop& loop, const std::string& path,
                                                         std::function<StatusDocument()> current) {
  auto listener = open_private_socket(loop, path);
  if (!listener) return propagate(listener);
  return std::make_unique<StatusSocket>(loop, std::move(*listener), std::move(current));
}

StatusSocket::StatusSocket(async::Loop& loop, net::Listener listener, std::function<StatusDocument()> current)
    : loop_(loop), listener_(std::move(listener)), current_(std::move(current)), clients_(loop) {}

async::Task<> StatusSocket::run() {
  for (;;) {
    co_await clients_.below(kMaxClients);
    auto fd = co_await listener_.acceptor().accept();
    if (!fd) {
      log::error("status socket: {}", fd.error().text());
      co_return;
    }
    clients_.spawn(serve(async::Stream(loop_, std::move(*fd))));
  }
}

async::Task<> StatusSocket::serve(async::Stream stream) {
  const std::string text = encode_status(current_(), loop_.clock().wall());
  (void)co_await async::with_timeout(loop_, kWriteLimit, stream.write(text));
}

async::Task<Result<std::string>> read_status(async::Loop& loop, std::string path) {
  net::Address address;
  address.unix_path = path;
  auto stream = co_await net::connect(loop, address, kReadLimit);
  if (!stream) {
    co_return fail(Errc::kUnavailable, "the host agent is not running ({})", stream.error().text());
  }
  auto text = co_await async::with_timeout(loop, kReadLimit, read_all(*stream));
  if (!text) co_return propagate(text, path);
  JsonDocument document;
  const auto root = document.parse(*text);
  if (!root) co_return fail(Errc::kProtocol, "{}: the host agent's status is not JSON", path);
  if ((*root)["schema"].integer() != kStatusSchema) {
    co_return fail(Errc::kProtocol, "{}: the host agent's status is of another version", path);
  }
  co_return std::move(*text);
}

}  // namespace shed::broker
