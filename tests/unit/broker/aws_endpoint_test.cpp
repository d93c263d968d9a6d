#include "shed/broker/aws_endpoint.h"

#include "aws_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

struct Fixture {
  explicit Fixture(std::string_view token = {})
      : endpoint(host.server.loop, host.relay, Secret(token)),
        server(host.server.loop, endpoint, AwsEndpoint::server_options()) {
    auto opened = net::Listener::open(host.server.loop, net::unix_at(path));
    REQUIRE(opened);
    listener.emplace(std::move(*opened));
    tasks.spawn(server.serve(listener->acceptor()));
    host.server.loop.poll();
  }
  ~Fixture() { tasks.cancel(); }

  net::Peer connect() { return {host.server.loop, path}; }
  std::string ask(std::string_view request) { return connect().ask(request); }
  std::string get(std::string_view target, std::string_view headers = {}) {
    return ask(fmt::format("GET {} HTTP/1.1\r\nHost: 127.0.0.1:499\r\n{}\r\n", target, headers));
  }

  FakeHost host;
  AwsEndpoint endpoint;
  net::HttpServer server;
  std::string path = host.server.folder / "endpoint.sock";
  std::optional<net::Listener> listener;
  async::Scope tasks{host.server.loop};
};

std::string body_of(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

// Whether the answer has this status and says the same in all spellings.
void check_error(const std::string& answer, int status, std::string_view code) {
  INFO(answer);
  CHECK_THAT(answer, Catch::StartsWith(fmt::format("HTTP/1.1 {} ", status)));
  CHECK_THAT(answer, Catch::Contains("content-type: application/json\r\n"));
  CHECK_THAT(answer, Catch::Contains("cache-control: no-store\r\n"));
  const std::string body = body_of(answer);
  CHECK(member(body, "code") == code);
  CHECK(member(body, "Code") == code);
  CHECK_FALSE(member(body, "error").empty());
  CHECK_FALSE(member(body, "message").empty());
  CHECK(member(body, "Message") == member(body, "message"));
}

TEST_CASE("an SDK gets the document it reads, not to be stored") {
  Fixture fixture;
  CHECK(fixture.get("/credentials") ==
        fmt::format("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {1}\r\n"
                    "cache-control: no-store\r\n\r\n{0}",
                    R"({"AccessKeyId":"ASIAIOSFODNN7EXAMPLE",)"
                    R"("SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",)"
                    R"("Token":"FwoGZXIvYXdzEBYaDL/+token==","Expiration":"2026-03-31T16:04:05Z",)"
                    R"("AccountId":"123456789012"})",
                    200));
}

TEST_CASE("an account that is unknown is left out") {
  Fixture fixture;
  fixture.host.answers["get_credentials"] = credentials_payload("2026-03-31T16:04:05Z");
  CHECK(fixture.get("/credentials").find("AccountId") == std::string::npos);
}

TEST_CASE("a query behind the path changes nothing") {
  Fixture fixture;
  CHECK_THAT(fixture.get("/credentials?x=1"), Catch::StartsWith("HTTP/1.1 200 "));
}

TEST_CASE("a connection serves request after request") {
  Fixture fixture;
  net::Peer peer = fixture.connect();
  for (int i = 0; i < 3; ++i) {
    CHECK_THAT(peer.ask("GET /credentials HTTP/1.1\r\nHost: localhost\r\n\r\n"),
               Catch::StartsWith("HTTP/1.1 200 OK\r\n"));
  }
}

TEST_CASE("health is answered without asking anybody, and without a token") {
  Fixture fixture("token");
  CHECK_THAT(fixture.get("/healthz"), Catch::EndsWith("\r\n\r\n{\"status\":\"ok\"}"));
  CHECK(fixture.host.operations.empty());
}

TEST_CASE("HEAD is answered without a body") {
  Fixture fixture;
  const std::string answer = fixture.ask("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK_THAT(answer, Catch::StartsWith("HTTP/1.1 200 OK\r\n") && Catch::EndsWith("\r\n\r\n"));
}

TEST_CASE("another method is refused, and told which there are") {
  Fixture fixture;
  const std::string method = GENERATE("POST", "PUT", "DELETE", "OPTIONS", "PATCH");
  const std::string answer = fixture.ask(method + " /credentials HTTP/1.1\r\nHost: localhost\r\n\r\n");
  check_error(answer, 405, "METHOD_NOT_ALLOWED");
  CHECK_THAT(answer, Catch::Contains("allow: GET, HEAD\r\n"));
}

TEST_CASE("another path is not found") {
  Fixture fixture;
  const std::string path =
      GENERATE("/", "/credentials/", "/Credentials", "/credentials/dev", "/healthz/x", "//credentials");
  check_error(fixture.get(path), 404, "NOT_FOUND");
  CHECK(fixture.host.operations.empty());
}

TEST_CASE("a Host that is no loopback name is a web page's trick") {
  Fixture fixture;
  const std::string name =
      GENERATE("evil.example", "127.0.0.1.evil.example", "169.254.170.2", "", "localhost.", "0.0.0.0");
  check_error(fixture.ask("GET /credentials HTTP/1.1\r\nHost: " + name + "\r\n\r\n"), 403, "INVALID_HOST");
  CHECK(fixture.host.operations.empty());
}

TEST_CASE("a request without a Host is refused") {
  Fixture fixture;
  const std::string answer = fixture.ask("GET /credentials HTTP/1.0\r\n\r\n");
  check_error(answer, 403, "INVALID_HOST");
}

TEST_CASE("loopback names are served, with and without a port") {
  Fixture fixture;
  const std::string name = GENERATE("localhost", "LOCALHOST:499", "127.0.0.1", "127.9.9.9:1", "[::1]:499");
  CHECK_THAT(fixture.ask("GET /credentials HTTP/1.1\r\nHost: " + name + "\r\n\r\n"),
             Catch::StartsWith("HTTP/1.1 200 "));
}

TEST_CASE("a request of a web page is refused, be it a local one") {
  Fixture fixture;
  const std::string origin = GENERATE("http://evil.example", "http://localhost:3000", "null");
  check_error(fixture.get("/credentials", "Origin: " + origin + "\r\n"), 403, "INVALID_ORIGIN");
  CHECK(fixture.host.operations.empty());
}

TEST_CASE("where a token is demanded, it is taken as it is") {
  Fixture fixture("token");
  CHECK_THAT(fixture.get("/credentials", "Authorization: token\r\n"), Catch::StartsWith("HTTP/1.1 200 "));
}

TEST_CASE("a missing token is a 401") {
  Fixture fixture("token");
  const std::string answer = fixture.get("/credentials");
  check_error(answer, 401, "MISSING_TOKEN");
  CHECK_THAT(answer, Catch::Contains("www-authenticate: "));
  CHECK_THAT(member(body_of(answer), "hint"), Catch::Contains("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
  CHECK(fixture.host.operations.empty());
}

TEST_CASE("a wrong token is a 403, and not told what would be right") {
  Fixture fixture("token");
  const std::string sent = GENERATE("Token", "toke", "tokens", "Bearer token", "x");
  const std::string answer = fixture.get("/credentials", "Authorization: " + sent + "\r\n");
  check_error(answer, 403, "INVALID_TOKEN");
  CHECK(fixture.host.operations.empty());
}

TEST_CASE("where no token is demanded, one that is sent does no harm") {
  Fixture fixture;
  CHECK_THAT(fixture.get("/credentials", "Authorization: old\r\n"), Catch::StartsWith("HTTP/1.1 200 "));
}

TEST_CASE("a body that is too large is refused before it is read") {
  Fixture fixture;
  const std::string answer =
      fixture.ask("GET /credentials HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4097\r\n\r\n");
  check_error(answer, 413, "BODY_TOO_LARGE");
  CHECK(fixture.host.operations.empty());
}

TEST_CASE("a header that is too large is refused") {
  Fixture fixture;
  CHECK_THAT(fixture.get("/credentials", "X: " + std::string(9000, 'x') + "\r\n"),
             Catch::StartsWith("HTTP/1.1 431 "));
}

TEST_CASE("a client that sends its header slowly is closed after ten seconds") {
  Fixture fixture;
  net::Peer peer = fixture.connect();
  peer.send("GET /credentials HTTP/1.1\r\nHost: ");
  fixture.host.server.pass(9'999ms);
  CHECK(peer.send("l"));
  CHECK_FALSE(peer.ended());
  fixture.host.server.pass(1ms);
  CHECK_THAT(peer.received(), Catch::StartsWith("HTTP/1.1 408 "));
  fixture.host.server.pass(1s);
  CHECK(peer.ended());
}

TEST_CASE("a refusal is told in the spellings of every SDK, with the hint") {
  Fixture fixture;
  fixture.host.answers.clear();
  net::Peer peer = fixture.connect();
  peer.send("GET /credentials HTTP/1.1\r\nHost: localhost\r\n\r\n");
  fixture.host.server.pass(250ms);
  fixture.host.server.pass(2'750ms);
  const std::string answer = peer.received();
  check_error(answer, 503, "TIMEOUT");
  CHECK(member(body_of(answer), "error") == "the host agent does not answer");
  CHECK_THAT(member(body_of(answer), "hint"), Catch::Contains("shed-ext host"));
}

TEST_CASE("a denial is a 403, and asked for once however often an SDK tries") {
  Fixture fixture;
  fixture.host.answers["get_credentials"] = error_payload("approval denied", "ASSUME_ROLE_FAILED",
                                                          "POLICY_DENIED", "aws.approval.policy is deny-all");
  for (int i = 0; i < 3; ++i) {
    const std::string answer = fixture.get("/credentials");
    check_error(answer, 403, "POLICY_DENIED");
    CHECK(member(body_of(answer), "message") == "approval denied: aws.approval.policy is deny-all");
  }
  CHECK(fixture.host.asked("get_credentials") == 1);
}

TEST_CASE("a guest that asks too often is told when to ask again") {
  Fixture fixture;
  fixture.host.answers["get_credentials"] =
      error_payload("too many requests", "INTERNAL_ERROR", "RATE_LIMITED", "limits.aws in extensions.yaml",
                    Retry::kLater, 12s);
  const std::string answer = fixture.get("/credentials");
  check_error(answer, 429, "RATE_LIMITED");
  CHECK_THAT(answer, Catch::Contains("\r\nretry-after: 12\r\n"));
}

TEST_CASE("a refusal is one line in the guest's log, however often it comes") {
  Fixture fixture;
  fixture.host.answers["get_credentials"] =
      error_payload("credential request failed", "ASSUME_ROLE_FAILED", "AccessDenied", "not authorized");
  for (int i = 0; i < 3; ++i) fixture.get("/credentials");
  CHECK(fixture.host.log.lines.size() == 1);
  CHECK(fixture.host.log.count("credential request failed: not authorized (AccessDenied)") == 1);
}

TEST_CASE("no answer but the right one has a secret in it, nor has the log") {
  Fixture fixture("0123abcd");
  for (const std::string_view header : {"", "Authorization: x\r\n"}) {
    const std::string answer = fixture.get("/credentials", header);
    CHECK(answer.find(kSecretKey) == std::string::npos);
    CHECK(answer.find("0123abcd") == std::string::npos);
  }
  fixture.get("/credentials", "Authorization: 0123abcd\r\n");
  CHECK(fixture.host.log.count(kSecretKey) == 0);
}

TEST_CASE("a client that goes away while the host is asked leaves the endpoint as it was") {
  Fixture fixture;
  fixture.host.answers.erase("get_credentials");
  net::Peer gone = fixture.connect();
  gone.send("GET /credentials HTTP/1.1\r\nHost: localhost\r\n\r\n");
  gone.reset();
  fixture.host.answers["get_credentials"] = credentials_payload("2026-03-31T16:04:05Z");
  CHECK_THAT(fixture.get("/credentials"), Catch::StartsWith("HTTP/1.1 200 "));
}

TEST_CASE("a token is 256 random bits that fit into a header") {
  const Secret first = make_endpoint_token();
  CHECK(first.size() == 64);
  CHECK(first.reveal().find_first_not_of("0123456789abcdef") == std::string_view::npos);
  CHECK(first.reveal() != make_endpoint_token().reveal());
}

}  // namespace
}  // namespace shed::broker
