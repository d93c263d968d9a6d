#include "shed/ssh/known_hosts.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "shed/base/base64.h"
#include "shed/ssh/types.h"
#include "shed/ssh/verify.h"
#include "shed/ssh/wire.h"
#include "ssh/host_pattern.h"
#include "ssh/public_key.h"

namespace shed::ssh {
namespace {

constexpr std::string_view kSpace = " \t";
constexpr std::string_view kHashMagic = "|1|";

// The next field; empty at the end of the line.
std::string_view take_field(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kSpace), line.size()));
  const std::string_view field = line.substr(0, line.find_first_of(kSpace));
  line.remove_prefix(field.size());
  return field;
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

// A name as the lines have it, in a buffer of its own; empty for what is no name.
class LookedUpName {
 public:
  explicit LookedUpName(std::string_view name) {
    // As ssh does: the usual port is not written.
    if (name.starts_with('[') && name.ends_with("]:22")) name = without_port(name);
    if (name.size() > text_.size() || !is_printable(name) || is_pattern(name)) return;
    if (name.find_first_of(",|") != name.npos) return;
    std::ranges::transform(name, text_.begin(), to_lower);
    size_ = name.size();
  }
  std::string_view view() const { return {text_.data(), size_}; }

 private:
  std::array<char, kMaxHostName + 8> text_{};  // brackets and port
  std::size_t size_ = 0;
};

bool has_principal(std::string_view principals, std::string_view host) {
  WireReader reader(principals);
  while (!reader.at_end()) {
    const auto principal = reader.string();
    if (!principal) return false;
    if (!principal->empty() && matches_pattern(host, *principal)) return true;
  }
  return false;
}

// All of it but for the names.
bool is_valid_host_certificate(const CertificateFields& certificate, WallTime now) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  if (certificate.kind != kHostCertificate || !certificate.critical_options.empty() || seconds < 0) {
    return false;
  }
  const auto time = static_cast<std::uint64_t>(seconds);
  // An authority that is a certificate itself would be a chain; there are none.
  const auto authority = key_type_of(certificate.authority);
  return certificate.valid_after <= time && time < certificate.valid_before && authority &&
         !is_certificate_type(*authority) &&
         verify_signature(certificate.authority, certificate.signature, certificate.signed_part);
}

}  // namespace

// One host key against the lines: what it takes to read and verify a certificate is done once.
class KnownHosts::Query {
 public:
  Query(const KnownHosts& hosts, std::string_view host_key, WallTime now) : hosts_(hosts) {
    const auto fields = parse_public_key(host_key);
    if (!fields) return;
    bytes_ = fields->bytes;
    if (!is_certificate_type(*key_type_of(host_key))) return;
    const auto certificate = parse_certificate(host_key);
    if (certificate) read_authority(*certificate, now);
  }

  bool revoked() const { return hosts_.has_revoked(bytes_) || hosts_.has_revoked(authority_); }
  bool usable() const { return !bytes_.empty() && !revoked(); }

  // Of a usable one.
  bool has(std::string_view name) const {
    if (name.empty()) return false;
    if (hosts_.has_line(bytes_, Marker::kNone, name)) return true;
    return hosts_.has_line(authority_, Marker::kAuthority, name) &&
           has_principal(principals_, without_port(name));
  }

  // Whether its authority's lines name it by any of the certificate's principals, as far as that can be told.
  bool has_principal_of_lines() const {
    WireReader principals(principals_);
    while (!principals.at_end()) {
      const auto principal = principals.string();
      if (!principal) return false;
      const auto is_theirs = [&](const Line& line) {
        return line.marker == Marker::kAuthority &&
               (is_pattern(*principal) || has(LookedUpName(*principal).view()));
      };
      if (std::ranges::any_of(hosts_.lines_with(authority_), is_theirs)) return true;
    }
    return false;
  }

  std::string_view bytes() const { return bytes_; }
  std::string_view authority() const { return authority_; }
  std::string_view principals() const { return principals_; }

