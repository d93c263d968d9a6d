// Key files. An even first byte: the rest is the text of a file. An odd one: the rest is what stands
// inside OpenSSH's armor, so that the fuzzer need not learn base64. What parses must be able to sign,
// and its own public key must verify it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "shed/base/base64.h"
#include "shed/ssh/private_key.h"
#include "shed/ssh/verify.h"

namespace {

using namespace shed::ssh;

std::string armored(std::string_view bytes) {
  return "-----BEGIN OPENSSH PRIVATE KEY-----\n" + shed::base64_encode(bytes) +
         "\n-----END OPENSSH PRIVATE KEY-----\n";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto key = PrivateKey::parse((data[0] & 1) != 0 ? armored(input) : std::string(input), "file");
  if (!key) {
    if (key.error().text.empty()) std::abort();
    return 0;
  }
  if (!check_key_blob(key->public_blob())) std::abort();
  const auto signature = key->sign("data", SSH_AGENT_RSA_SHA2_256);
  // A number that was said to be prime and is not makes signatures that fail; they only must not crash.
  if (signature) (void)verify_signature(key->public_blob(), encode_signature(*signature), "data");
  return 0;
}
