// The keys that a person has in files, for when no agent answers.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "shed/ssh/private_key.h"

namespace shed::ssh {

// As ssh tries them; DSA is not among what this program signs with.
inline constexpr std::array<const char*, 3> kKeyFileNames = {"id_ed25519", "id_ecdsa", "id_rsa"};

struct KeyFiles {
  std::vector<PrivateKey> keys;
  // One text for each file that is there and was skipped: "<path>: <cause>; <remedy>".
  std::vector<std::string> warnings;
};

// Reads kKeyFileNames, in this order, from `directory` (normally ~/.ssh, expanded
// by the caller). A file that is not there is not mentioned. Skipped with a warning: a file that
// belongs to another user, that group or others may read or write, that is no regular file, or that
// PrivateKey::parse refuses. Symbolic links are followed; what counts is the file at their end.
//
// A key without a comment of its own gets the one in FILE.pub, if that is the same key, else the
// file's name.
KeyFiles load_key_files(const std::string& directory);

}  // namespace shed::ssh
