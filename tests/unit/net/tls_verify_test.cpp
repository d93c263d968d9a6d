#include <catch2/catch.hpp>

#include "tls_fixture.h"

namespace shed::net {
namespace {

using Catch::Contains;
using Catch::StartsWith;

TlsPeerOptions showing(const Identity& identity) { return {.identity = &identity}; }

TEST_CASE("a certificate from an authority of the bundle is accepted") {
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  const AuthorityFile file;
  TlsPair pair(file.options(), "localhost", {.lowest = version, .highest = version});
  CHECK(pair.server->accept());
  REQUIRE(pair.opened->done());
  CHECK(**pair.opened);
}

TEST_CASE("a certificate is accepted over an authority in the middle that the server sends") {
  const AuthorityFile file;
  const Identity middle({.subject = "Middle", .names = "", .authority = true}, &test_authority());
  const Identity leaf({}, &middle);
  TlsPair with(file.options(), "localhost", {.identity = &leaf, .intermediate = &middle});
  CHECK(with.server->accept());
  TlsPair without(file.options(), "localhost", showing(leaf));
  CHECK(without.error().text() == "the certificate is issued by 'CN=Middle', which is not in " + file.path);
}

TEST_CASE("what stands in the bundle itself is accepted, whoever signed it") {
  const TemporaryFolder folder;
  const Identity self_signed;
  const Identity unknown({.subject = "Unknown", .names = "", .authority = true});
  const Identity issued({}, &unknown);
  const Identity& shown = GENERATE(false, true) ? self_signed : issued;
  write_text(folder / "own.pem", test_authority().pem() + "a comment\n" + shown.pem());
  TlsPair pair({.ca_file = folder / "own.pem", .pin = ""}, "localhost", showing(shown));
  CHECK(pair.server->accept());
}

TEST_CASE("a certificate for another host is refused, and the message says for which") {
  const AuthorityFile file;
  const Identity other(
      {.names = "DNS:a.example,DNS:b.example,IP:10.0.0.1,IP:::1,DNS:c.example,DNS:d.example"},
      &test_authority());
  TlsPair pair(file.options(), "sts.example", showing(other));
  const Error error = pair.error();
  CHECK(error.code() == Errc::kRefused);
  CHECK(error.text() ==
        "the certificate is for a.example, b.example, 10.0.0.1, an IPv6 address, and others, not for "
        "sts.example");
}

TEST_CASE("the subject's common name is not a host's name") {
  const AuthorityFile file;
  const Identity old({.subject = "localhost", .names = ""}, &test_authority());
  TlsPair pair(file.options(), "localhost", showing(old));
  CHECK(pair.error().text() == "the certificate is for no host, not for localhost");
}

TEST_CASE("a wildcard stands for one label, and only as a whole") {
  const AuthorityFile file;
  const auto accepted = [&](const std::string& names, const std::string& host) {
    const Identity identity({.names = names}, &test_authority());
    TlsPair pair(file.options(), host, showing(identity));
    return pair.server->accept();
  };
  CHECK(accepted("DNS:*.example.com", "sts.example.com"));
  CHECK(accepted("DNS:*.example.com", "STS.example.com."));
  CHECK_FALSE(accepted("DNS:*.example.com", "a.sts.example.com"));
  CHECK_FALSE(accepted("DNS:*.example.com", "example.com"));
  CHECK_FALSE(accepted("DNS:s*.example.com", "sts.example.com"));
}

TEST_CASE("an IP literal must stand in the certificate as one") {
  const AuthorityFile file;
  const auto accepted = [&](const std::string& names, const std::string& host) {
    const Identity identity({.names = names}, &test_authority());
    TlsPair pair(file.options(), host, showing(identity));
    return pair.server->accept();
  };
  CHECK(accepted("IP:127.0.0.1", "127.0.0.1"));
  CHECK(accepted("IP:fd00::7", "fd00::7"));
  CHECK(accepted("IP:fd00::7", "fd00:0:0::7"));
  CHECK_FALSE(accepted("IP:127.0.0.1", "127.0.0.2"));
  CHECK_FALSE(accepted("DNS:127.0.0.1", "127.0.0.1"));
}

TEST_CASE("the server is told the name that is wanted, and no IP literal") {
  const AuthorityFile file;
  const Identity identity({.names = "DNS:sts.example,IP:127.0.0.1"}, &test_authority());
  TlsPair named(file.options(), "sts.example.", showing(identity));
  REQUIRE(named.server->accept());
  CHECK(SSL_get_servername(named.server->native(), TLSEXT_NAMETYPE_host_name) == std::string("sts.example"));
  TlsPair literal(file.options(), "127.0.0.1", showing(identity));
  REQUIRE(literal.server->accept());
  CHECK(SSL_get_servername(literal.server->native(), TLSEXT_NAMETYPE_host_name) == nullptr);
}

TEST_CASE("the protocol is agreed to be HTTP/1.1") {
  const AuthorityFile file;
  TlsPair pair(file.options());
  REQUIRE(pair.server->accept());
  const unsigned char* name = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(pair.server->native(), &name, &length);
  CHECK(std::string(reinterpret_cast<const char*>(name), length) == "http/1.1");
}

TEST_CASE("an expired certificate is refused, and the message says since when") {
  const AuthorityFile file;
  const Identity old({.valid_from = -7200, .valid_until = -3600}, &test_authority());
  TlsPair pair(file.options(), "localhost", showing(old));
  const Error error = pair.error();
  CHECK(error.code() == Errc::kRefused);
  CHECK_THAT(error.text(), StartsWith("the certificate expired on 2") && Contains("T") && Contains("Z"));
}

TEST_CASE("an issuer's certificate that has expired is named") {
  const TemporaryFolder folder;
  const Identity old(
      {.subject = "Old CA", .names = "", .valid_from = -7200, .valid_until = -3600, .authority = true});
  const Identity leaf({}, &old);
  write_text(folder / "ca.pem", old.pem());
  TlsPair pair({.ca_file = folder / "ca.pem", .pin = ""}, "localhost", showing(leaf));
  CHECK_THAT(pair.error().text(), StartsWith("the issuer's certificate 'CN=Old CA' expired on 2"));
}

TEST_CASE("a certificate that is not valid yet is refused, and the clock is mentioned") {
  const AuthorityFile file;
  const Identity early({.valid_from = 3600, .valid_until = 7200}, &test_authority());
  TlsPair pair(file.options(), "localhost", showing(early));
  const Error error = pair.error();
  CHECK(error.code() == Errc::kRefused);
  CHECK_THAT(error.text(), StartsWith("the certificate is not valid before 2") &&
                               Contains("; is this machine's clock right?"));
}

TEST_CASE("a certificate that nobody known signed is refused, and its issuer named") {
  const AuthorityFile file;
  const Identity self_signed;
  const Identity unknown({.subject = "Proxy Root", .names = "", .authority = true});
  const Identity issued({}, &unknown);
  TlsPair own(file.options(), "localhost", showing(self_signed));
  CHECK(own.error().text() ==
        "the certificate is signed by itself or by a root of its own, 'CN=server', which is not in " +
            file.path);
  TlsPair other(file.options(), "localhost", showing(issued));
  const Error error = other.error();
  CHECK(error.code() == Errc::kRefused);
  CHECK(error.text() == "the certificate is issued by 'CN=Proxy Root', which is not in " + file.path);
}

TEST_CASE("an authority's name shows no control characters in a message") {
  const AuthorityFile file;
  const Identity odd({.subject = "a\x1b[31m\nroot", .names = "", .authority = true});
  const Identity leaf({}, &odd);
  TlsPair pair(file.options(), "localhost", showing(leaf));
  const std::string text = pair.error().text();
  CHECK(std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c >= 0x7f; }));
}

