#include "shed/net/tls_server.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "shed/base/file.h"
#include "tls_fixture.h"

namespace shed::net {
namespace {

using Opened = Result<std::unique_ptr<Channel>>;
using ServerContext = std::shared_ptr<TlsServerContext>;

std::string key_pem(const Identity& identity, const char* password = nullptr) {
  const SslBio out(BIO_new(BIO_s_mem()));
  const int length = password == nullptr ? 0 : static_cast<int>(std::strlen(password));
  const auto* bytes = reinterpret_cast<const unsigned char*>(password);
  REQUIRE(PEM_write_bio_PrivateKey(out.get(), identity.key(),
                                   password == nullptr ? nullptr : EVP_aes_128_cbc(), bytes, length, nullptr,
                                   nullptr) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

ServerContext self_signed() {
  static const TemporaryFolder kFolder;
  static const ServerContext kContext = [] {
    REQUIRE(make_self_signed(kFolder / "server.pem", "shed"));
    auto made = TlsServerContext::create({.certificate_file = kFolder / "server.pem", .key_file = ""});
    REQUIRE(made);
    return *made;
  }();
  return kContext;
}

// A connection of which accept_tls() has one end, and the test the other.
class Server {
 public:
  explicit Server(ServerContext context = self_signed()) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    other = UniqueFd(ends[1]);
    accepted.emplace(loop, accept_tls(loop, std::move(context), async::Stream(loop, UniqueFd(ends[0]))));
  }
  Peer& peer() {
    if (!peer_) peer_.emplace(loop, std::move(other));
    return *peer_;
  }
  Error error() {
    REQUIRE(accepted->done());
    REQUIRE_FALSE(**accepted);
    return (**accepted).error();
  }
  FakeClock clock;
  async::Loop loop{clock};
  UniqueFd other;
  std::optional<Running<Opened>> accepted;

 private:
  std::optional<Peer> peer_;
};

// Our client at the other end.
class Client {
 public:
  Client(Server& server, TlsOptions options) {
    auto context = TlsContext::create(std::move(options));
    REQUIRE(context);
    async::Stream stream(server.loop, std::move(server.other));
    opened.emplace(server.loop, start_tls(server.loop, *context, std::move(stream), "10.0.0.1"));
    for (int round = 0; round < 20 && !(opened->done() && server.accepted->done()); ++round) {
      server.loop.poll();
    }
  }
  std::optional<Running<Opened>> opened;
};

TlsOptions pinning(std::string pin) { return {.ca_file = "", .pin = std::move(pin), .protocol = ""}; }

async::Task<Result<std::string>> read_once(Channel& channel) {
  std::string into(64, '\0');
  const auto count = co_await channel.read(into);
  if (!count) co_return propagate(count);
  into.resize(*count);
  co_return into;
}

TEST_CASE("a client that pins the certificate is served, both ways") {
  Server server;
  Client client(server, pinning(self_signed()->pin()));
  REQUIRE(**server.accepted);
  REQUIRE(**client.opened);
  Channel& here = ****server.accepted;
  Channel& there = ****client.opened;
  REQUIRE(server.loop.block_on(there.write("from the ", "client")));
  CHECK(server.loop.block_on(read_once(here)) == "from the client");
  REQUIRE(server.loop.block_on(here.write("from the server", {})));
  CHECK(server.loop.block_on(read_once(there)) == "from the server");
  client.opened.reset();
  CHECK(server.loop.block_on(read_once(here)) == "");
}

TEST_CASE("a client that pins another certificate goes, and the server is told why") {
  Server server;
  const std::string other = "sha256:" + std::string(64, '0');
  Client client(server, pinning(other));
  REQUIRE(client.opened->done());
  REQUIRE_FALSE(**client.opened);
  CHECK((**client.opened).error().code() == Errc::kRefused);
  CHECK((**client.opened).error().text() ==
        "the certificate's pin is " + self_signed()->pin() + ", wanted is " + other);
  CHECK(server.error().code() == Errc::kProtocol);
  CHECK(server.error().text().find("alert") != std::string::npos);
}

TEST_CASE("a client that offers a protocol by ALPN is served without one") {
  Server server;
  TlsOptions options = pinning(self_signed()->pin());
  options.protocol = "http/1.1";
  Client client(server, std::move(options));
  CHECK(**server.accepted);
  CHECK(**client.opened);
}

TEST_CASE("what speaks no TLS is refused") {
  Server server;
  SECTION("frames") {
    server.peer().send(std::string("\x20\x00\x00\x00\x02{}", 7) + std::string(64, ' '));
    CHECK(server.error().code() == Errc::kProtocol);
  }
  SECTION("HTTP") {
    server.peer().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(server.error().code() == Errc::kProtocol);
    CHECK(server.error().text() == "the peer does not speak TLS; is it plain http?");
  }
  SECTION("a record that is no handshake") {
    server.peer().send(std::string("\x17\x03\x03\x00\x02xx", 7));
    CHECK(server.error().code() == Errc::kProtocol);
  }
}

// A client made of OpenSSL alone, with what ours would never do.
class RawClient {
 public:
  RawClient(Server& server, int highest)
      : loop_(server.loop), fd_(std::move(server.other)), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_security_level(context_.get(), 0);
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_.get(), highest);
    SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(context_.get(), [](SSL* ssl, SSL_SESSION*) {
      ++*static_cast<int*>(SSL_get_app_data(ssl));
      return 0;
    });
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_app_data(ssl_.get(), &sessions);
    REQUIRE(::fcntl(fd_.get(), F_SETFL, O_NONBLOCK) == 0);
    REQUIRE(SSL_set_fd(ssl_.get(), fd_.get()) == 1);
    SSL_set_connect_state(ssl_.get());
  }
  bool shake_hands() {
    for (int round = 0; round < 20; ++round) {
      const bool done = SSL_do_handshake(ssl_.get()) == 1;
      ERR_clear_error();
      loop_.poll();
      if (done) return true;
    }
    return false;
  }
  SSL* native() { return ssl_.get(); }
  void hang_up() {
    fd_.reset();
    loop_.poll();
  }
  int sessions = 0;

