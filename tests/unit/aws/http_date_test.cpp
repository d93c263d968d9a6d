#include "aws/http_date.h"

#include <catch2/catch.hpp>

namespace shed::aws {
namespace {

TEST_CASE("a Date header is read to the second") {
  const auto time = parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT");
  REQUIRE(time);
  CHECK(format_rfc3339(*time) == "1994-11-06T08:49:37Z");
  CHECK(parse_http_date("Thu, 29 Feb 2024 23:59:59 GMT"));
}

TEST_CASE("what is no Date header is nothing") {
  for (const char* text :
       {"", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Xyz 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, -6 Nov 1994 08:49:37 GMT"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_http_date(text));
  }
}

}  // namespace
}  // namespace shed::aws
