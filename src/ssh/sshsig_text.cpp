// The forms of a signature that people and other programs see: armor, and what is said about it.
#include <fmt/format.h>

#include <algorithm>

#include "shed/base/base64.h"
#include "shed/ssh/sshsig.h"

namespace shed::ssh {
namespace {

constexpr std::string_view kBegin = "-----BEGIN SSH SIGNATURE-----\n";
constexpr std::string_view kEnd = "-----END SSH SIGNATURE-----";
constexpr std::size_t kColumns = 70;

// C's isspace(), in no locale.
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

std::string armor_sshsig(std::string_view blob) {
  const std::string base64 = base64_encode(blob);
  std::string text(kBegin);
  text.reserve(base64.size() + base64.size() / kColumns + 64);
  for (std::size_t at = 0; at < base64.size(); at += kColumns) {
    text.append(base64, at, kColumns).push_back('\n');
  }
  text.append(kEnd).push_back('\n');
  return text;
}

Result<std::string> dearmor_sshsig(std::string_view text) {
  if (text.size() > kMaxSshsigArmor) {
    return fail(Errc::kLimit, "Couldn't parse signature: {} bytes are over {}", text.size(), kMaxSshsigArmor);
  }
  if (!text.starts_with(kBegin)) return fail(Errc::kInvalid, "Couldn't parse signature: missing header");
  text.remove_prefix(kBegin.size());
  std::size_t end = text.find(kEnd);
  while (end != text.npos && (end == 0 || text[end - 1] != '\n')) end = text.find(kEnd, end + 1);
  if (end == text.npos) return fail(Errc::kInvalid, "Couldn't parse signature: missing footer");
  std::string base64(text.substr(0, end));
  std::erase_if(base64, is_space);
  auto blob = base64_decode(base64);
  if (!blob) return propagate(blob, "Couldn't decode signature");
  if (blob->size() > kMaxSshsigBlob) {
    return fail(Errc::kLimit, "signature of {} bytes is over {}", blob->size(), kMaxSshsigBlob);
  }
  return blob;
}

std::string key_type_title(std::string_view key_blob) {
  const auto type = key_type_of(key_blob);
  const auto plain = type ? plain_key_type(*type) : type;
  if (!plain) return {};
  std::string title = "ECDSA";
  if (*plain == "ssh-rsa") title = "RSA";
  if (plain->ends_with("ed25519") || plain->ends_with("ed25519@openssh.com")) title = "ED25519";
  if (is_security_key_type(*type)) title += "-SK";
  if (is_certificate_type(*type)) title += "-CERT";
  return title;
}

std::string good_signature_text(const Sshsig& sshsig, std::string_view principal) {
  const std::string signer = principal.empty() ? std::string() : fmt::format(" for {}", principal);
  return fmt::format("Good \"{}\" signature{} with {} key {}", sshsig.name_space, signer,
                     key_type_title(sshsig.key_blob), fingerprint(plain_key_blob(sshsig.key_blob)));
}

}  // namespace shed::ssh