 private:
  async::Loop& loop_;
  UniqueFd fd_;
  SslContext context_;
  SslConnection ssl_;
};

TEST_CASE("a client of TLS 1.1 is refused") {
  Server server;
  RawClient client(server, TLS1_1_VERSION);
  CHECK_FALSE(client.shake_hands());
  CHECK(server.error().code() == Errc::kProtocol);
  CHECK(server.error().text() == "the peer speaks neither TLS 1.2 nor 1.3");
}

TEST_CASE("no session is left to resume") {
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  Server server;
  RawClient client(server, version);
  REQUIRE(client.shake_hands());
  REQUIRE(server.accepted->done());
  REQUIRE(**server.accepted);
  REQUIRE(server.loop.block_on((****server.accepted).write("x", {})));
  char byte = 0;
  REQUIRE(SSL_read(client.native(), &byte, 1) == 1);
  CHECK(SSL_version(client.native()) == version);
  CHECK(SSL_SESSION_is_resumable(SSL_get_session(client.native())) == 0);
}

TEST_CASE("a client that hangs up in the handshake is an error that says so") {
  Server server;
  SECTION("before it") { server.peer().close(); }
  SECTION("in it") {
    RawClient client(server, TLS1_3_VERSION);
    (void)SSL_do_handshake(client.native());
    server.loop.poll();
    CHECK_FALSE(server.accepted->done());
    char flight[16384];
    while (::recv(SSL_get_fd(client.native()), flight, sizeof flight, 0) > 0) {
    }
    client.hang_up();
  }
  CHECK(server.error().code() == Errc::kClosed);
  CHECK(server.error().text() == "the peer closed the connection in the TLS handshake");
}

TEST_CASE("a handshake of a silent client that is dropped hangs up") {
  Server server;
  CHECK_FALSE(server.accepted->done());
  server.accepted->drop();
  CHECK(server.peer().ended());
}

// Files

// Files with a certificate and a key for a server.
class Files {
 public:
  Files() = default;
  void write(std::string_view name, std::string_view text, mode_t mode = 0600) {
    const std::string path = folder / name;
    write_text(path, text);
    REQUIRE(::chmod(path.c_str(), mode) == 0);
  }
  // What create() says of "server.pem", and of "key.pem" where that is wanted.
  Error error(bool with_key_file = false) {
    const auto made = TlsServerContext::create(
        {.certificate_file = folder / "server.pem", .key_file = with_key_file ? folder / "key.pem" : ""});
    REQUIRE_FALSE(made);
    return made.error();
  }
  TemporaryFolder folder;
};

TEST_CASE("a chain, the leaf first, and a key of its own file") {
  Files files;
  files.write("server.pem", test_server().pem() + test_authority().pem(), 0644);
  files.write("key.pem", key_pem(test_server()), 0640);
  const auto made = TlsServerContext::create(
      {.certificate_file = files.folder / "server.pem", .key_file = files.folder / "key.pem"});
  REQUIRE(made);
  CHECK((*made)->pin() == test_server().pin());
  Server server(*made);
  Client client(server, pinning(test_server().pin()));
  CHECK(**client.opened);
}

TEST_CASE("a file that holds no certificate and its key is refused by name") {
  Files files;
  SECTION("missing") { CHECK(files.error().code() == Errc::kNotFound); }
  SECTION("empty") {
    files.write("server.pem", "");
    CHECK(files.error().text() == (files.folder / "server.pem") + ": no certificate is in it");
  }
  SECTION("only a key") {
    files.write("server.pem", key_pem(test_server()));
    CHECK(files.error().text().ends_with(": no certificate is in it"));
  }
  SECTION("only a certificate") {
    files.write("server.pem", test_server().pem());
    CHECK(files.error().text().ends_with(": no private key is in it"));
  }
  SECTION("a certificate that is cut") {
    files.write("server.pem", test_server().pem().substr(0, 200));
    CHECK(files.error().text().ends_with(": certificate 1 in it cannot be read"));
  }
  SECTION("the key of another certificate") {
    files.write("server.pem", test_server().pem() + key_pem(test_authority()));
    CHECK(files.error().text().ends_with(": the private key in it is not that of the certificate"));
  }
  SECTION("a key with a password") {
    files.write("server.pem", test_server().pem() + key_pem(test_server(), "secret"));
    CHECK(files.error().text().ends_with("one with a password is of no use here"));
  }
  SECTION("more certificates than a chain has") {
    std::string chain = test_server().pem();
    for (int i = 0; i < 9; ++i) chain += test_authority().pem();
    files.write("server.pem", chain + key_pem(test_server()));
    CHECK(files.error().code() == Errc::kLimit);
  }
  SECTION("more than a file may have") {
    files.write("server.pem", std::string(1024 * 1024 + 1, '\n'));
    CHECK(files.error().code() == Errc::kLimit);
  }
  SECTION("a folder") { REQUIRE(::mkdir((files.folder / "server.pem").c_str(), 0700) == 0); }
  CHECK(files.error().text().starts_with(files.folder / "server.pem"));
}

TEST_CASE("a key that others can read or change is refused") {
  const mode_t mode = GENERATE(0604, 0660, 0602, 0620, 0644);
  Files files;
  files.write("server.pem", test_server().pem() + key_pem(test_server()), mode);
  CHECK(files.error().code() == Errc::kPermission);
  CHECK(files.error().text() ==
        (files.folder / "server.pem") + ": other users can read or change the key; run chmod 600 on it");
}

TEST_CASE("errors about the key name the file of the key") {
  Files files;
  files.write("server.pem", test_server().pem());
  CHECK(files.error(true).text().starts_with(files.folder / "key.pem"));
  files.write("key.pem", "no key");
  CHECK(files.error(true).text() == (files.folder / "key.pem") + ": no private key is in it");
}

Certificate certificate_in(const std::string& path) {
  const auto text = read_file(path, 65536);
  REQUIRE(text);
  const SslBio input(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  Certificate certificate(PEM_read_bio_X509(input.get(), nullptr, nullptr, nullptr));
  REQUIRE(certificate);
  return certificate;
}

TEST_CASE("a certificate of our own is valid from yesterday for ten years, and its file is private") {
  const TemporaryFolder folder;
  const std::string path = folder / "own.pem";
  const mode_t before = ::umask(0);
  const Status made = make_self_signed(path, "build-17");
  ::umask(before);
  REQUIRE(made);
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);

  const Certificate certificate = certificate_in(path);
  const auto at = [](int days) { return std::time(nullptr) + days * 86400L; };
  std::time_t moment = at(0) - 86400 + 60;
  CHECK(X509_cmp_time(X509_get0_notBefore(certificate.get()), &moment) < 0);
  moment = at(-2);
  CHECK(X509_cmp_time(X509_get0_notBefore(certificate.get()), &moment) > 0);
  moment = at(3650);
  CHECK(X509_cmp_time(X509_get0_notAfter(certificate.get()), &moment) > 0);
  moment = at(3653);
  CHECK(X509_cmp_time(X509_get0_notAfter(certificate.get()), &moment) < 0);
  char name[64];
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name, sizeof name);
  CHECK(std::string_view(name) == "build-17");
  CHECK(X509_verify(certificate.get(), X509_get0_pubkey(certificate.get())) == 1);
}

