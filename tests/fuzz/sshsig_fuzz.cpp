// Signatures. The first byte: even, the rest is an armored text; odd, it is the blob inside the armor, so
// that the fuzzer need not learn base64. What reads is put together again; what verifies is by this key, over
// this message and for this namespace, and for nothing else. The seeds are signatures over "a message\n".
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "shed/ssh/sshsig.h"
#include "shed/ssh/verify.h"
#include "shed/ssh/wire.h"

namespace {

using namespace shed::ssh;

constexpr std::string_view kMessage = "a message\n";

void require(bool holds) {
  if (!holds) std::abort();
}

// A blob has one form but for its version and what stands in the reserved field.
void require_same_blob(std::string_view blob, const Sshsig& sshsig) {
  const auto made = make_sshsig(sshsig);
  if (!made) return;  // an algorithm that may be read and is not asked for
  const auto again = read_sshsig(armor_sshsig(*made));
  require(again && *again == sshsig);
  WireReader reader(blob);
  (void)reader.bytes(kSshsigMagic.size() + 4);
  (void)reader.string(), (void)reader.string();
  const auto reserved = reader.string();
  require(reserved.has_value());
  if (reserved->empty() && blob[9] == 1) require(blob == *made);
}

void verify(const Sshsig& sshsig) {
  const auto digest = message_digest(sshsig.hash, kMessage);
  require(digest.has_value());
  const auto status = verify_sshsig(sshsig, sshsig.name_space, *digest);
  require(status || !status.error().text().empty());
  if (!status) return;
  require(!verify_sshsig(sshsig, sshsig.name_space + "x", *digest));
  require(!key_type_title(sshsig.key_blob).empty() && check_key_blob(sshsig.key_blob).has_value());
  // An Ed25519 key of a small order verifies one signature over every eighth message: nobody owns such a key.
  if (key_type_title(sshsig.key_blob).starts_with("ED25519")) return;
  require(!verify_sshsig(sshsig, sshsig.name_space, *message_digest(sshsig.hash, "another message\n")));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string text = (data[0] & 1) != 0 ? armor_sshsig(input) : std::string(input);
  const auto blob = dearmor_sshsig(text);
  require(blob || !blob.error().text().empty());
  if (!blob) return 0;
  if ((data[0] & 1) != 0) require(*blob == input);
  const auto sshsig = parse_sshsig(*blob);
  require(sshsig || !sshsig.error().text().empty());
  if (!sshsig) return 0;
  require_same_blob(*blob, *sshsig);
  verify(*sshsig);
  return 0;
}
