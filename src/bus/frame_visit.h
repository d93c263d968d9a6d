// One connection of a host half, from its first byte to its end.
#pragma once

#include <memory>

#include "shed/bus/frame_link.h"
#include "shed/bus/frame_uplink.h"

namespace shed::bus {

class FrameUplink::Visit : public FrameSink {
 public:
  enum class Kind { kConnection, kDevice };

  Visit(FrameUplink& uplink, Kind kind);
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  ~Visit() override;

  // Until it has ended, and why; an ok status is the host's own goodbye.
  async::Task<Status> run(Opening opening);
  void end(Error reason) { finish(std::unexpected(std::move(reason))); }

  bool has_greeted() const { return greeted_; }
  bool is_device() const { return kind_ == Kind::kDevice; }
  Status send(const Envelope& envelope) { return link_->send(envelope); }

 private:
  Status take(std::string_view text) override;
  Status greet(const Envelope& request);
  Status answer_greeting(const Envelope& request);
  // An event with this payload.
  Status tell(std::string_view payload);
  Status check_token(const Envelope& request) const;
  void take_message(const Envelope& message, std::string_view text);
  Status take_early(const Envelope& message);
  async::Task<> carry(Opening opening);
  async::Task<> limit_greeting();
  async::Task<> beat();
  void finish(Status status);

  FrameUplink& uplink_;
  Kind kind_;
  bool greeted_ = false;
  async::Event over_;
  async::Event begun_;  // the first byte has come
  Status result_;
  std::unique_ptr<FrameLink> link_;
  async::Scope tasks_;  // uses the rest
};

}  // namespace shed::bus
