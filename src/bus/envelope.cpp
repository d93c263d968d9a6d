#include "shed/bus/envelope.h"

#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <span>

#include "shed/base/json.h"

namespace shed::bus {
namespace {

using simdjson::ondemand::json_type;
static_assert(kJsonPadding >= simdjson::SIMDJSON_PADDING);

using Names = std::span<const std::string_view>;
constexpr std::string_view kEnvelopeFields[] = {"id",        "namespace", "type", "in_reply_to", "final",
                                                "timestamp", "payload",   "shed", "refusal"};
constexpr std::string_view kShedFields[] = {"name", "backend", "server"};
constexpr std::string_view kPublishFields[] = {"namespace", "type", "payload"};

std::string_view trim(std::string_view text) {
  const auto last = text.find_last_not_of(" \t\r\n");
  return last == text.npos ? std::string_view{} : text.substr(0, last + 1);
}

// The value's own bytes.
Result<std::string_view> raw(simdjson::ondemand::value value) {
  json_type type;
  std::string_view text;
  simdjson::error_code error = value.type().get(type);
  if (error == simdjson::SUCCESS) {
    if (type == json_type::object) {
      simdjson::ondemand::object object;
      error = value.get_object().get(object);
      if (error == simdjson::SUCCESS) error = object.raw_json().get(text);
    } else if (type == json_type::array) {
      simdjson::ondemand::array array;
      error = value.get_array().get(array);
      if (error == simdjson::SUCCESS) error = array.raw_json().get(text);
    } else {
      text = value.raw_json_token();
    }
  }
  if (error != simdjson::SUCCESS) return fail(Errc::kInvalid, "{}", simdjson::error_message(error));
  return trim(text);
}

// Absent and null are the same to readers.
Status read_text(simdjson::ondemand::value value, std::string_view name, std::string_view& out) {
  if (value.is_null().value_unsafe()) return {};
  if (value.get_string().get(out) == simdjson::SUCCESS) return {};
  return fail(Errc::kInvalid, "'{}' is not a string", name);
}

// Calls `field` for those of the fields that are there. Refused on purpose: a name that stands twice.
// Readers disagree on which of the two counts, and the next one may not be this one.
template <class Field>
Status for_each_field(simdjson::ondemand::object object, Names names, Field field) {
  std::uint32_t seen = 0;
  for (auto item : object) {
    simdjson::ondemand::field member;
    std::string_view key;
    if (std::move(item).get(member) != simdjson::SUCCESS) return fail(Errc::kInvalid, "not a JSON object");
    if (member.unescaped_key().get(key) != simdjson::SUCCESS) return fail(Errc::kInvalid, "a broken key");
    const auto known = std::ranges::find(names, key);
    if (known == names.end()) continue;
    const std::uint32_t bit = 1U << (known - names.begin());
    if ((seen & bit) != 0) return fail(Errc::kInvalid, "'{}' stands there twice", *known);
    seen |= bit;
    const Status status = field(*known, member.value());
    if (!status) return status;
  }
  return {};
}

Status read_shed(simdjson::ondemand::value value, Envelope& envelope) {
  if (value.is_null().value_unsafe()) return {};
  simdjson::ondemand::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS)
    return fail(Errc::kInvalid, "'shed' is not an object");
  envelope.has_shed = true;
  return for_each_field(object, kShedFields, [&](std::string_view key, simdjson::ondemand::value member) {
    ShedView& shed = envelope.shed;
    return read_text(member, key, key == "name" ? shed.name : key == "backend" ? shed.backend : shed.server);
  });
}

Status read_payload(simdjson::ondemand::value value, std::string_view& payload) {
  const auto text = raw(value);
  if (!text) return propagate(text, "payload");
  payload = *text;
  return {};
}

Result<EnvelopeType> type_from(std::string_view text) {
  if (text == "request") return EnvelopeType::kRequest;
  if (text == "response") return EnvelopeType::kResponse;
  if (text == "event") return EnvelopeType::kEvent;
  return fail(Errc::kInvalid, "'type' is neither request, response nor event");
}

Status read_final(simdjson::ondemand::value value, bool& out) {
  if (value.is_null().value_unsafe()) return {};
  if (value.get_bool().get(out) == simdjson::SUCCESS) return {};
  return fail(Errc::kInvalid, "'final' is not a boolean");
}

Status read_field(std::string_view key, simdjson::ondemand::value value, Envelope& envelope,
                  std::string_view& type) {
  if (key == "id") return read_text(value, key, envelope.id);
  if (key == "namespace") return read_text(value, key, envelope.ns);
  if (key == "type") return read_text(value, key, type);
  if (key == "in_reply_to") return read_text(value, key, envelope.in_reply_to);
  if (key == "final") return read_final(value, envelope.final);
  if (key == "timestamp") return read_text(value, key, envelope.timestamp);
  if (key == "payload") return read_payload(value, envelope.payload);
  if (key == "refusal") return read_text(value, key, envelope.refusal);
  return read_shed(value, envelope);
}

}  // namespace