TEST_CASE("each certificate of our own has a key and a number of its own, and replaces the one before") {
  const TemporaryFolder folder;
  const std::string path = folder / "own.pem";
  REQUIRE(make_self_signed(path, "a"));
  const Certificate first = certificate_in(path);
  REQUIRE(make_self_signed(path, "a"));
  const Certificate second = certificate_in(path);
  CHECK(X509_cmp(first.get(), second.get()) != 0);
  CHECK(ASN1_INTEGER_cmp(X509_get0_serialNumber(first.get()), X509_get0_serialNumber(second.get())) != 0);
  CHECK(EVP_PKEY_eq(X509_get0_pubkey(first.get()), X509_get0_pubkey(second.get())) != 1);
}

TEST_CASE("a certificate with a name that is none, or without a place, is not made") {
  const TemporaryFolder folder;
  for (const std::string& name :
       {std::string(), std::string(65, 'n'), std::string("a\nb"), std::string("\xc3")}) {
    const Status made = make_self_signed(folder / "own.pem", name);
    REQUIRE_FALSE(made);
    CHECK(made.error().code() == Errc::kInvalid);
  }
  const Status nowhere = make_self_signed(folder / "none/own.pem", "a");
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().text().starts_with(folder / "none/own.pem"));
}

}  // namespace
}  // namespace shed::net
