// A server or a peer on a unix socket of a temporary folder, driven step by step: the other end is
// a plain descriptor of the test, and nothing happens but in Loop::poll().
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "shed/async/scope.h"
#include "shed/net/http_server.h"
#include "shed/net/listener.h"
#include "support/fake_clock.h"
#include "support/temporary_folder.h"

namespace shed::net {

using shed::TemporaryFolder;

inline Address unix_at(std::string path) {
  Address address;
  address.unix_path = std::move(path);
  return address;
}

inline sockaddr_un native_address(const std::string& path) {
  sockaddr_un native{};
  native.sun_family = AF_UNIX;
  REQUIRE(path.size() < sizeof native.sun_path);
  std::memcpy(native.sun_path, path.data(), path.size());
  return native;
}

// The test's end of a connection.
class Peer {
 public:
  Peer(async::Loop& loop, const std::string& path) : loop_(loop), fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    const sockaddr_un native = native_address(path);
    REQUIRE(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&native), sizeof native) == 0);
    loop_.poll();
  }
  Peer(async::Loop& loop, UniqueFd fd) : loop_(loop), fd_(std::move(fd)) {}

  // All of it, letting the other side read; false when that side has closed or takes no more.
  bool send(std::string_view bytes) {
    for (int stuck = 0; !bytes.empty() && stuck < 100;) {
      const ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count < 0 && errno != EAGAIN) return false;
      if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
      stuck = count > 0 ? 0 : stuck + 1;
      loop_.poll();
    }
    loop_.poll();
    return bytes.empty();
  }
  // What has come since the last call.
  std::string received() {
    std::string text;
    for (;;) {
      char part[65536];
      const ssize_t count = ::recv(fd_.get(), part, sizeof part, MSG_DONTWAIT);
      if (count > 0) text.append(part, static_cast<std::size_t>(count));
      ended_ = ended_ || count == 0 || (count < 0 && errno != EAGAIN);
      if (count <= 0) return text;
      loop_.poll();
    }
  }
  std::string ask(std::string_view bytes) {
    send(bytes);
    return received();
  }
  // Whether the other side has closed; what it sent before is read and gone.
  bool ended() {
    (void)received();
    return ended_;
  }
  void shut_down_writing() {
    ::shutdown(fd_.get(), SHUT_WR);
    loop_.poll();
  }
  // A close with bytes unread would be a reset instead.
  void close() {
    (void)received();
    reset();
  }
  void reset() {
    fd_.reset();
    loop_.poll();
  }
  int fd() const { return fd_.get(); }

 private:
  async::Loop& loop_;
  UniqueFd fd_;
  bool ended_ = false;
};

// Answers with what the test says.
class FunctionHandler : public HttpHandler {
 public:
  using Function = std::function<async::Task<>(HttpExchange&)>;
  explicit FunctionHandler(Function function) : function_(std::move(function)) {}
  async::Task<> handle(HttpExchange& exchange) override {
    ++calls;
    return function_(exchange);
  }
  bool wants_body(const HttpExchange& exchange) override {
    ++asked;
    return !wants || wants(exchange);
  }
  int calls = 0;
  int asked = 0;                                     // for a body
  std::function<bool(const HttpExchange&)> wants{};  // without it, all of them

 private:
  Function function_;
};

// An HttpServer on a loop whose clock stands still.
class TestServer {
 public:
  explicit TestServer(FunctionHandler::Function function, HttpServerOptions options = {})
      : handler(std::move(function)), server_(loop, handler, options), tasks_(loop) {
    auto listener = Listener::open(loop, unix_at(path));
    REQUIRE(listener);
    listener_.emplace(std::move(*listener));
    tasks_.spawn(server_.serve(listener_->acceptor()));
    loop.poll();
  }

  Peer connect() { return Peer(loop, path); }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }

  FakeClock clock;
  async::Loop loop{clock};
  TemporaryFolder folder;
  std::string path = folder / "server.sock";
  FunctionHandler handler;

 private:
  std::optional<Listener> listener_;
  HttpServer server_;
  async::Scope tasks_;
};

// A task that runs beside the test, and its result once there is one.
template <class T>
class Running {
 public:
  Running(async::Loop& loop, async::Task<T> task) : loop_(loop), scope_(loop) {
    scope_.spawn(keep(std::move(task)));
    loop.poll();
  }
  bool done() {
    loop_.poll();
    return result_.has_value();
  }
  T& operator*() {
    REQUIRE(done());
    return *result_;
  }
  T* operator->() { return &**this; }
  // Drops the task where it waits.
  void drop() {
    scope_.cancel();
    loop_.poll();
  }

 private:
  async::Task<> keep(async::Task<T> task) { result_.emplace(co_await std::move(task)); }

  async::Loop& loop_;
  std::optional<T> result_;
  async::Scope scope_;
};

}  // namespace shed::net