 private:
  void read_authority(const CertificateFields& certificate, WallTime now) {
    const auto authority = parse_public_key(certificate.authority);
    if (!authority) return;
    authority_ = authority->bytes;
    // An authority that no line names is not worth the arithmetic.
    if (hosts_.lines_with(authority_).empty() || !is_valid_host_certificate(certificate, now)) return;
    principals_ = certificate.principals;
  }

  const KnownHosts& hosts_;
  std::string_view bytes_;       // empty: not a key
  std::string_view authority_;   // empty: not a certificate
  std::string_view principals_;  // empty unless the certificate is valid
};

bool KnownHosts::read_hosts(std::string_view text, Line& line) {
  if (text.empty() || !is_printable(text)) return false;
  line.hashed = text.starts_with('|');
  if (!line.hashed) {
    line.hosts.resize(text.size());
    std::ranges::transform(text, line.hosts.begin(), to_lower);
    return true;
  }
  if (!text.starts_with(kHashMagic)) return false;
  text.remove_prefix(kHashMagic.size());
  const auto bar = text.find('|');
  if (bar == text.npos) return false;
  const auto salt = base64_decode(text.substr(0, bar));
  const auto hash = base64_decode(text.substr(bar + 1));
  if (!salt || !hash || salt->size() != kHashSize || hash->size() != kHashSize) return false;
  line.hosts = *salt + *hash;
  return true;
}

KnownHosts::LineKind KnownHosts::read_line(std::string_view text, Line& line) {
  if (text.ends_with('\r')) text.remove_suffix(1);
  std::string_view field = take_field(text);
  if (field.empty() || field.starts_with('#')) return LineKind::kEmpty;
  if (text.size() > kMaxKnownHostsLine) return LineKind::kBad;
  if (field.starts_with('@')) {
    if (field == "@revoked") line.marker = Marker::kRevoked;
    if (field == "@cert-authority") line.marker = Marker::kAuthority;
    if (line.marker == Marker::kNone) return LineKind::kBad;
    field = take_field(text);
  }
  if (!read_hosts(field, line)) return LineKind::kBad;
  const std::string_view type = take_field(text);
  auto key = base64_decode(take_field(text));
  if (!key || key_type_of(*key).value_or("") != type || type.empty()) return LineKind::kBad;
  if (!plain_key_type(type)) return LineKind::kUnknownType;
  const auto fields = parse_public_key(*key);
  if (!fields || is_certificate_type(type)) return LineKind::kBad;
  line.bytes_at = static_cast<std::size_t>(fields->bytes.data() - key->data());
  line.key = std::move(*key);
  return LineKind::kKey;
}

Result<BadLines> KnownHosts::add(std::string_view text) {
  if (text.size() > kMaxKnownHostsFile) {
    return fail(Errc::kLimit, "{} bytes are over {}", text.size(), kMaxKnownHostsFile);
  }
  BadLines bad;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view whole = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), whole.size() + 1));
    Line line;
    const LineKind kind = read_line(whole, line);
    if (kind == LineKind::kKey) {
      line.number = lines_.size();
      lines_.push_back(std::move(line));
    }
    if (kind != LineKind::kBad) continue;
    if (bad.numbers.size() < BadLines::kMaxNumbers) bad.numbers.push_back(number);
    ++bad.count;
  }
  std::ranges::sort(lines_, [](const Line& a, const Line& b) {
    const int order = a.key_bytes().compare(b.key_bytes());
    return order == 0 ? a.number < b.number : order < 0;
  });
  return bad;
}

bool KnownHosts::Line::has_host(std::string_view name) const {
  if (!hashed) return matches_pattern_list(name, hosts);
  const std::string_view bytes = hosts;
  return matches_hashed_name(name, bytes.substr(0, kHashSize), bytes.substr(kHashSize));
}

