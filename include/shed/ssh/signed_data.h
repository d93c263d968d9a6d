// What a signature is asked for: the reading of the bytes that a client has signed.
//
//   login       string session id, byte 50, string user, string "ssh-connection", string method, boolean 1,
//               string algorithm, string key; method "publickey", RFC 4252 section 7
//               the same and string server host key; method "publickey-hostbound-v00@openssh.com",
//               OpenSSH's PROTOCOL section 3.1
//   SSHSIG      "SSHSIG", string namespace, string reserved (empty), string hash, string digest;
//               OpenSSH's PROTOCOL.sshsig section 3
//   agent test  1,024 random bytes: what `ssh-add -T` asks for
//   opaque      everything else
//
// The first two cannot be mistaken for one another nor made of the other: "SSHSIG" read as a session id's
// length is over a gigabyte. What is a login here is one for a server, too, and for no other user, key or
// session: every length is checked and no byte is left over.
#pragma once

#include <cstddef>
#include <string_view>

namespace shed::ssh {

// What is longer is opaque: no account is called so, no tool uses such a namespace.
inline constexpr std::size_t kMaxUserName = 512;
inline constexpr std::size_t kMaxSshsigNamespace = 256;
inline constexpr std::size_t kAgentTestSize = 1024;

inline constexpr std::string_view kSshsigMagic = "SSHSIG";
// Bytes of a digest by the hash's name in an SSHSIG; 0 for one that has no place there.
std::size_t sshsig_digest_size(std::string_view hash);

struct SignedData {
  enum class Kind {
    kOpaque,
    // A guess: anybody can put a meaning into 1,024 bytes. Whoever decides treats it as opaque; it is told
    // apart for people only.
    kAgentTest,
    kLogin,
    kSshsig,
  };

  Kind kind = Kind::kOpaque;
  // Of opaque data that looks like one of the others: why it is none, in a few words. Never from the data.
  std::string_view note;

  // Of a login. The bytes are the guest's: a user name may hold anything but NUL.
  std::string_view session_id;
  std::string_view user;
  std::string_view algorithm;
  std::string_view key;       // the key that is asked to sign, or a certificate of it
  std::string_view host_key;  // of a hostbound login: which host it says it is for; else empty

  // Of SSHSIG. The namespace is whatever the guest says, too.
  std::string_view sshsig_namespace;
  std::string_view hash;  // sha256 or sha512, and the digest has its length
  std::string_view digest;

  bool is_login() const { return kind == Kind::kLogin; }
  bool is_hostbound() const { return is_login() && !host_key.empty(); }
};

// `key_blob` is the key that is asked to sign. The data of a login has the same key or a certificate of it:
// ssh with a certificate file asks the agent for a signature by the plain key. With another key in it the
// signature opens no server, so what it is for is unknown: opaque.
// All views are into `data`, but for the note. Nothing is allocated, unless a key is malformed.
SignedData read_signed_data(std::string_view data, std::string_view key_blob);

}  // namespace shed::ssh
