#include "shed/ssh/public_key_line.h"

#include <algorithm>

#include "shed/base/base64.h"
#include "shed/ssh/types.h"
#include "ssh/key_line.h"
#include "ssh/public_key.h"

namespace shed::ssh {
namespace {

// OpenSSH's PROTOCOL.krl.
constexpr std::string_view kRevocationMagic = "SSHKRL\n";

std::string_view take_field(std::string_view& rest) {
  const std::string_view field = rest.substr(0, rest.find_first_of(kBlanks));
  rest = after_blanks(rest.substr(field.size()));
  return field;
}

std::string_view first_field(std::string_view rest) { return take_field(rest); }

bool is_known_type(std::string_view name) { return plain_key_type(name).has_value(); }

std::string_view without_trailing_blanks(std::string_view text) {
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

// Why a line without a known type has no key.
std::unexpected<Error> no_key(std::string_view line) {
  if (line.starts_with("-----BEGIN") && line.find("PRIVATE KEY") != line.npos) {
    return fail(Errc::kInvalid, "a private key stands where a public one should");
  }
  std::string_view rest = line;
  const std::string_view type = take_field(rest);
  const auto blob = base64_decode(first_field(rest));
  // Only a name that the key itself has is repeated: anything else may be a secret that was pasted here.
  if (blob && !blob->empty() && key_type_of(*blob) == type) {
    return fail(Errc::kUnsupported, "key type {}: unknown", type);
  }
  return fail(Errc::kInvalid,
              "no public key; '<type> <base64>' is expected, with or without options before it");
}

}  // namespace

std::string_view after_blanks(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text;
}

std::string_view take_line(std::string_view& text) {
  std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::optional<std::string_view> take_options(std::string_view& rest) {
  bool quoted = false;
  std::size_t at = 0;
  for (; at < rest.size() && (quoted || kBlanks.find(rest[at]) == kBlanks.npos); ++at) {
    if (rest.substr(at, 2) == "\\\"") {
      ++at;
    } else if (rest[at] == '"') {
      quoted = !quoted;
    }
  }
  if (quoted) return std::nullopt;
  const std::string_view options = rest.substr(0, at);
  rest = after_blanks(rest.substr(options.size()));
  return options;
}

Result<std::string> take_key(std::string_view& rest) {
  std::string_view left = rest;
  const std::string_view type = take_field(left);
  if (const auto known = plain_key_type(type); !known) return propagate(known);
  const std::string_view base64 = take_field(left);
  if (base64.empty()) return fail(Errc::kInvalid, "nothing behind the type {}", type);
  auto blob = base64_decode(base64);
  if (!blob) return propagate(blob, "key is damaged");
  if (key_type_of(*blob).value_or(std::string_view()) != type) {
    return fail(Errc::kInvalid, "key is damaged: it is not of type {}, as the line says", type);
  }
  if (const auto whole = check_key_blob(*blob); !whole) return propagate(whole, "key is damaged");
  rest = left;
  return blob;
}

Result<PublicKeyLine> parse_public_key_line(std::string_view line) {
  if (line.size() > kMaxPublicKeyLine) {
    return fail(Errc::kLimit, "{} bytes are over {}", line.size(), kMaxPublicKeyLine);
  }
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  line = after_blanks(line);
  PublicKeyLine parsed;
  std::string_view rest = line;
  if (!is_known_type(first_field(rest))) {
    const auto options = take_options(rest);
    if (!options) return fail(Errc::kInvalid, "a quote in the options does not end");
    if (!is_known_type(first_field(rest))) return no_key(line);
    parsed.options = *options;
  }
  auto key = take_key(rest);
  if (!key) return propagate(key);
  parsed.key_blob = std::move(*key);
  parsed.comment = without_trailing_blanks(rest);
  return parsed;
}

Result<std::vector<PublicKeyLine>> parse_public_keys(std::string_view text) {
  if (text.size() > kMaxPublicKeyFile) {
    return fail(Errc::kLimit, "{} bytes are over {}", text.size(), kMaxPublicKeyFile);
  }
  std::vector<PublicKeyLine> keys;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = after_blanks(take_line(text));
    if (line.empty() || line.starts_with('#')) continue;
    auto key = parse_public_key_line(line);
    if (!key) return propagate(key, fmt::format("line {}", number));
    key->number = number;
    keys.push_back(std::move(*key));
  }
  if (keys.empty()) return fail(Errc::kNotFound, "no public key in it");
  return keys;
}

std::string public_key_text(std::string_view key_blob) {
  if (!check_key_blob(key_blob)) return {};
  return fmt::format("{} {}", *key_type_of(key_blob), base64_encode(key_blob));
}

Result<bool> is_revoked_key(std::string_view list, std::string_view key_blob) {
  if (list.starts_with(kRevocationMagic)) {
    return fail(Errc::kUnsupported,
                "a binary list of revoked keys; only one with a public key a line is read");
  }
  const auto keys = parse_public_keys(list);
  if (!keys && keys.error().code() == Errc::kNotFound) return false;
  if (!keys) return propagate(keys);
  // A list in another syntax, such as that of allowed signers, may mean something else by them.
  const auto with_options =
      std::ranges::find_if(*keys, [](const auto& line) { return !line.options.empty(); });
  if (with_options != keys->end())
    return fail(Errc::kInvalid, "line {}: not a key alone", with_options->number);
  const auto certificate = parse_certificate(key_blob);
  return std::ranges::any_of(*keys, [&](const PublicKeyLine& line) {
    return same_public_key(line.key_blob, key_blob) ||
           (certificate && same_public_key(line.key_blob, certificate->authority));
  });
}

}  // namespace shed::ssh
