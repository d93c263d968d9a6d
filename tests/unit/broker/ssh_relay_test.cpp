#include "shed/broker/ssh_relay.h"

#include <sys/stat.h>
#include <unistd.h>

#include "fake_guest_bus.h"
#include "shed/broker/payload.h"
#include "shed/broker/ssh_payload.h"
#include "ssh_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

using Keys = Result<std::vector<ssh::Identity>>;
using Signed = Result<ssh::Signature>;

class Fixture : public FakeGuestBus {
 public:
  Fixture() : FakeGuestBus(kSshNamespace), status_file(server.folder / "agent.sock.status") {
    answers["ping"] = R"({"status":"ok"})";
    answers["list"] = R"({"keys":[]})";
    answers["sign"] = encode_signature_payload(ed25519_signature());
    relay = std::make_unique<SshRelay>(server.loop, publisher, status_file);
  }
  net::Running<Keys> list() { return {server.loop, relay->list(binds)}; }
  net::Running<Signed> sign(const std::string& key, std::uint32_t flags = 0) {
    ssh::SignRequest request;
    request.key_blob = key;
    request.data = "data";
    request.flags = flags;
    request.binds = binds;
    return {server.loop, relay->sign(std::move(request))};
  }
  // Starts the pings.
  void watch() {
    tasks.spawn(relay->watch_host());
    server.loop.poll();
  }
  std::size_t pings() const { return asked("ping"); }

  std::vector<ssh::SessionBind> binds;
  LogLines log;
  std::string status_file;
  std::unique_ptr<SshRelay> relay;
  async::Scope tasks{server.loop};
};

template <class T>
Error error_of(net::Running<T>& running) {
  REQUIRE(running.done());
  REQUIRE_FALSE(*running);
  return (*running).error();
}

std::string timed_out(std::string_view operation) {
  return fmt::format("ssh-agent {} request timed out — shed-host-agent may not be running", operation);
}

TEST_CASE("a list is asked on the bus and answered with its keys") {
  Fixture fixture;
  const std::vector<ssh::Identity> keys{{ed25519(), "me"}, {security_key(), ""}};
  fixture.answers["list"] = encode_keys(keys);
  auto answer = fixture.list();
  CHECK((*answer).value() == keys);
  CHECK(fixture.last_body == R"({"namespace":"ssh-agent","type":"request","payload":{"operation":"list"}})");
}

TEST_CASE("binds go along with list and sign") {
  Fixture fixture;
  fixture.binds = {make_bind(1), make_bind(2, false)};
  (void)fixture.list().done();
  CHECK_THAT(fixture.last_body, Catch::Contains(encode_list_payload(fixture.binds)));
  (void)fixture.sign(ed25519()).done();
  CHECK_THAT(fixture.last_body, Catch::Contains("\"session_binds\":[{\"host_key\":"));
}

TEST_CASE("a signature is asked on the bus and answered") {
  Fixture fixture;
  auto answer = fixture.sign(ed25519(), 4);
  CHECK((*answer).value() == ed25519_signature());
  CHECK(fixture.last_body ==
        fmt::format(R"({{"namespace":"ssh-agent","type":"request","payload":{{"operation":"sign",)"
                    R"("public_key":"{}","data":"ZGF0YQ==","flags":4}}}})",
                    base64_encode(ed25519())));
}

TEST_CASE("an error of the host is told with its finest code and its reason") {
  Fixture fixture;
  fixture.answers["list"] = error_payload("key listing failed", "INTERNAL_ERROR");
  fixture.answers["sign"] = error_payload("approval denied", "SIGN_FAILED", "POLICY_DENIED", "add a line");
  auto keys = fixture.list();
  CHECK(error_of(keys).code() == Errc::kRefused);
  CHECK(error_of(keys).text() == "the host refused: key listing failed (INTERNAL_ERROR)");
  auto signature = fixture.sign(ed25519());
  CHECK(error_of(signature).code() == Errc::kRefused);
  CHECK(error_of(signature).text() == "the host refused: approval denied (POLICY_DENIED): add a line");
}

TEST_CASE("an answer that is neither is an error") {
  Fixture fixture;
  const std::string payload = GENERATE(as<std::string>{}, "null", "[]", "{}", "7", R"({"keys":7,"blob":7})");
  fixture.answers["list"] = fixture.answers["sign"] = payload;
  auto keys = fixture.list();
  CHECK(error_of(keys).code() == Errc::kProtocol);
  auto signature = fixture.sign(ed25519());
  CHECK(error_of(signature).code() == Errc::kProtocol);
}

TEST_CASE("a signature of another algorithm than was asked for is refused") {
  Fixture fixture;
  const std::string rsa = key_blob("ssh-rsa");
  fixture.answers["sign"] = encode_signature_payload({"ssh-rsa", std::string(256, 's'), ""});
  auto plain = fixture.sign(rsa, 0);
  CHECK((*plain).has_value());
  auto downgraded = fixture.sign(rsa, 2);
  CHECK(error_of(downgraded).code() == Errc::kProtocol);
  CHECK_THAT(error_of(downgraded).text(), Catch::StartsWith("the host's signature: "));
}

