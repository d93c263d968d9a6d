// Rules and offer in force: what a guest gets signed, with requests of real clients for one.example and
// two.example. The policy denies; whoever gets a signature has it by a rule.
#include "host_config_testing.h"
#include "shed/broker/ssh_handler.h"
#include "shed/broker/ssh_payload.h"
#include "ssh_fixture.h"
#include "unit/ssh/captured_data.h"

namespace shed::broker {
namespace {

using namespace testing;

struct Access {
  // What stands below `ssh:`.
  explicit Access(std::string_view yaml)
      : access(config_of(fmt::format("ssh:\n  {}\n", yaml)).ssh_access),
        subjects(loop, {known_hosts}, access.rules.host_names()),
        handler(loop.clock(), backend, gate, audit, subjects, {"", 25s}, access) {
    write_to_file(known_hosts, captured.text("known_hosts"));
    gate.decision.approved = false;
    gate.decision.method = "deny-all";
    gate.decision.reason_code = "POLICY_DENIED";
  }

  std::string ask(std::string_view payload) {
    return loop.block_on(
        handler.handle({"0197-a", "ssh-agent", std::string(payload), {"web", "vz", "mini2"}}));
  }
  std::string sign(const ssh::SignRequest& request) { return ask(encode_sign_payload(request)); }
  // Whether a signature was made, by nothing but a rule.
  bool signs(const ssh::SignRequest& request) {
    const auto before = backend.signs.size();
    const std::string answer = sign(request);
    CHECK((member(answer, "format") == "ssh-ed25519") == (backend.signs.size() == before + 1));
    return backend.signs.size() > before;
  }
  bool signs(std::string_view name) { return signs(captured.request(name)); }
  // Fields of the last record.
  std::string recorded(std::string_view field) const {
    const std::string lines = text_of_file(audit.path());
    const auto last = lines.rfind('\n', lines.size() - 2);
    return member(std::string_view(lines).substr(last == lines.npos ? 0 : last + 1), field);
  }

