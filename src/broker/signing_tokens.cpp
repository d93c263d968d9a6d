#include "shed/broker/signing_tokens.h"

#include <algorithm>

#include "shed/base/file.h"
#include "shed/base/log.h"
#include "shed/bus/token_file.h"

namespace shed::broker {
namespace {

constexpr std::size_t kMaxName = 64;
// Every token with the longest name, and as much again for comments.
constexpr std::size_t kMaxFile = 2 * kMaxSigningTokens * (bus::kMaxToken + kMaxName + 8);
constexpr std::string_view kBlanks = " \t\r";
constexpr std::string_view kBearer = "bearer ";

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kBlanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxName && std::ranges::all_of(text, [](char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

bool has_bearer(std::string_view authorization) {
  return authorization.size() > kBearer.size() &&
         std::ranges::equal(authorization.substr(0, kBearer.size()), kBearer, [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + ('a' - 'A')) : a) == b;
         });
}

}  // namespace

// No text has anything of the line in it: it may be a token.
Result<SigningTokens::Entry> SigningTokens::parse_line(std::string_view line) {
  const auto blank = line.find_first_of(kBlanks);
  const std::string_view name = blank == line.npos ? kUnnamedContainer : line.substr(0, blank);
  const std::string_view token = blank == line.npos ? line : trimmed(line.substr(blank));
  if (!is_name(name)) {
    return fail(Errc::kInvalid, "the name in front of the token is not one of letters, digits and . _ -");
  }
  if (!bus::is_token(token)) {
    return fail(Errc::kInvalid, "not a token: {} to {} printable characters", bus::kMinToken, bus::kMaxToken);
  }
  return Entry{std::string(name), Secret(token)};
}

Status SigningTokens::read() {
  entries_.clear();
  const std::string& path = file_.path();
  const auto text = read_secret_file(path, kMaxFile);
  if (!text) return propagate(text);
  if (const Status owner = bus::check_token_owner(path); !owner) return owner;
  std::vector<Entry> entries;
  bool unnamed = false;
  std::size_t number = 0;
  for (std::string_view rest = text->reveal(); !rest.empty();) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    if (line.empty() || line.starts_with('#')) continue;
    auto entry = parse_line(line);
    if (!entry) return propagate(entry, fmt::format("{}: line {}", path, number));
    if (line.find_first_of(kBlanks) == line.npos) unnamed = true;
    // A token of two containers would be the first one's, whoever shows it.
    const bool twice = std::ranges::any_of(entries, [&](const Entry& other) {
      return equal_in_constant_time(other.token.reveal(), entry->token.reveal());
    });
    if (twice) return fail(Errc::kInvalid, "{}: line {}: the token stands there twice", path, number);
    entries.push_back(std::move(*entry));
    if (entries.size() > kMaxSigningTokens) {
      return fail(Errc::kLimit, "{}: more than {} tokens", path, kMaxSigningTokens);
    }
  }
  if (entries.empty()) return fail(Errc::kInvalid, "{}: there is no token in it", path);
  if (unnamed && entries.size() > 1) {
    return fail(Errc::kInvalid, "{}: a token without a name stands alone, or each line is NAME TOKEN", path);
  }
  entries_ = std::move(entries);
  return {};
}

Result<SigningTokens> SigningTokens::open(std::string path) {
  SigningTokens tokens(std::move(path));
  (void)tokens.file_.changed();  // before it is read: a change meanwhile is one
  if (const Status status = tokens.read(); !status) return propagate(status);
  return tokens;
}

Result<std::string> SigningTokens::name_of(std::string_view authorization) {
  if (file_.changed()) {
    if (const Status status = read(); !status) {
      log::error("token file: {}; nobody is let in until it is right", status.error().text());
    } else {
      log::info("token file {} has changed: it is in force", file_.path());
    }
  }
  if (entries_.empty()) return fail(Errc::kUnavailable, "the proxy's token file cannot be used");
  if (!has_bearer(authorization)) return fail(Errc::kRefused, "missing bearer token");
  const std::string_view given = trimmed(authorization.substr(kBearer.size()));
  const Entry* found = nullptr;
  for (const Entry& entry : entries_) {
    if (equal_in_constant_time(entry.token.reveal(), given)) found = &entry;
  }
  if (found == nullptr) return fail(Errc::kRefused, "wrong bearer token");
  return found->name;
}

}  // namespace shed::broker
