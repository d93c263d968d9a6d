#include "shed/broker/signing_shim.h"

#include <fcntl.h>

#include <fstream>

#include "shed/ssh/public_key_line.h"
#include "unit/net/net_fixture.h"
#include "unit/ssh/sshsig_vectors.h"

namespace shed::broker {
namespace {

using ssh::test::SshsigVectors;

const SshsigVectors& vectors() {
  static const SshsigVectors loaded;
  return loaded;
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A proxy that answers /sign with `answer`, or not at all while that is empty, and a folder with the message.
class Shim {
 public:
  Shim() : server([this](net::HttpExchange& exchange) { return serve(exchange); }) {
    std::ofstream(message) << vectors().message();
  }

  SigningClient client() {
    SigningServerSettings settings;
    settings.url = "http+unix://" + server.path + ":/sign";
    return {server.loop, signing_server(std::move(settings)).value()};
  }

  SigningCommand command(std::string_view key_line) const {
    std::ofstream(key) << key_line;
    SigningCommand command;
    command.operation = "sign";
    command.name_space = "git";
    command.file = key;
    command.files = {message};
    return command;
  }

  // The error's text; empty for none.
  std::string sign(std::string_view key_line) {
    SigningClient proxy = client();
    net::Running<Status> run(server.loop, sign_messages(proxy, command(key_line), {}));
    REQUIRE(run.done());
    return *run ? std::string() : run->error().text();
  }

  net::TestServer server;
  net::TemporaryFolder folder;
  std::string message = folder / "message", signature = folder / "message.sig", key = folder / "key.pub";
  std::string answer;
  int status = 200;

 private:
  async::Task<> serve(net::HttpExchange& exchange) {
    if (answer.empty()) {
      co_await exchange.disconnected();
      co_return;
    }
    (void)co_await exchange.respond(status, "application/x-ssh-signature", answer);
  }
};

SigningServerSettings at(std::string url) {
  SigningServerSettings settings;
  settings.url = std::move(url);
  return settings;
}

std::string key_path_for(std::string url) {
  return signing_server(at(std::move(url))).value().public_key.path;
}

}  // namespace

TEST_CASE_METHOD(Shim, "signatures of every kind of key are taken, security keys and certificates included") {
  for (const auto& vector : vectors().all()) {
    INFO(vector.name);
    answer = vector.armor;
    CHECK(sign(vector.key_line) == "");
    CHECK(text_of(signature) == vector.armor);
    std::filesystem::remove(signature);
  }
}

TEST_CASE_METHOD(Shim, "a signature of a security key with another counter is refused") {
  const auto& vector = vectors().get("sk-ed25519");
  ssh::Sshsig sshsig = vector.sshsig();
  sshsig.signature.back() ^= 1;
  answer = ssh::armor_sshsig(ssh::make_sshsig(sshsig).value());
  CHECK_THAT(sign(vector.key_line), Catch::Contains("Signature verification failed"));
  CHECK_FALSE(std::filesystem::exists(signature));
}

TEST_CASE_METHOD(Shim, "a good signature by another key is refused, and both are named") {
  answer = vectors().get("ed25519").armor;
  const auto& other = vectors().get("rsa");
  const std::string error = sign(other.key_line);
  CHECK_THAT(error, Catch::Contains(ssh::fingerprint(vectors().get("ed25519").key_blob())));
  CHECK_THAT(error, Catch::Contains(ssh::fingerprint(other.key_blob())));
  CHECK_THAT(error, Catch::Contains("remove that file"));
  CHECK_FALSE(std::filesystem::exists(signature));
}

TEST_CASE_METHOD(Shim, "a certificate does not stand in for its key, nor the other way round") {
  const auto& plain = vectors().get("ed25519");
  const auto& certificate = vectors().get("ed25519-cert");
  answer = certificate.armor;
  CHECK_THAT(sign(plain.key_line), Catch::Contains("the proxy signs with a certificate of SHA256:"));
  answer = plain.armor;
  CHECK_THAT(sign(certificate.key_line), Catch::Contains("the proxy signs with SHA256:") &&
                                             Catch::Contains(" has a certificate of SHA256:"));
}

TEST_CASE_METHOD(Shim, "what stands behind the armor is not passed on") {
  const auto& vector = vectors().get("ed25519");
  answer = vector.armor + "and more\n";
  CHECK(sign(vector.key_line) == "");
  CHECK(text_of(signature) == vector.armor);
}

TEST_CASE_METHOD(Shim,
                 "a proxy that says nothing is given up after three minutes, and no signature is left") {
  SigningClient proxy = client();
  net::Running<Status> run(server.loop, sign_messages(proxy, command(vectors().get("ed25519").key_line), {}));
  server.pass(SigningClient::kExchangeLimit - Millis(1));
  REQUIRE_FALSE(run.done());
  server.pass(Millis(1));
  REQUIRE(run.done());
  REQUIRE_FALSE(*run);
  CHECK(run->error().code() == Errc::kTimeout);
  CHECK_THAT(run->error().text(), Catch::StartsWith("unix://") && Catch::Contains("no answer within"));
  CHECK_FALSE(std::filesystem::exists(signature));
}

TEST_CASE_METHOD(Shim, "each status that a proxy answers with has its remedy") {
  const auto [code, words] = GENERATE(table<int, std::string>({{401, "SSH_AGENT_PROXY_TOKEN"},
                                                               {404, "SSH_AGENT_PROXY_URL"},
                                                               {405, "SSH_AGENT_PROXY_URL"},
                                                               {413, "16 MiB"},
                                                               {503, "agent"}}));
  status = code;
  answer = "because\nmore";
  const std::string error = sign(vectors().get("ed25519").key_line);
  CHECK_THAT(error, Catch::Contains(fmt::format("the proxy answers {} because;", code)));
  CHECK_THAT(error, Catch::Contains(words) && !Catch::Contains("more"));
}

TEST_CASE("the key lies beside the route that signs") {
  CHECK(key_path_for("") == "/publickey");
  CHECK(key_path_for("http://h:1/sign") == "/publickey");
  CHECK(key_path_for("http://h:1") == "/publickey");
  CHECK(key_path_for("http://h:1/a/sign") == "/a/publickey");
  CHECK(key_path_for("http://h:1/a/sign?b") == "/a/publickey?b");
  CHECK(key_path_for("http://h:1/a/") == "/a/publickey");
  CHECK(key_path_for("http+unix:///run/p.sock:/sign") == "/publickey");
  CHECK(key_path_for("unix:///run/p.sock") == "/publickey");
}

TEST_CASE("a URL without a path is the one of /sign") {
  CHECK(signing_server(at("http://h:1")).value().sign.path == "/sign");
  CHECK(signing_server(at("unix:///run/p.sock")).value().sign.path == "/sign");
  CHECK(signing_server(at("")).value().sign.origin() == "http://127.0.0.1:7221");
}

TEST_CASE("a URL that is none names its variable") {
  const auto server = signing_server(at("nonsense"));
  REQUIRE_FALSE(server);
  CHECK_THAT(server.error().text(), Catch::StartsWith("SSH_AGENT_PROXY_URL: nonsense: "));
  SigningServerSettings settings;
  settings.public_key_url = "nonsense";
  const auto key = signing_server(std::move(settings));
  REQUIRE_FALSE(key);
  CHECK_THAT(key.error().text(), Catch::StartsWith("SSH_AGENT_PROXY_PUBKEY_URL: "));
}

TEST_CASE("a token in the environment goes before one in a file") {
  SigningServerSettings settings;
  settings.token = "0123456789abcdef";
  settings.token_file = "/nonexistent";
  CHECK(signing_server(std::move(settings)).value().token.reveal() == "0123456789abcdef");
}

TEST_CASE("a token that breaks its header line is refused without being shown") {
  for (const char* token : {"a b", "a\r\nb", "a\x7f", "a\tb", "\xc3\xa4"}) {
    SigningServerSettings settings;
    settings.token = token;
    const auto server = signing_server(std::move(settings));
    REQUIRE_FALSE(server);
    CHECK(server.error().code() == Errc::kInvalid);
    CHECK(server.error().text().find(token) == std::string::npos);
  }
}

}  // namespace shed::broker
