#include "shed/base/result.h"

#include <catch2/catch.hpp>
#include <cerrno>

namespace shed {
namespace {

TEST_CASE("the caller puts the object in front of the cause") {
  const Error error = Error(Errc::kNotFound, "no such file").in("/run/x.sock").in("connect");
  CHECK(error.text() == "connect: /run/x.sock: no such file");
  CHECK(error.code() == Errc::kNotFound);
}

TEST_CASE("fail() formats its text") {
  const Status status = fail(Errc::kLimit, "{} bytes are over {}", 9, 8);
  REQUIRE_FALSE(status);
  CHECK(status.error().text() == "9 bytes are over 8");
  CHECK(status.error().code() == Errc::kLimit);
}

TEST_CASE("an error goes from one kind of result to another") {
  const Result<int> inner = fail(Errc::kTimeout, "too late");
  const Result<std::string> outer = propagate(inner, "sign");
  REQUIRE_FALSE(outer);
  CHECK(outer.error().text() == "sign: too late");
  CHECK(outer.error().code() == Errc::kTimeout);
}

TEST_CASE("a system error has the system's text, in lower case") {
  CHECK(system_error(ENOENT).text() == "no such file or directory");
}

TEST_CASE("system errors map to what a caller acts on") {
  CHECK(system_error(ENOENT).code() == Errc::kNotFound);
  CHECK(system_error(EACCES).code() == Errc::kPermission);
  CHECK(system_error(EADDRINUSE).code() == Errc::kExists);
  CHECK(system_error(ECONNREFUSED).code() == Errc::kUnavailable);
  CHECK(system_error(ETIMEDOUT).code() == Errc::kTimeout);
  CHECK(system_error(ECONNRESET).code() == Errc::kClosed);
  CHECK(system_error(EMFILE).code() == Errc::kLimit);
  CHECK(system_error(ENOSPC).code() == Errc::kIo);
}

}  // namespace
}  // namespace shed
