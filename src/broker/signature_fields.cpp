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
  if (!key) return fail_with(kIncomplete);
  key_blob_ = *key;
  return has_good_key();
}

bool SignatureFields::read_all() {
  const auto key = reader_.string();
  const auto name_space = reader_.string();
  const auto reserved = reader_.string();
  const auto hash = reader_.string();
  const auto signature = reader_.string();
  if (!key || !name_space || !reserved || !hash || !signature) return fail_with(kIncomplete);
  key_blob_ = *key;
  name_space_ = *name_space;
  hash_ = *hash;
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
