// What the measuring programs share. They print lines of `NAME VALUE`; what cannot be measured ends the
// program with a line on stderr and status 1.
#pragma once

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/file.h"

namespace shed::bench {

using Clock = std::chrono::steady_clock;

[[noreturn]] inline void die(std::string_view what) {
  fmt::print(stderr, "{}\n", what);
  std::exit(1);
}
[[noreturn]] inline void die_of_errno(std::string_view what) {
  die(fmt::format("{}: {}", what, std::strerror(errno)));
}

inline void report(std::string_view name, double value) { fmt::print("{} {:.3f}\n", name, value); }

inline double microseconds(Clock::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}
inline double microseconds_since(Clock::time_point start) { return microseconds(Clock::now() - start); }

// `part` of the values are at most the result; 0.5 is the median.
inline double percentile(std::vector<double> values, double part) {
  const auto index = static_cast<std::size_t>(part * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(index), values.end());
  return values[index];
}
inline double median(std::vector<double> values) { return percentile(std::move(values), 0.5); }

// A blocking connection to a unix socket, or to a port of loopback.
class Socket {
 public:
  explicit Socket(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      die_of_errno(fmt::format("127.0.0.1:{}", port));
    }
    const int on = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  explicit Socket(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) die(path + ": the path is too long");
    path.copy(address.sun_path, path.size());
    if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      die_of_errno(path);
    }
  }

  int fd() const { return fd_.get(); }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count < 0) die_of_errno("write");
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  // At least one byte.
  std::size_t read_some(std::span<char> into) {
    const ssize_t count = ::read(fd_.get(), into.data(), into.size());
    if (count < 0) die_of_errno("read");
    if (count == 0) die("the other side closed the connection");
    return static_cast<std::size_t>(count);
  }

 private:
  UniqueFd fd_;
};

constexpr int kWaitLimit = 10;  // seconds, for anything that is awaited

inline void limit_waiting(int fd) {
  const timeval limit{kWaitLimit, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

// Bytes of a connection until and with `end`; those behind it are kept for the next call.
class Reader {
 public:
  explicit Reader(const std::string& path) : socket(path) { limit_waiting(socket.fd()); }

  std::string_view until(std::string_view end) {
    pending_.erase(0, used_);
    while ((used_ = pending_.find(end)) == pending_.npos) {
      std::array<char, 4096> bytes;
      pending_.append(bytes.data(), socket.read_some(bytes));
    }
    used_ += end.size();
    return std::string_view(pending_).substr(0, used_);
  }
  void expect(std::string_view end, std::string_view status) {
    const std::string_view answer = until(end);
    if (!answer.starts_with(status)) die(fmt::format("the bus answered: {}", answer));
  }

  Socket socket;

 private:
  std::string pending_;
  std::size_t used_ = 0;
};

}  // namespace shed::bench
