// Which host keys belong to which names: OpenSSH's known_hosts files (sshd(8), "SSH_KNOWN_HOSTS FILE
// FORMAT").
//
//   [marker] hosts type key [comment]
//
//   marker   @revoked: nobody has this key any more; @cert-authority: this key signs certificates of hosts
//   hosts    names and patterns with * and ?, separated by commas, ! in front of one that must not match;
//            "[host]:port" for other ports than 22; or one hashed name: "|1|salt|HMAC-SHA1 of the name"
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/clock.h"
#include "shed/base/result.h"

namespace shed::ssh {

inline constexpr std::size_t kMaxKnownHostsFile = std::size_t{1024} * 1024;
// A key of 16384 bits takes 3 KiB; the rest is for names.
inline constexpr std::size_t kMaxKnownHostsLine = std::size_t{16} * 1024;
inline constexpr std::size_t kMaxHostName = 255;
inline constexpr std::size_t kMaxNamesOfKey = 32;

// What was passed over: lines that are malformed. Lines with a key of a type that is not known here (DSA)
// are passed over without a word, as ssh does.
struct BadLines {
  static constexpr std::size_t kMaxNumbers = 20;
  std::size_t count = 0;
  std::vector<std::size_t> numbers;  // the first kMaxNumbers, from 1
};

class KnownHosts {
 public:
  // Adds what a file says; a line that is malformed is passed over. Errc::kLimit over kMaxKnownHostsFile, and
  // nothing is added.
  Result<BadLines> add(std::string_view text);

  // Whether a host of this name ("host", or "[host]:port" where the port is not 22; in any case) has this
  // key. `host_key` is a key, or a certificate: one whose key stands in a line for the name, or one for
  // hosts, valid at `now`, without critical options, with a principal that matches the host's name, and
  // signed by an authority of the name. A certificate without principals matches no name; ssh lets it match
  // all of them. A key that is revoked for anybody never matches, nor does what a revoked authority signed.
  // Looking up a key allocates nothing where no line has it.
  bool matches(std::string_view name, std::string_view host_key, WallTime now) const;
  // The names for which matches() holds, for a person: those that stand in the lines, in their order,
  // names before addresses, then those of `candidates`: a hashed name can only be guessed. No patterns;
  // at most kMaxNamesOfKey.
  std::vector<std::string> names_for(std::string_view host_key, WallTime now,
                                     std::span<const std::string_view> candidates = {}) const;
  // For each of `names` whether matches() holds: the host key is looked at once for all of them.
  std::vector<bool> matches_each(std::span<const std::string> names, std::string_view host_key,
                                 WallTime now) const;
  // How much of what the files say about a host key names_for() tells.
  enum class Naming : std::uint8_t {
    kNone,  // they name no host with it, or it is revoked
    kSome,  // there are names that cannot be listed: hashed ones, patterns, those of a certificate
    kAll,
  };
  Naming naming(std::string_view host_key, WallTime now) const;
  // Whether the key, or the authority of the certificate, is revoked.
  bool is_revoked(std::string_view host_key) const;

  std::size_t size() const { return lines_.size(); }  // lines with a key

 private:
  enum class Marker : std::uint8_t { kNone, kRevoked, kAuthority };
  struct Line {
    Marker marker = Marker::kNone;
    bool hashed = false;
    std::string hosts;         // lower case; hashed: salt and hash, kHashSize bytes each
    std::string key;           // blob
    std::size_t bytes_at = 0;  // where the key's fields start in it
    std::size_t number = 0;    // in the order of the files

    std::string_view key_bytes() const { return std::string_view(key).substr(bytes_at); }
    bool has_host(std::string_view name) const;
  };
  enum class LineKind : std::uint8_t { kEmpty, kBad, kUnknownType, kKey };
  class Query;

  static LineKind read_line(std::string_view text, Line& line);
  static bool read_hosts(std::string_view text, Line& line);
  // All lines with this key.
  std::span<const Line> lines_with(std::string_view key_bytes) const;
  bool has_line(std::string_view key_bytes, Marker marker, std::string_view name) const;
  bool has_revoked(std::string_view key_bytes) const;
  template <class Function>
  void for_each_host(std::string_view key_bytes, Function function) const;

  std::vector<Line> lines_;  // by key_bytes(); of one key in the order of the files
};

}  // namespace shed::ssh
