#include "shed/bus/envelope.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "shed/base/json.h"

namespace shed::bus {
namespace {

constexpr std::string_view kFull =
    R"({"id":"0197-a","namespace":"ssh-agent","type":"response","in_reply_to":"0197-b","final":false,)"
    R"("timestamp":"2026-03-31T15:04:05Z","payload":{"a":[1,"}"]},"shed":{"name":"web","backend":"vz",)"
    R"("server":"mini2"}})";
constexpr std::string_view kSmall = R"({"id":"1","namespace":"n","type":"request"})";

// A decoder and the text that its last answer is views into.
class Reader {
 public:
  Result<Envelope> envelope(std::string_view text) { return decoder_.decode(padded(text)); }
  Result<PublishBody> publish(std::string_view text) { return decoder_.decode_publish(padded(text)); }
  std::string_view text() const { return text_.view(); }

 private:
  std::string_view padded(std::string_view text) {
    text_ = Buffer();
    text_.append(text);
    text_.spare(kJsonPadding);
    return text_.view();
  }
  EnvelopeDecoder decoder_;
  Buffer text_;
};

std::string error_of(std::string_view text) {
  Reader reader;
  const auto envelope = reader.envelope(text);
  INFO(text);
  REQUIRE_FALSE(envelope);
  CHECK(envelope.error().code() == Errc::kInvalid);
  return envelope.error().text();
}

std::string with(std::string_view field) {
  return fmt::format(R"({{"id":"1","namespace":"n","type":"request",{}}})", field);
}

std::string nested(std::size_t levels) { return std::string(levels, '[') + "1" + std::string(levels, ']'); }

TEST_CASE("every field of an envelope is read") {
  Reader reader;
  const auto envelope = reader.envelope(kFull);
  REQUIRE(envelope);
  CHECK(envelope->id == "0197-a");
  CHECK(envelope->ns == "ssh-agent");
  CHECK(envelope->type == EnvelopeType::kResponse);
  CHECK(envelope->in_reply_to == "0197-b");
  CHECK_FALSE(envelope->final);
  CHECK(envelope->timestamp == "2026-03-31T15:04:05Z");
  CHECK(envelope->payload == R"({"a":[1,"}"]})");
  CHECK(envelope->has_shed);
  CHECK(envelope->shed.name == "web");
  CHECK(envelope->shed.backend == "vz");
  CHECK(envelope->shed.server == "mini2");
}

TEST_CASE("what an envelope leaves out has its default, and null is as good as absent") {
  const std::string text =
      GENERATE(std::string(kSmall),
               with(R"("in_reply_to":null,"final":null,"timestamp":null,"payload":null,"shed":null)"));
  Reader reader;
  const auto envelope = reader.envelope(text);
  REQUIRE(envelope);
  CHECK(envelope->type == EnvelopeType::kRequest);
  CHECK(envelope->in_reply_to.empty());
  CHECK(envelope->final);
  CHECK(envelope->timestamp.empty());
  CHECK(envelope->payload == "null");
  CHECK_FALSE(envelope->has_shed);
}

TEST_CASE("all three types are known, and no other") {
  Reader reader;
  CHECK(reader.envelope(R"({"id":"1","namespace":"n","type":"event"})")->type == EnvelopeType::kEvent);
  CHECK(reader.envelope(R"({"id":"1","namespace":"n","type":"response"})")->type == EnvelopeType::kResponse);
  const std::string error = "'type' is neither request, response nor event";
  CHECK(error_of(R"({"id":"1","namespace":"n","type":"letter"})") == error);
  CHECK(error_of(R"({"id":"1","namespace":"n","type":"Request"})") == error);
  CHECK(error_of(R"({"id":"1","namespace":"n"})") == error);
}

TEST_CASE("unknown fields of any form are passed over") {
  const std::string unknown =
      GENERATE(as<std::string>{}, "1", "-2.5e3", "\"x\"", "null", "true", "[]", "{}", "[[{\"id\":\"2\"}]]",
               R"({"id":"2","payload":7,"shed":{"name":"other"}})");
  Reader reader;
  const auto envelope = reader.envelope(
      fmt::format(R"({{"x":{0},"id":"1","y":{0},"namespace":"n","type":"event","z":{0}}})", unknown));
  REQUIRE(envelope);
  CHECK(envelope->id == "1");
  CHECK(envelope->payload == "null");
  CHECK_FALSE(envelope->has_shed);
}

