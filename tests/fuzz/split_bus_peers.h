// Who is there beside the fuzzed link: a guest that it is nothing to, and the listener of both.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "shed/bus/host_half.h"
#include "shed/net/event_stream.h"
#include "steps.h"

namespace shed::bus {

inline constexpr std::string_view kNamespace = "ssh-agent";

// The second guest, whose link is good.
class QuietGuest : public GuestPort {
 public:
  QuietGuest(async::Loop& loop, HostHalf& half) : loop_(loop), half_(half) { half_.attach(*this); }
  ~QuietGuest() override {
    half_.detach(*this);
    half_.forget(*this);
  }
  ShedView shed() const override { return {"quiet", "fuzz", "server"}; }

  void ask() {
    const std::string id = fmt::format("0192b3a4-0000-7000-8000-{:012}", ++asked_);
    const std::string payload = fmt::format("\"quiet {}\"", asked_);
    Envelope envelope;
    envelope.id = id;
    envelope.ns = kNamespace;
    envelope.timestamp = "2026-01-01T00:00:00Z";
    envelope.payload = payload;
    require(half_.accept(*this, envelope).has_value());
    waiting.emplace(id, Asked{payload, loop_.clock().now()});
  }
  Status deliver(const Envelope& response, std::string_view) override {
    const auto asked = waiting.find(response.in_reply_to);
    require(asked != waiting.end() && asked->second.payload == response.payload);
    waiting.erase(asked);
    return {};
  }
  void lose(std::string_view, std::string_view, const Error&) override { require(false); }

  struct Asked {
    std::string payload;
    SteadyTime at;
  };
  std::map<std::string, Asked, std::less<>> waiting;

 private:
  async::Loop& loop_;
  HostHalf& half_;
  std::size_t asked_ = 0;
};

// The listener: what it was asked, and answers that say what was asked.
class Listener {
 public:
  struct Asked {
    std::string id, name, payload;
    SteadyTime at;
  };

  Listener(async::Loop& loop, HostHalf& half, const QuietGuest& quiet)
      : loop_(loop),
        half_(half),
        quiet_(quiet),
        subscription_(std::move(half.subscribe(kNamespace).value())) {}

  void collect() {
    Buffer batch;
    for (subscription_->take(batch); !batch.empty(); subscription_->take(batch)) {
      stream_.input().append(batch.view());
    }
    for (;;) {
      const auto event = stream_.next();
      require(event.has_value());
      if (!*event) return;
      const auto envelope = decoder_.decode(**event);
      require(envelope && envelope->has_shed && envelope->shed.server == "server");
      const bool is_quiet = envelope->shed.name == "quiet";
      if (is_quiet) require(quiet_.waiting.contains(envelope->id));
      require(is_quiet || (envelope->shed.name == "web" && envelope->shed.backend == "unix"));
      if (envelope->type != EnvelopeType::kRequest) continue;
      asked.push_back({std::string(envelope->id), std::string(envelope->shed.name),
                       std::string(envelope->payload), loop_.clock().now()});
    }
  }

  // True when it was taken.
  bool answer(const Asked& request) {
    Envelope envelope;
    envelope.id = "r";
    envelope.ns = kNamespace;
    envelope.type = EnvelopeType::kResponse;
    envelope.in_reply_to = request.id;
    envelope.payload = request.payload;
    envelope.has_shed = true;
    envelope.shed = {request.name, "", "server"};
    Buffer text;
    append_envelope(text, envelope);
    text.spare(kJsonPadding);
    return half_.respond(kNamespace, envelope, text.view()).has_value();
  }
  void answer_all() {
    for (const Asked& request : asked) answer(request);
    asked.clear();
  }

  // Whether it was asked, and not answered yet.
  bool forget(std::string_view id) {
    return std::erase_if(asked, [id](const Asked& request) { return request.id == id; }) > 0;
  }

  std::deque<Asked> asked;

 private:
  async::Loop& loop_;
  HostHalf& half_;
  const QuietGuest& quiet_;
  net::EventStreamReader stream_;
  EnvelopeDecoder decoder_;
  std::unique_ptr<HostHalf::Subscription> subscription_;
};

}  // namespace shed::bus
