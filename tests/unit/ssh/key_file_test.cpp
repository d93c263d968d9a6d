#include "shed/ssh/key_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "key_fixture.h"

namespace shed::ssh {
namespace {

using test::key_text;
using test::TemporaryFolder;
using test::write_text;

std::string public_line(const std::string& name) { return test::read_text(test::key_path(name) + ".pub"); }

TEST_CASE("a folder without keys gives neither keys nor warnings") {
  const TemporaryFolder folder;
  for (const std::string& path : {folder.path(), folder / "missing"}) {
    const KeyFiles files = load_key_files(path);
    CHECK(files.keys.empty());
    CHECK(files.warnings.empty());
  }
}

TEST_CASE("keys are loaded in the order Ed25519, ECDSA, RSA") {
  const TemporaryFolder folder;
  write_text(folder / "id_rsa", key_text("rsa"));
  write_text(folder / "id_ecdsa", key_text("ecdsa256"));
  write_text(folder / "id_ed25519", key_text("ed25519"));
  const KeyFiles files = load_key_files(folder.path());
  CHECK(files.warnings.empty());
  REQUIRE(files.keys.size() == 3);
  CHECK(files.keys[0].key_type() == "ssh-ed25519");
  CHECK(files.keys[1].key_type() == "ecdsa-sha2-nistp256");
  CHECK(files.keys[2].key_type() == "ssh-rsa");
  CHECK(files.keys[0].comment() == "ed25519 key");
}

TEST_CASE("files of other names are not touched") {
  const TemporaryFolder folder;
  write_text(folder / "id_other", key_text("ed25519"));
  CHECK(load_key_files(folder.path()).keys.empty());
}

TEST_CASE("a key that others may read is skipped with the command that closes it") {
  const TemporaryFolder folder;
  const std::string path = folder / "id_ed25519";
  write_text(path, key_text("ed25519"), 0640);
  const KeyFiles files = load_key_files(folder.path());
  CHECK(files.keys.empty());
  REQUIRE(files.warnings.size() == 1);
  CHECK(files.warnings[0] == path + ": open to other users (mode 0640); run 'chmod 600 " + path + "'");
}

TEST_CASE("each permission of group and others is too much") {
  const TemporaryFolder folder;
  for (const unsigned bit : {0001u, 0002u, 0004u, 0010u, 0020u, 0040u}) {
    write_text(folder / "id_ed25519", key_text("ed25519"), 0600 | bit);
    CHECK(load_key_files(folder.path()).keys.empty());
  }
  write_text(folder / "id_ed25519", key_text("ed25519"), 0400);
  CHECK(load_key_files(folder.path()).keys.size() == 1);
}

TEST_CASE("an encrypted key is skipped with the command that gives it to the agent") {
  const TemporaryFolder folder;
  const std::string path = folder / "id_ed25519";
  write_text(path, key_text("ed25519.locked"));
  write_text(folder / "id_ecdsa", key_text("ecdsa256"));
  const KeyFiles files = load_key_files(folder.path());
  CHECK(files.keys.size() == 1);
  REQUIRE(files.warnings.size() == 1);
  CHECK(files.warnings[0] ==
        path + ": needs a passphrase; run 'ssh-add " + path + "' and the agent holds it");
}

TEST_CASE("damaged, unknown, short and oversized files are skipped, each with its path and cause") {
  const TemporaryFolder folder;
  write_text(folder / "id_ed25519", key_text("ed25519").substr(0, 200));
  write_text(folder / "id_ecdsa", "no key at all\n");
  write_text(folder / "id_rsa", key_text("rsa1024"));
  const KeyFiles files = load_key_files(folder.path());
  CHECK(files.keys.empty());
  REQUIRE(files.warnings.size() == 3);
  CHECK(files.warnings[0].starts_with(folder / "id_ed25519" + ": damaged: "));
  CHECK(files.warnings[1].starts_with(folder / "id_ecdsa" + ": no private key"));
  CHECK(files.warnings[2].starts_with(folder / "id_rsa" + ": an RSA key of 1024 bits"));
  write_text(folder / "id_rsa", std::string(kMaxKeyFile + 1, 'x'));
  CHECK(load_key_files(folder.path()).warnings.at(2) == folder / "id_rsa" + ": 65537 bytes are over 65536");
}

TEST_CASE("a FIFO in the place of a key is skipped and nobody waits for it") {
  const TemporaryFolder folder;
  REQUIRE(::mkfifo((folder / "id_rsa").c_str(), 0600) == 0);
  const KeyFiles files = load_key_files(folder.path());
  CHECK(files.keys.empty());
  REQUIRE(files.warnings.size() == 1);
  CHECK(files.warnings[0] == folder / "id_rsa" + ": not a regular file; the key is left out");
}

TEST_CASE("a symbolic link counts as the file at its end") {
  const TemporaryFolder folder;
  write_text(folder / "elsewhere", key_text("ed25519"));
  REQUIRE(::symlink((folder / "elsewhere").c_str(), (folder / "id_ed25519").c_str()) == 0);
  CHECK(load_key_files(folder.path()).keys.size() == 1);
  REQUIRE(::chmod((folder / "elsewhere").c_str(), 0644) == 0);
  CHECK(load_key_files(folder.path()).warnings.size() == 1);
}

TEST_CASE("a PEM key takes the comment of its public file") {
  const TemporaryFolder folder;
  write_text(folder / "id_ecdsa", key_text("ecdsa256.pem"));
  write_text(folder / "id_ecdsa.pub", public_line("ecdsa256"), 0644);
  const KeyFiles files = load_key_files(folder.path());
  REQUIRE(files.keys.size() == 1);
  CHECK(files.keys[0].comment() == "ecdsa256 key");
}

TEST_CASE("a public file of another key, or none, leaves a PEM key with its file's name") {
  const TemporaryFolder folder;
  write_text(folder / "id_ecdsa", key_text("ecdsa256.pem"));
  CHECK(load_key_files(folder.path()).keys.at(0).comment() == "id_ecdsa");
  write_text(folder / "id_ecdsa.pub", public_line("ed25519"), 0644);
  CHECK(load_key_files(folder.path()).keys.at(0).comment() == "id_ecdsa");
}

// Root can give a file away; everybody else finds one of root's.
void place_foreign_file(const std::string& path) {
  if (::geteuid() != 0) {
    REQUIRE(::symlink("/etc/passwd", path.c_str()) == 0);
    return;
  }
  write_text(path, key_text("ed25519"));
  REQUIRE(::chown(path.c_str(), 12345, static_cast<gid_t>(-1)) == 0);
}

TEST_CASE("a file of another user is skipped whatever is in it") {
  const TemporaryFolder folder;
  const std::string path = folder / "id_ed25519";
  place_foreign_file(path);
  const KeyFiles files = load_key_files(folder.path());
  CHECK(files.keys.empty());
  REQUIRE(files.warnings.size() == 1);
  CHECK(files.warnings[0].starts_with(path + ": belongs to user "));
  const std::string remedy = fmt::format("run 'sudo chown {} {}' if it is your key", ::geteuid(), path);
  CHECK(files.warnings[0].ends_with(remedy));
}

}  // namespace
}  // namespace shed::ssh
