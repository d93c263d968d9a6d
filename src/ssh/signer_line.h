// One line of an allowed_signers file, for allowed_signers.cpp alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shed/base/result.h"
#include "shed/ssh/signing_time.h"

namespace shed::ssh {

struct SignerOptions {
  bool authority = false;
  std::optional<std::string> namespaces;
  std::optional<SigningTime> valid_after;
  std::optional<SigningTime> valid_before;
};

struct SignerLine {
  std::string principals;
  std::string key_blob;
  SignerOptions options;
};

// Takes the principals in front, without their quotes, and the blanks behind them. Nothing where a quote does
// not end.
std::optional<std::string> take_principals(std::string_view& rest);
// What stands behind the principals. The texts are ssh-keygen's.
Status read_signer_key(std::string_view rest, SignerLine& line);

// Whether one of the patterns, separated by commas, matches and none with '!' in front does. Letters count as
// they are.
bool matches_principals(std::string_view name, std::string_view patterns);

}  // namespace shed::ssh
