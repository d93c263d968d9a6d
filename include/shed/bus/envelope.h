// The envelope: what travels on the bus (protocol.md section 1).
//
//   {"id":…,"namespace":…,"type":…,"in_reply_to":…,"final":…,"timestamp":…,"payload":…,"shed":{…},"refusal":…}
//
// Decoding copies nothing: an Envelope is views into the text that it was read from. The payload is
// passed on as the bytes that came.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "shed/base/buffer.h"
#include "shed/base/clock.h"
#include "shed/base/result.h"

namespace shed::bus {

inline constexpr std::size_t kMaxPublishBody = 1024 * 1024;
inline constexpr std::size_t kMaxNamespace = 128;
// Of `id` and `in_reply_to`; a UUID has 36. Other buses' ids may look different, but go into our records.
inline constexpr std::size_t kMaxId = 128;

enum class EnvelopeType { kRequest, kResponse, kEvent };
std::string_view to_text(EnvelopeType type);

// The guest that a message came from, as the host half knows it (never as the guest says it).
struct ShedView {
  std::string_view name, backend, server;
};

struct Envelope {
  std::string_view id;
  std::string_view ns;
  EnvelopeType type = EnvelopeType::kRequest;
  std::string_view in_reply_to;  // empty when absent
  bool final = true;
  std::string_view timestamp;
  std::string_view payload = "null";  // one JSON value, verbatim
  bool has_shed = false;
  ShedView shed;
  // Ours: a response that the host half of the bus wrote itself, and why, one of the words below. Empty for
  // the listener's answers. Its payload is an ordinary error, for guests that do not know the field.
  std::string_view refusal;
};

// Nobody listens; a queue or table is full; the listener went away before it answered.
inline constexpr std::string_view kRefusalUnavailable = "unavailable";
inline constexpr std::string_view kRefusalLimit = "limit";
inline constexpr std::string_view kRefusalClosed = "closed";

// What POST /v1/publish carries.
struct PublishBody {
  std::string_view ns;  // empty when absent
  std::string_view type = "request";
  std::string_view payload = "null";
};

// Reads envelopes; its memory serves one after the other.
class EnvelopeDecoder {
 public:
  EnvelopeDecoder();
  ~EnvelopeDecoder();
  EnvelopeDecoder(EnvelopeDecoder&&) noexcept;
  EnvelopeDecoder& operator=(EnvelopeDecoder&&) noexcept;

  // `text` needs kJsonPadding readable bytes behind it. The views are valid until the next call,
  // the payload as long as `text`. The whole text is validated, the payload too. Errc::kInvalid:
  // not one JSON object, a field of the wrong type or twice, no id or one over kMaxId, no or a bad
  // namespace, unknown type. JSON's own limits are those of JsonDocument: kJsonMaxDepth levels, and
  // no number that neither a double nor 64 bits can hold.
  Result<Envelope> decode(std::string_view text);
  // Errc::kInvalid for what is not one JSON object, and for a field of the wrong type or twice.
  Result<PublishBody> decode_publish(std::string_view text);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Appends the envelope as JSON. `shed` is written when has_shed is set.
void append_envelope(Buffer& out, const Envelope& envelope);

// 1 to 128 printable ASCII characters without a space.
bool is_valid_namespace(std::string_view ns);
// "system:" is the bus's own.
bool is_reserved_namespace(std::string_view ns);

}  // namespace shed::bus
