#include "shed/broker/ssh_handler.h"

#include "handler_fixture.h"
#include "unit/ssh/captured_data.h"

namespace shed::broker {
namespace {

using namespace testing;

constexpr std::string_view kPing = R"({"operation":"ping"})";
constexpr std::string_view kList = R"({"operation":"list"})";
constexpr std::string_view kStatus = R"({"operation":"status"})";
constexpr std::string_view kPatientPing = R"({"status":"ok","request_timeout_ms":25000})";

TEST_CASE("a ping is answered and not recorded") {
  HandlerFixture fixture;
  CHECK(fixture.ask(kPing) == R"({"status":"ok"})");
  CHECK(fixture.records().empty());
  CHECK(fixture.backend.lists.empty());
}

TEST_CASE("a guest is told to be patient where the gate may wait for a person") {
  HandlerFixture fixture;
  fixture.gate.waits = true;
  CHECK(fixture.ask(kPing) == kPatientPing);
}

TEST_CASE("a guest is told to be patient while there is a key that a person has to touch") {
  HandlerFixture fixture;
  fixture.backend.identities = std::vector<ssh::Identity>{{ed25519(), ""}};
  fixture.ask(kList);
  CHECK(fixture.ask(kPing) == R"({"status":"ok"})");
  fixture.backend.identities = std::vector<ssh::Identity>{{security_key(), ""}, {ed25519(), ""}};
  fixture.ask(kList);
  CHECK(fixture.ask(kPing) == kPatientPing);
  fixture.backend.identities = std::vector<ssh::Identity>{};
  fixture.ask(kList);
  CHECK(fixture.ask(kPing) == R"({"status":"ok"})");
}

TEST_CASE("a list is answered with the keys and recorded with their number") {
  HandlerFixture fixture;
  fixture.backend.identities = std::vector<ssh::Identity>{{ed25519(), "me@home"}, {security_key(), ""}};
  CHECK(fixture.ask(kList) ==
        fmt::format(R"({{"keys":[{{"format":"ssh-ed25519","blob":"{}","comment":"me@home"}},)"
                    R"({{"format":"sk-ssh-ed25519@openssh.com","blob":"{}","comment":""}}]}})",
                    base64_encode(ed25519()), base64_encode(security_key())));
  CHECK(fixture.last_record() ==
        R"({"ts":"2026-03-31T15:04:05Z","server":"mini2","shed":"web","ns":"ssh-agent","op":"list",)"
        R"("result":"ok","detail":"2 keys","approval":"none","request_id":"0197-a","duration_us":0})");
}

TEST_CASE("no keys is an empty list") {
  HandlerFixture fixture;
  CHECK(fixture.ask(kList) == R"({"keys":[]})");
  CHECK(member(fixture.last_record(), "detail") == "0 keys");
}

TEST_CASE("a list that fails has the known text, and its cause is for the operator") {
  HandlerFixture fixture;
  fixture.backend.identities = fail(Errc::kUnavailable, "connect to /run/agent.sock: no such file");
  CHECK(fixture.ask(kList) == R"({"error":"key listing failed","code":"INTERNAL_ERROR"})");
  CHECK(member(fixture.last_record(), "result") == "error");
  CHECK(member(fixture.last_record(), "code") == "INTERNAL_ERROR");
  CHECK(member(fixture.last_record(), "reason") == "connect to /run/agent.sock: no such file");
  CHECK(fixture.log.count("list for web: connect to /run/agent.sock: no such file") == 1);
}

TEST_CASE("a signature is answered and recorded with its key") {
  HandlerFixture fixture;
  CHECK(fixture.ask(sign_payload_for(ed25519())) ==
        fmt::format(R"({{"format":"ssh-ed25519","blob":"{}","rest":""}})",
                    base64_encode(std::string(64, 's'))));
  CHECK(fixture.last_record() ==
        fmt::format(R"({{"ts":"2026-03-31T15:04:05Z","server":"mini2","shed":"web","ns":"ssh-agent",)"
                    R"("op":"sign","result":"ok","detail":"ssh-ed25519","approval":"approve-all",)"
                    R"("key":"{}","subject":"opaque","request_id":"0197-a","duration_us":0}})",
                    ssh::fingerprint(ed25519())));
  CHECK(fixture.log.lines.empty());
}

TEST_CASE("key, data and flags reach the backend as they came") {
  HandlerFixture fixture;
  fixture.ask(sign_payload_for(ed25519(), 4));
  REQUIRE(fixture.backend.signs.size() == 1);
  CHECK(fixture.backend.signs[0].key_blob == ed25519());
  CHECK(fixture.backend.signs[0].data == "data");
  CHECK(fixture.backend.signs[0].flags == 4);
  CHECK(fixture.backend.signs[0].binds.empty());
}

TEST_CASE("binds reach the backend in their order, of a list and of a sign request") {
  HandlerFixture fixture;
  const std::vector<ssh::SessionBind> binds{make_bind(1), make_bind(2, false)};
  fixture.ask(sign_payload_for(ed25519(), 0, binds));
  fixture.ask(encode_list_payload(binds));
  REQUIRE(fixture.backend.signs.size() == 1);
  CHECK(fixture.backend.signs[0].binds == binds);
  REQUIRE(fixture.backend.lists.size() == 1);
  CHECK(fixture.backend.lists[0] == binds);
}

TEST_CASE("flags and counter of a security key go along") {
  HandlerFixture fixture;
  fixture.backend.signature =
      ssh::Signature{"sk-ssh-ed25519@openssh.com", std::string(64, 's'), std::string("\1\0\0\0\7", 5)};
  CHECK(member(fixture.ask(sign_payload_for(security_key())), "rest") == "AQAAAAc=");
  CHECK(member(fixture.last_record(), "detail") == "sk-ssh-ed25519@openssh.com");
}

TEST_CASE("a key that is not there is KEY_NOT_FOUND") {
  HandlerFixture fixture;
  fixture.backend.signature = fail(Errc::kNotFound, "the agent has no such key");
  CHECK(fixture.ask(sign_payload_for(ed25519())) == R"({"error":"key not found","code":"KEY_NOT_FOUND"})");
  CHECK(member(fixture.last_record(), "result") == "error");
  CHECK(member(fixture.last_record(), "code") == "KEY_NOT_FOUND");
  CHECK(member(fixture.last_record(), "reason") == "the agent has no such key");
}

TEST_CASE("any other failure to sign is SIGN_FAILED, and its cause is for the operator") {
  HandlerFixture fixture;
  fixture.backend.signature =
      fail(GENERATE(Errc::kRefused, Errc::kTimeout, Errc::kProtocol, Errc::kInternal), "the person said no");
  CHECK(fixture.ask(sign_payload_for(ed25519())) ==
        R"({"error":"sign operation failed","code":"SIGN_FAILED"})");
  CHECK(member(fixture.last_record(), "result") == "error");
  CHECK(member(fixture.last_record(), "approval") == "approve-all");
  CHECK(member(fixture.last_record(), "reason") == "the person said no");
  CHECK(fixture.log.count("for web: the person said no") == 1);
}

TEST_CASE("the gate is asked with what is known") {
  HandlerFixture fixture;
  fixture.ask(sign_payload_for(ed25519()));
  REQUIRE(fixture.gate.questions.size() == 1);
  const ApprovalQuestion& question = fixture.gate.questions[0];
  CHECK(question.ns == Namespace::kSsh);
  CHECK(question.op == "sign");
  CHECK(question.server == "mini2");
  CHECK(question.shed == "web");
  CHECK(question.detail == "SSH sign request");
  CHECK(question.key == ssh::fingerprint(ed25519()));
}

TEST_CASE("a list asks nobody") {
  HandlerFixture fixture;
  fixture.ask(kList);
  CHECK(fixture.gate.questions.empty());
}

TEST_CASE("what a decision says goes into the record") {
  HandlerFixture fixture;
  fixture.gate.decision.method = "touchid";
  fixture.gate.decision.decided_by = "somebody";
  fixture.gate.decision.scope = "per-session";
  fixture.gate.decision.ttl = "4h";
  fixture.ask(sign_payload_for(ed25519()));
  CHECK_THAT(
      fixture.last_record(),
      Catch::Contains(R"("approval":"touchid","decided_by":"somebody","scope":"per-session","ttl":"4h",)"));
}

TEST_CASE("a login is recorded with user and host, and how sure the host is, also when it is denied") {
  HandlerFixture fixture;
  fixture.gate.decision.approved = GENERATE(true, false);
  const ssh::test::CapturedData captured;
  write_to_file(fixture.folder / "known_hosts", captured.text("known_hosts"));
  const auto sign = [&](const ssh::SignRequest& request) {
    const std::string payload = encode_sign_payload(request);
    fixture.loop.block_on(fixture.handler.handle({"0197-a", "ssh-agent", payload, {"web", "vz", "mini2"}}));
    return fixture.last_record();
  };
  ssh::SignRequest request = captured.request("hostbound");
  CHECK_THAT(sign(request),
             Catch::Contains(R"(","subject":"login root@one.example","proof":"verified","request_id":")"));
  request.binds.clear();
  CHECK(member(sign(request), "proof") == "claimed");
  const std::string commit = sign(captured.request("git commit"));
  CHECK(member(commit, "subject") == "git commit");
  CHECK(commit.find("proof") == std::string::npos);
}

TEST_CASE("a request that was denied reaches no key") {
  HandlerFixture fixture;
  fixture.gate.decision = {false, "shed-desktop", "somebody", "", "", "not now", "APPROVAL_DENIED"};
  CHECK(
      fixture.ask(sign_payload_for(ed25519())) ==
      R"({"error":"approval denied","code":"SIGN_FAILED","reason_code":"APPROVAL_DENIED","reason":"not now"})");
  CHECK(fixture.backend.signs.empty());
  CHECK(fixture.last_record() ==
        fmt::format(R"({{"ts":"2026-03-31T15:04:05Z","server":"mini2","shed":"web","ns":"ssh-agent",)"
                    R"("op":"sign","result":"denied","detail":"ssh-ed25519","code":"APPROVAL_DENIED",)"
                    R"("reason":"not now","approval":"shed-desktop","decided_by":"somebody",)"
                    R"("key":"{}","subject":"opaque","request_id":"0197-a","duration_us":0}})",
                    ssh::fingerprint(ed25519())));
  CHECK(fixture.log.count("for web: denied: not now") == 1);
}

TEST_CASE("a policy that was left out denies, and record and guest get the line to add") {
  HandlerFixture fixture;
  PolicyGate gate({}, {}, {});
  SshHandler handler(fixture.clock, fixture.backend, gate, fixture.audit, fixture.subjects, {});
  net::Running<std::string> answer(
      fixture.loop, handler.handle({"1", "ssh-agent", sign_payload_for(ed25519()), {"web", "vz", ""}}));
  CHECK(member(*answer, "error") == "approval denied");
  CHECK(member(*answer, "code") == "SIGN_FAILED");
  CHECK(member(*answer, "reason_code") == "POLICY_DENIED");
  CHECK(member(*answer, "reason") == omitted_policy_reason(Namespace::kSsh));
  CHECK(member(fixture.last_record(), "result") == "denied");
  CHECK(member(fixture.last_record(), "approval") == "deny-all");
  CHECK(member(fixture.last_record(), "code") == "POLICY_DENIED");
  CHECK(member(fixture.last_record(), "reason") == omitted_policy_reason(Namespace::kSsh));
  CHECK(fixture.backend.signs.empty());
}

TEST_CASE("the status tells mode and number of keys, and is not recorded") {
  HandlerFixture fixture;
  fixture.backend.identities = std::vector<ssh::Identity>{{ed25519(), ""}};
  CHECK(fixture.ask(kStatus) == R"({"connected":true,"mode":"agent-forward","key_count":1})");
  CHECK(fixture.records().empty());
  fixture.backend.identities = fail(Errc::kUnavailable, "gone");
  CHECK(fixture.ask(kStatus) == R"({"error":"key listing failed","code":"INTERNAL_ERROR"})");
}

TEST_CASE("an operation that is not known is refused by name") {
  HandlerFixture fixture;
  CHECK(fixture.ask(R"({"operation":"delete"})") ==
        R"({"error":"unknown operation: delete","code":"INTERNAL_ERROR"})");
  CHECK(fixture.ask(R"({"operation":""})") == R"({"error":"unknown operation: ","code":"INTERNAL_ERROR"})");
  CHECK(fixture.ask(R"({"operation":"Sign"})") ==
        R"({"error":"unknown operation: Sign","code":"INTERNAL_ERROR"})");
}

TEST_CASE("a payload without an operation that can be read is an invalid payload") {
  HandlerFixture fixture;
  const std::string payload =
      GENERATE(as<std::string>{}, "", "null", "[]", "{}", "\"sign\"", "not json", R"({"operation":7})",
               R"({"operation":null})", R"({"operation":["sign"]})");
  CHECK(fixture.ask(payload) == R"({"error":"invalid payload","code":"INTERNAL_ERROR"})");
}

TEST_CASE("a sign request that is malformed is refused and recorded, and nobody is asked") {
  HandlerFixture fixture;
  CHECK(fixture.ask(R"({"operation":"sign","public_key":"*","data":""})") ==
        R"({"error":"invalid public key encoding","code":"INTERNAL_ERROR"})");
  CHECK(member(fixture.last_record(), "result") == "error");
  CHECK(member(fixture.last_record(), "approval") == "none");
  CHECK(fixture.ask(R"({"operation":"sign","public_key":"AAAA","data":""})") ==
        R"({"error":"invalid public key","code":"KEY_NOT_FOUND"})");
  CHECK(member(fixture.last_record(), "code") == "KEY_NOT_FOUND");
  CHECK(fixture.ask(fmt::format(R"({{"operation":"sign","public_key":"{}","data":"*"}})",
                                base64_encode(ed25519()))) ==
        R"({"error":"invalid challenge data encoding","code":"INTERNAL_ERROR"})");
  CHECK(fixture.records().size() == 3);
  CHECK(fixture.gate.questions.empty());
  CHECK(fixture.backend.signs.empty());
}

TEST_CASE("a list with a malformed bind is refused and recorded") {
  HandlerFixture fixture;
  CHECK(fixture.ask(R"({"operation":"list","session_binds":[{}]})") ==
        R"({"error":"invalid session bind","code":"INTERNAL_ERROR"})");
  CHECK(member(fixture.last_record(), "op") == "list");
  CHECK(member(fixture.last_record(), "result") == "error");
  CHECK(fixture.backend.lists.empty());
}

TEST_CASE("the owner's name for a connection counts, whatever the bus behind it says") {
  HandlerFixture fixture;
  SshHandler handler(fixture.clock, fixture.backend, fixture.gate, fixture.audit, fixture.subjects,
                     {"mini1", 25s});
  net::Running<std::string> answer(
      fixture.loop, handler.handle({"0197-a", "ssh-agent", std::string(kList), {"web", "vz", "mini2"}}));
  REQUIRE(answer.done());
  CHECK(member(fixture.last_record(), "server") == "mini1");
}

TEST_CASE("a slow signature delays no other request, and its record has the time it took") {
  HandlerFixture fixture;
  async::Event open(fixture.loop);
  open.set();
  fixture.backend.list_gate = &open;
  fixture.backend.gate.reset();
  auto slow = fixture.start(sign_payload_for(ed25519()));
  CHECK_FALSE(slow.done());
  CHECK(fixture.ask(kList) == R"({"keys":[]})");
  CHECK(fixture.ask(kPing) == R"({"status":"ok"})");
  fixture.clock.advance(1'500ms);
  fixture.backend.gate.set();
  CHECK(member(*slow, "format") == "ssh-ed25519");
  CHECK(fixture.records().size() == 2);
  CHECK_THAT(fixture.last_record(), Catch::Contains(R"("ts":"2026-03-31T15:04:06Z")"));
  CHECK_THAT(fixture.last_record(), Catch::Contains(R"("duration_us":1500000)"));
}

TEST_CASE("a decision that takes its time delays no other") {
  HandlerFixture fixture;
  fixture.gate.gate.reset();
  auto first = fixture.start(sign_payload_for(ed25519()));
  auto second = fixture.start(sign_payload_for(security_key()));
  CHECK(fixture.gate.questions.size() == 2);
  CHECK(fixture.backend.signs.empty());
  fixture.gate.gate.set();
  CHECK(first.done());
  CHECK(second.done());
}

TEST_CASE("what cannot be recorded is refused, and the operator is told") {
  const net::TemporaryFolder folder;
  const std::string below_a_file = folder / "file/audit.log";
  write_to_file(folder / "file", "not a folder");
  HandlerFixture fixture(GENERATE_COPY(as<std::string>{}, below_a_file, "/dev/full"));
  const std::string signature = fixture.ask(sign_payload_for(ed25519()));
  CHECK(signature == R"({"error":"the host's audit log cannot be written","code":"SIGN_FAILED",)"
                     R"("reason_code":"AUDIT_UNAVAILABLE","reason":"the host agent's log has the cause",)"
                     R"("retryable":true})");
  CHECK(fixture.ask(kList) ==
        R"({"error":"the host's audit log cannot be written","code":"INTERNAL_ERROR",)"
        R"("reason_code":"AUDIT_UNAVAILABLE","reason":"the host agent's log has the cause",)"
        R"("retryable":true})");
  CHECK(fixture.log.count("error: audit log: ") == 2);
  CHECK(fixture.log.count("sign for web is refused until it can be written") == 1);
  CHECK(fixture.log.count("list for web is refused until it can be written") == 1);
}

TEST_CASE("a log that works again lets requests through again") {
  HandlerFixture fixture;
  write_to_file(fixture.folder / "log", "in the way");
  CHECK(member(fixture.ask(kList), "reason_code") == "AUDIT_UNAVAILABLE");
  std::filesystem::remove(fixture.folder / "log");
  CHECK(fixture.ask(kList) == R"({"keys":[]})");
  CHECK(fixture.records().size() == 1);
}

TEST_CASE("without a log requests are answered") {
  HandlerFixture fixture;
  AuditLog none("");
  SshHandler handler(fixture.clock, fixture.backend, fixture.gate, none, fixture.subjects, {});
  net::Running<std::string> answer(
      fixture.loop, handler.handle({"1", "ssh-agent", sign_payload_for(ed25519()), {"web", "vz", ""}}));
  CHECK(member(*answer, "format") == "ssh-ed25519");
}

}  // namespace
}  // namespace shed::broker
