// Acceptor and connect_socket.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>

#include "shed/async/stream.h"
#include "support/temporary_folder.h"
#include "unit/async/support.h"

namespace shed::async {
namespace {

using namespace std::chrono_literals;

// A unix socket's address in a temporary folder of its own.
class Address {
 public:
  Address() {
    address_.sun_family = AF_UNIX;
    const std::string path = folder_ / "s";
    REQUIRE(path.size() < sizeof address_.sun_path);
    std::memcpy(address_.sun_path, path.data(), path.size());
  }
  Address(const Address&) = delete;
  Address& operator=(const Address&) = delete;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address_); }
  const char* path() const { return address_.sun_path; }
  static constexpr unsigned kLength = sizeof(sockaddr_un);

 private:
  TemporaryFolder folder_;
  sockaddr_un address_{};
};

UniqueFd unix_socket() { return UniqueFd(socket(AF_UNIX, SOCK_STREAM, 0)); }

UniqueFd listener_at(const Address& address, int backlog = 128) {
  UniqueFd fd = unix_socket();
  REQUIRE(bind(fd.get(), address.get(), Address::kLength) == 0);
  REQUIRE(listen(fd.get(), backlog) == 0);
  return fd;
}

Task<> connect_and_store(Loop& loop, UniqueFd fd, const Address& address, Millis limit,
                         std::optional<Result<UniqueFd>>& result) {
  result.emplace(co_await connect_socket(loop, std::move(fd), address.get(), Address::kLength, limit));
}
Task<> accept_and_store(Acceptor& acceptor, std::optional<Result<UniqueFd>>& result) {
  result.emplace(co_await acceptor.accept());
}

struct SocketFixture : LoopFixture {
  void start_connecting(Millis limit = 1s) {
    connected.reset();
    scope.spawn(connect_and_store(loop, unix_socket(), address, limit, connected));
    loop.poll();
  }
  void start_accepting(Acceptor& acceptor) {
    accepted.reset();
    scope.spawn(accept_and_store(acceptor, accepted));
    loop.poll();
  }

  Address address;
  std::optional<Result<UniqueFd>> connected, accepted;
  Scope scope{loop};
};

}  // namespace

TEST_CASE_METHOD(SocketFixture, "an acceptor waits for a connection and yields it") {
  Acceptor acceptor(loop, listener_at(address));
  start_accepting(acceptor);
  CHECK(!accepted.has_value());
  start_connecting();
  REQUIRE(connected.has_value());
  REQUIRE(connected->has_value());
  REQUIRE(accepted.has_value());
  REQUIRE(accepted->has_value());
  CHECK(::write(connected->value().get(), "x", 1) == 1);
  Stream stream(loop, std::move(accepted->value()));
  char byte = 0;
  CHECK(loop.block_on(stream.read({&byte, 1})).value() == 1);
}

