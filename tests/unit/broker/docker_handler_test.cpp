#include "shed/broker/docker_handler.h"

#include "shed/broker/docker_payload.h"
#include "ssh_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

// The owner's logins: what they are, and what was asked.
class FakeLogins : public docker::LoginBackend {
 public:
  async::Task<Result<std::shared_ptr<const docker::Login>>> get(std::string server_url) override {
    asked.push_back(server_url);
    if (failure) co_return std::unexpected(*failure);
    co_return std::make_shared<const docker::Login>(
        docker::Login{server_url, Secret("me"), Secret("hunter2")});
  }
  async::Task<Result<std::map<std::string, std::string>>> list() override {
    asked.push_back("list");
    if (failure) co_return std::unexpected(*failure);
    co_return listed;
  }

  std::vector<std::string> asked;
  std::optional<Error> failure;
  std::map<std::string, std::string> listed;
};

constexpr std::string_view kConfig = R"(docker:
  approval: { policy: approve-all }
  registries: [ghcr.io, docker.io]
  servers: { mini2: { sheds: { ci: { registries: [quay.io/team] }, open: { allow_all: true } } } }
)";

struct DockerHandlerFixture {
  explicit DockerHandlerFixture(std::string_view config_text = kConfig)
      : config(*parse_host_config(config_text, "extensions.yaml", "/home/me")),
        audit_path(folder / "audit.log"),
        audit(audit_path),
        handler(clock, config, logins, gate, audit, {"", 25s}) {}

  std::string ask(std::string_view payload) {
    net::Running<std::string> answer(
        loop, handler.handle({"0197-a", "docker-credentials", std::string(payload), {shed, "vz", server}}));
    REQUIRE(answer.done());
    return *answer;
  }
  std::string get(std::string_view server_url) { return ask(encode_docker_get(server_url)); }
  std::string last_record() const {
    std::ifstream file(audit_path);
    std::string last;
    for (std::string line; std::getline(file, line);) last = line;
    return last;
  }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  LogLines log;
  HostConfig config;
  FakeLogins logins;
  FakeGate gate{loop};
  std::string server = "mini2", shed = "web";
  std::string audit_path;
  AuditLog audit;
  DockerHandler handler;
};

using Fixture = DockerHandlerFixture;

}  // namespace

