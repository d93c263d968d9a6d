#include <catch2/catch.hpp>
#include <filesystem>

#include "support/environment_variable.h"
#include "tls_fixture.h"

namespace shed::net {
namespace {

using Catch::EndsWith;
using Catch::StartsWith;

Error error_of(const std::string& ca_file) {
  const auto context = TlsContext::create({.ca_file = ca_file, .pin = ""});
  REQUIRE_FALSE(context);
  return context.error();
}

// Reading the roots takes a thread of the pool, and so an unknown time.
bool accepted(TlsPair& pair) {
  while (!pair.opened->done()) (void)pair.server->accept();
  return (**pair.opened).has_value();
}

TEST_CASE("a bundle that cannot be used is an error that names it") {
  const TemporaryFolder folder;
  const std::string path = folder / "ca.pem";
  CHECK(error_of(path).text() == path + ": no such file or directory");
  write_text(path, "");
  CHECK(error_of(path).text() == path + ": no certificate is in it");
  write_text(path, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
  CHECK(error_of(path).text() == path + ": no certificate is in it");
  CHECK_THAT(error_of(folder / "").text(), EndsWith("not a regular file"));
  write_text(path, std::string(5 * 1024 * 1024, '\n'));
  CHECK(error_of(path).code() == Errc::kLimit);
}

TEST_CASE("a bundle with a broken certificate is an error, not a shorter bundle") {
  const TemporaryFolder folder;
  const std::string good = test_authority().pem();
  const std::string path = folder / "ca.pem";
  const auto broken = GENERATE(values<std::string>({
      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
      "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n",
      "-----BEGIN CERTIFICATE-----\nMIIB\n",
      "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,"
      "00112233445566778899AABBCCDDEEFF\n\nAAAAAAAAAAAAAAAAAAAAAA==\n-----END CERTIFICATE-----\n",
  }));
  CAPTURE(broken);
  write_text(path, good + broken);
  CHECK(error_of(path).text() == path + ": certificate 2 in it cannot be read");
}

TEST_CASE("the roots of SSL_CERT_FILE are read at the first connection") {
  const TemporaryFolder folder;
  const std::string path = folder / "roots.pem";
  const EnvironmentVariable file("SSL_CERT_FILE", path);
  const EnvironmentVariable none("SSL_CERT_DIR", "");
  SECTION("and used") {
    write_text(path, test_authority().pem());
    TlsPair pair({});
    CHECK(accepted(pair));
  }
  SECTION("and a certificate that is not from them is refused") {
    const Identity other({.subject = "Other CA", .names = "", .authority = true});
    write_text(path, other.pem());
    TlsPair pair({});
    CHECK_FALSE(accepted(pair));
    CHECK((**pair.opened).error().text() ==
          "the certificate is issued by 'CN=Test CA', which is not in " + path);
  }
  SECTION("and one that is missing refuses every certificate") {
    TlsPair pair({});
    CHECK_FALSE(accepted(pair));
    CHECK((**pair.opened).error().code() == Errc::kRefused);
    CHECK((**pair.opened).error().text() == "SSL_CERT_FILE: " + path + ": no such file or directory");
  }
}

TEST_CASE("roots that could not be read are read again at the next connection") {
  const TemporaryFolder folder;
  const std::string path = folder / "roots.pem";
  const EnvironmentVariable file("SSL_CERT_FILE", path);
  auto context = TlsContext::create({});
  REQUIRE(context);
  async::Loop loop;
  const auto connects = [&] {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    TlsPeer server(loop, Peer(loop, UniqueFd(ends[0])));
    Running<TlsPair::Opened> opened(
        loop, start_tls(loop, *context, async::Stream(loop, UniqueFd(ends[1])), "localhost"));
    while (!opened.done()) (void)server.accept();
    return (*opened).has_value();
  };
  CHECK_FALSE(connects());
  write_text(path, test_authority().pem());
  CHECK(connects());
}

TEST_CASE("the folders of SSL_CERT_DIR are read, and what is no certificate in them passed over") {
  const TemporaryFolder empty, full;
  write_text(full / "README", "no certificate");
  write_text(full / "some-name.crt", test_authority().pem());
  std::filesystem::create_directory(full / "folder");
  const EnvironmentVariable file("SSL_CERT_FILE", "");
  SECTION("all of them") {
    const EnvironmentVariable folders("SSL_CERT_DIR", (empty / "") + ":" + (full / ""));
    TlsPair pair({});
    CHECK(accepted(pair));
  }
  SECTION("and it is said when there is none") {
    const EnvironmentVariable folders("SSL_CERT_DIR", empty / "");
    TlsPair pair({});
    CHECK_FALSE(accepted(pair));
    CHECK((**pair.opened).error().text() == "SSL_CERT_DIR: no root certificate is in " + (empty / ""));
  }
}

TEST_CASE("a connection that is dropped while the roots are read leaves nothing behind") {
  const TemporaryFolder folder;
  const std::string path = folder / "roots.pem";
  write_text(path, test_authority().pem());
  const EnvironmentVariable file("SSL_CERT_FILE", path);
  TlsPair pair({});
  pair.opened->drop();
  CHECK(pair.server->raw().ended());
}

}  // namespace
}  // namespace shed::net
