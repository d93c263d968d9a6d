#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "shed/async/offload.h"
#include "shed/async/scope.h"
#include "shed/net/address.h"
#include "socket_address.h"

namespace shed::net {
namespace {

// At most this many addresses of a name are tried.
constexpr std::size_t kMaxAddresses = 8;
// A unix socket whose listen queue is full says so at once instead of letting us wait; the queue
// moves within milliseconds.
constexpr Millis kQueuePause{10};
Result<std::vector<SocketAddress>> look_up(const Address& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list);
  if (error != 0) return fail(Errc::kNotFound, "{}", gai_strerror(error));
  std::vector<SocketAddress> found;
  for (const addrinfo* item = list; item != nullptr && found.size() < kMaxAddresses; item = item->ai_next) {
    SocketAddress entry{};
    std::memcpy(&entry.storage, item->ai_addr, item->ai_addrlen);
    entry.length = item->ai_addrlen;
    found.push_back(entry);
  }
  freeaddrinfo(list);
  return found;
}

async::Task<Result<std::vector<SocketAddress>>> resolve(async::Loop& loop, Address address) {
  if (address.is_vsock()) {
    if (address.vsock->cid == VsockAddress::kAnyCid) {
      co_return fail(Errc::kInvalid, "a vsock is connected to by context id and port");
    }
    const auto native = vsock_socket_address(*address.vsock);
    if (!native) co_return propagate(native);
    co_return std::vector(1, *native);
  }
  const auto direct =
      address.is_unix() ? unix_socket_address(address.unix_path) : literal_socket_address(address);
  if (direct) co_return std::vector(1, *direct);
  if (address.is_unix() || !is_host_name(address.host)) co_return propagate(direct);
  auto found = async::offload(loop, [address] { return look_up(address); });
  co_return co_await std::move(found);
}

async::Task<Result<UniqueFd>> connect_once(async::Loop& loop, const SocketAddress& to, Millis limit) {
  UniqueFd fd(::socket(to.storage.ss_family, SOCK_STREAM, 0));
  if (!fd) co_return std::unexpected(system_error(errno));
  if (to.storage.ss_family == AF_INET || to.storage.ss_family == AF_INET6) set_tcp_options(fd.get());
  co_return co_await async::connect_socket(loop, std::move(fd), &to.storage, to.length, limit);
}

// The caller's time limit ends this.
async::Task<Result<UniqueFd>> connect_when_queued(async::Loop& loop, const SocketAddress& to, Millis limit) {
  for (;;) {
    auto connected = co_await connect_once(loop, to, limit);
    if (connected || to.storage.ss_family != AF_UNIX) co_return connected;
    // Both this and "nobody listens" are kUnavailable; only this one is worth a wait.
    if (connected.error().text() != system_error(EAGAIN).text()) co_return connected;
    auto pause = loop.sleep(kQueuePause);
    co_await pause;
  }
}

async::Task<Result<async::Stream>> connect_any(async::Loop& loop, Address address, Millis limit) {
  const auto candidates = co_await resolve(loop, address);
  if (!candidates) co_return propagate(candidates);
  Error last(Errc::kNotFound, "no address");
  // None of several may use up the time of the others.
  const Millis share = limit / static_cast<int>(std::max<std::size_t>(candidates->size(), 1));
  for (const SocketAddress& candidate : *candidates) {
    auto connected = co_await connect_when_queued(loop, candidate, share);
    if (connected) co_return async::Stream(loop, std::move(*connected));
    last = connected.error();
  }
  co_return std::unexpected(last);
}

}  // namespace

async::Task<Result<async::Stream>> connect(async::Loop& loop, Address address, Millis limit) {
  const std::string name = address.is_unix() ? address.unix_path : address.text();
  auto stream = co_await async::with_timeout(loop, limit, connect_any(loop, std::move(address), limit));
  if (!stream) co_return propagate(stream, "connect to " + name);
  co_return std::move(*stream);
}

}  // namespace shed::net
