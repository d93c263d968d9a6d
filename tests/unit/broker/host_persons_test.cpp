// A host agent whose policies ask somebody at this machine.
#include "shed/broker/host_persons.h"

#include "approval_fixture.h"
#include "host_fixture.h"
#include "support/environment_variable.h"

namespace shed::broker {
namespace {

using namespace testing;

class PlayedLock : public ScreenLock {
 public:
  PlayedLock(async::Loop& loop, std::string why_not) : locked_(loop), why_not_(std::move(why_not)) {}
  std::string why_not() const override { return why_not_; }
  async::Task<> watch(std::function<void()> locked) override {
    for (;;) {
      auto wait = locked_.wait();
      co_await wait;
      locked_.reset();
      locked();
    }
  }
  void lock() { locked_.set(); }

 private:
  async::Event locked_;
  std::string why_not_;
};

class LockableFixture : public HostFixture {
 public:
  LockableFixture() {
    options.screen_lock = [this](async::Loop& of) {
      auto made = std::make_unique<PlayedLock>(of, why_not);
      lock = made.get();
      return made;
    };
    config.ssh_approval.policy = Policy::kShedDesktop;
  }
  std::string why_not;
  PlayedLock* lock = nullptr;
};

constexpr std::string_view kNotNoticed = "grants do not end when the screen is locked";

TEST_CASE("only the persons that a policy names are made") {
  async::Loop loop;
  HostConfig config = built_in_config("/tmp");
  Grants grants(loop.clock());
  ApprovalChannel channel(loop, grants, {});
  CHECK(HostPersons(loop, config).with(channel).prompt == nullptr);
  config.ssh_approval.policy = Policy::kBiometrics;
  config.aws.approval.policy = Policy::kPrompt;
  const HostPersons persons(loop, config);
  CHECK(&persons.with(channel).approver == &channel);
  CHECK(persons.with(channel).prompt != nullptr);
  CHECK(persons.with(channel).biometrics != nullptr);
  CHECK(persons.with(channel).biometrics_or_password == nullptr);
  CHECK(persons.why_nobody(Policy::kShedDesktop).empty());
  CHECK(persons.why_nobody(Policy::kPrompt) == persons.with(channel).prompt->why_nobody());
}

TEST_CASE("each namespace can prompt, and only ssh asks for a finger") {
  const auto config = parse_host_config(
      "ssh: { approval: { policy: prompt, scope: per-shed, session_ttl: 5m } }\n"
      "aws: { approval: { policy: prompt } }\ndocker: { approval: { policy: prompt } }\n",
      "extensions.yaml");
  REQUIRE(config.has_value());
  for (const Namespace ns : kNamespaces) CHECK(config->approval(ns).policy == Policy::kPrompt);
  CHECK(config->ssh_approval.scope == Scope::kPerShed);
  CHECK(config->gate_namespaces().empty());  // nobody on the channel is asked
  CHECK_FALSE(
      parse_host_config("aws: { approval: { policy: biometrics } }\n", "extensions.yaml").has_value());
  CHECK_THAT(describe_for_shed(*config, "", "web"), Catch::Contains("prompt, per-shed, a yes counts for 5m"));
}

TEST_CASE_METHOD(LockableFixture, "a locked screen ends what was granted") {
  options.approval_socket = folder / "run/host-agent.sock";
  REQUIRE(start());
  Approver approver(loop, options.approval_socket);
  ssh::SignRequest request;
  request.key_blob = ed25519();
  request.data = "data";
  net::Running<Result<bus::Publisher::Reply>> answer(
      loop, publisher->request("ssh-agent", encode_sign_payload(request), 30s));
  approver.answer(approver.asked(), "approve", "per-shed");
  REQUIRE(answer.done());
  CHECK(agent->status().approval.grants == 1);
  REQUIRE(lock != nullptr);
  lock->lock();
  loop.poll();
  CHECK(agent->status().approval.grants == 0);
  CHECK(log.count("1 grant has ended: the screen was locked") == 1);
}

TEST_CASE_METHOD(LockableFixture, "that locks are not noticed is said at start, where there can be grants") {
  why_not = "no gdbus";
  REQUIRE(start());
  CHECK(
      log.count(
          "grants do not end when the screen is locked: no gdbus; they end by their time and when revoked") ==
      1);
}

TEST_CASE_METHOD(LockableFixture, "where nothing can be granted nobody looks at the screen") {
  why_not = "no gdbus";
  SECTION("no person is asked") { config.ssh_approval.policy = Policy::kApproveAll; }
  SECTION("each request is asked") { config.ssh_approval.scope = Scope::kPerRequest; }
  REQUIRE(start());
  CHECK(lock == nullptr);
  CHECK(log.count(kNotNoticed) == 0);
}

TEST_CASE_METHOD(LockableFixture, "who should be asked and cannot be is said at start and in the status") {
  const EnvironmentVariable askpass("SSH_ASKPASS", "/nowhere/askpass");
  config.ssh_approval.policy = Policy::kPrompt;
  REQUIRE(start());
  CHECK(log.count(
            "ssh.approval.policy is prompt, so everything is denied: nobody can be prompted: SSH_ASKPASS is "
            "/nowhere/askpass, which is no program; correct it or unset it") == 1);
  const auto missing = agent->status().nobody_to_ask;
  REQUIRE(missing.size() == 1);
  CHECK(missing[0].first == "ssh-agent");
  CHECK_THAT(missing[0].second, Catch::StartsWith("nobody can be prompted: "));
}

}  // namespace
}  // namespace shed::broker
