#include "shed/aws/sts_endpoint.h"

#include <catch2/catch.hpp>
#include <string>

using namespace shed;
using namespace shed::aws;

namespace {

struct Place {
  std::string origin;
  std::string host;
  std::string region;
  bool operator==(const Place&) const = default;
};

Place place_of(std::string_view region, std::string_view endpoint_override = "") {
  const auto endpoint = sts_endpoint(region, endpoint_override);
  if (!endpoint) FAIL(endpoint.error().text());
  return {endpoint->url.origin(), endpoint->url.host_header, endpoint->signing_region};
}

void check_standard(std::string_view region, const std::string& host) {
  CHECK(place_of(region) == Place{"https://" + host + ":443", host, std::string(region)});
}

Error error_of(std::string_view region, std::string_view endpoint_override = "") {
  const auto endpoint = sts_endpoint(region, endpoint_override);
  REQUIRE_FALSE(endpoint.has_value());
  return endpoint.error();
}

}  // namespace

TEST_CASE("a region has its own endpoint") {
  check_standard("us-east-1", "sts.us-east-1.amazonaws.com");
  check_standard("ap-southeast-5", "sts.ap-southeast-5.amazonaws.com");
  check_standard("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com");
}

TEST_CASE("partitions have their own domains") {
  check_standard("cn-north-1", "sts.cn-north-1.amazonaws.com.cn");
  check_standard("eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu");
  check_standard("us-iso-east-1", "sts.us-iso-east-1.c2s.ic.gov");
  check_standard("us-isob-east-1", "sts.us-isob-east-1.sc2s.sgov.gov");
  check_standard("eu-isoe-west-1", "sts.eu-isoe-west-1.cloud.adc-e.uk");
  check_standard("us-isof-south-1", "sts.us-isof-south-1.csp.hci.ic.gov");
}

TEST_CASE("without a region the global endpoint is asked, signed for us-east-1") {
  const Place global{"https://sts.amazonaws.com:443", "sts.amazonaws.com", "us-east-1"};
  CHECK(place_of("") == global);
  CHECK(place_of("aws-global") == global);
}

TEST_CASE("an override wins, and the region stays what is signed for") {
  CHECK(place_of("eu-west-1", "https://sts.internal:8443") ==
        Place{"https://sts.internal:8443", "sts.internal:8443", "eu-west-1"});
  CHECK(place_of("", "http://localhost:4566") ==
        Place{"http://localhost:4566", "localhost:4566", "us-east-1"});
  CHECK(place_of("cn-north-1", "http://[::1]:5000/").region == "cn-north-1");
}

TEST_CASE("an override may have a path") {
  CHECK(sts_endpoint("", "https://gateway/aws/sts")->url.path == "/aws/sts");
  CHECK(sts_endpoint("", "https://gateway")->url.path == "/");
}

TEST_CASE("what is no region does not become a host name") {
  const std::string longest(63, 'a');
  CHECK(sts_endpoint(longest, "").has_value());
  using namespace std::string_literals;
  for (const std::string& region :
       {"US-EAST-1"s, "us_east_1"s, "us-east-1.evil.example"s, "a/b"s, "a@b"s, "a b"s, "us-east-1\n"s, "\0"s,
        "-a"s, "a-"s, "\xc3\xa4"s, longest + "a"}) {
    INFO(region);
    CHECK(error_of(region).code() == Errc::kInvalid);
    CHECK(error_of(region, "https://sts.internal").code() == Errc::kInvalid);
    CHECK(error_of(region).text() == "the region is not of the form us-east-1");
  }
}

TEST_CASE("what is no http or https URL is no override") {
  for (const char* url :
       {"sts.internal", "ftp://sts.internal", "unix:///run/sts.sock", "http+unix:///run/a:/", "https://",
        "https://user:hunter2@sts.internal", "https://host:0", "https://host:99999", "https://host/#x",
        "https://host/a b", "https://host/?a=b", "https://ho\nst/"}) {
    INFO(url);
    CHECK(error_of("us-east-1", url).code() == Errc::kInvalid);
  }
}

TEST_CASE("an error about an override does not repeat it") {
  CHECK(error_of("", "https://user:hunter2@sts.internal").text() ==
        "the endpoint is not a URL of the form https://HOST[:PORT][/PATH]");
}
