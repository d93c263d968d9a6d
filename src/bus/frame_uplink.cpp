#include "shed/bus/frame_uplink.h"

#include <algorithm>

#include "frame_visit.h"
#include "shed/base/json.h"

namespace shed::bus {
namespace {

FrameUplink::Opening opened(std::unique_ptr<net::Channel> channel) { co_return std::move(channel); }

std::string heartbeat_of(WallTime started_at) {
  std::string payload;
  JsonWriter(payload).begin_object().field("started_at", format_rfc3339(started_at)).end_object();
  return payload;
}

std::string hello_of(WallTime started_at) {
  std::string payload;
  JsonWriter(payload)
      .begin_object()
      .field("started_at", format_rfc3339(started_at))
      .field("greeted", false)
      .end_object();
  return payload;
}

}  // namespace

FrameUplink::Opening open_plain(async::Stream stream) {
  return opened(net::plain_channel(std::move(stream)));
}

FrameUplink::FrameUplink(async::Loop& loop, GuestHalf& half, Secret token)
    : loop_(loop),
      half_(half),
      token_(std::move(token)),
      heartbeat_(heartbeat_of(loop.clock().wall())),
      hello_(hello_of(loop.clock().wall())),
      limiter_(loop.clock()),
      visits_(loop) {}

FrameUplink::~FrameUplink() { visits_.cancel(); }

Status FrameUplink::send(const Envelope& envelope) {
  if (live_ == nullptr) return fail(Errc::kUnavailable, "the host is not connected");
  Status sent = live_->send(envelope);
  // A link that ends in this turn of the loop: as if it had ended already.
  if (!sent && sent.error().code() == Errc::kClosed) {
    return fail(Errc::kUnavailable, "the host is not connected");
  }
  return sent;
}

async::Task<> FrameUplink::serve(async::Acceptor& acceptor, Opener opener) {
  for (;;) {
    auto fd = co_await acceptor.accept();
    if (!fd) {
      log::error("frames: accept: {}", fd.error().text());
      co_return;
    }
    visits_.spawn(attend(async::Stream(loop_, std::move(*fd)), opener));
  }
}

async::Task<> FrameUplink::serve_device(DeviceOpener open) {
  for (;;) {
    auto channel = open();
    if (!channel) {
      limiter_.warning("device", "frames: " + channel.error().text());
    } else {
      auto attending = attend_device(std::move(*channel));
      co_await std::move(attending);
    }
    auto pause = loop_.sleep(kReopenPause);
    co_await pause;
  }
}

async::Task<> FrameUplink::attend(async::Stream stream, Opener opener) {
  Visit visit(*this, Visit::Kind::kConnection);
  make_room();
  greeting_.push_back(&visit);
  auto running = visit.run(opener(std::move(stream)));
  const Status ended = co_await std::move(running);
  tell_end(visit, ended);
}

async::Task<> FrameUplink::attend_device(std::unique_ptr<net::Channel> channel) {
  Visit visit(*this, Visit::Kind::kDevice);
  auto running = visit.run(opened(std::move(channel)));
  const Status ended = co_await std::move(running);
  tell_end(visit, ended);
}

void FrameUplink::make_room() {
  if (greeting_.size() < kMaxGreeting) return;
  Visit* oldest = greeting_.front();
  greeting_.erase(greeting_.begin());
  ++counters_.flooded;
  oldest->end(Error(Errc::kLimit, fmt::format("{} connections have not greeted", kMaxGreeting)));
}

void FrameUplink::take_over(Visit& visit) {
  std::erase(greeting_, &visit);
  Visit* const older = std::exchange(live_, &visit);
  half_.connect(this);
  if (older == &visit) return;
  log::info("frames: a host is connected");
  if (older != nullptr) older->end(Error(Errc::kClosed, "a newer connection has taken over"));
}

// Of a connection that something newer has replaced, nobody takes notice.
void FrameUplink::leave(const Visit& visit) {
  std::erase(greeting_, &visit);
  if (live_ != &visit) return;
  live_ = nullptr;
  half_.connect(nullptr);
}

void FrameUplink::tell_end(const Visit& visit, const Status& ended) {
  const std::string reason = ended ? "it closed the connection" : ended.error().text();
  if (visit.has_greeted()) return log::info("frames: a host is gone: {}", reason);
  // A device ends whenever no host has it open.
  const bool is_hang_up = ended || ended.error().code() == Errc::kClosed || ended.error().code() == Errc::kIo;
  if (visit.is_device() && is_hang_up) return;
  ++counters_.refused;
  const std::string cause = fmt::format("greeting {}", ended ? -1 : static_cast<int>(ended.error().code()));
  limiter_.warning(cause, "frames: a connection was dropped: " + reason);
}

void FrameUplink::drop_message(std::string_view cause, std::string_view text) {
  ++counters_.unusable;
  limiter_.warning(cause, fmt::format("frames: {}", text));
}

}  // namespace shed::bus
