#include "shed/bus/token_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#ifdef __APPLE__
#include <sys/random.h>
#endif

#include "shed/base/file.h"

namespace shed::bus {
namespace {

constexpr std::size_t kTokenBytes = 32;

Secret make_token() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<unsigned char, kTokenBytes> bytes;
  // A guessable token is none.
  if (::getentropy(bytes.data(), bytes.size()) != 0) std::abort();
  std::string text;
  text.reserve(2 * bytes.size() + 1);
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  wipe({reinterpret_cast<char*>(bytes.data()), bytes.size()});
  return Secret::take(text);
}

}  // namespace

// What others can read is no secret, and what they can write is theirs.
Status check_token_owner(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return std::unexpected(system_error(errno).in(path));
  if (info.st_uid != ::geteuid() && info.st_uid != 0) {
    return fail(Errc::kPermission, "{}: belongs to another user", path);
  }
  if ((info.st_mode & 077) != 0) {
    return fail(Errc::kPermission, "{}: other users may use it; run chmod 600 on it", path);
  }
  return {};
}

bool is_token(std::string_view text) {
  return text.size() >= kMinToken && text.size() <= kMaxToken &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

Result<Secret> read_token_file(const std::string& path) {
  const auto text = read_secret_file(path, kMaxToken + 2);
  if (!text) return propagate(text);
  if (const Status owner = check_token_owner(path); !owner) return propagate(owner);
  std::string_view line = text->reveal();
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!is_token(line)) {
    return fail(Errc::kInvalid, "{}: not a token: one line of {} to {} printable characters", path, kMinToken,
                kMaxToken);
  }
  return Secret(line);
}

Result<OpenedToken> open_token_file(const std::string& path) {
  auto token = read_token_file(path);
  if (token) return OpenedToken{std::move(*token), false};
  if (token.error().code() != Errc::kNotFound) return propagate(token);
  Secret made = make_token();
  std::string line;
  line.reserve(made.size() + 1);  // no copy of it stays behind
  line.append(made.reveal()).push_back('\n');
  const Status written = write_file_atomically(path, line, 0600);
  wipe(line);
  if (!written) return propagate(written);
  return OpenedToken{std::move(made), true};
}

}  // namespace shed::bus
