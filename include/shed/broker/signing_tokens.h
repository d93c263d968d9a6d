// The bearer tokens of the signing proxy (RFC 6750, section 2.1), and whose they are.
//
//   TOKEN            alone in its file: whoever has it is called "container"
//   NAME TOKEN       a line for each container; a name may stand several times
//
// Blanks or tabs are between the two; empty lines and those that start with '#' say nothing. A token is one
// of bus/token_file.h; a name has 1 to 64 letters, digits and . _ -. The file is its owner's alone (0600).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shed/base/result.h"
#include "shed/base/secret.h"
#include "shed/broker/watched_file.h"

namespace shed::broker {

inline constexpr std::size_t kMaxSigningTokens = 256;
// Whoever asks without a token, or with one that has no name.
inline constexpr std::string_view kUnnamedContainer = "container";

class SigningTokens {
 public:
  // Errors name the file, and the line where one is wrong. The clock must outlive them.
  static Result<SigningTokens> open(std::string path, const Clock& clock = system_clock());

  // The name for the value of an Authorization header. Looks at each token, so that the time says nothing.
  // The file is read again when it has changed. Errc::kRefused: "missing bearer token", "wrong bearer
  // token". Errc::kUnavailable for as long as the file is not what it should be: nobody is let in then, and
  // it is tried anew each time.
  Result<std::string> name_of(std::string_view authorization);

 private:
  struct Entry {
    std::string name;
    Secret token;
    bool operator==(const Entry& other) const;
  };
  using Entries = std::vector<Entry>;
  SigningTokens(std::string path, const Clock& clock) : file_(std::move(path), clock) {}
  Result<Entries> read() const;
  void read_again();
  static Result<Entry> parse_line(std::string_view line);
  static Result<Entries> parse(std::string_view text);

  WatchedFile file_;
  Entries entries_;      // none when the file cannot be used
  std::string problem_;  // why it cannot
};

}  // namespace shed::broker
