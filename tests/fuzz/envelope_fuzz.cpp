// Envelopes and published bodies. Whatever is taken for an envelope is one to any JSON reader, its views
// lie where they should, and it is read back the same after it was written.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "shed/base/json.h"
#include "shed/bus/envelope.h"
#include "shed/net/event_stream.h"

namespace shed::bus {
namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

bool lies_in(std::string_view part, std::string_view whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

void check_json(std::string_view text) {
  JsonDocument document;
  check(document.parse(text).has_value());
}

void check_payload(std::string_view payload, std::string_view text) {
  check(!payload.empty());
  check(payload == "null" || lies_in(payload, text));
  check_json(payload);
}

void check_same(const Envelope& a, const Envelope& b) {
  check(a.id == b.id && a.ns == b.ns && a.type == b.type && a.in_reply_to == b.in_reply_to);
  check(a.final == b.final && a.timestamp == b.timestamp && a.payload == b.payload);
  check(a.has_shed == b.has_shed && a.shed.name == b.shed.name);
  check(a.shed.backend == b.shed.backend && a.shed.server == b.shed.server);
}

void read_back(const Envelope& envelope) {
  Buffer written;
  append_envelope(written, envelope);
  written.spare(kJsonPadding);
  EnvelopeDecoder decoder;
  const auto again = decoder.decode(written.view());
  check(again.has_value());
  check_same(envelope, *again);
  // As an event it is one event, and the same envelope but for the white space of its payload.
  net::EventStreamReader events(2 * written.size() + 64);
  net::append_event(events.input(), written.view());
  const auto event = events.next();
  check(event && *event);
  const auto heard = decoder.decode(**event);
  check(heard && heard->id == envelope.id && heard->payload.size() == envelope.payload.size());
  check(!*events.next());
}

void check_text(std::string_view bytes) {
  Buffer text;
  text.append(bytes);
  text.spare(kJsonPadding);
  static EnvelopeDecoder decoder;  // as in service: one after the other
  if (const auto envelope = decoder.decode(text.view())) {
    check(!envelope->id.empty() && envelope->id.size() <= kMaxId && envelope->in_reply_to.size() <= kMaxId);
    check(is_valid_namespace(envelope->ns));
    check_payload(envelope->payload, text.view());
    check_json(text.view());
    read_back(*envelope);
  }
  if (const auto body = decoder.decode_publish(text.view())) check_payload(body->payload, text.view());
}

}  // namespace
}  // namespace shed::bus

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  shed::bus::check_text({reinterpret_cast<const char*>(data), size});
  return 0;
}