std::span<const KnownHosts::Line> KnownHosts::lines_with(std::string_view key_bytes) const {
  const auto found = std::ranges::equal_range(lines_, key_bytes, {}, &Line::key_bytes);
  return {found.begin(), found.end()};
}

bool KnownHosts::has_line(std::string_view key_bytes, Marker marker, std::string_view name) const {
  return std::ranges::any_of(lines_with(key_bytes),
                             [&](const Line& line) { return line.marker == marker && line.has_host(name); });
}

// Whatever name the line has: a key that somebody lost is not to be trusted under another name.
bool KnownHosts::has_revoked(std::string_view key_bytes) const {
  return std::ranges::any_of(lines_with(key_bytes),
                             [](const Line& line) { return line.marker == Marker::kRevoked; });
}

bool KnownHosts::is_revoked(std::string_view host_key) const {
  return Query(*this, host_key, WallTime{}).revoked();
}

bool KnownHosts::matches(std::string_view name, std::string_view host_key, WallTime now) const {
  const Query query(*this, host_key, now);
  return query.usable() && query.has(LookedUpName(name).view());
}

std::vector<bool> KnownHosts::matches_each(std::span<const std::string> names, std::string_view host_key,
                                           WallTime now) const {
  const Query query(*this, host_key, now);
  std::vector<bool> matched(names.size());
  if (!query.usable()) return matched;
  for (std::size_t i = 0; i < names.size(); ++i) matched[i] = query.has(LookedUpName(names[i]).view());
  return matched;
}

KnownHosts::Naming KnownHosts::naming(std::string_view host_key, WallTime now) const {
  const Query query(*this, host_key, now);
  if (!query.usable()) return Naming::kNone;
  if (query.has_principal_of_lines()) return Naming::kSome;
  Naming naming = Naming::kNone;
  std::size_t names = 0;
  for (const Line& line : lines_with(query.bytes())) {
    if (line.marker != Marker::kNone) continue;
    names += static_cast<std::size_t>(std::ranges::count(line.hosts, ',')) + 1;
    // A salt may look like a pattern; both are of no use.
    if (line.hashed || is_pattern(line.hosts) || names > kMaxNamesOfKey) return Naming::kSome;
    naming = Naming::kAll;
  }
  return naming;
}

// The names and patterns that stand in the lines with this key, one by one.
template <class Function>
void KnownHosts::for_each_host(std::string_view key_bytes, Function function) const {
  for (const Line& line : lines_with(key_bytes)) {
    std::string_view list = line.hashed ? std::string_view() : std::string_view(line.hosts);
    while (!list.empty()) {
      const std::string_view name = list.substr(0, list.find(','));
      list.remove_prefix(std::min(list.size(), name.size() + 1));
      function(name);
    }
  }
}

std::vector<std::string> KnownHosts::names_for(std::string_view host_key, WallTime now,
                                               std::span<const std::string_view> candidates) const {
  const Query query(*this, host_key, now);
  std::vector<std::string> names, addresses;
  if (!query.usable()) return names;
  const auto add_name = [&](std::string_view name) {
    const LookedUpName looked_up(name);
    if (names.size() + addresses.size() >= kMaxNamesOfKey || !query.has(looked_up.view())) return;
    const auto stands_in = [&](const auto& list) {
      return std::ranges::find(list, looked_up.view()) != list.end();
    };
    if (stands_in(names) || stands_in(addresses)) return;
    (is_ip_address(looked_up.view()) ? addresses : names).emplace_back(looked_up.view());
  };
  for_each_host(query.bytes(), add_name);
  for_each_host(query.authority(), add_name);
  WireReader principals(query.principals());
  while (!principals.at_end()) {
    const auto principal = principals.string();
    if (!principal) break;
    add_name(*principal);
  }
  names.insert(names.end(), addresses.begin(), addresses.end());
  addresses.clear();
  for (const std::string_view candidate : candidates) add_name(candidate);
  names.insert(names.end(), addresses.begin(), addresses.end());
  return names;
}

}  // namespace shed::ssh
