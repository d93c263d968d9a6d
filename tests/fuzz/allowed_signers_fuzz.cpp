// Files of allowed signers and lines of public keys. The first byte chooses: string key, string principal and
// then an allowed_signers file; a text of public keys; a time. Nobody is allowed whose key, or the authority
// of whose certificate, does not stand in the file.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

#include "shed/base/base64.h"
#include "shed/ssh/allowed_signers.h"
#include "shed/ssh/public_key_line.h"
#include "shed/ssh/types.h"
#include "shed/ssh/verify.h"
#include "shed/ssh/wire.h"
#include "ssh/public_key.h"

namespace {

using namespace shed::ssh;

const SigningTime kNow{std::chrono::seconds(1'774'969'445)};

void require(bool holds) {
  if (!holds) std::abort();
}

// Any field of any line that is a key, or a certificate, with the same public key.
bool stands_in(std::string_view text, std::string_view key_blob) {
  while (!text.empty()) {
    const std::size_t size = text.find_first_of(" \t\r\n\"");
    const auto blob = shed::base64_decode(text.substr(0, size));
    if (blob && same_public_key(*blob, key_blob)) return true;
    text.remove_prefix(size == text.npos ? text.size() : size + 1);
  }
  return false;
}

void require_known(std::string_view text, std::string_view key_blob) {
  if (text.find(shed::base64_encode(key_blob)) != text.npos) return;
  const auto certificate = parse_certificate(key_blob);
  require(certificate.has_value() && verify_certificate(key_blob).has_value());
  require(certificate->kind == kUserCertificate && stands_in(text, certificate->authority));
}

void allowed_signers(std::string_view input) {
  WireReader reader(input);
  const auto key = reader.string();
  const auto principal = reader.string();
  if (!key || !principal) return;
  const std::string_view text = reader.remaining();
  const auto signers = AllowedSigners::read("file", std::string(text));
  if (!signers) return;
  const SignerAnswer allowed = signers->allows(*key, *principal, "git", kNow);
  const SignerAnswer found = signers->find_principals(*key, kNow);
  const SignerAnswer matched = signers->match_principals(*principal);
  if (allowed.found) require_known(text, *key);
  if (found.found) require_known(text, *key);
  if (allowed.found) require(!principal->empty() && allowed.principals.empty());
  for (const SignerAnswer* answer : {&allowed, &found, &matched}) {
    require(answer->complaints.size() <= kMaxComplaints);
    require(answer->found || answer->principals.empty());
  }
}

void public_keys(std::string_view input) {
  const auto keys = parse_public_keys(input);
  require(keys || !keys.error().text().empty());
  if (!keys) return;
  const bool plain = std::ranges::all_of(*keys, [](const auto& line) { return line.options.empty(); });
  for (const PublicKeyLine& line : *keys) {
    const auto again = parse_public_key_line(public_key_text(line.key_blob));
    require(again && again->key_blob == line.key_blob && again->options.empty());
    require(input.find(shed::base64_encode(line.key_blob)) != input.npos);
    const auto revoked = is_revoked_key(input, line.key_blob);
    require(plain ? revoked.value_or(false) : !revoked);
  }
}

void signing_time(std::string_view input) {
  const auto time = parse_signing_time(input);
  require(!time || time->time_since_epoch().count() > 0);
  if (time) require(!format_signing_time(*time).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr void (*kReaders[])(std::string_view) = {allowed_signers, public_keys, signing_time};
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  kReaders[data[0] % std::size(kReaders)](input);
  return 0;
}
