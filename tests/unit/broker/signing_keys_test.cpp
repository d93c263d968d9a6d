#include "shed/broker/signing_keys.h"

#include "shed/ssh/public_key_line.h"
#include "ssh_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

const std::string kKey = key_blob("ssh-ed25519", 'a');
const std::string kOther = key_blob("ssh-ed25519", 'b');

std::vector<ssh::Identity> agent_with(std::initializer_list<std::string> blobs) {
  std::vector<ssh::Identity> identities;
  for (const std::string& blob : blobs) identities.push_back({blob, "comment"});
  return identities;
}

TEST_CASE("without configured keys the agent's first one of a known type signs") {
  const auto chosen = choose_signing_key({}, agent_with({key_blob("ssh-new"), kOther, kKey}));
  REQUIRE(chosen);
  CHECK(chosen->blob == kOther);
  CHECK(chosen->asked == kOther);
  CHECK(chosen->comment == "comment");
}

TEST_CASE("an agent without keys, or without the configured ones, cannot sign") {
  CHECK(choose_signing_key({}, {}).error().code() == Errc::kNotFound);
  const std::vector<std::string> wanted = {kKey};
  CHECK(choose_signing_key(wanted, agent_with({kOther})).error().code() == Errc::kNotFound);
}

TEST_CASE("of several configured keys the first one that is there signs") {
  const std::vector<std::string> wanted = {kKey, kOther};
  CHECK(choose_signing_key(wanted, agent_with({kOther, kKey}))->blob == kKey);
  CHECK(choose_signing_key(wanted, agent_with({kOther}))->blob == kOther);
}

TEST_CASE("lines with options, comments and any blanks are keys") {
  const std::string line = ssh::public_key_text(kKey);
  auto keys = SigningKeys::open(fmt::format("# two\r\n\n\tno-pty  {}  a comment\n{}", line, line), "");
  REQUIRE(keys);
  CHECK(keys->current().value() == std::vector{kKey, kKey});
}

TEST_CASE("a wrong line is an error with its number") {
  const auto keys = SigningKeys::open(ssh::public_key_text(kKey) + "\n\nssh-ed25519 AAAA\n", "");
  REQUIRE_FALSE(keys);
  CHECK_THAT(keys.error().text(), Catch::StartsWith("line 3: "));
}

TEST_CASE("more keys than anybody chooses from are refused") {
  std::string lines;
  for (std::size_t i = 0; i <= kMaxSigningKeys; ++i) lines += ssh::public_key_text(kKey) + "\n";
  CHECK(SigningKeys::open(lines, "").error().code() == Errc::kLimit);
}

TEST_CASE("a file of keys is read again when it changes, and is not used while it is wrong") {
  const net::TemporaryFolder folder;
  const LogLines log;
  const std::string path = folder / "keys";
  write_to_file(path, ssh::public_key_text(kKey));
  auto keys = SigningKeys::open("", path);
  REQUIRE(keys);
  CHECK(keys->current().value() == std::vector{kKey});
  write_to_file(path, "nonsense");
  CHECK_FALSE(keys->current());
  CHECK_FALSE(keys->current());
  CHECK(log.count("nothing is signed until it is right") == 1);
  write_to_file(path, ssh::public_key_text(kOther) + "\n");
  CHECK(keys->current().value() == std::vector{kOther});
}

TEST_CASE("a file of keys that is missing for a moment is used from the next request on") {
  const net::TemporaryFolder folder;
  const LogLines log;
  FakeClock clock;
  clock.set_wall(std::chrono::system_clock::now() + std::chrono::hours(1));
  const std::string path = folder / "keys";
  write_to_file(path, ssh::public_key_text(kKey));
  auto keys = SigningKeys::open("", path, clock);
  REQUIRE(keys);
  std::filesystem::rename(path, path + ".away");
  CHECK_FALSE(keys->current());
  std::filesystem::rename(path + ".away", path);
  CHECK(keys->current().value() == std::vector{kKey});
}

TEST_CASE("a missing file of keys is an error that names it") {
  const net::TemporaryFolder folder;
  const auto keys = SigningKeys::open("", folder / "keys");
  REQUIRE_FALSE(keys);
  CHECK(keys.error().code() == Errc::kNotFound);
  CHECK_THAT(keys.error().text(), Catch::Contains(folder / "keys"));
}

}  // namespace
}  // namespace shed::broker
