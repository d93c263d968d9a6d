#include "agent_fixture.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <iterator>

#include "shed/ssh/wire.h"

namespace shed::ssh::test {

LogLines::LogLines() {
  log::set_sink([this](log::Level, std::string_view line) { lines.emplace_back(line); });
}

LogLines::~LogLines() { log::set_sink({}); }

std::size_t LogLines::count(std::string_view text) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      lines, [text](const std::string& line) { return line.find(text) != std::string::npos; }));
}

std::string key_blob(std::string_view type, char fill) {
  std::string blob;
  WireWriter writer(blob);
  writer.string(type).string(std::string(32, fill));
  if (type.starts_with("sk-")) writer.string("ssh:");
  return blob;
}

SessionBind make_bind(int number, bool forwarding) {
  return {ed25519_blob('h'), fmt::format("session {:024}", number),
          encode_signature({"ssh-ed25519", std::string(64, 's'), ""}), forwarding};
}

std::string message_of(const std::string& frame) {
  const auto length = frame_length(frame);
  REQUIRE(length);
  REQUIRE(frame.size() == kFrameHeaderSize + *length);
  return frame.substr(kFrameHeaderSize);
}

std::string frame_of(std::string_view message) {
  std::string frame;
  WireWriter(frame).string(message);
  return frame;
}

std::string extension_message(std::string_view name, std::string_view contents) {
  std::string message;
  WireWriter(message).byte(SSH_AGENTC_EXTENSION).string(name).bytes(contents);
  return message;
}

std::string bind_message(const SessionBind& bind) { return message_of(encode_session_bind(bind).value()); }

std::size_t open_descriptors() {
#ifdef __linux__
  const char* folder = "/proc/self/fd";
#else
  const char* folder = "/dev/fd";
#endif
  const std::filesystem::directory_iterator begin(folder);
  return static_cast<std::size_t>(std::distance(begin, std::filesystem::directory_iterator{}));
}

namespace {

class Counted {
 public:
  explicit Counted(std::size_t& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;

 private:
  std::size_t& count_;
};

}  // namespace

async::Task<Result<std::vector<Identity>>> FakeService::list(const std::vector<SessionBind>& binds) {
  const Counted counted(under_way);
  lists.push_back(binds);
  auto gate = open_gate.wait();
  co_await gate;
  co_return identities;
}

async::Task<Result<Signature>> FakeService::sign(SignRequest request) {
  const Counted counted(under_way);
  signs.push_back(std::move(request));
  auto gate = open_gate.wait();
  co_await gate;
  co_return signature;
}

RawClient::RawClient(UniqueFd& other) {
  std::array<int, 2> pair{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) == 0);
  fd_ = UniqueFd(pair[0]);
  other = UniqueFd(pair[1]);
}

RawClient::RawClient(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  REQUIRE(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

void RawClient::send(std::string_view bytes) {
  REQUIRE(::send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
          static_cast<ssize_t>(bytes.size()));
}

std::string RawClient::received() {
  std::string bytes;
  std::array<char, 4096> part;
  for (;;) {
    const ssize_t count = ::recv(fd_.get(), part.data(), part.size(), MSG_DONTWAIT);
    if (count <= 0) return bytes;
    bytes.append(part.data(), static_cast<std::size_t>(count));
  }
}

bool RawClient::sees_end() {
  char byte = 0;
  const ssize_t count = ::recv(fd_.get(), &byte, 1, MSG_DONTWAIT);
  return count == 0 || (count < 0 && errno == ECONNRESET);
}

void RawClient::stop_sending() { REQUIRE(::shutdown(fd_.get(), SHUT_WR) == 0); }

namespace {

net::Listener listen_at(async::Loop& loop, const std::string& path) {
  net::Address address;
  address.unix_path = path;
  auto listener = net::Listener::open(loop, address);
  REQUIRE(listener);
  return std::move(*listener);
}

}  // namespace

ScriptedAgent::ScriptedAgent(async::Loop& loop, std::string path, Answer answer)
    : answer_(std::move(answer)), listener_(listen_at(loop, path)), scope_(loop) {
  scope_.spawn(serve());
}

async::Task<> ScriptedAgent::serve() {
  for (;;) {
    auto fd = co_await listener_.acceptor().accept();
    if (!fd) co_return;
    ++connections;
    scope_.spawn(serve_one(async::Stream(scope_.loop(), std::move(*fd))));
  }
}

async::Task<> ScriptedAgent::serve_one(async::Stream stream) {
  const Counted counted(open_connections);
  most_connections = std::max(most_connections, open_connections);
  for (;;) {
    std::array<char, kFrameHeaderSize> header;
    const Status begun = co_await stream.read_exactly(header);
    if (!begun) co_return;
    std::string message(frame_length({header.data(), header.size()}).value(), '\0');
    const Status read = co_await stream.read_exactly(message);
    if (!read) co_return;
    messages.push_back(message);
    const auto answer = answer_(message);
    if (!answer) continue;
    if (answer->empty()) co_return;
    const Status sent = co_await stream.write(*answer);
    if (!sent) co_return;
  }
}

}  // namespace shed::ssh::test
