#include "shed/broker/grants.h"

#include "ssh_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

AskedFor login(std::string_view shed = "web") {
  return {Namespace::kSsh,        "sign",    "mini2", std::string(shed), "SHA256:key",
          "login git@github.com", "verified"};
}

struct Fixture {
  FakeClock clock;
  LogLines log;
  Grants grants{clock};
  bool covers(const AskedFor& asked) { return grants.use(asked) != nullptr; }
};

TEST_CASE("a session is the same guest at the same thing") {
  Fixture fixture;
  fixture.grants.add(login(), Scope::kPerSession, 1h, "me");
  CHECK(fixture.covers(login()));
  const auto differing = GENERATE(&AskedFor::op, &AskedFor::server, &AskedFor::shed, &AskedFor::object,
                                  &AskedFor::subject, &AskedFor::proof);
  AskedFor other = login();
  other.*differing = "other";
  CHECK_FALSE(fixture.covers(other));
  other = login();
  other.ns = Namespace::kAws;
  CHECK_FALSE(fixture.covers(other));
}

TEST_CASE("a shed is the guest with that key, whatever is signed") {
  Fixture fixture;
  fixture.grants.add(login(), Scope::kPerShed, 1h, "me");
  AskedFor other = login();
  other.subject = "git commit";
  other.proof.clear();
  CHECK(fixture.covers(other));
  const auto differing = GENERATE(&AskedFor::op, &AskedFor::server, &AskedFor::shed, &AskedFor::object);
  other.*differing = "other";
  CHECK_FALSE(fixture.covers(other));
  other = login();
  other.ns = Namespace::kDocker;
  CHECK_FALSE(fixture.covers(other));
}

TEST_CASE("what cannot be recognised when it comes again has no session") {
  const auto [subject, proof, scope] = GENERATE(table<std::string, std::string, Scope>({
      {"login git@github.com", "verified", Scope::kPerSession},
      {"login git@github.com", "claimed", Scope::kPerRequest},
      {"login git", "", Scope::kPerRequest},
      {"opaque", "", Scope::kPerRequest},
      {"opaque (1,024 bytes, as ssh-add -T asks for)", "", Scope::kPerRequest},
      {"", "", Scope::kPerRequest},
      {"git commit", "", Scope::kPerSession},
      {"file signature (namespace x)", "", Scope::kPerSession},
  }));
  CAPTURE(subject, proof);
  AskedFor asked = login();
  asked.subject = subject;
  asked.proof = proof;
  CHECK(Grants::scope_for(asked, Scope::kPerSession) == scope);
  CHECK(Grants::scope_for(asked, Scope::kPerShed) == Scope::kPerShed);
  CHECK(Grants::scope_for(asked, Scope::kPerRequest) == Scope::kPerRequest);
}

TEST_CASE("text that is too long to be shown whole is not remembered") {
  AskedFor asked = login();
  asked.subject += std::string(Grants::kShownWhole, 'x');
  CHECK(Grants::scope_for(asked, Scope::kPerShed) == Scope::kPerRequest);
  asked = login();
  asked.object.clear();
  CHECK(Grants::scope_for(asked, Scope::kPerShed) == Scope::kPerRequest);
}

TEST_CASE("roles and registries are what is granted of the others") {
  ApprovalQuestion question;
  question.ns = Namespace::kAws;
  question.detail = "AWS credentials request";
  question.subject = "arn:aws:iam::1:role/a";
  CHECK(asked_for(question).object == "arn:aws:iam::1:role/a");
  question.ns = Namespace::kDocker;
  question.detail = "ghcr.io";
  question.subject.clear();
  CHECK(asked_for(question).object == "ghcr.io");
  CHECK(Grants::scope_for(asked_for(question), Scope::kPerSession) == Scope::kPerSession);
}

TEST_CASE("a grant ends after its time") {
  Fixture fixture;
  fixture.grants.add(login(), Scope::kPerSession, 1h, "me");
  fixture.clock.advance(1h - 1ms);
  CHECK(fixture.covers(login()));
  CHECK(fixture.grants.size() == 1);
  fixture.clock.advance(1ms);
  CHECK(fixture.grants.size() == 0);
  CHECK_FALSE(fixture.covers(login()));
}

