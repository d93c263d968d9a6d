#include <algorithm>

#include "shed/base/file.h"
#include "shed/bus/guest_list.h"

namespace shed::bus {
namespace {

constexpr std::size_t kMaxName = 63;
constexpr std::size_t kMaxSpec = 4096;
constexpr std::string_view kPinPrefix = "sha256:";
constexpr std::size_t kPinDigits = 64;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_guest_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && is_alphanumeric(name.front()) &&
         std::ranges::all_of(name,
                             [](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

bool is_pin(std::string_view text) {
  if (!text.starts_with(kPinPrefix) || text.size() != kPinPrefix.size() + kPinDigits) return false;
  return std::ranges::all_of(text.substr(kPinPrefix.size()), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

// The process may have been started anywhere.
Result<std::string> file_of(std::string_view key, std::string_view value) {
  std::string path = expand_home(value);
  if (!path.starts_with('/')) return fail(Errc::kInvalid, "{}: '{}' is not an absolute path", key, value);
  return path;
}

Status set_option(GuestSpec& spec, std::string_view option) {
  const auto equals = option.find('=');
  const std::string_view key = option.substr(0, equals);
  const std::string_view value = equals == option.npos ? "" : option.substr(equals + 1);
  const bool known = key == "pin" || key == "ca-file" || key == "token-file";
  if (!known) return fail(Errc::kInvalid, "'{}' is none of pin, ca-file and token-file", key);
  if (value.empty()) return fail(Errc::kInvalid, "{} has no value", key);
  if (key != "token-file" && spec.address.kind != LinkAddress::Kind::kTls)
    return fail(Errc::kInvalid, "{} is for tcp+tls only", key);
  std::string& target = key == "pin" ? spec.pin : key == "ca-file" ? spec.ca_file : spec.token_file;
  if (!target.empty()) return fail(Errc::kInvalid, "{} stands there twice", key);
  if (key == "pin") {
    if (!is_pin(value)) return fail(Errc::kInvalid, "pin: not sha256: and {} hexadecimal digits", kPinDigits);
    target = value;
    return {};
  }
  auto file = file_of(key, value);
  if (!file) return propagate(file);
  target = std::move(*file);
  return {};
}

}  // namespace

std::string GuestSpec::text() const {
  std::string out = fmt::format("{}={}", name, address.text());
  if (!pin.empty()) out += ",pin=" + pin;
  if (!ca_file.empty()) out += ",ca-file=" + ca_file;
  if (!token_file.empty()) out += ",token-file=" + token_file;
  return out;
}

std::string_view guest_name_of(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == text.npos || !is_guest_name(text.substr(0, equals))) return {};
  return text.substr(0, equals);
}

Result<GuestSpec> parse_guest(std::string_view text) {
  if (text.size() > kMaxSpec) return fail(Errc::kLimit, "longer than {} bytes", kMaxSpec);
  const auto equals = text.find('=');
  if (equals == text.npos) return fail(Errc::kInvalid, "'{}' is not NAME=CONNECTOR", text);
  GuestSpec spec;
  spec.name = text.substr(0, equals);
  if (!is_guest_name(spec.name)) {
    return fail(Errc::kInvalid,
                "'{}' is not a name: 1 to {} letters, digits, '.', '_' and '-', a letter or digit first",
                spec.name, kMaxName);
  }
  std::string_view rest = text.substr(equals + 1);
  const auto comma = std::min(rest.find(','), rest.size());
  auto address = parse_link_dial(rest.substr(0, comma));
  if (!address) return propagate(address, spec.name);
  spec.address = std::move(*address);
  rest.remove_prefix(comma);
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const auto end = std::min(rest.find(','), rest.size());
    if (const Status set = set_option(spec, rest.substr(0, end)); !set) return propagate(set, spec.name);
    rest.remove_prefix(end);
  }
  return spec;
}

}  // namespace shed::bus
