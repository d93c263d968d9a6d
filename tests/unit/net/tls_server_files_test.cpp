// What stands in the files of a TLS server, and the file that is made where there is none.
#include <openssl/pem.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "shed/base/file.h"
#include "tls_server_fixture.h"

namespace shed::net {
namespace {

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