TEST_CASE("a payload comes out as the bytes that went in, wherever it stands") {
  const std::string payload =
      GENERATE(as<std::string>{}, "null", "true", "false", "0", "-0.0", "1E+2", "1.50",
               "18446744073709551615", "-9223372036854775808", R"("a\"b\\c\u00e9\n\/")", "\"\"", "\"}],\"",
               "[]", "{}", "[ 1 , [ 2 ] ]", R"({"a" : [1, {"b":null}], "c":"}]"})",
               "{\n  \"a\": 1,\r\n\t\"b\": [\n]\n}", "\"\xc3\xa9\xf0\x9f\x94\x91\"", R"({"a":1,"a":2})");
  Reader reader;
  SECTION("first") {
    const auto envelope =
        reader.envelope(fmt::format(R"({{"payload":{},"id":"1","namespace":"n","type":"event"}})", payload));
    REQUIRE(envelope);
    CHECK(envelope->payload == payload);
  }
  SECTION("last, with space around it") {
    const auto envelope = reader.envelope(with(fmt::format("\"payload\" : \n {} \r\n\t ", payload)));
    REQUIRE(envelope);
    CHECK(envelope->payload == payload);
  }
  SECTION("of what is published") {
    const auto body =
        reader.publish(fmt::format(R"({{"namespace":"n","payload": {} ,"type":"event"}})", payload));
    REQUIRE(body);
    CHECK(body->payload == payload);
  }
}

TEST_CASE("the payload is not copied") {
  Reader reader;
  const auto envelope = reader.envelope(kFull);
  REQUIRE(envelope);
  CHECK(envelope->payload.data() == reader.text().data() + kFull.find(R"({"a")"));
}

TEST_CASE("escapes in names and texts are read") {
  Reader reader;
  const auto envelope =
      reader.envelope(R"({"i\u0064":"a\u002db\n","namespace":"ssh\u002dagent","type":"re\u0071uest"})");
  REQUIRE(envelope);
  CHECK(envelope->id == "a-b\n");
  CHECK(envelope->ns == "ssh-agent");
}

TEST_CASE("an envelope that is cut anywhere is refused, and the decoder reads the next one") {
  Reader reader;
  for (std::size_t size = 0; size < kFull.size(); ++size) {
    INFO(size);
    const auto cut = reader.envelope(kFull.substr(0, size));
    REQUIRE_FALSE(cut);
    REQUIRE(cut.error().code() == Errc::kInvalid);
  }
  CHECK(reader.envelope(kFull)->id == "0197-a");
}

TEST_CASE("what is not one JSON object is refused") {
  const std::string text =
      GENERATE(as<std::string>{}, "", " ", "null", "1", "\"text\"", "[]", "[{}]", "{", "{}}", "}", "{} {}",
               "{\"id\"}", "{'id':'1'}", "{id:1}", "{\"a\":1,}", "{,}", "// comment\n{}");
  Reader reader;
  const auto envelope = reader.envelope(text);
  INFO(text);
  REQUIRE_FALSE(envelope);
  CHECK(envelope.error().code() == Errc::kInvalid);
  const auto body = reader.publish(text);
  REQUIRE_FALSE(body);
  CHECK(body.error().code() == Errc::kInvalid);
}

TEST_CASE("bytes behind the object are refused") {
  Reader reader;
  CHECK_FALSE(reader.envelope(std::string(kSmall) + "x"));
  CHECK_FALSE(reader.envelope(std::string(kSmall) + std::string(kSmall)));
  CHECK_FALSE(reader.envelope(std::string(kSmall) + std::string(1, '\0')));
  CHECK(reader.envelope(std::string(kSmall) + " \r\n"));
}

TEST_CASE("a field of the wrong type is refused by name") {
  for (const std::string_view name : {"id", "namespace", "type", "in_reply_to", "timestamp"}) {
    for (const std::string_view value : {"1", "true", "[]", "{}", "[\"x\"]"}) {
      CHECK(error_of(fmt::format(R"({{"{}":{}}})", name, value)) ==
            fmt::format("'{}' is not a string", name));
    }
  }
  for (const std::string_view value : {"1", "\"true\"", "[]", "{}"}) {
    CHECK(error_of(with(fmt::format("\"final\":{}", value))) == "'final' is not a boolean");
  }
  for (const std::string_view value : {"1", "\"web\"", "[]", "false"}) {
    CHECK(error_of(with(fmt::format("\"shed\":{}", value))) == "'shed' is not an object");
  }
  CHECK(error_of(with(R"("shed":{"name":7})")) == "'name' is not a string");
  CHECK(error_of(with(R"("shed":{"server":[]})")) == "'server' is not a string");
}