  async::Loop loop;
  net::TemporaryFolder folder;
  LogLines log;
  ssh::test::CapturedData captured;
  std::string known_hosts = folder / "known_hosts";
  FakeBackend backend{loop};
  FakeGate gate{loop};
  AuditLog audit{folder / "audit.log"};
  SshAccess access;
  SubjectReader subjects;
  SshHandler handler;
};

constexpr std::string_view kAllowOne = "rules: [{ destination: one.example, action: allow }]";

TEST_CASE("a rule allows a login, and the record says which") {
  Access it(kAllowOne);
  CHECK(it.signs("hostbound"));
  CHECK(it.recorded("result") == "ok");
  CHECK(it.recorded("approval") == "none");
  CHECK(it.recorded("rule") == "1 (line 2)");
  CHECK(it.recorded("subject") == "login root@one.example");
  CHECK(it.recorded("proof") == "verified");
  CHECK(it.gate.questions.empty());
}

TEST_CASE("where no rule acts the policy decides") {
  Access it(kAllowOne);
  CHECK_FALSE(it.signs("hostbound to two"));
  CHECK(it.recorded("code") == "POLICY_DENIED");
  CHECK(it.recorded("approval") == "deny-all");
  CHECK(it.recorded("rule").empty());
  CHECK(it.gate.questions.size() == 1);
  it.gate.decision.approved = true;
  CHECK(it.signs("hostbound to two"));
}

TEST_CASE("a rule denies whatever the policy is, and says why") {
  Access it("rules: [{ destination: one.example, user: root, action: deny }]");
  it.gate.decision.approved = true;
  const std::string answer = it.sign(it.captured.request("hostbound"));
  constexpr std::string_view kReason =
      "rule 1 of ssh.rules (extensions.yaml:2) denies login root@one.example";
  CHECK(member(answer, "code") == "SIGN_FAILED");
  CHECK(member(answer, "reason_code") == "RULE_DENIED");
  CHECK(member(answer, "reason") == kReason);
  CHECK(it.recorded("result") == "denied");
  CHECK(it.recorded("code") == "RULE_DENIED");
  CHECK(it.recorded("reason") == kReason);
  CHECK(it.recorded("rule") == "1 (line 2)");
  CHECK(it.backend.signs.empty());
  CHECK(it.signs("hostbound to two"));
}

TEST_CASE("a denied destination is denied to a guest that names no host, too") {
  Access it("rules: [{ destination: one.example, action: deny }]");
  it.gate.decision.approved = true;
  ssh::SignRequest request = it.captured.request("plain");
  request.binds.clear();
  CHECK_FALSE(it.signs(request));
  CHECK_THAT(it.recorded("reason"), Catch::Contains("is not proven, so it could be one.example"));
}

TEST_CASE("a rule that asks has a person asked, whatever the policy is") {
  Access it("rules: [{ sshsig_namespace: git, action: ask }]");
  it.gate.decision.approved = true;
  it.gate.answer.reason_code = "APPROVAL_DENIED";
  it.gate.answer.method = "shed-desktop";
  CHECK_FALSE(it.signs("git commit"));
  CHECK(it.recorded("code") == "APPROVAL_DENIED");
  CHECK(it.recorded("rule") == "1 (line 2)");
  REQUIRE(it.gate.asked_by_rule.size() == 1);
  CHECK(it.gate.asked_by_rule[0].subject == "git commit");
  it.gate.answer.approved = true;
  CHECK(it.signs("git commit"));
  CHECK(it.recorded("approval") == "shed-desktop");
  CHECK(it.recorded("rule") == "1 (line 2)");
  CHECK(it.gate.questions.empty());
}

TEST_CASE("a guest is told to be patient where a rule may ask") {
  Access it("rules: [{ shed: other, action: ask }]");
  CHECK(it.ask(R"({"operation":"ping"})") == R"({"status":"ok","request_timeout_ms":25000})");
  Access without(kAllowOne);
  CHECK(without.ask(R"({"operation":"ping"})") == R"({"status":"ok"})");
}

TEST_CASE("commits may be signed where logins are denied") {
  Access it("rules: [{ sshsig_namespace: git, action: allow }]");
  CHECK(it.signs("git commit"));
  CHECK_FALSE(it.signs("hostbound"));
  CHECK_FALSE(it.signs("plain"));
  CHECK_FALSE(it.signs("file"));
  CHECK_FALSE(it.signs("ssh-add -T"));
}

TEST_CASE("a destination is found behind a hashed name") {
  Access it(kAllowOne);
  write_to_file(it.known_hosts, it.captured.text("hashed_known_hosts"));
  CHECK(it.signs("hostbound"));
  CHECK_FALSE(it.signs("hostbound to two"));
}

TEST_CASE("a known_hosts file with broken lines does not keep a rule from working") {
  Access it(kAllowOne);
  write_to_file(it.known_hosts, "broken\none.example ssh-ed25519 AAAA\n|1|x|y ssh-ed25519 AAAA\n\x01\xff\n" +
                                    it.captured.text("known_hosts"));
  CHECK(it.signs("hostbound"));
  CHECK_FALSE(it.signs("hostbound to two"));
}

TEST_CASE("without known_hosts no destination is allowed by name") {
  Access it(kAllowOne);
  std::filesystem::remove(it.known_hosts);
  CHECK_FALSE(it.signs("hostbound"));
}

TEST_CASE("a revoked host key is allowed by no destination") {
  Access it(kAllowOne);
  const std::string hosts = it.captured.text("known_hosts");
  write_to_file(it.known_hosts, hosts + "@revoked * " + hosts.substr(hosts.find(' ') + 1));
  CHECK_FALSE(it.signs("hostbound"));
}

TEST_CASE("a host certificate is allowed by its authority's name") {
  Access it("rules: [{ destination: cert.example, action: allow }]");
  CHECK_FALSE(it.signs("certified host"));
  write_to_file(it.known_hosts, "@cert-authority *.example " + it.captured.text("authority") + "\n");
  CHECK(it.signs("certified host"));
}

TEST_CASE("a login through a forwarded agent is allowed by its last host") {
  Access it("rules: [{ destination: \"[two.example]:2222\", action: allow }]");
  CHECK(it.signs("forwarded"));
  Access first(kAllowOne);
  CHECK_FALSE(first.signs("forwarded"));
}

TEST_CASE("a login without a bind gets no signature for an allowed destination") {
  Access it(kAllowOne);
  for (const char* name : {"hostbound", "plain"}) {
    ssh::SignRequest request = it.captured.request(name);
    request.binds.clear();
    CHECK_FALSE(it.signs(request));
  }
}

TEST_CASE("a bind of another session gets no signature for an allowed destination") {
  Access it(kAllowOne);
  ssh::SignRequest request = it.captured.request("hostbound");
  request.binds = it.captured.request("hostbound again").binds;
  CHECK_FALSE(it.signs(request));
  CHECK(it.recorded("proof") == "claimed");
}

TEST_CASE("a bind replayed from another connection gets no signature for an allowed destination") {
  Access it(kAllowOne);
  // A login to two.example behind the genuine bind of a connection to one.example, as it was and with this
  // session's id put into it.
  ssh::SignRequest request = it.captured.request("plain");
  const ssh::SessionBind own = request.binds.back();
  request.binds = it.captured.request("hostbound").binds;
  CHECK_FALSE(it.signs(request));
  request.binds.back().session_id = own.session_id;
  CHECK_FALSE(it.signs(request));
  CHECK(it.recorded("proof") == "claimed");
}

TEST_CASE("a bind with a signature that is not the host's gets no signature") {
  Access it(kAllowOne);
  ssh::SignRequest request = it.captured.request("hostbound");
  request.binds.back().signature.back() = static_cast<char>(request.binds.back().signature.back() ^ 1);
  CHECK_FALSE(it.signs(request));
  // The bind of a host that the guest runs itself, with the name of the other one in the data.
  request = it.captured.request("hostbound");
  request.binds = it.captured.request("hostbound to two").binds;
  request.binds.back().session_id = it.captured.request("hostbound").binds.back().session_id;
  CHECK_FALSE(it.signs(request));
}

TEST_CASE("signed data crafted to look like another host gets no signature") {
  Access it(kAllowOne);
  // One host key in the data for another one, and so another host than the one that is bound.
  ssh::SignRequest request = it.captured.request("hostbound to two");
  const std::string one = it.captured.host_key("hostbound"), two = it.captured.host_key("hostbound to two");
  REQUIRE(one.size() == two.size());
  const auto at = request.data.rfind(two);
  REQUIRE(at != std::string::npos);
  request.data.replace(at, two.size(), one);
  CHECK_FALSE(it.signs(request));
  CHECK(it.recorded("subject") == "login root@one.example");
  CHECK(it.recorded("proof") == "claimed");
}

TEST_CASE("signed data with trailing bytes gets no signature for an allowed destination") {
  Access it(kAllowOne);
  for (const std::string& tail :
       {std::string(1, '\0'), std::string("x"), it.captured.host_key("hostbound")}) {
    ssh::SignRequest request = it.captured.request("hostbound");
    request.data += tail;
    CHECK_FALSE(it.signs(request));
    request = it.captured.request("plain");
    request.data += tail;
    CHECK_FALSE(it.signs(request));
  }
}

TEST_CASE("signed data with wrong lengths gets no signature for an allowed destination") {
  Access it(kAllowOne);
  const ssh::SignRequest good = it.captured.request("hostbound");
  // The first length, the last one, and every cut.
  for (const std::size_t at : {std::size_t{3}, good.data.rfind(good.binds.back().host_key) - 1}) {
    for (const int change : {-1, 1, 127}) {
      ssh::SignRequest request = good;
      request.data[at] = static_cast<char>(request.data[at] + change);
      CHECK_FALSE(it.signs(request));
    }
  }
  for (std::size_t size = 1; size < good.data.size(); size += 7) {
    ssh::SignRequest request = good;
    request.data.resize(size);
    CHECK_FALSE(it.signs(request));
  }
}

TEST_CASE("every allowed destination is proven, whatever combination of data and binds is sent") {
  Access it(kAllowOne);
  for (const std::string& data : it.captured.names()) {
    for (const std::string& binds : it.captured.names()) {
      ssh::SignRequest request = it.captured.request(data);
      request.binds = it.captured.request(binds).binds;
      if (it.signs(request)) {
        CHECK(it.recorded("subject") == "login root@one.example");
        CHECK(it.recorded("proof") == "verified");
      }
    }
  }
}

TEST_CASE("only the keys that are offered are listed") {
  const std::string other = key_blob("ssh-ed25519", 'o');
  Access it(fmt::format("offer: [\"{}\"]", ssh::fingerprint(ed25519())));
  it.backend.identities = std::vector<ssh::Identity>{{other, "other"}, {ed25519(), "mine"}};
  CHECK(it.ask(R"({"operation":"list"})") ==
        fmt::format(R"({{"keys":[{{"format":"ssh-ed25519","blob":"{}","comment":"mine"}}]}})",
                    base64_encode(ed25519())));
  CHECK(it.recorded("detail") == "1 keys");
  CHECK_THAT(it.ask(R"({"operation":"status"})"), Catch::Contains(":1"));
}

TEST_CASE("a key that is not offered signs nothing, and no one is asked") {
  Access it(fmt::format("offer: [\"{}\"]\n  rules: [{{ action: allow }}]", ssh::fingerprint(ed25519())));
  const std::string answer = it.sign({key_blob("ssh-ed25519", 'o'), "data", 0, {}});
  CHECK(answer == R"({"error":"key not found","code":"KEY_NOT_FOUND","reason_code":"KEY_NOT_OFFERED",)"
                  R"("reason":"the key is not in ssh.offer"})");
  CHECK(it.recorded("result") == "denied");
  CHECK(it.recorded("code") == "KEY_NOT_OFFERED");
  CHECK(it.backend.signs.empty());
  CHECK(it.backend.lists.empty());
  CHECK(it.gate.questions.empty());
  CHECK(it.signs({ed25519(), "data", 0, {}}));
}

TEST_CASE("an empty offer lists no key and signs nothing") {
  Access it("offer: []");
  it.backend.identities = std::vector<ssh::Identity>{{ed25519(), "mine"}};
  CHECK(it.ask(R"({"operation":"list"})") == R"({"keys":[]})");
  CHECK_FALSE(it.signs({ed25519(), "data", 0, {}}));
}

TEST_CASE("an offer without a key is told at the first listing, once") {
  const std::string missing = ssh::fingerprint(key_blob("ssh-ed25519", 'm'));
  Access it(fmt::format("offer: [\"{}\", \"{}\"]", ssh::fingerprint(ed25519()), missing));
  it.backend.identities = std::vector<ssh::Identity>{{ed25519(), "mine"}};
  it.ask(R"({"operation":"list"})");
  it.ask(R"({"operation":"list"})");
  CHECK(it.log.count("warning: ssh.offer: " + missing + " is the fingerprint of no key that is there now") ==
        1);
  CHECK(it.log.count("ssh.offer") == 1);
}

TEST_CASE("a certificate goes by the fingerprint of the key in it, in rules and in the offer") {
  const ssh::test::CapturedData captured;
  const std::string certificate = captured.host_key("certified host");
  const std::string key = ssh::fingerprint(ssh::plain_key_blob(certificate));
  Access it(fmt::format("offer: [\"{0}\"]\n  rules: [{{ key: \"{0}\", action: allow }}]", key));
  CHECK(ssh::fingerprint(certificate) != key);
  CHECK(it.signs({certificate, "data", 0, {}}));
  Access other(fmt::format("rules: [{{ key: \"{}\", action: allow }}]", ssh::fingerprint(certificate)));
  CHECK_FALSE(other.signs({certificate, "data", 0, {}}));
}

}  // namespace
}  // namespace shed::broker
