#include "bus/guest_bus.h"

#include <catch2/catch.hpp>

namespace shed::applets {
namespace {

using Kind = bus::LinkAddress::Kind;

std::string refusal(const GuestBusOptions& options) {
  const auto plan = plan_guest_bus(options);
  REQUIRE_FALSE(plan);
  return plan.error().text();
}

TEST_CASE("without options guests publish on port 498 and the host comes in over vsock") {
  const auto plan = plan_guest_bus({});
  REQUIRE(plan);
  CHECK(plan->publish.text() == "127.0.0.1:498");
  CHECK(plan->frames.kind == Kind::kVsock);
  CHECK(plan->frames.text() == "vsock:1026");
  CHECK_FALSE(GuestBusOptions{}.any());
}

TEST_CASE("the host comes in where the option says") {
  CHECK(plan_guest_bus({.frames = "unix:/run/frames.sock"})->frames.kind == Kind::kUnix);
  CHECK(plan_guest_bus({.frames = "serial:/dev/virtio-ports/shed"})->frames.kind == Kind::kSerial);
  CHECK(plan_guest_bus({.frames = "vsock:99", .allow_loopback = true})->allow_loopback);
  const auto tls = plan_guest_bus(
      {.frames = "tcp+tls://0.0.0.0:1026", .token_file = "/etc/token", .tls_file = "/etc/tls.pem"});
  REQUIRE(tls);
  CHECK(tls->frames.kind == Kind::kTls);
  CHECK(tls->token_file == "/etc/token");
  CHECK(tls->tls_file == "/etc/tls.pem");
}

TEST_CASE("guests publish on this machine only") {
  CHECK(plan_guest_bus({.listen = "unix:/run/bus.sock"})->publish.is_unix());
  CHECK(plan_guest_bus({.listen = "[::1]:498"})->publish.host == "::1");
  const std::string listen = GENERATE(as<std::string>{}, "0.0.0.0:498", "192.0.2.1:498", "[::]:498");
  CHECK(refusal({.listen = listen}).starts_with("--listen: "));
  CHECK(refusal({.listen = listen, .prefix = "bus-"}).starts_with("--bus-listen: "));
}

TEST_CASE("TLS wants a token and a certificate, and only TLS wants the latter") {
  CHECK(refusal({.frames = "tcp+tls://127.0.0.1:1"}).find("--token-file") != std::string::npos);
  CHECK(refusal({.frames = "tcp+tls://127.0.0.1:1", .tls_file = "x"}).find("--token-file") !=
        std::string::npos);
  CHECK(refusal({.frames = "tcp+tls://127.0.0.1:1", .token_file = "x", .prefix = "bus-"})
            .find("--bus-tls-file") != std::string::npos);
  CHECK(refusal({.tls_file = "x"}).starts_with("--tls-file"));
  CHECK(plan_guest_bus({.token_file = "x"}));
}

TEST_CASE("the machine's own processes are let in on vsock only") {
  CHECK(refusal({.frames = "unix:/run/frames.sock", .allow_loopback = true}).starts_with("--allow-loopback"));
}

TEST_CASE("only the host may play the host, and this machine where that is allowed") {
  CHECK(may_play_host(2, false));
  CHECK(may_play_host(2, true));
  CHECK(may_play_host(1, true));
  for (const std::uint32_t cid : {0u, 1u, 3u, 4u, 0xffffffffu}) CHECK_FALSE(may_play_host(cid, false));
  for (const std::uint32_t cid : {0u, 3u, 4u, 0xffffffffu}) CHECK_FALSE(may_play_host(cid, true));
}

TEST_CASE("a bus is used under the URL of its address") {
  CHECK(publish_url_text(*net::parse_address("127.0.0.1:498")) == "http://127.0.0.1:498/v1/publish");
  CHECK(publish_url_text(*net::parse_address("unix:/run/bus.sock")) ==
        "http+unix:///run/bus.sock:/v1/publish");
}

}  // namespace
}  // namespace shed::applets
