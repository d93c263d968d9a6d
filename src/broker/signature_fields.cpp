#include "broker/signature_fields.h"

#include "shed/ssh/signed_data.h"
#include "shed/ssh/sshsig.h"
#include "shed/ssh/types.h"
#include "shed/ssh/verify.h"

namespace shed::broker {
namespace {

constexpr std::string_view kIncomplete = "incomplete message";
constexpr std::string_view kBadFormat = "invalid format";
constexpr std::string_view kHeader = "-----BEGIN SSH SIGNATURE-----\n";

// What OpenSSH takes for the length of a string at most; a longer one has a cause of its own.
constexpr std::uint32_t kMaxString = 0x8000000 - 4;

std::string_view why_cut(ssh::WireReader reader) {
  const auto length = reader.uint32();
  return length && *length > kMaxString ? "string is too large" : kIncomplete;
}

}  // namespace

ArmorComplaint explain_armor(std::string_view text, const Error& error) {
  if (text.size() < kHeader.size()) return {error.text(), kIncomplete};
  if (error.text().starts_with("Couldn't decode")) {
    return {"sshsig_dearmor: decode base64: invalid format", kBadFormat};
  }
  return {error.text(), kBadFormat};
}

bool SignatureFields::read_preamble() {
  const auto magic = reader_.bytes(ssh::kSshsigMagic.size());
  const auto version = reader_.uint32();
  if (!magic || !version || *magic != ssh::kSshsigMagic) {
    complaint_ = "Couldn't verify signature: invalid format";
    return fail_with(blob_.size() < ssh::kSshsigMagic.size() + sizeof(std::uint32_t) ? kIncomplete
                                                                                     : kBadFormat);
  }
  if (*version > ssh::kSshsigVersion) {
    complaint_ = fmt::format("Signature version {} is larger than supported version {}", *version,
                             ssh::kSshsigVersion);
    return fail_with(kBadFormat);
  }
  return true;
}

bool SignatureFields::read_key() {
  const auto key = reader_.string();
  if (!key) return fail_with(why_cut(reader_));
  key_blob_ = *key;
  return has_good_key();
}

bool SignatureFields::read_all() {
  std::string_view reserved, signature;
  for (std::string_view* field : {&key_blob_, &name_space_, &reserved, &hash_, &signature}) {
    const auto bytes = reader_.string();
    if (!bytes) return fail_with(why_cut(reader_));
    *field = *bytes;
  }
  return true;
}

bool SignatureFields::has_good_key() {
  const auto usable = ssh::check_key_blob(key_blob_);
  if (!usable) {
    const bool unknown = usable.error().code() == Errc::kUnsupported;
    return fail_with(unknown ? "unknown or unsupported key type" : kBadFormat);
  }
  const auto type = ssh::key_type_of(key_blob_);
  if (!type || !ssh::is_certificate_type(*type)) return true;
  return ssh::verify_certificate(key_blob_) ? true : fail_with("incorrect signature");
}

}  // namespace shed::broker
