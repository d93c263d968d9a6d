// Expiry hints, against what the existing implementation makes of the same files.
#include <catch2/catch.hpp>
#include <functional>
#include <string>

#include "shed/aws/profile_files.h"
#include "shed/base/file.h"
#include "shed/base/json.h"

using namespace shed;
using namespace shed::aws;

namespace {

using Seconds = std::chrono::sys_seconds;

// Calls `check` with each vector of the list; says so where the data is not there.
void each_vector(std::string_view list, const std::function<void(const JsonValue&)>& check) {
  const std::string path = SHED_FIXTURES "/aws_expiry.json";
  const auto text = read_file(path, 1024 * 1024);
  if (!text) {
    WARN("not run, the test data is missing: " << path << ": " << text.error().text());
    return;
  }
  JsonDocument document;
  const auto root = document.parse(*text);
  REQUIRE(root.has_value());
  const auto vectors = (*root)[list].elements();
  REQUIRE_FALSE(vectors.empty());
  for (const JsonValue& vector : vectors) check(vector);
}

std::optional<WallTime> time_of(const JsonValue& vector) {
  const auto unix_time = vector["unix"].integer();
  return unix_time ? std::optional(WallTime(std::chrono::seconds(*unix_time))) : std::nullopt;
}

std::optional<std::int64_t> seconds_of(std::optional<WallTime> time) {
  if (!time) return std::nullopt;
  return std::chrono::floor<std::chrono::seconds>(*time).time_since_epoch().count();
}

std::optional<WallTime> expiry_of(const char* config, const char* credentials) {
  const auto files = ProfileFiles::parse(config, "config", credentials, "credentials");
  REQUIRE(files.has_value());
  return session_expiry(*files->profile("p"));
}

const WallTime kTime = Seconds(std::chrono::seconds(4071049445));

}  // namespace

TEST_CASE("hints of expiry are read as the existing implementation reads them") {
  each_vector("expiry_vectors", [](const JsonValue& vector) {
    INFO(vector["name"].string_or(""));
    const auto files = ProfileFiles::parse("", "config", vector["ini"].string_or(""), "credentials");
    REQUIRE(files.has_value());
    const ProfileSection* profile = files->profile(vector["profile"].string_or(""));
    const auto expiry = profile == nullptr ? std::nullopt : session_expiry(*profile);
    CHECK(seconds_of(expiry) == vector["expected_unix"].integer());
  });
}

TEST_CASE("times go to the guest as the existing implementation writes them") {
  each_vector("literal_z_vectors", [](const JsonValue& vector) {
    CHECK(format_rfc3339(*time_of(vector)) == vector["expected"].string_or(""));
  });
}

TEST_CASE("the audit record's detail is that of the existing implementation") {
  each_vector("expiry_detail_vectors", [](const JsonValue& vector) {
    CHECK(expiry_detail(time_of(vector)) == vector["expected"].string_or(""));
  });
}

TEST_CASE("the credentials file's hint stands before that of the config file") {
  CHECK(expiry_of("[profile p]\naws_session_expiration = 2100-01-01T00:00:00Z\n",
                  "\n\n\n[p]\nx_security_token_expires = 2099-01-02T15:04:05Z\n") == kTime);
}

TEST_CASE("a hint of the config file counts where the other file has none") {
  CHECK(expiry_of("[profile p]\naws_session_expiration = 2099-01-02T15:04:05Z\n", "[p]\na = 1\n") == kTime);
}

TEST_CASE("a hint that is not readable is not replaced by the other") {
  CHECK(expiry_of("",
                  "[p]\nx_security_token_expires = soon\naws_session_expiration = 2099-01-02T15:04:05Z\n") ==
        std::nullopt);
}

TEST_CASE("an expiry may stand in quotes of either kind, in pairs only") {
  CHECK(parse_session_expiry("'2099-01-02T15:04:05Z'") == kTime);
  CHECK(parse_session_expiry("\"2099-01-02 15:04:05+0000\"") == kTime);
  CHECK_FALSE(parse_session_expiry("\"2099-01-02T15:04:05Z").has_value());
  CHECK_FALSE(parse_session_expiry("\"2099-01-02T15:04:05Z'").has_value());
  CHECK_FALSE(parse_session_expiry("\"").has_value());
  CHECK_FALSE(parse_session_expiry("\"\"").has_value());
  CHECK_FALSE(parse_session_expiry("").has_value());
  CHECK_FALSE(parse_session_expiry(std::string(100'000, '9')).has_value());
}
