// Public keys as lines of text: .pub files and authorized_keys (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
//
//   [options] type base64 [comment]
//
// Fields are apart by any number of blanks and tabs; lines end with LF or CRLF; empty lines and those that
// start with
// '#' say nothing. Options are separated by commas, and blanks in them stand in quotes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/result.h"

namespace shed::ssh {

// The largest key takes 22 KiB; the rest is for options.
inline constexpr std::size_t kMaxPublicKeyLine = std::size_t{64} * 1024;
inline constexpr std::size_t kMaxPublicKeyFile = std::size_t{1024} * 1024;

struct PublicKeyLine {
  std::string options;     // as they stand; empty where there are none
  std::string key_blob;    // or a certificate
  std::string comment;     // without blanks around it
  std::size_t number = 0;  // of the line in its text, from 1

  bool operator==(const PublicKeyLine&) const = default;
};

// One line that has a key. Errc::kInvalid for what is no key or damaged, Errc::kUnsupported for a type that
// is not known here, Errc::kLimit over kMaxPublicKeyLine. No text has anything of the line in it but a name
// of a type.
Result<PublicKeyLine> parse_public_key_line(std::string_view line);

// All keys of a text, in order. The first line that is wrong is an error, "line 3: <why>": a key that is
// passed over would look like one that the agent lacks. Errc::kNotFound without any key, Errc::kLimit over
// kMaxPublicKeyFile.
Result<std::vector<PublicKeyLine>> parse_public_keys(std::string_view text);

// "ssh-ed25519 AAAA...", without options, comment and end of line. Empty for what is malformed.
std::string public_key_text(std::string_view key_blob);

// Whether a text with one public key a line names this key, its certified key or its certificate's authority:
// what `ssh-keygen -Y verify -r` and git's gpg.ssh.revocationFile read. Errc::kUnsupported for OpenSSH's
// binary lists of revoked keys (KRL); as parse_public_keys() for lines that are wrong, Errc::kInvalid also
// for one with anything before its key. Whoever gets an error trusts the key not.
Result<bool> is_revoked_key(std::string_view list, std::string_view key_blob);

}  // namespace shed::ssh
