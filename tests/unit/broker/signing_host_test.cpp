#include "shed/broker/signing_host.h"

#include <catch2/catch.hpp>
#include <vector>

namespace shed::broker {
namespace {

const std::vector<std::string> kMore = {"builder.example"};

TEST_CASE("a request may call this machine by its addresses and by the names that containers have for it") {
  const std::string host = GENERATE("", "localhost", "Localhost:7221", "app.localhost", "127.0.0.1",
                                    "127.0.0.1:7221", "172.17.0.1:80", "[::1]", "[fe80::1]:7221",
                                    "host.docker.internal:7221", "HOST.containers.internal",
                                    "docker.for.mac.localhost", "builder.example", "builder.example:1");
  CAPTURE(host);
  CHECK(is_signing_host(host, kMore));
}

TEST_CASE("any other name may be one that a web page has made to point here") {
  const std::string host = GENERATE(
      "evil.example", "evil.example:7221", "localhost.evil.example", "evillocalhost", ".localhost",
      "localhost.", "127.0.0.1.evil.example", "127.0.0.1:80:80", "127.0.0.1:x", "0x7f000001", "127.1", "[::1",
      "[::1]x", "[]", "[evil.example]", "::1", "user@localhost", "localhost:7221:", "docker.internal",
      "evil.internal", "x.builder.example", " localhost", "localhost,evil.example");
  CAPTURE(host);
  CHECK_FALSE(is_signing_host(host, kMore));
}

}  // namespace
}  // namespace shed::broker
