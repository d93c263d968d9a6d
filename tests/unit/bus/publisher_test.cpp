#include "shed/bus/publisher.h"

#include <cstdlib>

#include "bus_fixture.h"
#include "support/environment_variable.h"

namespace shed::bus {
namespace {

using Reply = Result<Publisher::Reply>;

// A guest bus that answers what the test says, and the publisher that asks it.
class Fixture {
 public:
  Fixture()
      : server([this](net::HttpExchange& exchange) { return answer(exchange); },
               {.max_body = 4 * kMaxPublishBody}) {}

  net::Running<Reply> request(std::string_view payload = R"({"operation":"ping"})", Millis limit = 3s) {
    return net::Running<Reply>(server.loop, publisher().request("ssh-agent", payload, limit));
  }
  // Made late: the server has to be there.
  Publisher& publisher() {
    if (!publisher_) {
      publisher_.emplace(server.loop, *net::parse_url("http+unix://" + server.path + ":/v1/publish"));
    }
    return *publisher_;
  }
  void answer_with(int with_status, std::string with_body) {
    status = with_status;
    body = std::move(with_body);
  }

  int status = 200;
  std::string body = response_to("1", "ssh-agent", R"({"status" : "ok"})");
  bool silent = false;
  std::string seen_method, seen_path, seen_type, seen_host, seen_body;
  net::TestServer server;

