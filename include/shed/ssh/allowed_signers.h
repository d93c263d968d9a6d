// Who may sign: OpenSSH's allowed_signers files (ssh-keygen(1), "ALLOWED SIGNERS").
//
//   principals [options] type base64 [comment]
//
//   principals  names and patterns with * and ?, separated by commas, ! in front of one that must not match;
//   in quotes
//               where there are blanks in them
//   options     cert-authority            the key signs certificates of those who may sign
//               namespaces="git,file"     patterns of the namespaces that it may sign for
//               valid-after="20260101Z"   at the earliest, and
//               valid-before="20270101"   at the latest, both still valid: parse_signing_time()
//
// A certificate counts only by a line with cert-authority: issued by that authority for a user, valid at the
// time in question, and with the principal in its own list, which is no pattern. As for ssh-keygen, its
// critical options say nothing about signatures; other than it, one that its authority signed with SHA-1
// never counts.
//
// Complaints are what ssh-keygen prints on stderr about lines that would match but for something: "FILE:3:
// key has expired: ...". They are told to people; whether somebody may sign does not depend on them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/result.h"
#include "shed/ssh/signing_time.h"

namespace shed::ssh {

// A thousand lines have some 200 KiB.
inline constexpr std::size_t kMaxAllowedSignersFile = std::size_t{4} * 1024 * 1024;
inline constexpr std::size_t kMaxAllowedSignersLine = std::size_t{64} * 1024;
// Of a certificate; OpenSSH has the same bound.
inline constexpr std::size_t kMaxPrincipals = 256;
inline constexpr std::size_t kMaxComplaints = 20;

struct SignerAnswer {
  bool found = false;
  std::vector<std::string> principals;
  std::vector<std::string> complaints;  // the first kMaxComplaints
};

class AllowedSigners {
 public:
  // `name` is what complaints call the file. Errc::kLimit over kMaxAllowedSignersFile. A line that is
  // malformed allows nobody and is complained about when somebody asks for what it would say.
  static Result<AllowedSigners> read(std::string name, std::string text);

  // Whether `principal` may sign with the key (or certificate) for the namespace at that time: what
  // `ssh-keygen -Y verify` asks when the signature itself is good. Nobody is called "". `principals` stays
  // empty.
  SignerAnswer allows(std::string_view key_blob, std::string_view principal, std::string_view name_space,
                      SigningTime time) const;
  // Who has this key at that time, by the first line that has it: -Y find-principals, which prints one
  // principal a line. For a plain key the line's principals as they stand, patterns and all; for a
  // certificate those of its own that the line's patterns match. Namespaces do not matter.
  SignerAnswer find_principals(std::string_view key_blob, SigningTime time) const;
  // The principals of all lines that match this one, each line's as one text: -Y match-principals, which
  // prints them one a line. Keys, dates and namespaces do not matter, but a line that matches and is
  // malformed is an end with nothing found.
  SignerAnswer match_principals(std::string_view principal) const;

 private:
  AllowedSigners(std::string name, std::string text) : name_(std::move(name)), text_(std::move(text)) {}

  std::string name_;
  std::string text_;
};

}  // namespace shed::ssh
