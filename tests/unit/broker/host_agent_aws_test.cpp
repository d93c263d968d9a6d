// The host agent with AWS in its configuration, and what the status says of it.
#include "aws_fixture.h"
#include "host_fixture.h"
#include "shed/broker/status_report.h"

namespace shed::broker {
namespace {

using namespace testing;

class Fixture : public HostFixture {
 public:
  Fixture() {
    config.aws.level.role = std::string(kRole);
    config.aws.approval.policy = Policy::kApproveAll;
    config.aws.approval.omitted = false;
  }
  // The agent with fake backends, running.
  void run() {
    auto fake = std::make_unique<FakeCredentials>(loop);
    credentials = fake.get();
    agent = std::make_unique<HostAgent>(loop, config, options, std::make_unique<FakeBackend>(loop),
                                        std::move(fake));
    tasks.spawn(agent->run());
    loop.poll();
  }
  std::string ask_aws(std::string_view payload) {
    net::Running<Result<bus::Publisher::Reply>> reply(loop, publisher->request(kAwsNamespace, payload, 3s));
    REQUIRE(reply.done());
    return *reply ? std::string((*reply)->payload()) : (*reply).error().text();
  }
  StatusReport report() {
    StatusQuery query{
        *net::parse_url("http+unix://" + folder / "guest.sock" + ":/v1/publish"), options.status_socket, {}};
    net::Running<StatusReport> gathered(loop, gather_status(loop, std::move(query)));
    REQUIRE(gathered.done());
    return *gathered;
  }

  FakeCredentials* credentials = nullptr;
};

TEST_CASE("what a guest asks of AWS is decided, fetched and recorded") {
  Fixture fixture;
  fixture.run();
  CHECK(fixture.ask_aws(kGetCredentialsRequest) ==
        credentials_payload("2026-03-31T16:04:05Z", "123456789012"));
  const std::string record = text_of_file(fixture.folder / "log/audit.log");
  CHECK(member(record, "ns") == "aws-credentials");
  CHECK(member(record, "server") == "mini2");
  CHECK(fixture.credentials->grants.at(0).shed == "web");
}

TEST_CASE("where nobody gets AWS credentials, nobody listens for them") {
  Fixture fixture;
  fixture.config.aws.level.role.reset();
  fixture.run();
  CHECK_THAT(fixture.ask_aws(kGetCredentialsRequest), Catch::Contains("NO_CONNECTION"));
  CHECK(fixture.agent->status().servers.at(0).listeners.size() == 2);
}

TEST_CASE("one guest with a role is enough to listen") {
  Fixture fixture;
  fixture.config.aws.level.role.reset();
  fixture.config.aws.servers["mini2"].sheds["api"].mode = AwsMode::kPassthrough;
  fixture.run();
  CHECK(member(fixture.ask_aws(kGetCredentialsRequest), "reason_code") == "ROLE_NOT_FOUND");
}

TEST_CASE("the status document lists the AWS listener") {
  Fixture fixture;
  fixture.run();
  const auto listeners = fixture.agent->status().servers.at(0).listeners;
  REQUIRE(listeners.size() == 3);
  CHECK(listeners[1].ns == "aws-credentials");
  CHECK(listeners[1].state == "connected");
}

TEST_CASE("a role without a policy is a warning at the start, with the line to add") {
  Fixture fixture;
  fixture.config.aws.approval = {};
  REQUIRE(fixture.start());
  CHECK(fixture.log.count("aws.approval.policy is not set, so deny-all: add "
                          "\"aws: { approval: { policy: approve-all } }\" to extensions.yaml") == 1);
}

TEST_CASE("no AWS policy is missed where there is no role") {
  Fixture fixture;
  fixture.config.aws = {};
  REQUIRE(fixture.start());
  CHECK(fixture.log.count("aws.approval") == 0);
}

TEST_CASE("a guest's status shows the role and what is cached") {
  Fixture fixture;
  fixture.run();
  CHECK(fixture.report().lines.at(3).text == fmt::format("{}, nothing cached", kRole));
  fixture.credentials->cached = fixture.clock.wall() + 1h;
  const StatusReport report = fixture.report();
  CHECK(report.lines.at(3).name == "AWS");
  CHECK(report.lines.at(3).good);
  CHECK(report.lines.at(3).text == fmt::format("{}, cached until 2026-03-31T16:04:05Z", kRole));
}

TEST_CASE("a guest's status shows how many registries it may use") {
  Fixture fixture;
  fixture.run();
  CHECK(fixture.report().lines.at(4).name == "Docker");
  CHECK(fixture.report().lines.at(4).good);
  CHECK(fixture.report().lines.at(4).text == "no registry is allowed to this guest");
}

TEST_CASE("AWS that the host does not have is not missed") {
  Fixture fixture;
  fixture.config.aws.level.role.reset();
  fixture.run();
  const StatusReport report = fixture.report();
  CHECK_FALSE(report.lines.at(3).present);
  CHECK(report.lines.at(3).text == "the host has no AWS in its configuration");
}

TEST_CASE("a guest that has no role is told so, and nothing is wrong") {
  Fixture fixture;
  fixture.config.aws.level.role.reset();
  fixture.config.aws.sheds["api"].role = std::string(kRole);
  fixture.run();
  CHECK(fixture.report().lines.at(3).good);
  CHECK(fixture.report().lines.at(3).text == "no role is configured for this guest");
}

}  // namespace
}  // namespace shed::broker
