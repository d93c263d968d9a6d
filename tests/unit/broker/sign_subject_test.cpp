#include "shed/broker/sign_subject.h"

#include <future>

#include "shed/async/offload.h"
#include "ssh_fixture.h"
#include "unit/ssh/captured_data.h"

namespace shed::broker {
namespace {

using namespace testing;
using Kind = ssh::SignedData::Kind;

struct Reading {
  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  LogLines log;
  ssh::test::CapturedData captured;
  std::string known_hosts = folder / "known_hosts";
  SubjectReader reader{loop, {known_hosts}};

  SignSubject read(const ssh::SignRequest& request) { return loop.block_on(reader.read(request)); }
  // Text and proof.
  std::string told(const ssh::SignRequest& request) {
    const SignSubject subject = read(request);
    return fmt::format("{}, {}", subject.text(), subject.proof_text());
  }
  std::string told(std::string_view name) { return told(captured.request(name)); }
  std::string fingerprint(std::string_view name) const {
    return ssh::fingerprint(ssh::plain_key_blob(captured.host_key(name)));
  }
};

SignSubject login(std::string_view user, std::vector<std::string> names) {
  SignSubject subject;
  subject.data.kind = Kind::kLogin;
  subject.data.user = user;
  subject.host_key = ed25519();
  subject.host_fingerprint = ssh::fingerprint(ed25519());
  subject.names = std::move(names);
  return subject;
}

SignSubject sshsig(std::string_view name_space) {
  SignSubject subject;
  subject.data.kind = Kind::kSshsig;
  subject.data.sshsig_namespace = name_space;
  return subject;
}

TEST_CASE("a login to a host of known_hosts is told with its name, and verified") {
  Reading it;
  write_to_file(it.known_hosts, it.captured.text("known_hosts"));
  CHECK(it.told("hostbound") == "login root@one.example, verified");
  CHECK(it.told("plain") == "login root@one.example, verified");
  CHECK(it.told("hostbound to two") == "login root@[two.example]:2222, verified");
  CHECK(it.told("forwarded") == "login root@[two.example]:2222, verified");
}

TEST_CASE("a login to a host without a name is told with the key's fingerprint") {
  Reading it;
  CHECK(it.told("hostbound") == "login root@" + it.fingerprint("hostbound") + ", verified");
  // Hashed names cannot be read.
  write_to_file(it.known_hosts, it.captured.text("hashed_known_hosts"));
  CHECK(it.told("hostbound") == "login root@" + it.fingerprint("hostbound") + ", verified");
}

TEST_CASE("a host certificate is told by its name, or by the fingerprint of its key") {
  Reading it;
  CHECK(it.told("certified host") == "login root@" + it.fingerprint("certified host") + ", verified");
  write_to_file(it.known_hosts, "@cert-authority *.example " + it.captured.text("authority") + "\n");
  CHECK(it.told("certified host") == "login root@cert.example, verified");
}

TEST_CASE("a revoked host key has no name, and that is told") {
  Reading it;
  const std::string hosts = it.captured.text("known_hosts");
  write_to_file(it.known_hosts, hosts + "@revoked " + hosts.substr(0, hosts.find('\n')) + "\n");
  CHECK(it.told("hostbound") == "login root@" + it.fingerprint("hostbound") + " (revoked), verified");
}

TEST_CASE("a login without a bind is a claim, or has no host") {
  Reading it;
  write_to_file(it.known_hosts, it.captured.text("known_hosts"));
  ssh::SignRequest request = it.captured.request("hostbound");
  request.binds.clear();
  CHECK(it.told(request) == "login root@one.example, claimed");
  request = it.captured.request("plain");
  request.binds.clear();
  CHECK(it.told(request) == "login root, ");
}

TEST_CASE("a login with somebody else's bind is not verified") {
  Reading it;
  write_to_file(it.known_hosts, it.captured.text("known_hosts"));
  ssh::SignRequest request = it.captured.request("hostbound to two");
  request.binds = it.captured.request("hostbound").binds;
  CHECK(it.told(request) == "login root@[two.example]:2222, claimed");
  request = it.captured.request("plain");
  request.binds[0].signature = it.captured.request("hostbound").binds[0].signature;
  CHECK(it.told(request) == "login root@one.example, claimed");
}

TEST_CASE("a host whose name is hashed is found where it can be guessed") {
  Reading it;
  // "github.com" with a salt of 20 bytes 's'.
  write_to_file(it.known_hosts,
                fmt::format("|1|c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M=|VCjwqd0HumKi9F+atH3KogF5bcs= ssh-ed25519 {}\n",
                            base64_encode(it.captured.host_key("hostbound"))));
  CHECK(it.told("hostbound") == "login root@github.com, verified");
}

TEST_CASE("a change of the file counts for the next login") {
  Reading it;
  write_to_file(it.known_hosts, it.captured.text("known_hosts"));
  CHECK(it.told("hostbound") == "login root@one.example, verified");
  std::filesystem::remove(it.known_hosts);
  CHECK(it.told("hostbound") == "login root@" + it.fingerprint("hostbound") + ", verified");
}

TEST_CASE("files and commits are told by their namespace, without a host") {
  Reading it;
  CHECK(it.told("git commit") == "git commit, ");
  CHECK(it.told("git tag") == "git commit, ");
  CHECK(it.told("file") == "file signature (namespace file), ");
}

TEST_CASE("what is unknown is opaque, and why it is no login is told") {
  Reading it;
  CHECK(it.told("ssh-add -T") == "opaque (1,024 bytes, as ssh-add -T asks for), ");
  ssh::SignRequest request = it.captured.request("hostbound");
  request.data += '\0';
  CHECK(it.told(request) == "opaque (a malformed login), ");
  request.data = "data";
  CHECK(it.told(request) == "opaque, ");
}

TEST_CASE("what needs no other thread takes none") {
  Reading it;
  const ssh::SignRequest request = it.captured.request("git commit");
  net::Running<SignSubject> reading(it.loop, it.reader.read(request));
  CHECK(reading.done());
}

TEST_CASE("nobody puts words into the log with a user's name") {
  CHECK(login("git", {"a.example"}).text() == "login git@a.example");
  CHECK(login("git@github.com", {"a.example"}).text() == "login \"git@github.com\"@a.example");
  CHECK(login("", {"a.example"}).text() == "login \"\"@a.example");
  CHECK(login("a\" b", {"a.example"}).text() == "login \"a\\\" b\"@a.example");
  CHECK(login("a\\\"@b", {"a.example"}).text() == "login \"a\\\\\\\"@b\"@a.example");
  CHECK(login("a\nb", {}).text().find('\n') == std::string::npos);
  CHECK(login("a\x1b[2J", {}).text().find('\x1b') == std::string::npos);
}

TEST_CASE("nobody puts words into the log with a namespace") {
  CHECK(sshsig("git").text() == "git commit");
  CHECK(sshsig("Git").text() == "file signature (namespace Git)");
  CHECK(sshsig("git ").text() == "file signature (namespace \"git \")");
  CHECK(sshsig("x) git commit").text() == "file signature (namespace \"x) git commit\")");
}

TEST_CASE("bad lines of known_hosts are warned about once") {
  Reading it;
  write_to_file(it.known_hosts, "broken\n" + it.captured.text("known_hosts"));
  CHECK(it.told("hostbound") == "login root@one.example, verified");
  CHECK(it.told("hostbound") == "login root@one.example, verified");
  CHECK(it.log.count("known_hosts: 1 line cannot be read and is passed over: 1") == 1);
}

TEST_CASE("a login whose host is not found in time is not verified") {
  Reading it;
  write_to_file(it.known_hosts, it.captured.text("known_hosts"));
  std::promise<void> go;
  const std::shared_future<void> wait = go.get_future().share();
  // Nobody is left in the pool.
  async::Scope busy(it.loop);
  const auto occupy = [](async::Loop& loop, std::shared_future<void> until) -> async::Task<> {
    auto work = [until] {
      until.wait();
      return true;
    };
    auto working = async::offload(loop, std::move(work));
    co_await std::move(working);
  };
  for (int i = 0; i < 64; ++i) busy.spawn(occupy(it.loop, wait));
  const ssh::SignRequest hostbound = it.captured.request("hostbound");
  const ssh::SignRequest plain = it.captured.request("plain");
  net::Running<SignSubject> first(it.loop, it.reader.read(hostbound));
  net::Running<SignSubject> second(it.loop, it.reader.read(plain));
  CHECK_FALSE(first.done());
  it.clock.advance(SubjectReader::kLimit);
  REQUIRE(first.done());
  REQUIRE(second.done());
  CHECK(first->proof_text() == "claimed");
  CHECK(first->text() == "login root@" + it.fingerprint("hostbound"));
  CHECK(second->text() == "login root");
  CHECK(it.log.count("a login's host is not verified") == 2);
  go.set_value();
  it.loop.block_on(busy.join());
}

}  // namespace
}  // namespace shed::broker
