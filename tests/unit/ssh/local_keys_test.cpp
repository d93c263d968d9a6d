#include "shed/ssh/local_keys.h"

#include <sys/stat.h>

#include <filesystem>

#include "agent_fixture.h"
#include "shed/ssh/verify.h"

namespace shed::ssh::test {
namespace {

struct Files {
  LogLines log;
  TemporaryFolder folder;
  async::Loop loop;

  void install(const std::string& key, const char* name) { write_text(folder / name, key_text(key)); }
};

std::vector<std::string> blobs(const Result<std::vector<Identity>>& identities) {
  REQUIRE(identities);
  std::vector<std::string> result;
  for (const Identity& identity : *identities) result.push_back(identity.key_blob);
  return result;
}

TEST_CASE("keys in files are listed with their comments") {
  Files it;
  it.install("rsa", "id_rsa");
  it.install("ed25519", "id_ed25519");
  LocalKeysBackend backend(it.loop, it.folder.path());
  const auto listed = it.loop.block_on(backend.list({make_bind(1)}));
  REQUIRE(listed);
  CHECK(*listed == std::vector<Identity>{{public_blob_of_file("ed25519"), "ed25519 key"},
                                         {public_blob_of_file("rsa"), "rsa key"}});
  CHECK(backend.mode() == "local-keys");
}

TEST_CASE("a signature by a key in a file verifies") {
  Files it;
  it.install("rsa", "id_rsa");
  LocalKeysBackend backend(it.loop, it.folder.path());
  const std::string blob = public_blob_of_file("rsa");
  const auto signature = it.loop.block_on(backend.sign({blob, "data", SSH_AGENT_RSA_SHA2_512, {}}));
  REQUIRE(signature);
  CHECK(check_signature_form(blob, SSH_AGENT_RSA_SHA2_512, *signature));
  CHECK(verify_signature(blob, encode_signature(*signature), "data"));
}

TEST_CASE("a key that is in no file is not found") {
  Files it;
  it.install("ed25519", "id_ed25519");
  LocalKeysBackend backend(it.loop, it.folder.path());
  const auto signature = it.loop.block_on(backend.sign({ed25519_blob(), "data", 0, {}}));
  REQUIRE_FALSE(signature);
  CHECK(signature.error().code() == Errc::kNotFound);
}

TEST_CASE("a key that is added later is listed and signs") {
  Files it;
  LocalKeysBackend backend(it.loop, it.folder.path());
  CHECK(blobs(it.loop.block_on(backend.list({}))).empty());
  it.install("ed25519", "id_ed25519");
  const std::string blob = public_blob_of_file("ed25519");
  CHECK(it.loop.block_on(backend.sign({blob, "data", 0, {}})));
  CHECK(blobs(it.loop.block_on(backend.list({}))) == std::vector{blob});
}

TEST_CASE("a key whose file is gone does not sign any more") {
  Files it;
  it.install("ed25519", "id_ed25519");
  LocalKeysBackend backend(it.loop, it.folder.path());
  std::filesystem::remove(it.folder / "id_ed25519");
  const auto signature = it.loop.block_on(backend.sign({public_blob_of_file("ed25519"), "data", 0, {}}));
  REQUIRE_FALSE(signature);
  CHECK(signature.error().code() == Errc::kNotFound);
}

TEST_CASE("a skipped file is one warning until its reason changes") {
  Files it;
  it.install("ed25519.locked", "id_ed25519");
  LocalKeysBackend backend(it.loop, it.folder.path());
  CHECK(it.log.count("ssh-add") == 1);
  it.install("ecdsa256", "id_ecdsa");
  CHECK(blobs(it.loop.block_on(backend.list({}))).size() == 1);
  CHECK(it.log.count("ssh-add") == 1);
  REQUIRE(::chmod((it.folder / "id_ecdsa").c_str(), 0644) == 0);
  CHECK(blobs(it.loop.block_on(backend.list({}))).empty());
  CHECK(it.log.count("chmod 600") == 1);
}

TEST_CASE("a request that is dropped while a worker signs leaves the keys to it") {
  Files it;
  it.install("rsa", "id_rsa");
  {
    LocalKeysBackend backend(it.loop, it.folder.path());
    const Running signing(it.loop, backend.sign({public_blob_of_file("rsa"), "data", 0, {}}));
    it.loop.poll();
  }
  it.loop.run();  // until the worker is done
  CHECK(it.log.lines.empty());
}

}  // namespace
}  // namespace shed::ssh::test
