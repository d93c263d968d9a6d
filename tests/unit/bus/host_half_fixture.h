// A HostHalf with two guests, "web" and "db", and no transport.
#pragma once

#include "bus_fixture.h"
#include "shed/bus/host_half.h"

namespace shed::bus {

struct HostFixture {
  FakeClock clock;
  async::Loop loop{clock};
  HostHalf half{loop};
  FakePort web{"web"};
  FakePort db{"db"};

  HostFixture() {
    half.attach(web);
    half.attach(db);
  }
  std::unique_ptr<HostHalf::Subscription> listen(std::string_view ns = "ssh-agent") {
    auto subscription = half.subscribe(ns);
    REQUIRE(subscription);
    return std::move(*subscription);
  }
  // The id of what was sent.
  std::string send(FakePort& from, std::string_view payload = "{}",
                   EnvelopeType type = EnvelopeType::kRequest) {
    const Uuid id = make_uuid7(clock.wall());
    status = half.accept(from, envelope(id.view(), payload, type));
    return std::string(id.view());
  }
  static Envelope envelope(std::string_view id, std::string_view payload, EnvelopeType type) {
    Envelope envelope;
    envelope.id = id;
    envelope.ns = "ssh-agent";
    envelope.type = type;
    envelope.timestamp = "2026-03-31T15:04:05.000Z";
    envelope.payload = payload;
    return envelope;
  }
  Status respond(std::string_view text, std::string_view ns = "ssh-agent") {
    Buffer padded;
    padded.append(text);
    padded.spare(kJsonPadding);
    EnvelopeDecoder decoder;
    const auto envelope = decoder.decode(padded.view());
    REQUIRE(envelope);
    return half.respond(ns, *envelope, padded.view());
  }
  Status status;
};

// The next batch.
inline std::string taken(HostHalf::Subscription& subscription) {
  Buffer buffer;
  subscription.take(buffer);
  return std::string(buffer.view());
}

inline std::string shed_json(std::string_view name) {
  return fmt::format(R"({{"name":"{}","backend":"fake","server":"mini2"}})", name);
}

inline std::string answer(std::string_view id, std::string_view shed = "web",
                          std::string_view payload = "1") {
  return response_to(id, "ssh-agent", payload, shed_json(shed));
}

}  // namespace shed::bus
