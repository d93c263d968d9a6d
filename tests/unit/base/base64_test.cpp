#include "shed/base/base64.h"

#include <catch2/catch.hpp>
#include <utility>

namespace shed {
namespace {

// RFC 4648 section 10.
constexpr std::pair<std::string_view, std::string_view> kVectors[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

TEST_CASE("base64 encodes the RFC's vectors") {
  for (const auto& [bytes, text] : kVectors) CHECK(base64_encode(bytes) == text);
}

TEST_CASE("base64 decodes the RFC's vectors") {
  for (const auto& [bytes, text] : kVectors) CHECK(base64_decode(text).value() == bytes);
}

TEST_CASE("base64 carries every byte, also over the length of a block") {
  std::string bytes;
  for (int i = 0; i < 2000; ++i) bytes.push_back(static_cast<char>(i * 7));
  for (const std::size_t length : {382U, 383U, 384U, 385U, 2000U}) {
    const std::string part = bytes.substr(0, length);
    const std::string text = base64_encode(part);
    CHECK(text.size() == (length + 2) / 3 * 4);
    CHECK(base64_decode(text).value() == part);
  }
}

TEST_CASE("base64 uses the standard alphabet") { CHECK(base64_encode("\xfb\xff\xbf") == "+/+/"); }

TEST_CASE("base64 appends to what is there") {
  std::string out = "Basic ";
  base64_append(out, "foo");
  CHECK(out == "Basic Zm9v");
}

TEST_CASE("base64 refuses what is not strictly base64") {
  const auto text =
      GENERATE(as<std::string_view>(), "Zg", "Zg=", "Zm9vY", "=", "====", "Z===", "Zg==Zg==", "Zm9v\n",
               "Zm 9", " Zm9", "Z-_v", "Zm=v", std::string_view("Zm\0v", 4), "Zm\xc3\xa9");
  CAPTURE(text);
  const auto decoded = base64_decode(text);
  REQUIRE_FALSE(decoded);
  CHECK(decoded.error().code() == Errc::kInvalid);
}

TEST_CASE("base64 refuses a second spelling of the same bytes") {
  CHECK(base64_decode("Zg==").has_value());
  CHECK_FALSE(base64_decode("Zh==").has_value());
  CHECK_FALSE(base64_decode("Zm9=").has_value());
}

}  // namespace
}  // namespace shed
