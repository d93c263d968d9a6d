// Feeds texts to a parser in pieces and tells what came out.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http_parser.h"

namespace shed::net {

using Progress = HttpParser::Progress;

inline constexpr HttpLimits kLimits{1024, 4096};

// What came out at the end: a complete message, an error's code, or "more".
struct Outcome {
  std::string how;
  std::string method, target, body;
  std::vector<std::string> headers;
  bool keep_alive = false;
  bool operator==(const Outcome&) const = default;
};

inline std::string name_of(Errc code) {
  return code == Errc::kProtocol ? "protocol" : code == Errc::kLimit ? "limit" : "other";
}

inline Outcome outcome_of(const HttpParser& parser, const Buffer& buffer, std::string how) {
  Outcome outcome;
  outcome.how = std::move(how);
  if (outcome.how != "complete") return outcome;
  outcome.method = parser.method();
  outcome.target = parser.target(buffer);
  outcome.body = parser.body(buffer);
  for (const char* name : {"host", "a", "b", "empty", "content-type"}) {
    outcome.headers.emplace_back(parser.header(buffer, name));
  }
  outcome.keep_alive = parser.keep_alive();
  return outcome;
}

// Feeds the parts one by one, each into memory of its own size, so that the buffer moves often.
inline Outcome feed(HttpParser& parser, Buffer& buffer, const std::vector<std::string_view>& parts) {
  for (const std::string_view part : parts) {
    Buffer moved;
    moved.append(buffer.view());
    moved.append(part);
    buffer = std::move(moved);
    for (;;) {
      const auto progress = parser.advance(buffer);
      if (!progress) return outcome_of(parser, buffer, name_of(progress.error().code()));
      if (*progress == Progress::kComplete) return outcome_of(parser, buffer, "complete");
      if (*progress == Progress::kBodyTooLarge) return outcome_of(parser, buffer, "too large");
      if (*progress == Progress::kMore) break;
    }
  }
  return outcome_of(parser, buffer, "more");
}

inline Outcome parse(llhttp_type_t type, const std::vector<std::string_view>& parts,
                     HttpLimits limits = kLimits) {
  HttpParser parser(type, limits);
  Buffer buffer;
  return feed(parser, buffer, parts);
}

inline Outcome request(std::string_view text) { return parse(HTTP_REQUEST, {text}); }

// The outcome of a text must not depend on how it arrives.
inline void check_all_splits(llhttp_type_t type, std::string_view text) {
  const Outcome whole = parse(type, {text});
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bytes.push_back(text.substr(i, 1));
    CAPTURE(i);
    CHECK(parse(type, {text.substr(0, i), text.substr(i)}) == whole);
  }
  CHECK(parse(type, bytes) == whole);
}

}  // namespace shed::net
