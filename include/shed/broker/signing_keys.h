// Which key the signing proxy signs with: the ones that were configured, as lines of an authorized_keys file
// (ssh/public_key_line.h), or whichever the agent has first.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/result.h"
#include "shed/broker/watched_file.h"
#include "shed/ssh/types.h"

namespace shed::broker {

// More are a mistake: the first one that the agent has is used.
inline constexpr std::size_t kMaxSigningKeys = 64;

struct SigningKey {
  std::string blob;   // what stands in the signature: a certificate, too
  std::string asked;  // what the agent is asked for; the plain key where the agent lacks the certificate
  std::string comment;
};

class SigningKeys {
 public:
  // `lines`, else the file at `path`, which is read again when it changes; with neither any key. Errors are
  // for start-up, and name the line. The clock must outlive them.
  static Result<SigningKeys> open(std::string_view lines, std::string path,
                                  const Clock& clock = system_clock());

  // Blobs, the one to prefer first; none where any key will do. An error for as long as the file is not what
  // it should be: signing with yesterday's key would hide that. It is tried anew each time.
  Result<std::vector<std::string>> current();

 private:
  std::optional<WatchedFile> file_;
  Result<std::vector<std::string>> keys_;
};

// Of the keys that an agent has. Without `wanted` its first one of a type that is known; else the first of
// those that is there. A certificate is there where its key is: a signature by the key is one of the
// certificate, as ssh has it with a CertificateFile. Errc::kNotFound.
Result<SigningKey> choose_signing_key(std::span<const std::string> wanted,
                                      std::span<const ssh::Identity> identities);

}  // namespace shed::broker
