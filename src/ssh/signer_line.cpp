#include "ssh/signer_line.h"

#include <algorithm>

#include "shed/base/glob.h"
#include "ssh/host_pattern.h"
#include "ssh/key_line.h"

namespace shed::ssh {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

// In any case, as ssh-keygen has it.
bool take_word(std::string_view& rest, std::string_view lower) {
  if (rest.size() < lower.size()) return false;
  const auto same = [](char c, char wanted) { return to_lower(c) == wanted; };
  if (!std::ranges::equal(rest.substr(0, lower.size()), lower, same)) return false;
  rest.remove_prefix(lower.size());
  return true;
}

Result<std::string> take_quoted(std::string_view& rest) {
  if (!rest.starts_with('"')) return fail(Errc::kInvalid, "missing start quote");
  rest.remove_prefix(1);
  std::string value;
  while (!rest.empty() && rest.front() != '"') {
    if (rest.starts_with("\\\"")) rest.remove_prefix(1);
    value.push_back(rest.front());
    rest.remove_prefix(1);
  }
  if (rest.empty()) return fail(Errc::kInvalid, "missing end quote");
  rest.remove_prefix(1);
  return value;
}

Status take_time(std::string_view& rest, std::string_view name, std::optional<SigningTime>& time) {
  if (time) return fail(Errc::kInvalid, "multiple \"{}\" clauses", name);
  const auto text = take_quoted(rest);
  if (!text) return propagate(text);
  const auto parsed = parse_signing_time(*text);
  if (!parsed) return fail(Errc::kInvalid, "invalid \"{}\" time", name);
  time = *parsed;
  return {};
}

Status take_namespaces(std::string_view& rest, SignerOptions& options) {
  if (options.namespaces) return fail(Errc::kInvalid, "multiple \"namespaces\" clauses");
  auto patterns = take_quoted(rest);
  if (!patterns) return propagate(patterns);
  options.namespaces = std::move(*patterns);
  return {};
}

Status take_option(std::string_view& rest, SignerOptions& options) {
  if (take_word(rest, "cert-authority")) {
    options.authority = true;
    return {};
  }
  if (take_word(rest, "namespaces=")) return take_namespaces(rest, options);
  if (take_word(rest, "valid-after=")) return take_time(rest, "valid-after", options.valid_after);
  if (take_word(rest, "valid-before=")) return take_time(rest, "valid-before", options.valid_before);
  return {};  // a comma may stand here; anything else is refused by the caller
}

Status read_options(std::string_view rest, SignerOptions& options) {
  while (!rest.empty()) {
    if (const auto taken = take_option(rest, options); !taken) return taken;
    if (rest.empty()) break;
    // An option that is not known may restrict the key: it allows nothing.
    if (rest.front() != ',') return fail(Errc::kInvalid, "unknown key option");
    rest.remove_prefix(1);
    if (rest.empty()) return fail(Errc::kInvalid, "unexpected end-of-options");
  }
  if (options.valid_after && options.valid_before && *options.valid_before <= *options.valid_after) {
    return fail(Errc::kInvalid, "\"valid-before\" time is before \"valid-after\"");
  }
  return {};
}

}  // namespace

std::optional<std::string> take_principals(std::string_view& rest) {
  const std::size_t end = std::min(rest.find_first_of(" \t\r\n\""), rest.size());
  std::string principals(rest.substr(0, end));
  rest.remove_prefix(end);
  if (rest.starts_with('"')) {
    const std::size_t closing = rest.find('"', 1);
    if (closing == rest.npos) return std::nullopt;
    principals.append(rest.substr(1, closing - 1));
    rest.remove_prefix(closing + 1);
  }
  rest.remove_prefix(std::min(rest.find_first_not_of(kSpace), rest.size()));
  return principals;
}

Status read_signer_key(std::string_view rest, SignerLine& line) {
  auto key = take_key(rest);
  std::string_view options;
  if (!key) {
    const auto taken = take_options(rest);
    if (!taken) return fail(Errc::kInvalid, "invalid options");
    if (rest.empty()) return fail(Errc::kInvalid, "missing key");
    options = *taken;
    key = take_key(rest);
  }
  if (!key) return fail(Errc::kInvalid, "invalid key");
  line.key_blob = std::move(*key);
  const auto read = read_options(options, line.options);
  if (!read) return propagate(read, "bad options");
  return {};
}

bool matches_principals(std::string_view name, std::string_view patterns) {
  bool matched = false;
  while (!patterns.empty()) {
    std::string_view pattern = patterns.substr(0, patterns.find(','));
    patterns.remove_prefix(std::min(patterns.size(), pattern.size() + 1));
    const bool negated = pattern.starts_with('!');
    if (negated) pattern.remove_prefix(1);
    if (!glob_matches(name, pattern, LetterCase::kMatters)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

}  // namespace shed::ssh