TEST_CASE_METHOD(SocketFixture, "an accepted descriptor does not block and is not inherited") {
  Acceptor acceptor(loop, listener_at(address));
  start_connecting();
  start_accepting(acceptor);
  const int fd = accepted->value().get();
  CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE_METHOD(SocketFixture, "a dropped accept takes no connection") {
  Acceptor acceptor(loop, listener_at(address));
  start_accepting(acceptor);
  scope.cancel();
  start_connecting();
  CHECK(!accepted.has_value());
  start_accepting(acceptor);
  CHECK(accepted.has_value());
}

TEST_CASE_METHOD(SocketFixture, "a thousand connections leave no descriptor behind") {
  static constexpr auto serve = [](Acceptor& acceptor, Loop& on, int& served) -> Task<> {
    for (;;) {
      auto fd = co_await acceptor.accept();
      if (!fd) co_return;
      Stream stream(on, std::move(*fd));
      std::array<char, 4> message;
      const Status read = co_await stream.read_exactly(message);
      if (read) ++served;
    }
  };
  static constexpr auto call = [](Loop& on, const Address& to) -> Task<Status> {
    auto fd = co_await connect_socket(on, unix_socket(), to.get(), Address::kLength, 1s);
    if (!fd) co_return propagate(fd);
    Stream stream(on, std::move(*fd));
    co_return co_await stream.write("ping");
  };
  Acceptor acceptor(loop, listener_at(address));
  int served = 0;
  scope.spawn(serve(acceptor, loop, served));
  loop.poll();
  const auto before = open_descriptors();
  for (int i = 0; i < 1'000; ++i) {
    REQUIRE(loop.block_on(call(loop, address)));
    loop.poll();
  }
  CHECK(served == 1'000);
  CHECK(open_descriptors() == before);
}

TEST_CASE_METHOD(SocketFixture, "a flood of connections leaves others their turn") {
  static constexpr auto accept_all = [](Acceptor& acceptor, const bool& stop, int& count) -> Task<> {
    while (!stop) {
      const auto connection = co_await acceptor.accept();
      if (!connection) co_return;
      ++count;
    }
  };
  static constexpr auto wait_then_stop = [](Stream& stream, bool& stop) -> Task<> {
    co_await stream.readable();
    stop = true;
  };
  Acceptor acceptor(loop, listener_at(address));
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(unix_socket());
    REQUIRE(connect(clients.back().get(), address.get(), Address::kLength) == 0);
  }
  auto [near, far] = socket_pair();
  Stream other(loop, std::move(near));
  REQUIRE(::write(far.get(), "x", 1) == 1);
  bool stop = false;
  int count = 0;
  scope.spawn(accept_all(acceptor, stop, count));
  scope.spawn(wait_then_stop(other, stop));
  loop.poll();
  CHECK(stop);
  CHECK(count < 50);
}

TEST_CASE_METHOD(SocketFixture, "accept waits while the process is out of descriptors") {
  Acceptor acceptor(loop, listener_at(address));
  start_connecting();
  // The sanitizer needs a pipe of its own when it sees a type for the first time.
  static constexpr auto sleep = [](Loop& on) -> Task<> { co_await on.sleep(0ms); };
  loop.block_on(sleep(loop));
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{3, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  start_accepting(acceptor);
  advance(1s);
  CHECK(!accepted.has_value());
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  advance(49ms);
  CHECK(!accepted.has_value());
  advance(1ms);
  REQUIRE(accepted.has_value());
  CHECK(accepted->has_value());
}

TEST_CASE_METHOD(LoopFixture, "accept from what does not listen is an error") {
  Acceptor acceptor(loop, unix_socket());
  CHECK(loop.block_on(acceptor.accept()).error().code() != Errc::kTimeout);
}

TEST_CASE_METHOD(SocketFixture, "connecting to a socket that is not there says so") {
  start_connecting();
  REQUIRE(connected.has_value());
  CHECK(connected->error().code() == Errc::kNotFound);
}

TEST_CASE_METHOD(SocketFixture, "connecting to a socket that nobody listens at is refused") {
  listener_at(address);  // and closed again
  start_connecting();
  REQUIRE(connected.has_value());
  REQUIRE(!*connected);
  CHECK(connected->error().text().find("efused") != std::string::npos);
}

TEST_CASE_METHOD(SocketFixture, "connecting to a full listen queue waits for its turn") {
  Acceptor acceptor(loop, listener_at(address, 0));
  UniqueFd first = unix_socket();
  REQUIRE(connect(first.get(), address.get(), Address::kLength) == 0);
  start_connecting(1s);
  advance(500ms);
  CHECK(!connected.has_value());
  start_accepting(acceptor);
  CHECK(accepted.has_value());
  advance(10ms);
  REQUIRE(connected.has_value());
  CHECK(connected->has_value());
}

TEST_CASE_METHOD(SocketFixture, "connecting to a listen queue that stays full runs out of time") {
  const UniqueFd listener = listener_at(address, 0);
  UniqueFd first = unix_socket();
  REQUIRE(connect(first.get(), address.get(), Address::kLength) == 0);
  const auto before = open_descriptors();
  start_connecting(1s);
  for (int i = 0; i < 100; ++i) advance(10ms);
  REQUIRE(connected.has_value());
  CHECK(connected->error().code() == Errc::kTimeout);
  CHECK(open_descriptors() == before);
}

TEST_CASE_METHOD(SocketFixture, "a dropped connect closes its socket") {
  const UniqueFd listener = listener_at(address, 0);
  UniqueFd first = unix_socket();
  REQUIRE(connect(first.get(), address.get(), Address::kLength) == 0);
  const auto before = open_descriptors();
  start_connecting(1s);
  scope.cancel();
  CHECK(open_descriptors() == before);
}

TEST_CASE_METHOD(LoopFixture, "an address longer than any is refused") {
  const std::array<char, 1024> bytes{};
  const auto result = loop.block_on(connect_socket(loop, unix_socket(), bytes.data(), bytes.size(), 1s));
  REQUIRE(!result);
  CHECK(result.error().code() == Errc::kInvalid);
}

TEST_CASE("TCP on loopback connects, and is refused where nobody listens") {
  Loop loop;
  UniqueFd listener(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  REQUIRE(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
  REQUIRE(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
  const auto dial = [&] {
    return loop.block_on(
        connect_socket(loop, UniqueFd(socket(AF_INET, SOCK_STREAM, 0)), &address, length, 10s));
  };
  const auto refused = dial();  // bound, but not listening
  REQUIRE(!refused);
  CHECK(refused.error().text().find("efused") != std::string::npos);
  REQUIRE(listen(listener.get(), 1) == 0);
  const auto connected = dial();
  REQUIRE(connected.has_value());
  CHECK(::send(connected->get(), "x", 1, MSG_NOSIGNAL) == 1);
}

}  // namespace shed::async
