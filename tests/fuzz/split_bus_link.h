// The link between the halves of the bus as the fuzzed input rules it.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "shed/bus/frame.h"
#include "shed/bus/guest_connector.h"
#include "shed/net/channel.h"
#include "steps.h"

namespace shed::bus {

// One way of the link: whole frames that wait, as they were sent.
class Way {
 public:
  std::deque<std::string> waiting;

  void take_from(int fd) {
    char part[65536];
    for (ssize_t count; (count = ::recv(fd, part, sizeof part, MSG_DONTWAIT)) > 0;) {
      rest_.append(part, static_cast<std::size_t>(count));
    }
    while (rest_.size() >= kFrameHeader) {
      std::size_t size = 0;
      for (std::size_t i = 1; i < kFrameHeader; ++i) size = size << 8 | static_cast<std::uint8_t>(rest_[i]);
      if (rest_.size() < kFrameHeader + size) break;
      waiting.push_back(rest_.substr(0, kFrameHeader + size));
      rest_.erase(0, kFrameHeader + size);
    }
  }

 private:
  std::string rest_;
};

// The host half dials it, it connects to the guest half. A new connection ends the one before.
class Link : public GuestDialer {
 public:
  Link(async::Loop& loop, std::string path) : loop_(loop), path_(std::move(path)) {}

  async::Task<Result<std::unique_ptr<net::Channel>>> dial() override {
    if (refused) co_return fail(Errc::kUnavailable, "refused");
    cut();
    int ends[2];
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    host_ = UniqueFd(ends[0]);
    guest_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    require(::connect(guest_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    co_return net::plain_channel(async::Stream(loop_, UniqueFd(ends[1])));
  }
  Result<Secret> token() override { return Secret(); }

  void collect() {
    if (guest_) up.take_from(guest_.get());
    if (host_) down.take_from(host_.get());
  }
  void send_up(std::string_view bytes) { send(guest_.get() < 0 ? -1 : host_.get(), bytes); }
  void send_down(std::string_view bytes) { send(host_.get() < 0 ? -1 : guest_.get(), bytes); }
  void cut() {
    host_.reset();
    guest_.reset();
    up = down = Way();
  }
  // What either side has ended, the other one is told.
  void pass_on_ends() {
    if (host_ && (has_ended(host_.get()) || has_ended(guest_.get()))) cut();
  }

  Way up, down;
  bool refused = false;

 private:
  static void send(int fd, std::string_view bytes) {
    if (fd >= 0) (void)!::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  static bool has_ended(int fd) {
    char byte;
    const ssize_t count = ::recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    return count == 0 || (count < 0 && errno != EAGAIN);
  }

  async::Loop& loop_;
  std::string path_;
  UniqueFd host_, guest_;
};

}  // namespace shed::bus
