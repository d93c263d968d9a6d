// Any text as the host configuration and as the shed command's server directory.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "shed/broker/host_config.h"
#include "shed/broker/server_directory.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto config = shed::broker::parse_host_config(text, "fuzz.yaml", "/home/fuzz")) {
    static_cast<void>(shed::broker::describe_for_shed(*config, "mini2", "web"));
    static_cast<void>(config->aws_enabled());
  } else {
    for (const auto& problem : config.error()) static_cast<void>(problem.format());
  }
  if (const auto servers = shed::broker::parse_discovered_servers(text, "fuzz.yaml")) {
    for (const auto& server : *servers) static_cast<void>(server.check());
  }
  return 0;
}
