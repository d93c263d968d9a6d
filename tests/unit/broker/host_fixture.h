// A host agent on a bus in the same loop, and a guest that publishes.
#pragma once

#include "shed/broker/host_agent.h"
#include "shed/broker/payload.h"
#include "shed/broker/ssh_payload.h"
#include "shed/bus/local_bus.h"
#include "shed/bus/publisher.h"
#include "ssh_fixture.h"

namespace shed::broker::testing {

class HostFixture {
 public:
  HostFixture() {
    auto opened = bus::LocalBus::open(loop, net::unix_at(folder / "guest.sock"),
                                      net::unix_at(folder / "host.sock"), {"web", ""});
    REQUIRE(opened);
    bus = std::move(*opened);
    tasks.spawn(bus->serve());
    publisher.emplace(loop, *net::parse_url("http+unix://" + folder / "guest.sock" + ":/v1/publish"));
    config = built_in_config(folder / "");
    config.logging_path = folder / "log/audit.log";
    options.servers.push_back({"mini2", *net::parse_url("unix://" + folder / "host.sock"), ""});
    options.key_directory = folder / "keys";
    options.status_socket = folder / "run/status.sock";
    loop.poll();
  }
  ~HostFixture() { tasks.cancel(); }

  // The agent with a fake backend, running.
  void run() {
    auto fake = std::make_unique<FakeBackend>(loop);
    backend = fake.get();
    agent = std::make_unique<HostAgent>(loop, config, options, std::move(fake));
    tasks.spawn(agent->run());
    loop.poll();
  }
  // The agent as the program starts it.
  Status start() {
    net::Running<Result<std::unique_ptr<HostAgent>>> started(loop, HostAgent::start(loop, config, options));
    REQUIRE(started.done());
    if (!*started) return propagate(*started);
    agent = std::move(**started);
    tasks.spawn(agent->run());
    loop.poll();
    return {};
  }
  std::string ask(std::string_view payload) {
    net::Running<Result<bus::Publisher::Reply>> reply(loop, publisher->request("ssh-agent", payload, 3s));
    REQUIRE(reply.done());
    INFO(payload);
    if (!*reply) return (*reply).error().text();
    return std::string((*reply)->payload());
  }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  LogLines log;
  std::unique_ptr<bus::LocalBus> bus;
  std::optional<bus::Publisher> publisher;
  HostConfig config;
  HostAgentOptions options;
  FakeBackend* backend = nullptr;
  std::unique_ptr<HostAgent> agent;
  async::Scope tasks{loop};
};

}  // namespace shed::broker::testing
