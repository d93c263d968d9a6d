// Writing envelopes, reading them back, and what is published.
#include <catch2/catch.hpp>
#include <string>

#include "shed/base/json.h"
#include "shed/bus/envelope.h"

namespace shed::bus {
namespace {

std::string written(const Envelope& envelope) {
  Buffer out;
  append_envelope(out, envelope);
  return std::string(out.view());
}

Envelope some_envelope() {
  Envelope envelope;
  envelope.id = "0197-a";
  envelope.ns = "ssh-agent";
  envelope.timestamp = "2026-03-31T15:04:05.000Z";
  envelope.payload = R"({"operation" : "ping"})";
  return envelope;
}

// What is read from what was written.
void check_round_trip(const Envelope& envelope) {
  Buffer out;
  append_envelope(out, envelope);
  out.spare(kJsonPadding);
  EnvelopeDecoder decoder;
  const auto read = decoder.decode(out.view());
  REQUIRE(read);
  CHECK(read->id == envelope.id);
  CHECK(read->ns == envelope.ns);
  CHECK(read->type == envelope.type);
  CHECK(read->in_reply_to == envelope.in_reply_to);
  CHECK(read->final == envelope.final);
  CHECK(read->timestamp == envelope.timestamp);
  CHECK(read->payload == envelope.payload);
  CHECK(read->has_shed == envelope.has_shed);
  CHECK(read->shed.name == envelope.shed.name);
  CHECK(read->shed.backend == envelope.shed.backend);
  CHECK(read->shed.server == envelope.shed.server);
  CHECK(read->refusal == envelope.refusal);
}

TEST_CASE("an envelope is written without what it does not have, its payload as it is") {
  CHECK(written(some_envelope()) ==
        R"({"id":"0197-a","namespace":"ssh-agent","type":"request","final":true,)"
        R"("timestamp":"2026-03-31T15:04:05.000Z","payload":{"operation" : "ping"}})");
}

TEST_CASE("an envelope is written with all that it has") {
  Envelope envelope = some_envelope();
  envelope.type = EnvelopeType::kResponse;
  envelope.in_reply_to = "0197-b";
  envelope.final = false;
  envelope.has_shed = true;
  envelope.shed = {"web", "vz", ""};
  CHECK(written(envelope) ==
        R"({"id":"0197-a","namespace":"ssh-agent","type":"response","in_reply_to":"0197-b","final":false,)"
        R"("timestamp":"2026-03-31T15:04:05.000Z","payload":{"operation" : "ping"},)"
        R"("shed":{"name":"web","backend":"vz","server":""}})");
}

TEST_CASE("an envelope is appended to what is there") {
  Buffer out;
  out.append("data: ");
  append_envelope(out, some_envelope());
  CHECK(out.view().starts_with("data: {\"id\":"));
}

TEST_CASE("what is written is read back the same") {
  Envelope envelope = some_envelope();
  envelope.type = GENERATE(EnvelopeType::kRequest, EnvelopeType::kResponse, EnvelopeType::kEvent);
  envelope.final = GENERATE(true, false);
  envelope.has_shed = GENERATE(true, false);
  if (envelope.has_shed) envelope.shed = {"web", "vz", "mini2"};
  check_round_trip(envelope);
}

TEST_CASE("a refusal of the bus itself is told from an answer") {
  Envelope envelope = some_envelope();
  envelope.type = EnvelopeType::kResponse;
  envelope.refusal = kRefusalLimit;
  CHECK(written(envelope).ends_with(R"("refusal":"limit"})"));
  check_round_trip(envelope);
}

TEST_CASE("texts that need escapes are read back the same") {
  Envelope envelope = some_envelope();
  envelope.id = "a\"b\\c\n\x01";
  envelope.in_reply_to = "\t\xc3\xa9";
  envelope.timestamp = std::string_view("\0/", 2);
  envelope.has_shed = true;
  envelope.shed = {"\",\"name\":\"admin", "\xf0\x9f\x94\x91", "\x7f"};
  check_round_trip(envelope);
}

TEST_CASE("a payload over several lines is written as it is") {
  Envelope envelope = some_envelope();
  envelope.payload = "[\n 1,\n 2\n]";
  check_round_trip(envelope);
}

TEST_CASE("what is published has defaults, and its other fields mean nothing") {
  EnvelopeDecoder decoder;
  Buffer text;
  text.append(R"({"id":7,"shed":{"name":"admin"},"final":"x"})");
  const auto body = decoder.decode_publish(text.view());
  REQUIRE(body);
  CHECK(body->ns.empty());
  CHECK(body->type == "request");
  CHECK(body->payload == "null");
}

TEST_CASE("what is published is read field by field") {
  EnvelopeDecoder decoder;
  Buffer text;
  text.append(R"({"payload": [1, 2] ,"type":"event","namespace":"ssh-agent"})");
  const auto body = decoder.decode_publish(text.view());
  REQUIRE(body);
  CHECK(body->ns == "ssh-agent");
  CHECK(body->type == "event");
  CHECK(body->payload == "[1, 2]");
}

TEST_CASE("a published field of the wrong type is refused") {
  const std::string field =
      GENERATE(as<std::string>{}, "\"namespace\":1", "\"namespace\":[]", "\"type\":{}", "\"type\":true");
  EnvelopeDecoder decoder;
  Buffer text;
  text.append("{" + field + "}");
  const auto body = decoder.decode_publish(text.view());
  REQUIRE_FALSE(body);
  CHECK(body.error().code() == Errc::kInvalid);
}

TEST_CASE("a namespace has 1 to 128 printable characters and no space") {
  CHECK(is_valid_namespace("ssh-agent"));
  CHECK(is_valid_namespace("!~"));
  CHECK(is_valid_namespace(std::string(128, 'n')));
  CHECK_FALSE(is_valid_namespace(""));
  CHECK_FALSE(is_valid_namespace(std::string(129, 'n')));
  CHECK_FALSE(is_valid_namespace("a b"));
  CHECK_FALSE(is_valid_namespace("a\n"));
  CHECK_FALSE(is_valid_namespace("a\x7f"));
  CHECK_FALSE(is_valid_namespace("\xc3\xa9"));
  CHECK_FALSE(is_valid_namespace(std::string_view("a\0", 2)));
}

TEST_CASE("what starts with system: is reserved") {
  CHECK(is_reserved_namespace("system:health"));
  CHECK(is_reserved_namespace("system:"));
  CHECK_FALSE(is_reserved_namespace("system"));
  CHECK_FALSE(is_reserved_namespace("systems:x"));
}

}  // namespace
}  // namespace shed::bus
