#include "shed/net/proxy.h"

#include <catch2/catch.hpp>
#include <map>

namespace shed::net {
namespace {

Url https(std::string_view host) { return *parse_url(fmt::format("https://{}/", host)); }

Result<std::optional<Proxy>> proxy_of(std::string_view value, std::string_view no_proxy = "",
                                      std::string_view host = "sts.example.com") {
  return proxy_for(https(host), {std::string(value), std::string(no_proxy)});
}

TEST_CASE("a proxy is read in each form that is written") {
  struct Case {
    std::string value, address;
    bool tls;
    std::string authorization;
  };
  const auto c = GENERATE(values<Case>({
      {"http://proxy.example:3128", "proxy.example:3128", false, ""},
      {"HTTP://proxy.example:3128/", "proxy.example:3128", false, ""},
      {"proxy.example:3128", "proxy.example:3128", false, ""},
      {"proxy.example", "proxy.example:80", false, ""},
      {"10.0.0.1:8080", "10.0.0.1:8080", false, ""},
      {"http://[fd00::1]:8080", "[fd00::1]:8080", false, ""},
      {"https://proxy.example", "proxy.example:443", true, ""},
      {"https://proxy.example:8443/", "proxy.example:8443", true, ""},
      {"http://Aladdin:open%20sesame@p:1", "p:1", false, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
      {"Aladdin:open%20sesame@p:1", "p:1", false, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
      {"http://user@p:1", "p:1", false, "Basic dXNlcjo="},
      {"http://user:a:b@p:1", "p:1", false, "Basic dXNlcjphOmI="},
      {"http://user:p%40ss@p:1", "p:1", false, "Basic dXNlcjpwQHNz"},
      {"http://user:p@ss@p:1", "p:1", false, "Basic dXNlcjpwQHNz"},
  }));
  CAPTURE(c.value);
  const auto proxy = proxy_of(c.value);
  REQUIRE(proxy);
  REQUIRE(*proxy);
  CHECK((**proxy).address.text() == c.address);
  CHECK((**proxy).tls == c.tls);
  CHECK((**proxy).authorization == c.authorization);
}

TEST_CASE("a proxy that cannot be read is an error that says nothing of its login") {
  const auto value = GENERATE(values<std::string>({
      "http://",
      "http://:3128",
      "http://p:0",
      "http://p:99999",
      "http://p:1/path",
      "http://p:1?q",
      "http://p q:1",
      "http://secret:hunter2@",
      "http://secret:hunter2@:1",
      "http://secret:hunter2%4@p:1",
      "http://secret:hunter2%zz@p:1",
      "http://secret:hunter2%0d%0ax:y@p:1",
      "http://se%3acret:hunter2@p:1",
      "http://secret:hunter2\r\n@p:1",
      "http://secret:hunter2/@p:1",
      "http://secret:hunter2@p\r\n:1",
  }));
  CAPTURE(value);
  const auto proxy = proxy_of(value);
  REQUIRE_FALSE(proxy);
  CHECK(proxy.error().code() == Errc::kInvalid);
  CHECK(proxy.error().text().starts_with("HTTPS_PROXY: "));
  CHECK(proxy.error().text().find("hunter2") == std::string::npos);
  CHECK(proxy.error().text().find("secret") == std::string::npos);
}

TEST_CASE("a proxy of another kind is unsupported") {
  const auto value = GENERATE(as<std::string>(), "socks5://p:1080", "socks5h://p:1080", "ftp://p:1");
  const auto proxy = proxy_of(value);
  REQUIRE_FALSE(proxy);
  CHECK(proxy.error().code() == Errc::kUnsupported);
  CHECK(proxy.error().text() == "HTTPS_PROXY: only http:// and https:// proxies are supported");
}

TEST_CASE("a proxy that is endless is over the limit") {
  CHECK(proxy_of("http://" + std::string(20'000, 'a') + ":1").error().code() == Errc::kLimit);
}

TEST_CASE("without a proxy in the environment, and for what is not https, there is none") {
  CHECK_FALSE(*proxy_of(""));
  const ProxyEnvironment environment("http://p:1", "");
  CHECK_FALSE(*proxy_for(*parse_url("http://sts.example.com/"), environment));
  CHECK_FALSE(*proxy_for(*parse_url("unix:///a/b.sock"), environment));
}

TEST_CASE("loopback is never proxied") {
  const auto host = GENERATE(as<std::string>(), "localhost", "LocalHost:8443", "localhost.", "127.0.0.1",
                             "127.1.2.3:9", "[::1]:9", "[::ffff:127.0.0.1]");
  CAPTURE(host);
  CHECK_FALSE(*proxy_of("http://p:1", "", host));
}

TEST_CASE("what NO_PROXY names goes directly") {
  struct Case {
    std::string host, no_proxy;
    bool direct;
  };
  const auto c = GENERATE(values<Case>({
      {"sts.example.com", "*", true},
      {"10.0.0.1", "*", true},
      {"sts.example.com", "", false},
      {"sts.example.com", ",, ,", false},
      {"sts.example.com", "sts.example.com", true},
      {"sts.example.com", "STS.Example.COM", true},
      {"sts.example.com.", "sts.example.com", true},
      {"sts.example.com", "sts.example.com.", true},
      {"sts.example.com", "example.com", true},
      {"sts.example.com", ".example.com", true},
      {"sts.example.com", "*.example.com", true},
      {"example.com", ".example.com", true},
      {"example.com", "example.com", true},
      {"notexample.com", "example.com", false},
      {"sts.example.com", "com", true},
      {"sts.example.com", "ts.example.com", false},
      {"sts.example.com", "a.sts.example.com", false},
      {"sts.example.com", ".", false},
      {"sts.example.com", "*.", false},
      {"sts.example.com", "other.org, example.com", true},
      {"sts.example.com", "other.org example.com", true},
      {"sts.example.com", "other.org,example.org", false},
      {"sts.example.com", "example.com:443", true},
      {"sts.example.com:8443", "example.com:443", false},
      {"sts.example.com:8443", "example.com:8443", true},
      {"sts.example.com", "example.com:", false},
      {"sts.example.com", "example.com:x", false},
      {"10.1.2.3", "10.1.2.3", true},
      {"10.1.2.3", "10.1.2.3:443", true},
      {"10.1.2.3", "10.1.2.3:80", false},
      {"10.1.2.30", "10.1.2.3", false},
      {"10.1.2.3", "2.3", false},
      {"10.1.2.3", ".3", false},
      {"10.1.2.3", "10.0.0.0/8", true},
      {"11.1.2.3", "10.0.0.0/8", false},
      {"10.1.2.3", "10.1.2.3/32", true},
      {"10.1.2.4", "10.1.2.3/32", false},
      {"10.1.2.3", "0.0.0.0/0", true},
      {"192.168.7.9", "192.168.6.0/23", true},
      {"192.168.8.9", "192.168.6.0/23", false},
      {"10.1.2.3", "10.0.0.0/33", false},
      {"10.1.2.3", "10.0.0.0/", false},
      {"10.1.2.3", "10.0.0.0/-1", false},
      {"10.1.2.3", "/8", false},
      {"sts.example.com", "0.0.0.0/0", false},
      {"[fd00::1]", "fd00::1", true},
      {"[fd00::1]", "FD00:0::1", true},
      {"[fd00::1]", "[fd00::1]", true},
      {"[fd00::1]", "[fd00::1]:443", true},
      {"[fd00::1]", "[fd00::1]:80", false},
      {"[fd00::1]", "[fd00::1", false},
      {"[fd00::1]", "fd00::/8", true},
      {"[fe00::1]", "fd00::/8", false},
      {"[fd00::1]", "::/0", true},
      {"10.1.2.3", "::/0", false},
      {"[::ffff:10.1.2.3]", "10.0.0.0/8", true},
  }));
  CAPTURE(c.host, c.no_proxy);
  const auto proxy = proxy_of("http://p:1", c.no_proxy, c.host);
  REQUIRE(proxy);
  CHECK(proxy->has_value() == !c.direct);
}

TEST_CASE("a broken proxy does not matter to what goes directly") {
  CHECK(proxy_of("nonsense://", "example.com"));
}

TEST_CASE("of the two spellings of a variable the lower-case one counts, unless it is empty") {
  std::map<std::string, std::string> variables = {
      {"https_proxy", "lower:1"}, {"HTTPS_PROXY", "upper:1"}, {"NO_PROXY", "upper.example"}};
  const auto variable = [&](const char* name) { return variables[name]; };
  CHECK(proxy_environment(variable).https_proxy == "lower:1");
  CHECK(proxy_environment(variable).no_proxy == "upper.example");
  variables["https_proxy"] = "";
  CHECK(proxy_environment(variable).https_proxy == "upper:1");
}

}  // namespace
}  // namespace shed::net
