#include "shed/broker/control_socket.h"

#include <optional>

#include "shed/base/json.h"
#include "shed/base/log.h"
#include "shed/broker/private_socket.h"
#include "shed/broker/status_socket.h"

namespace shed::broker {
namespace {

using Command = ControlRequest::Command;

// As names are bounded elsewhere.
constexpr std::size_t kMaxGuestName = GuestIdView::kMaxName;

// Up to its end, which is not returned.
async::Task<Result<std::string>> read_line(async::Stream& stream) {
  std::string text;
  char part[512];
  for (;;) {
    auto reading = stream.read(part);
    const auto count = co_await std::move(reading);
    if (!count) co_return propagate(count);
    if (*count == 0) co_return fail(Errc::kClosed, "the connection has ended");
    text.append(part, *count);
    const std::size_t end = text.find('\n');
    if ((end == text.npos ? text.size() : end) > kMaxControlLine)
      co_return fail(Errc::kLimit, "a line is over {} bytes", kMaxControlLine);
    if (end != text.npos) co_return text.substr(0, end);
  }
}

// A name that is there is a text of some length: a slip must not select another guest, or all of them.
Result<std::string> name_in(const JsonValue& root, std::string_view key) {
  const JsonValue value = root[key];
  if (!value.exists()) return std::string();
  const auto text = value.string();
  if (!text) return fail(Errc::kInvalid, "{} is no text", key);
  if (text->empty()) return fail(Errc::kInvalid, "{} is empty", key);
  if (text->size() > kMaxGuestName) return fail(Errc::kLimit, "{} is over {} bytes", key, kMaxGuestName);
  return std::string(*text);
}

Result<ControlRequest> parse_request(std::string_view line) {
  JsonDocument document;
  const auto root = document.parse(line);
  if (!root) return propagate(root);
  ControlRequest request;
  const std::string_view name = (*root)["command"].string_or("");
  std::optional<Command> command;
  for (const Command known : {Command::kPause, Command::kResume, Command::kRevoke}) {
    if (name == command_name(known)) command = known;
  }
  if (!command) return fail(Errc::kInvalid, "the command is pause, resume or revoke");
  request.command = *command;
  auto shed = name_in(*root, "shed");
  if (!shed) return propagate(shed);
  auto server = name_in(*root, "server");
  if (!server) return propagate(server);
  request.guests = {std::move(*server), std::move(*shed)};
  return request;
}

std::string encode_request(const ControlRequest& request) {
  std::string line;
  JsonWriter(line)
      .begin_object()
      .field("command", command_name(request.command))
      .field_unless_empty("shed", request.guests.shed)
      .field_unless_empty("server", request.guests.server)
      .end_object();
  return line + '\n';
}

async::Task<Result<std::string>> exchange(async::Stream& stream, std::string line) {
  auto writing = stream.write(line);
  const Status written = co_await std::move(writing);
  if (!written) co_return propagate(written);
  auto reading = read_line(stream);
  co_return co_await std::move(reading);
}

}  // namespace

std::string default_control_socket() { return host_agent_socket_directory() + "/host-agent-control.sock"; }

Result<std::unique_ptr<ControlSocket>> ControlSocket::open(async::Loop& loop, const std::string& path,
                                                           Run run, uid_t user) {
  auto listener = open_private_socket(loop, path);
  if (!listener) return propagate(listener);
  return std::make_unique<ControlSocket>(loop, std::move(*listener), std::move(run), user);
}

ControlSocket::ControlSocket(async::Loop& loop, net::Listener listener, Run run, uid_t user)
    : loop_(loop), listener_(std::move(listener)), run_(std::move(run)), user_(user), clients_(loop) {}

async::Task<> ControlSocket::run() {
  for (;;) {
    co_await clients_.below(kMaxClients);
    auto fd = co_await listener_.acceptor().accept();
    if (!fd) {
      log::error("control socket: {}", fd.error().text());
      co_return;
    }
    clients_.spawn(serve(async::Stream(loop_, std::move(*fd))));
  }
}

async::Task<> ControlSocket::serve(async::Stream stream) {
  const auto peer = stream.peer_credentials();
  if (!peer || (peer->user != user_ && peer->user != 0)) {
    log::warning("control socket: user {} is not served", peer ? fmt::to_string(peer->user) : "?");
    co_return;
  }
  auto reading = async::with_timeout(loop_, kClientLimit, read_line(stream));
  const auto line = co_await std::move(reading);
  // Who says nothing has gone, or is no client of this.
  if (!line && line.error().code() != Errc::kLimit) co_return;
  const std::string told = answer(line ? std::string_view(*line) : std::string_view());
  auto writing = async::with_timeout(loop_, kClientLimit, stream.write(told));
  (void)co_await std::move(writing);
}

std::string ControlSocket::answer(std::string_view line) const {
  const auto request = parse_request(line);
  const Result<std::string> done = request ? run_(*request) : propagate(request);
  std::string text;
  JsonWriter json(text);
  json.begin_object().field("ok", done.has_value());
  if (done) {
    json.field("text", *done);
  } else {
    json.field("error", done.error().text());
  }
  json.end_object();
  return text + '\n';
}

async::Task<Result<std::string>> control_host(async::Loop& loop, std::string path, ControlRequest request) {
  net::Address address;
  address.unix_path = path;
  auto connecting = net::connect(loop, address, ControlSocket::kClientLimit);
  auto stream = co_await std::move(connecting);
  if (!stream) {
    co_return fail(Errc::kUnavailable, "the host agent is not running ({})", stream.error().text());
  }
  auto asking =
      async::with_timeout(loop, ControlSocket::kClientLimit, exchange(*stream, encode_request(request)));
  const auto line = co_await std::move(asking);
  if (!line) co_return propagate(line, path);
  JsonDocument document;
  const auto root = document.parse(*line);
  if (!root) co_return fail(Errc::kProtocol, "{}: the host agent's answer is not JSON", path);
  if (!(*root)["ok"].boolean().value_or(false)) {
    co_return fail(Errc::kRefused, "{}", (*root)["error"].string_or("the host agent refuses"));
  }
  co_return std::string((*root)["text"].string_or(""));
}

}  // namespace shed::broker