TEST_CASE("a security key's signature needs its flags and counter") {
  Fixture fixture;
  const ssh::Signature whole{"sk-ssh-ed25519@openssh.com", std::string(64, 's'),
                             std::string("\1\0\0\0\7", 5)};
  fixture.answers["sign"] = encode_signature_payload(whole);
  auto good = fixture.sign(security_key());
  CHECK((*good).value() == whole);
  fixture.answers["sign"] = encode_signature_payload({whole.format, whole.blob, ""});
  auto cut = fixture.sign(security_key());
  CHECK(error_of(cut).code() == Errc::kProtocol);
  CHECK_THAT(error_of(cut).text(), Catch::StartsWith("the host's signature: "));
}

TEST_CASE("without an answer a request ends after three seconds with the line that operators look for") {
  Fixture fixture;
  fixture.answers.erase("list");
  fixture.answers.erase("sign");
  auto keys = fixture.list();
  auto signature = fixture.sign(ed25519());
  fixture.server.pass(2'999ms);
  CHECK_FALSE(keys.done());
  CHECK_FALSE(signature.done());
  fixture.server.pass(1ms);
  CHECK(error_of(keys).code() == Errc::kTimeout);
  CHECK(error_of(keys).text() == timed_out("list"));
  CHECK(error_of(signature).text() == timed_out("sign"));
}

TEST_CASE("the time that a ping's answer names is given, and one second more") {
  Fixture fixture;
  const auto [named, limit] = GENERATE(table<std::string, Millis>({{"20000", 21s},
                                                                   {"1", 1'001ms},
                                                                   {"300000", 301s},
                                                                   {"9223372036854775807", 301s},
                                                                   {"0", 3s},
                                                                   {"-5", 3s},
                                                                   {"\"20000\"", 3s},
                                                                   {"20000.5", 3s},
                                                                   {"null", 3s}}));
  fixture.answers["ping"] = fmt::format(R"({{"status":"ok","request_timeout_ms":{}}})", named);
  fixture.answers.erase("sign");
  fixture.watch();
  fixture.tasks.cancel();
  auto signature = fixture.sign(ed25519());
  fixture.server.pass(limit - 1ms);
  CHECK_FALSE(signature.done());
  fixture.server.pass(1ms);
  CHECK(error_of(signature).text() == timed_out("sign"));
}

TEST_CASE("a host that names no time any more has the three seconds again") {
  Fixture fixture;
  fixture.answers["ping"] = R"({"status":"ok","request_timeout_ms":20000})";
  fixture.watch();
  fixture.answers["ping"] = R"({"status":"ok"})";
  fixture.server.pass(60s);
  CHECK(fixture.pings() == 2);
  fixture.answers.erase("list");
  auto keys = fixture.list();
  fixture.server.pass(3s);
  CHECK(error_of(keys).code() == Errc::kTimeout);
}

TEST_CASE("before a key is used that a person has to touch, the host is asked how long that may take") {
  Fixture fixture;
  fixture.watch();
  CHECK(fixture.pings() == 1);
  // The host has listed its keys since.
  fixture.answers["ping"] = R"({"status":"ok","request_timeout_ms":20000})";
  fixture.answers.erase("sign");
  auto signature = fixture.sign(security_key());
  CHECK(fixture.operations == std::vector<std::string>{"ping", "ping", "sign"});
  fixture.server.pass(20'999ms);
  CHECK_FALSE(signature.done());
  fixture.server.pass(1ms);
  CHECK(error_of(signature).text() == timed_out("sign"));
  fixture.answers["sign"] = R"({"error":"no","code":"X"})";
  const std::size_t before = fixture.pings();
  (void)fixture.sign(security_key()).done();
  CHECK(fixture.pings() == before);  // it is known now
}

TEST_CASE("a key that nobody touches needs no ping") {
  Fixture fixture;
  (void)fixture.sign(ed25519()).done();
  CHECK(fixture.operations == std::vector<std::string>{"sign"});
}

TEST_CASE("a bus without a host fails a request at once") {
  Fixture fixture;
  fixture.status = 503;
  fixture.answers["list"] = R"({"error":{"code":"NO_CONNECTION","message":"nobody listens"}})";
  auto keys = fixture.list();
  CHECK(error_of(keys).code() == Errc::kUnavailable);
  CHECK(error_of(keys).text() == "the guest bus: nobody listens (NO_CONNECTION)");
}

TEST_CASE("a bus that gave up has the line that operators look for, too") {
  Fixture fixture;
  fixture.status = 504;
  auto keys = fixture.list();
  CHECK(error_of(keys).text() == timed_out("list"));
}

TEST_CASE("a host that answers is pinged every minute, one that does not every two seconds") {
  Fixture fixture;
  fixture.watch();
  fixture.server.pass(59'999ms);
  CHECK(fixture.pings() == 1);
  fixture.status = 503;
  fixture.server.pass(1ms);
  CHECK(fixture.pings() == 2);
  fixture.server.pass(1'999ms);
  CHECK(fixture.pings() == 2);
  fixture.server.pass(1ms);
  CHECK(fixture.pings() == 3);
}

TEST_CASE("a ping without an answer is given up after two seconds") {
  Fixture fixture;
  fixture.answers.erase("ping");
  fixture.watch();
  fixture.server.pass(1'999ms);
  CHECK(fixture.relay->state().reason == "not asked yet");
  fixture.server.pass(1ms);
  CHECK(fixture.relay->state().reason == "no answer within 2s");
  CHECK_FALSE(fixture.relay->state().connected);
}

TEST_CASE("a ping's answer that is not ok is no connection") {
  Fixture fixture;
  fixture.answers["ping"] =
      GENERATE(as<std::string>{}, "{}", "null", R"({"status":"no"})", R"({"code":"X"})");
  fixture.watch();
  CHECK_FALSE(fixture.relay->state().connected);
  CHECK(fixture.relay->state().reason == "the host's answer to a ping is not ok");
}

TEST_CASE("a host that is away is one warning with the remedy, and one line when it is back") {
  Fixture fixture;
  fixture.status = 503;
  fixture.answers["ping"] = R"({"error":{"code":"NO_CONNECTION","message":"nobody listens"}})";
  fixture.watch();
  const std::string warning =
      "shed-ext: warning: the host agent does not answer: the guest bus: nobody listens (NO_CONNECTION); "
      "start it on the host with: shed-ext host";
  CHECK(fixture.log.lines == std::vector<std::string>{warning});
  for (int i = 0; i < 5; ++i) fixture.server.pass(2s);
  CHECK(fixture.pings() == 6);
  CHECK(fixture.log.lines.size() == 1);
  fixture.status = 200;
  fixture.answers["ping"] = R"({"status":"ok"})";
  fixture.server.pass(2s);
  fixture.server.pass(60s);
  CHECK(fixture.log.lines == std::vector<std::string>{warning, "shed-ext: the host agent answers"});
}

TEST_CASE("a host that is there from the start is no line") {
  Fixture fixture;
  fixture.watch();
  CHECK(fixture.relay->state().connected);
  CHECK(fixture.log.lines.empty());
}

TEST_CASE("the status file says what is known, for its owner alone, and goes with the relay") {
  Fixture fixture;
  const std::string rest =
      fmt::format(R"("pid":{},"publish_url":"{}"}})", ::getpid(), fixture.publisher.url()) + "\n";
  CHECK(text_of_file(fixture.status_file) ==
        R"({"state":"waiting","reason":"not asked yet","since":"2026-03-31T15:04:05Z",)" + rest);
  struct stat info{};
  REQUIRE(::stat(fixture.status_file.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  fixture.server.pass(1s);
  fixture.watch();
  CHECK(text_of_file(fixture.status_file) ==
        R"({"state":"connected","since":"2026-03-31T15:04:06Z",)" + rest);
  fixture.tasks.cancel();
  fixture.relay.reset();
  CHECK_FALSE(std::filesystem::exists(fixture.status_file));
}

TEST_CASE("the status file tells since when the host is away") {
  Fixture fixture;
  fixture.watch();
  fixture.answers.erase("ping");
  fixture.server.pass(60s);
  fixture.server.pass(2s);
  CHECK(member(text_of_file(fixture.status_file), "state") == "waiting");
  CHECK(member(text_of_file(fixture.status_file), "reason") == "no answer within 2s");
  CHECK(member(text_of_file(fixture.status_file), "since") == "2026-03-31T15:05:07Z");
  fixture.server.pass(2s);
  fixture.server.pass(2s);
  CHECK(member(text_of_file(fixture.status_file), "since") == "2026-03-31T15:05:07Z");
}

TEST_CASE("a status file that cannot be written is one warning, and the relay works") {
  Fixture fixture;
  fixture.relay = std::make_unique<SshRelay>(fixture.server.loop, fixture.publisher,
                                             fixture.server.folder / "none/agent.sock.status");
  fixture.watch();
  CHECK(fixture.log.lines.size() == 1);
  CHECK(fixture.log.count("warning: status file: ") == 1);
  auto keys = fixture.list();
  CHECK((*keys).has_value());
}

TEST_CASE("without a status file none is written") {
  Fixture fixture;
  fixture.relay = std::make_unique<SshRelay>(fixture.server.loop, fixture.publisher, "");
  fixture.watch();
  CHECK(fixture.relay->state().connected);
  CHECK_FALSE(std::filesystem::exists(fixture.status_file));
}

}  // namespace
}  // namespace shed::broker