TEST_CASE("a grant ends by the clock that goes on while the machine sleeps") {
  Fixture fixture;
  fixture.grants.add(login(), Scope::kPerSession, 1h, "me");
  fixture.clock.set_wall(fixture.clock.wall() + 2h);
  CHECK_FALSE(fixture.covers(login()));
}

TEST_CASE("a clock that is set back gives a grant no more time") {
  Fixture fixture;
  fixture.grants.add(login(), Scope::kPerSession, 1h, "me");
  fixture.clock.set_wall(fixture.clock.wall() - 24h);
  fixture.clock.advance(1h);
  CHECK_FALSE(fixture.covers(login()));
}

TEST_CASE("a grant is revoked by its id, and no other is") {
  Fixture fixture;
  fixture.grants.add(login(), Scope::kPerSession, 1h, "me");
  fixture.grants.add(login("api"), Scope::kPerSession, 1h, "me");
  CHECK_FALSE(fixture.grants.revoke("none"));
  CHECK(fixture.grants.revoke(std::string(fixture.grants.list().at(0).id)));
  CHECK_FALSE(fixture.covers(login()));
  CHECK(fixture.covers(login("api")));
  CHECK(fixture.log.count("1 grant has ended: revoked") == 1);
}

TEST_CASE("one guest's grants end together, on one server or on all") {
  Fixture fixture;
  AskedFor elsewhere = login();
  elsewhere.server = "other";
  fixture.grants.add(login(), Scope::kPerSession, 1h, "me");
  fixture.grants.add(elsewhere, Scope::kPerSession, 1h, "me");
  fixture.grants.add(login("api"), Scope::kPerSession, 1h, "me");
  CHECK(fixture.grants.end_guest("other", "web", "revoked") == 1);
  CHECK(fixture.covers(login()));
  CHECK(fixture.grants.end_guest("", "web", "revoked") == 1);
  CHECK_FALSE(fixture.covers(login()));
  CHECK(fixture.covers(login("api")));
}

TEST_CASE("the grants of all guests on one server end together, and on no other one") {
  Fixture fixture;
  AskedFor elsewhere = login();
  elsewhere.server = "other";
  fixture.grants.add(login(), Scope::kPerSession, 1h, "me");
  fixture.grants.add(elsewhere, Scope::kPerSession, 1h, "me");
  CHECK(fixture.grants.end_guest("other", "", "revoked") == 1);
  CHECK(fixture.covers(login()));
  CHECK(fixture.grants.end_guest("", "", "revoked") == 1);
}

TEST_CASE("a locked screen ends every grant") {
  Fixture fixture;
  fixture.grants.add(login(), Scope::kPerSession, 1h, "me");
  fixture.grants.add(login("api"), Scope::kPerShed, 1h, "me");
  CHECK(fixture.grants.end_all("the screen was locked") == 2);
  CHECK(fixture.grants.size() == 0);
  CHECK(fixture.log.count("2 grants have ended: the screen was locked") == 1);
}

TEST_CASE("at the bound the oldest grant makes room") {
  Fixture fixture;
  for (std::size_t i = 0; i <= Grants::kMost; ++i) {
    fixture.grants.add(login(fmt::format("web{}", i)), Scope::kPerSession, 1h, "me");
  }
  CHECK(fixture.grants.size() == Grants::kMost);
  CHECK_FALSE(fixture.covers(login("web0")));
  CHECK(fixture.covers(login("web1")));
}

TEST_CASE("the same yes again takes the place of the first") {
  Fixture fixture;
  fixture.grants.add(login(), Scope::kPerSession, 1h, "me");
  fixture.clock.advance(30min);
  fixture.grants.add(login(), Scope::kPerSession, 1h, "me");
  CHECK(fixture.grants.size() == 1);
  fixture.clock.advance(45min);
  CHECK(fixture.covers(login()));
  CHECK(fixture.grants.list().at(0).uses == 1);
}

}  // namespace
}  // namespace shed::broker