TEST_CASE("what no authority may sign is refused") {
  const AuthorityFile file;
  const Identity not_an_authority({}, &test_authority());
  const Identity leaf({}, &not_an_authority);
  TlsPair pair(file.options(), "localhost", {.identity = &leaf, .intermediate = &not_an_authority});
  CHECK(pair.error().code() == Errc::kRefused);
}

// Pins

TEST_CASE("the right pin accepts a certificate whatever else is wrong with it") {
  const Identity odd({.names = "DNS:other.example", .valid_from = -7200, .valid_until = -3600});
  std::string pin = odd.pin();
  const bool capitals = GENERATE(false, true);
  if (capitals) std::transform(pin.begin() + 7, pin.end(), pin.begin() + 7, ::toupper);
  TlsPair pair({.ca_file = "", .pin = pin}, "localhost", showing(odd));
  CHECK(pair.server->accept());
}

TEST_CASE("another pin refuses a certificate whoever signed it, and says which pin was seen") {
  const AuthorityFile file;
  const std::string wanted = "sha256:" + std::string(64, 'a');
  const std::string ca_file = GENERATE(false, true) ? file.path : "";
  TlsPair pair({.ca_file = ca_file, .pin = wanted});
  const Error error = pair.error();
  CHECK(error.code() == Errc::kRefused);
  CHECK(error.text() == "the certificate's pin is " + test_server().pin() + ", wanted is " + wanted);
}

TEST_CASE("the pin is that of the leaf, not of an authority above it") {
  const Identity middle({.subject = "Middle", .names = "", .authority = true}, &test_authority());
  const Identity leaf({}, &middle);
  TlsPair pair({.ca_file = "", .pin = middle.pin()}, "localhost",
               {.identity = &leaf, .intermediate = &middle});
  CHECK(pair.error().code() == Errc::kRefused);
}

TEST_CASE("a pin that is none is refused before any connection") {
  const std::string digits(64, 'a');
  const auto pin = GENERATE_COPY(values<std::string>(
      {"sha256:", digits, "sha1:" + digits, "sha256:" + digits.substr(1), "sha256:" + digits + "a",
       "sha256:g" + digits.substr(1), "sha256: " + digits.substr(1), "sha256:+" + digits.substr(1),
       "SHA256:" + digits, "sha256:" + digits + "\n"}));
  CAPTURE(pin);
  const auto context = TlsContext::create({.ca_file = "", .pin = pin});
  REQUIRE_FALSE(context);
  CHECK(context.error().code() == Errc::kInvalid);
  CHECK(context.error().text() == "a pin is sha256: and the 64 hex digits of the certificate's SHA-256");
}

}  // namespace
}  // namespace shed::net
