#include "shed/bus/frame_link.h"

#include <algorithm>

#include "shed/async/scope.h"

namespace shed::bus {
namespace {

// Kept by a link that has nothing to send: 1,000 idle guests must stay cheap.
constexpr std::size_t kKeptCapacity = 1024;

void empty(Buffer& buffer) {
  buffer.wipe();  // answers hold credentials
  if (buffer.capacity() > kKeptCapacity) buffer.release();
}

}  // namespace

FrameLink::FrameLink(async::Loop& loop, std::unique_ptr<net::Channel> channel, log::Limiter& limiter,
                     std::string_view peer, std::size_t longest)
    : loop_(loop),
      channel_(std::move(channel)),
      limiter_(limiter),
      peer_(peer),
      reader_(longest),
      queued_(loop),
      over_(loop),
      watchdog_(loop, *this),
      last_frame_(loop.clock().now()),
      last_byte_(last_frame_) {}

FrameLink::~FrameLink() {
  queue_.wipe();
  writing_.wipe();
}

async::Task<Status> FrameLink::run(FrameSink& sink) {
  {
    async::Scope scope(loop_);
    scope.spawn(read_frames(sink));
    scope.spawn(write_queue());
    auto over = over_.wait();
    co_await over;
  }
  watchdog_.disarm();
  co_return result_;
}

void FrameLink::finish(Status status) {
  if (over_.is_set()) return;
  result_ = std::move(status);
  over_.set();
}

void FrameLink::end(Error reason) { finish(std::unexpected(std::move(reason))); }

async::Task<> FrameLink::read_frames(FrameSink& sink) {
  Status status;
  while (status && !over_.is_set()) {
    const auto count = co_await channel_->read(reader_.spare());
    if (!count) co_return finish(propagate(count));
    if (*count == 0) {
      co_return finish(reader_.at_boundary() ? Status()
                                             : fail(Errc::kClosed, "the connection ended inside a frame"));
    }
    last_byte_ = loop_.clock().now();
    reader_.commit(*count);
    status = take_frames(sink);
    if (!reader_.at_boundary()) watch();
  }
  finish(std::move(status));
}

Status FrameLink::take_frames(FrameSink& sink) {
  while (!over_.is_set()) {
    const auto frame = reader_.next();
    if (!frame) return propagate(frame);
    if (!*frame) return {};
    last_frame_ = last_byte_;
    if ((*frame)->type != kEnvelopeFrame) {
      limiter_.warning("frame type", fmt::format("{}{}a frame of unknown type {:#04x} was passed over", peer_,
                                                 peer_.empty() ? "" : ": ", (*frame)->type));
      continue;
    }
    const Status taken =
        (*frame)->is_too_long() ? sink.take_too_long((*frame)->length) : sink.take((*frame)->payload);
    if (!taken) return taken;
  }
  return {};
}

async::Task<> FrameLink::write_queue() {
  for (;;) {
    auto queued = queued_.wait();
    co_await queued;
    queued_.reset();
    std::swap(queue_, writing_);
    auto writing = async::with_timeout(loop_, kWriteLimit, channel_->write(writing_.view(), {}));
    const auto written = co_await std::move(writing);
    empty(writing_);
    if (!written) co_return finish(propagate(written, "send"));
  }
}

Status FrameLink::has_room(std::size_t size) const {
  if (over_.is_set()) return fail(Errc::kClosed, "the connection is over");
  const std::size_t waiting = queued();
  if (waiting == 0 || waiting + size <= kMaxQueued) return {};
  return fail(Errc::kLimit, "{} bytes wait already for a peer that reads slowly", waiting);
}

Status FrameLink::send(const Envelope& envelope) {
  if (const Status room = has_room(envelope.payload.size()); !room) return room;
  if (const Status appended = append_envelope_frame(queue_, envelope); !appended) return appended;
  queued_.set();
  return {};
}

Status FrameLink::send_text(std::string_view envelope_json) {
  if (const Status room = has_room(envelope_json.size()); !room) return room;
  if (const Status appended = append_frame(queue_, kEnvelopeFrame, envelope_json); !appended) return appended;
  queued_.set();
  return {};
}

void FrameLink::expect_within(Millis silence) {
  silence_ = silence;
  last_frame_ = loop_.clock().now();
  watch();
}

void FrameLink::watch() {
  SteadyTime due = SteadyTime::max();
  if (silence_ > Millis(0)) due = last_frame_ + silence_;
  if (!reader_.at_boundary()) due = std::min<SteadyTime>(due, last_byte_ + kStallLimit);
  if (due == SteadyTime::max()) return;
  if (watchdog_.armed() && watched_until_ <= due) return;  // it will look then how far we have come
  watched_until_ = due;
  watchdog_.disarm();
  watchdog_.arm(std::max(std::chrono::ceil<Millis>(due - loop_.clock().now()), Millis(0)));
}

void FrameLink::check_time() {
  const SteadyTime now = loop_.clock().now();
  if (silence_ > Millis(0) && now - last_frame_ >= silence_) {
    return end(Error(Errc::kTimeout, fmt::format("nothing came for {}", format_duration(silence_))));
  }
  if (!reader_.at_boundary() && now - last_byte_ >= kStallLimit) {
    return end(Error(Errc::kTimeout, fmt::format("half a frame came, and then nothing for {}",
                                                 format_duration(kStallLimit))));
  }
  watch();
}

}  // namespace shed::bus