struct EnvelopeDecoder::State {
  simdjson::ondemand::parser parser;
  JsonDocument whole;

  // On-demand parsing looks only at what it is asked for. The payload is passed on without being
  // asked, so the document is validated as a whole first: nobody behind us parses what a guest
  // cut together.
  Result<simdjson::ondemand::object> open(std::string_view text) {
    if (const auto valid = whole.parse_padded(text); !valid) return propagate(valid);
    simdjson::ondemand::object object;
    auto result = parser.iterate(text.data(), text.size(), text.size() + simdjson::SIMDJSON_PADDING);
    if (result.error() == simdjson::SUCCESS) document = std::move(result.value_unsafe());
    if (result.error() != simdjson::SUCCESS || document.get_object().get(object) != simdjson::SUCCESS) {
      return fail(Errc::kInvalid, "not a JSON object");
    }
    return object;
  }
  simdjson::ondemand::document document;
};

EnvelopeDecoder::EnvelopeDecoder() : state_(std::make_unique<State>()) {}
EnvelopeDecoder::~EnvelopeDecoder() = default;
EnvelopeDecoder::EnvelopeDecoder(EnvelopeDecoder&&) noexcept = default;
EnvelopeDecoder& EnvelopeDecoder::operator=(EnvelopeDecoder&&) noexcept = default;

Result<Envelope> EnvelopeDecoder::decode(std::string_view text) {
  const auto object = state_->open(text);
  if (!object) return propagate(object);
  Envelope envelope;
  std::string_view type;
  const Status status =
      for_each_field(*object, kEnvelopeFields, [&](std::string_view key, simdjson::ondemand::value value) {
        return read_field(key, value, envelope, type);
      });
  if (!status) return propagate(status);
  const auto known = type_from(type);
  if (!known) return propagate(known);
  envelope.type = *known;
  // An answer may hold session credentials, and what was only validated nobody reads.
  if (envelope.type == EnvelopeType::kResponse) state_->whole.wipe();
  if (envelope.id.empty()) return fail(Errc::kInvalid, "no 'id'");
  if (envelope.id.size() > kMaxId || envelope.in_reply_to.size() > kMaxId) {
    return fail(Errc::kInvalid, "an id is longer than {} bytes", kMaxId);
  }
  if (!is_valid_namespace(envelope.ns)) return fail(Errc::kInvalid, "no valid 'namespace'");
  return envelope;
}

Result<PublishBody> EnvelopeDecoder::decode_publish(std::string_view text) {
  const auto object = state_->open(text);
  if (!object) return propagate(object);
  PublishBody body;
  const Status status =
      for_each_field(*object, kPublishFields, [&](std::string_view key, simdjson::ondemand::value value) {
        if (key == "payload") return read_payload(value, body.payload);
        return read_text(value, key, key == "type" ? body.type : body.ns);
      });
  if (!status) return propagate(status);
  return body;
}

std::string_view to_text(EnvelopeType type) {
  switch (type) {
    case EnvelopeType::kRequest:
      return "request";
    case EnvelopeType::kResponse:
      return "response";
    case EnvelopeType::kEvent:
      return "event";
  }
  return "";
}

void append_envelope(Buffer& out, const Envelope& envelope) {
  BufferJsonWriter json(out);
  json.begin_object()
      .field("id", envelope.id)
      .field("namespace", envelope.ns)
      .field("type", to_text(envelope.type))
      .field_unless_empty("in_reply_to", envelope.in_reply_to)
      .field("final", envelope.final)
      .field("timestamp", envelope.timestamp)
      .key("payload")
      .raw(envelope.payload);
  if (envelope.has_shed) {
    json.key("shed")
        .begin_object()
        .field("name", envelope.shed.name)
        .field("backend", envelope.shed.backend)
        .field("server", envelope.shed.server)
        .end_object();
  }
  json.field_unless_empty("refusal", envelope.refusal).end_object();
}

bool is_valid_namespace(std::string_view ns) {
  if (ns.empty() || ns.size() > kMaxNamespace) return false;
  for (const char c : ns) {
    if (c <= ' ' || c > '~') return false;
  }
  return true;
}

bool is_reserved_namespace(std::string_view ns) { return ns.starts_with("system:"); }

}  // namespace shed::bus
