#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "shed/aws/sts_messages.h"

using namespace shed;
using namespace shed::aws;

namespace {

const WallTime kNow{std::chrono::milliseconds(1700000000999)};

std::string repeated(char c, std::size_t count) { return std::string(count, c); }

}  // namespace

TEST_CASE("a session is named after its guest and the time") {
  CHECK(session_name("", "web", kNow) == "shed-web-1700000000");
  CHECK(session_name("mini2", "web", kNow) == "shed-mini2-web-1700000000");
}

TEST_CASE("signs that STS takes stay in a session's name") {
  CHECK(session_name("", "A_z0+=,.@-", kNow) == "shed-A_z0+=,.@--1700000000");
}

TEST_CASE("each character that STS does not take becomes a dash") {
  CHECK(session_name("a b", "c/d:e\n", kNow) == "shed-a-b-c-d-e--1700000000");
  CHECK(session_name("", "b\xc3\xbcro", kNow) == "shed-b-ro-1700000000");
  CHECK(session_name("", std::string("\xff\0x", 3), kNow) == "shed---x-1700000000");
}

TEST_CASE("a session's name is cut to 64 characters, never in its time") {
  CHECK(session_name("", repeated('a', 100), kNow) == "shed-" + repeated('a', 48) + "-1700000000");
  CHECK(session_name("", repeated('a', 48), kNow).size() == 64);
  CHECK(session_name("", repeated('a', 47), kNow).size() == 63);
}

TEST_CASE("of a long and a short name the long one is cut") {
  CHECK(session_name(repeated('s', 100), "web", kNow) == "shed-" + repeated('s', 44) + "-web-1700000000");
  CHECK(session_name("mini2", repeated('a', 100), kNow) == "shed-mini2-" + repeated('a', 42) + "-1700000000");
}

TEST_CASE("of two long names each keeps its half") {
  CHECK(session_name(repeated('s', 100), repeated('a', 100), kNow) ==
        "shed-" + repeated('s', 23) + "-" + repeated('a', 24) + "-1700000000");
}

TEST_CASE("every session's name can be sent") {
  for (const std::string& shed : {std::string(), repeated('x', 1'000'000), std::string("\xf0\x9f\x94\x91")}) {
    for (const WallTime time : {WallTime(), WallTime::min(), WallTime::max(), kNow}) {
      AssumeRoleRequest request;
      request.role_arn = "arn:aws:iam::123456789012:role/dev";
      request.session_name = session_name("", shed, time);
      CHECK(encode_assume_role(request).has_value());
    }
  }
}

TEST_CASE("a clock before 1970 is told as 0") {
  CHECK(session_name("", "web", WallTime(std::chrono::seconds(-5))) == "shed-web-0");
}
