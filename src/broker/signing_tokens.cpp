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

bool SigningTokens::Entry::operator==(const Entry& other) const {
  return name == other.name && equal_in_constant_time(token.reveal(), other.token.reveal());
}

Result<SigningTokens::Entries> SigningTokens::parse(std::string_view text) {
  Entries entries;
  bool unnamed = false;
  std::size_t number = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.empty() || line.starts_with('#')) continue;
    auto entry = parse_line(line);
    if (!entry) return propagate(entry, fmt::format("line {}", number));
    if (line.find_first_of(kBlanks) == line.npos) unnamed = true;
    // A token of two containers would be the first one's, whoever shows it.
    const bool twice = std::ranges::any_of(entries, [&](const Entry& other) {
      return equal_in_constant_time(other.token.reveal(), entry->token.reveal());
    });
    if (twice) return fail(Errc::kInvalid, "line {}: the token stands there twice", number);
    entries.push_back(std::move(*entry));
    if (entries.size() > kMaxSigningTokens)
      return fail(Errc::kLimit, "more than {} tokens", kMaxSigningTokens);
  }
  if (entries.empty()) return fail(Errc::kInvalid, "there is no token in it");
  if (unnamed && entries.size() > 1) {
    return fail(Errc::kInvalid, "a token without a name stands alone, or each line is NAME TOKEN");
  }
  return entries;
}

Result<SigningTokens::Entries> SigningTokens::read() const {
  const std::string& path = file_.path();
  const auto text = read_secret_file(path, kMaxFile);
  if (!text) return propagate(text);
  if (const Status owner = bus::check_token_owner(path); !owner) return propagate(owner);
  auto entries = parse(text->reveal());
  if (!entries) return propagate(entries, path);
  return entries;
}

Result<SigningTokens> SigningTokens::open(std::string path, const Clock& clock) {
  SigningTokens tokens(std::move(path), clock);
  (void)tokens.file_.may_have_changed();  // before it is read: a change meanwhile is one
  auto entries = tokens.read();
  if (!entries) return propagate(entries);
  tokens.entries_ = std::move(*entries);
  return tokens;
}

void SigningTokens::read_again() {
  auto fresh = read();
  if (!fresh) {
    file_.could_not_be_read();
    entries_.clear();
    if (problem_ == fresh.error().text()) return;
    problem_ = fresh.error().text();
    log::error("token file: {}; nobody is let in until it is right", problem_);
  } else if (*fresh != entries_) {
    entries_ = std::move(*fresh);
    problem_.clear();
    log::info("token file {} has changed: it is in force", file_.path());
  }
}

Result<std::string> SigningTokens::name_of(std::string_view authorization) {
  if (file_.may_have_changed()) read_again();
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