TEST_CASE("an envelope without id or namespace is refused") {
  CHECK(error_of(R"({"namespace":"n","type":"event"})") == "no 'id'");
  CHECK(error_of(R"({"id":"","namespace":"n","type":"event"})") == "no 'id'");
  CHECK(error_of(R"({"id":null,"namespace":"n","type":"event"})") == "no 'id'");
  CHECK(error_of(R"({"id":"1","type":"event"})") == "no valid 'namespace'");
  CHECK(error_of(R"({"id":"1","namespace":"a b","type":"event"})") == "no valid 'namespace'");
}

TEST_CASE("an id that is longer than any bus makes them is refused") {
  Reader reader;
  const std::string longest(kMaxId, 'i');
  CHECK(reader.envelope(
      fmt::format(R"({{"id":"{0}","in_reply_to":"{0}","namespace":"n","type":"event"}})", longest)));
  const std::string error = "an id is longer than 128 bytes";
  CHECK(error_of(fmt::format(R"({{"id":"{}i","namespace":"n","type":"event"}})", longest)) == error);
  CHECK(error_of(with(fmt::format(R"("in_reply_to":"{}i")", longest))) == error);
}

TEST_CASE("a payload that is not JSON is refused although nobody asks for it") {
  const std::string payload =
      GENERATE(as<std::string>{}, R"({"a":1])", "[1}", R"({"a"})", "[1,]", "[,]", "01", "+1", "1.", ".5",
               "0x1", "tru", "True", "NaN", "1 2", R"("\x")", R"("\u12")", "\"a\nb\"", "\"open", "[\"\xff\"]",
               "\"\xc3\"", "1e999", "123456789012345678901234567890");
  Reader reader;
  INFO(payload);
  CHECK_FALSE(reader.envelope(with("\"payload\":" + payload)));
  CHECK_FALSE(reader.publish(fmt::format(R"({{"namespace":"n","payload":{}}})", payload)));
  CHECK_FALSE(reader.envelope(with("\"unknown\":" + payload)));
}

TEST_CASE("a field that stands twice is refused, since readers disagree on which one counts") {
  for (const std::string_view field :
       {R"("id":"2")", R"("i\u0064":"2")", R"("namespace":"m")", R"("type":"event")", R"("id":null)"}) {
    CHECK_THAT(error_of(with(field)), Catch::EndsWith("stands there twice"));
  }
  for (const std::string_view field : {R"("in_reply_to":"a")", R"("final":true)", R"("timestamp":"")",
                                       R"("payload":1)", R"("shed":{})", R"("shed":null)"}) {
    CHECK_THAT(error_of(with(fmt::format("{0},{0}", field))), Catch::EndsWith("stands there twice"));
  }
  CHECK(error_of(with(R"("shed":{"name":"a","name":"b"})")) == "'name' stands there twice");
  Reader reader;
  const auto body = reader.publish(R"({"namespace":"n","payload":1,"payload":2})");
  REQUIRE_FALSE(body);
  CHECK(body.error().text() == "'payload' stands there twice");
}

TEST_CASE("an unknown field may stand twice") {
  Reader reader;
  CHECK(reader.envelope(with(R"("x":1,"x":2)")));
}

TEST_CASE("an envelope may be nested as deep as JSON may be here, and no deeper") {
  Reader reader;
  const std::string deepest = nested(kJsonMaxDepth - 1);
  const auto envelope = reader.envelope(with("\"payload\":" + deepest));
  REQUIRE(envelope);
  CHECK(envelope->payload == deepest);
  CHECK_THAT(error_of(with("\"payload\":" + nested(kJsonMaxDepth))), Catch::Contains("nested deeper"));
  CHECK_THAT(error_of(with("\"payload\":" + nested(100'000))), Catch::Contains("nested deeper"));
  CHECK(reader.envelope(kSmall));
}

TEST_CASE("an envelope of a mebibyte is read") {
  Reader reader;
  const std::string payload = "\"" + std::string(kMaxPublishBody, 'x') + "\"";
  const auto envelope = reader.envelope(with("\"payload\":" + payload));
  REQUIRE(envelope);
  CHECK(envelope->payload == payload);
}

TEST_CASE("a decoder that was moved goes on") {
  EnvelopeDecoder first;
  EnvelopeDecoder second = std::move(first);
  Buffer text;
  text.append(kSmall);
  CHECK(second.decode(text.view())->id == "1");
  first = std::move(second);
  CHECK(first.decode(text.view())->id == "1");
}

}  // namespace
}  // namespace shed::bus
