// How fast envelopes are decoded: a sign request with so much data that its payload has 1 KiB or 64 KiB.
#include <string>

#include "measure.h"
#include "shed/base/buffer.h"
#include "shed/bus/envelope.h"

namespace shed::bench {
namespace {

constexpr int kRounds = 9;
constexpr std::chrono::milliseconds kRoundTime{200};
constexpr int kDecodesPerLook = 16;  // at the clock

std::string sign_payload(std::size_t size) {
  std::string payload =
      R"({"operation":"sign","public_key":"AAAAC3NzaC1lZDI1NTE5AAAAIA==","flags":0,"data":")";
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; payload.size() + 2 < size; ++i) payload += kDigits[i * i % kDigits.size()];
  return payload + "\"}";
}

double gigabytes_per_second(bus::EnvelopeDecoder& decoder, std::string_view text) {
  std::size_t bytes = 0;
  const auto start = Clock::now();
  while (Clock::now() - start < kRoundTime) {
    for (int i = 0; i < kDecodesPerLook; ++i) {
      const auto envelope = decoder.decode(text);
      if (!envelope) die(envelope.error().text());
      bytes += text.size();
    }
  }
  return static_cast<double>(bytes) / microseconds_since(start) / 1e3;
}

void measure(std::string_view name, std::size_t payload_size) {
  const std::string payload = sign_payload(payload_size);
  bus::Envelope envelope;
  envelope.id = "01890a5d-ac96-774b-bcce-b302099a8057";
  envelope.ns = "ssh-agent";
  envelope.timestamp = "2025-01-01T00:00:00Z";
  envelope.payload = payload;
  envelope.has_shed = true;
  envelope.shed = {"local", "local", ""};
  Buffer text;
  bus::append_envelope(text, envelope);
  text.spare(kJsonPadding);
  bus::EnvelopeDecoder decoder;
  std::vector<double> rates;
  for (int round = 0; round < kRounds; ++round) rates.push_back(gigabytes_per_second(decoder, text.view()));
  report(name, median(rates));
}

}  // namespace
}  // namespace shed::bench

int main() {
  shed::bench::measure("decode_1k", 1024);
  shed::bench::measure("decode_64k", std::size_t{64} * 1024);
  return 0;
}
