// The command line of `ssh-keygen -Y`, as git and people write it for the program in gpg.ssh.program.
//
//   -Y sign             -n NAMESPACE -f KEY [-O OPTION] [-Uqv] [--] [FILE...]
//   -Y find-principals  -s SIGNATURE -f ALLOWED_SIGNERS [-O OPTION]
//   -Y verify           -n NAMESPACE -f ALLOWED_SIGNERS -I PRINCIPAL -s SIGNATURE [-r REVOKED] [-O OPTION]
//   -Y check-novalidate -n NAMESPACE -s SIGNATURE [-O OPTION]
//
// Options are getopt's: several flags in one word, a value in the same word or the next one, the last of
// several counts (-O adds up), "--" or the first word that is none ends them, and "-" is none.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace shed::broker {

struct SigningCommand {
  std::string operation;                  // of -Y; empty: none
  std::optional<std::string> name_space;  // -n
  std::optional<std::string> file;        // -f: the key, or the file of allowed signers
  std::optional<std::string> signature;   // -s
  std::optional<std::string> principal;   // -I
  std::optional<std::string> revoked;     // -r
  std::vector<std::string> options;       // -O
  std::vector<std::string> files;
  bool quiet = false;  // -q
  // What only ssh-keygen itself makes something of: the first such option ("-E"), or one that lacks its
  // value. Empty: all was understood.
  std::string foreign;
};

// Never fails: what it does not know is ssh-keygen's business, and `foreign` says what that is.
SigningCommand parse_signing_command(std::span<const std::string> arguments);

}  // namespace shed::broker
