// The cache on a clock that stands still, with a profile and an STS that say what the test says.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shed/aws/credential_service.h"
#include "support/fake_clock.h"
#include "support/log_lines.h"
#include "unit/net/net_fixture.h"

namespace shed::aws {

using namespace std::chrono_literals;
using net::Running;

inline Failure failure_of(Failure::Kind kind, std::string code) {
  return {kind, std::move(code), "for the guest", "for the log"};
}

// Holds up whoever passes while it is closed.
class Gate {
 public:
  explicit Gate(async::Loop& loop) : open_(loop) { open_.set(); }
  void close() { open_.reset(); }
  void open() { open_.set(); }
  async::Event::Wait pass() { return open_.wait(); }

 private:
  async::Event open_;
};

class FakeSources : public SourceResolver {
 public:
  explicit FakeSources(async::Loop& loop) : gate(loop) {}

  async::Task<Outcome<Source>> resolve(std::string profile) override {
    asked.push_back(profile);
    auto pass = gate.pass();
    co_await pass;
    if (failure) co_return std::unexpected(*failure);
    Source source;
    source.credentials = credentials.clone();
    co_return source;
  }

  Gate gate;
  std::vector<std::string> asked;
  std::optional<Failure> failure;
  Credentials credentials{"ASIAEXAMPLE", Secret("source-secret"), Secret(), {}, ""};
};

// Sessions are numbered, so that a test sees which one it got.
class FakeSts : public StsClient {
 public:
  explicit FakeSts(async::Loop& loop) : gate(loop), loop_(loop) {}

  async::Task<Outcome<Credentials>> assume_role(AssumeRoleRequest request, const Credentials& source,
                                                StsTarget) override {
    CHECK(source.secret_access_key.reveal() == "source-secret");
    requests.push_back(std::move(request));
    const std::size_t number = requests.size();
    ++running;
    most_running = std::max(most_running, running);
    auto pass = gate.pass();
    co_await pass;
    --running;
    if (failure) co_return std::unexpected(*failure);
    const Millis duration = lasts.value_or(requests[number - 1].duration);
    Credentials credentials{
        fmt::format("ASIA{}", number), Secret("session-secret"), Secret("session-token"), {}, "123456789012"};
    if (!endless) credentials.expiration = loop_.clock().wall() + duration;
    co_return credentials;
  }

  Gate gate;
  std::vector<AssumeRoleRequest> requests;
  std::size_t running = 0, most_running = 0;
  std::optional<Failure> failure;
  std::optional<Millis> lasts;
  bool endless = false;

 private:
  async::Loop& loop_;
};

inline Grant grant_for(std::string shed) {
  Grant grant;
  grant.shed = std::move(shed);
  grant.profile = "work";
  grant.role_arn = "arn:aws:iam::123456789012:role/web";
  return grant;
}

using Asked = std::unique_ptr<Running<Outcome<SharedCredentials>>>;

struct ServiceFixture {
  Asked ask(Grant grant = grant_for("web")) {
    return std::make_unique<Running<Outcome<SharedCredentials>>>(loop, service->get(std::move(grant)));
  }
  // The access key id that a guest is given, or the code of the failure.
  std::string key(Grant grant = grant_for("web")) { return key_of(ask(std::move(grant))); }
  static std::string key_of(const Asked& asked) {
    if (!asked->done()) return "nothing yet";
    const Outcome<SharedCredentials>& outcome = **asked;
    return outcome ? (*outcome)->access_key_id : outcome.error().code;
  }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }
  // In steps, as time goes by: what naps wakes in between.
  void pass_slowly(Millis time, Millis step = 10s) {
    for (Millis gone{0}; gone < time; gone += step) pass(step);
  }
  std::size_t calls() const { return sts.requests.size(); }

  FakeClock clock;
  async::Loop loop{clock};
  FakeSources sources{loop};
  FakeSts sts{loop};
  LogLines log;
  std::optional<CredentialService> service{std::in_place, loop, sources, sts};
};

}  // namespace shed::aws