 private:
  async::Task<> answer(net::HttpExchange& exchange) {
    seen_method = exchange.method();
    seen_path = exchange.path();
    seen_type = exchange.header("content-type");
    seen_host = exchange.header("host");
    seen_body = exchange.body();
    if (silent) {
      co_await exchange.disconnected();
      co_return;
    }
    (void)co_await exchange.respond(status, "application/json", body);
  }
  std::optional<Publisher> publisher_;
};

Error error_of(net::Running<Reply>& request) {
  REQUIRE(request.done());
  REQUIRE_FALSE(*request);
  return (*request).error();
}

TEST_CASE("a request is posted as JSON with its payload as it is") {
  Fixture fixture;
  auto request = fixture.request("[1 , 2]");
  REQUIRE(*request);
  CHECK(fixture.seen_method == "POST");
  CHECK(fixture.seen_path == "/v1/publish");
  CHECK(fixture.seen_type == "application/json");
  CHECK(net::is_loopback_host(fixture.seen_host));
  CHECK(fixture.seen_body == R"({"namespace":"ssh-agent","type":"request","payload":[1 , 2]})");
}

TEST_CASE("the reply is the payload of the answer, ready to be parsed where it lies") {
  Fixture fixture;
  auto request = fixture.request();
  REQUIRE(*request);
  CHECK((*request)->payload() == R"({"status" : "ok"})");
  JsonDocument document;
  const auto payload = document.parse_padded((*request)->payload());
  REQUIRE(payload);
  CHECK((*payload)["status"].string_or("") == "ok");
}

TEST_CASE("a reply that was wiped has nothing left") {
  Fixture fixture;
  auto request = fixture.request();
  REQUIRE(*request);
  const std::string_view payload = (*request)->payload();
  (*request)->wipe();
  CHECK(payload == std::string(payload.size(), '\0'));
}

TEST_CASE("replies are kept side by side") {
  Fixture fixture;
  auto first = fixture.request();
  fixture.answer_with(200, response_to("2", "ssh-agent", "\"second\""));
  auto second = fixture.request();
  REQUIRE(*first);
  REQUIRE(*second);
  CHECK((*first)->payload() == R"({"status" : "ok"})");
  CHECK((*second)->payload() == "\"second\"");
}

TEST_CASE("an error of the bus has its text, its code and a code of ours") {
  Fixture fixture;
  const auto [status, code] = GENERATE(table<int, Errc>({{503, Errc::kUnavailable},
                                                         {504, Errc::kTimeout},
                                                         {413, Errc::kLimit},
                                                         {429, Errc::kLimit},
                                                         {400, Errc::kProtocol},
                                                         {403, Errc::kProtocol},
                                                         {500, Errc::kProtocol},
                                                         {204, Errc::kProtocol},
                                                         {202, Errc::kProtocol}}));
  fixture.answer_with(status, R"({"error":{"code":"SOME_CODE","message":"the reason"}})");
  auto request = fixture.request();
  const Error error = error_of(request);
  CHECK(error.code() == code);
  if (status != 204) CHECK(error.text() == "the guest bus: the reason (SOME_CODE)");
}

TEST_CASE("an error without the bus's form has the status") {
  Fixture fixture;
  fixture.answer_with(502, GENERATE(as<std::string>{}, "", "<html>", "{}", "[]", R"({"error":"text"})",
                                    R"({"error":{"code":"X"}})", R"({"error":{"message":7}})"));
  auto request = fixture.request();
  CHECK(error_of(request).text() == "the guest bus: the bus answered 502");
}

TEST_CASE("an error may leave its code out") {
  Fixture fixture;
  fixture.answer_with(503, R"({"error":{"message":"the reason"}})");
  auto request = fixture.request();
  CHECK(error_of(request).text() == "the guest bus: the reason (no code)");
}

TEST_CASE("an answer that is no envelope breaks the protocol") {
  Fixture fixture;
  fixture.answer_with(200,
                      GENERATE(as<std::string>{}, "", "<html>", "[]", "{}", R"({"payload":{}})",
                               R"({"id":"1","namespace":"ssh-agent","type":"response","payload":{"a":1]})"));
  auto request = fixture.request();
  const Error error = error_of(request);
  CHECK(error.code() == Errc::kProtocol);
  CHECK_THAT(error.text(), Catch::StartsWith("the guest bus: the answer is no envelope: "));
}

TEST_CASE("an answer of another namespace or type breaks the protocol") {
  Fixture fixture;
  SECTION("namespace") {
    fixture.answer_with(200, response_to("1", "aws-credentials", "{}"));
    auto request = fixture.request();
    CHECK(error_of(request).text() ==
          "the guest bus: the answer is a response in aws-credentials, not a response in ssh-agent");
  }
  SECTION("type") {
    fixture.answer_with(200, R"({"id":"1","namespace":"ssh-agent","type":"request"})");
    auto request = fixture.request();
    const Error error = error_of(request);
    CHECK(error.code() == Errc::kProtocol);
    CHECK(error.text() == "the guest bus: the answer is a request in ssh-agent, not a response in ssh-agent");
  }
}

TEST_CASE("an answer that is too large is refused") {
  Fixture fixture;
  fixture.answer_with(200,
                      response_to("1", "ssh-agent", "\"" + std::string(2 * kMaxPublishBody, 'x') + "\""));
  auto request = fixture.request();
  CHECK(error_of(request).code() == Errc::kLimit);
}

TEST_CASE("without a bus a request fails at once and names the socket") {
  FakeClock clock;
  async::Loop loop(clock);
  net::TemporaryFolder folder;
  Publisher publisher(loop, *net::parse_url("http+unix://" + folder / "none.sock" + ":/v1/publish"));
  net::Running<Reply> request(loop, publisher.request("ssh-agent", "{}", 3s));
  const Error error = error_of(request);
  CHECK(error.code() == Errc::kUnavailable);
  CHECK_THAT(error.text(), Catch::StartsWith("the guest bus: connect to ") && Catch::Contains("none.sock"));
}

TEST_CASE("a bus that hangs up without an answer is as good as away") {
  FakeClock clock;
  async::Loop loop(clock);
  net::TemporaryFolder folder;
  auto listener = net::Listener::open(loop, net::unix_at(folder / "bus.sock"));
  REQUIRE(listener);
  Publisher publisher(loop, *net::parse_url("http+unix://" + folder / "bus.sock" + ":/v1/publish"));
  net::Running<Reply> request(loop, publisher.request("ssh-agent", "{}", 3s));
  {
    net::Running<Result<UniqueFd>> accepted(loop, listener->acceptor().accept());
    REQUIRE(*accepted);
    net::Peer peer(loop, std::move(**accepted));
    CHECK_THAT(peer.received(), Catch::StartsWith("POST /v1/publish HTTP/1.1\r\n"));
    peer.close();
  }
  CHECK(error_of(request).code() == Errc::kUnavailable);
}

TEST_CASE("a bus that does not answer is given up when the time is over") {
  Fixture fixture;
  fixture.silent = true;
  auto request = fixture.request("{}", 3s);
  fixture.server.pass(2'999ms);
  CHECK_FALSE(request.done());
  fixture.server.pass(1ms);
  CHECK(error_of(request).code() == Errc::kTimeout);
  SECTION("and the late answer is not taken for the next one") {
    fixture.silent = false;
    auto next = fixture.request();
    REQUIRE(*next);
    CHECK((*next)->payload() == R"({"status" : "ok"})");
  }
}

TEST_CASE("the bus's address is told") {
  FakeClock clock;
  async::Loop loop(clock);
  CHECK(Publisher(loop, *net::parse_url(kDefaultPublishUrl)).url() == "127.0.0.1:498");
}

TEST_CASE("the publish URL is the option's, else the environment's, else the default") {
  const EnvironmentVariable variable("SHED_PUBLISH_URL", "http://127.0.0.1:2/e");
  CHECK(publish_url("http://127.0.0.1:1/o")->address.port == 1);
  CHECK(publish_url("")->address.port == 2);
  CHECK(publish_url("")->path == "/e");
  const EnvironmentVariable unset("SHED_PUBLISH_URL", std::nullopt);
  CHECK(publish_url("")->address.port == 498);
  CHECK(publish_url("")->path == "/v1/publish");
  const EnvironmentVariable empty("SHED_PUBLISH_URL", "");
  CHECK(publish_url("")->address.port == 498);
}

TEST_CASE("a publish URL that is wrong is said with where it came from") {
  const EnvironmentVariable variable("SHED_PUBLISH_URL", "nonsense");
  const auto option = publish_url("ftp://x/");
  REQUIRE_FALSE(option);
  CHECK(option.error().code() == Errc::kInvalid);
  CHECK_THAT(option.error().text(), Catch::StartsWith("--publish-url: ftp://x/: "));
  const auto environment = publish_url("");
  REQUIRE_FALSE(environment);
  CHECK_THAT(environment.error().text(), Catch::StartsWith("SHED_PUBLISH_URL: nonsense: "));
}

}  // namespace
}  // namespace shed::bus