TEST_CASE_METHOD(Fixture, "an allowed registry's login is handed out, and recorded without the secret") {
  CHECK(get("https://ghcr.io") == R"({"server_url":"https://ghcr.io","username":"me","secret":"hunter2"})");
  CHECK(logins.asked == std::vector<std::string>{"https://ghcr.io"});
  CHECK(member(last_record(), "result") == "ok");
  CHECK(member(last_record(), "op") == "get");
  CHECK(member(last_record(), "ns") == "docker-credentials");
  CHECK(member(last_record(), "detail") == "https://ghcr.io");
  CHECK(member(last_record(), "approval") == "approve-all");
  CHECK_THAT(last_record(), !Catch::Contains("hunter2"));
}

TEST_CASE_METHOD(Fixture, "a registry off the list is denied, and nobody is asked") {
  CHECK(get("quay.io") == R"({"error":"credential request failed","code":"REGISTRY_NOT_ALLOWED"})");
  CHECK(logins.asked.empty());
  CHECK(gate.questions.empty());
  CHECK(member(last_record(), "result") == "denied");
  CHECK(member(last_record(), "code") == "REGISTRY_NOT_ALLOWED");
  CHECK(member(last_record(), "detail") == "quay.io");
  CHECK(log.count("docker get for web on mini2: quay.io is not in docker.registries") == 1);
}

TEST_CASE_METHOD(Fixture, "every guest has its own list") {
  shed = "ci";
  CHECK(member(get("ghcr.io"), "code") == "REGISTRY_NOT_ALLOWED");
  CHECK(member(get("quay.io/team/app"), "username") == "me");
  CHECK(member(get("quay.io/other"), "code") == "REGISTRY_NOT_ALLOWED");
  shed = "open";
  CHECK(member(get("anything.example:5000"), "username") == "me");
}

TEST_CASE_METHOD(Fixture, "a registry without a login is recorded as anonymous") {
  logins.failure = Error(Errc::kNotFound, "no login is stored for ghcr.io");
  CHECK(get("ghcr.io") == R"({"error":"credential request failed","code":"CREDENTIALS_NOT_FOUND"})");
  CHECK(member(last_record(), "result") == "anonymous");
  CHECK(log.warnings.empty());
}

TEST_CASE_METHOD(Fixture, "a helper that fails is named to the owner and not to the guest") {
  logins.failure = Error(Errc::kTimeout, "docker-credential-pass get: no answer within 5s");
  CHECK(get("ghcr.io") == R"({"error":"credential request failed","code":"HELPER_FAILED"})");
  CHECK(member(last_record(), "result") == "error");
  CHECK(member(last_record(), "code") == "HELPER_FAILED");
  CHECK(member(last_record(), "reason") == "docker-credential-pass get: no answer within 5s");
  CHECK(log.count("docker-credential-pass get: no answer within 5s") == 1);
}

TEST_CASE_METHOD(Fixture, "what is no server URL is refused before anything is asked") {
  const auto url = GENERATE(as<std::string>(), "", "a b", "ghcr.io\n", "https://me:hunter2@ghcr.io",
                            std::string(5000, 'a'), "$(id)");
  const std::string answer = get(url);
  CHECK(member(answer, "code") == "INTERNAL_ERROR");
  CHECK(member(answer, "reason_code") == "INVALID_SERVER_URL");
  CHECK(logins.asked.empty());
  CHECK(gate.questions.empty());
  CHECK(member(last_record(), "result") == "error");
  CHECK_THAT(last_record(), !Catch::Contains("hunter2"));
}

TEST_CASE_METHOD(Fixture, "a person is asked about the server URL, and may say no") {
  gate.decision = {};
  gate.decision.method = "shed-desktop";
  gate.decision.reason = "nobody is there to ask";
  gate.decision.reason_code = "APPROVAL_DENIED";
  const std::string answer = get("ghcr.io");
  CHECK(gate.questions.at(0).detail == "ghcr.io");
  CHECK(gate.questions.at(0).ns == Namespace::kDocker);
  CHECK(member(answer, "error") == "approval denied");
  CHECK(member(answer, "code") == "REGISTRY_NOT_ALLOWED");
  CHECK(member(answer, "reason_code") == "APPROVAL_DENIED");
  CHECK(member(last_record(), "result") == "denied");
  CHECK(logins.asked.empty());
}

TEST_CASE_METHOD(Fixture, "a list has the allowed registries only") {
  logins.listed = {{"https://index.docker.io/v1/", "me"},
                   {"ghcr.io", "(credential helper)"},
                   {"quay.io", "other"},
                   {"not a registry", "x"}};
  CHECK(ask(kDockerListRequest) ==
        R"json({"registries":{"ghcr.io":"(credential helper)","https://index.docker.io/v1/":"me"}})json");
  CHECK(member(last_record(), "op") == "list");
  CHECK(member(last_record(), "detail") == "count:2");
}

TEST_CASE("under deny-all a list is empty, and no helper is asked") {
  Fixture fixture("docker: { approval: { policy: deny-all }, registries: [ghcr.io] }\n");
  fixture.logins.listed = {{"ghcr.io", "me"}};
  CHECK(fixture.ask(kDockerListRequest) == R"({"registries":{}})");
  CHECK(fixture.logins.asked.empty());
}

TEST_CASE_METHOD(Fixture, "a list that fails says so without the cause") {
  logins.failure = Error(Errc::kUnavailable, "docker-credential-pass list ended with status 2");
  CHECK(ask(kDockerListRequest) == R"({"error":"list failed","code":"INTERNAL_ERROR"})");
  CHECK(member(last_record(), "result") == "error");
  CHECK(log.count("docker-credential-pass list ended with status 2") == 1);
}

TEST_CASE_METHOD(Fixture, "the status tells what the guest may use") {
  CHECK(ask(kDockerStatusRequest) == R"({"connected":true,"allow_all":false,"registry_count":2})");
  shed = "open";
  CHECK(ask(kDockerStatusRequest) == R"({"connected":true,"allow_all":true,"registry_count":2})");
}

TEST_CASE_METHOD(Fixture, "what the status says is what the guest reads") {
  shed = "open";
  JsonDocument document;
  const std::string answer = ask(kDockerStatusRequest);
  const auto status = decode_docker_status(*document.parse(answer));
  REQUIRE(status);
  CHECK(status->allow_all);
  CHECK(status->registry_count == 2);
  CHECK_FALSE(decode_docker_status(*document.parse(R"({"allow_all":1,"registry_count":2})")));
}

TEST_CASE_METHOD(Fixture, "nothing can be stored or erased") {
  const auto operation = GENERATE("store", "erase");
  CHECK(member(ask(fmt::format(R"({{"operation":"{}"}})", operation)), "code") == "READ_ONLY");
}

TEST_CASE_METHOD(Fixture, "a ping asks for the time that a helper has, and a person where one may be asked") {
  CHECK(ask(R"({"operation":"ping"})") == R"({"status":"ok","request_timeout_ms":5000})");
  gate.waits = true;
  CHECK(ask(R"({"operation":"ping"})") == R"({"status":"ok","request_timeout_ms":30000})");
}

TEST_CASE_METHOD(Fixture, "any other request is refused") {
  CHECK(member(ask(R"({"operation":"fetch"})"), "error") == "unknown operation: fetch");
  CHECK(member(ask(R"({"operation":5})"), "error") == "invalid payload");
  CHECK(member(ask("null"), "code") == "INTERNAL_ERROR");
}

TEST_CASE("without an audit log nothing is handed out") {
  Fixture fixture;
  fixture.audit = AuditLog("/proc/nowhere/audit.log");
  const std::string answer = fixture.get("ghcr.io");
  CHECK(member(answer, "reason_code") == "AUDIT_UNAVAILABLE");
  CHECK_THAT(answer, !Catch::Contains("hunter2"));
}

}  // namespace shed::broker
