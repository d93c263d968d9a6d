#include "shed/ssh/sshsig.h"

#include <algorithm>

#include "shed/ssh/verify.h"
#include "shed/ssh/wire.h"
#include "ssh/openssl.h"

namespace shed::ssh {
namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }

Result<Sshsig> read_fields(WireReader& reader) {
  const auto key = reader.string();
  const auto name_space = reader.string();
  const auto reserved = reader.string();
  const auto hash_text = reader.string();
  const auto signature = reader.string();
  if (!key || !name_space || !reserved || !hash_text || !signature) {
    return fail(Errc::kInvalid, "Couldn't parse signature blob: a field is cut off");
  }
  if (!reader.at_end()) return fail(Errc::kInvalid, "Signature contains trailing data");
  const auto hash = sshsig_hash(*hash_text);
  if (!hash) return propagate(hash);
  return Sshsig{std::string(*key), std::string(*name_space), *hash, std::string(*signature)};
}

}  // namespace

std::string_view hash_name(SshsigHash hash) { return hash == SshsigHash::kSha256 ? "sha256" : "sha512"; }

Result<SshsigHash> sshsig_hash(std::string_view name) {
  if (name == "sha512") return SshsigHash::kSha512;
  if (name == "sha256") return SshsigHash::kSha256;
  return fail(Errc::kUnsupported, "unsupported hash algorithm; sha256 and sha512 are accepted");
}

Result<std::string> message_digest(SshsigHash hash, std::string_view message) {
  MessageDigest digest(hash);
  digest.update(message);
  return digest.finish();
}

Status check_sshsig_namespace(std::string_view name) {
  if (name.empty()) return fail(Errc::kInvalid, "the namespace is empty");
  if (name.size() > kMaxSshsigNamespace) {
    return fail(Errc::kLimit, "the namespace has {} bytes; {} are accepted", name.size(),
                kMaxSshsigNamespace);
  }
  if (std::ranges::any_of(name, is_control)) {
    return fail(Errc::kInvalid, "the namespace has a control character");
  }
  return {};
}

std::string sshsig_signed_data(std::string_view name_space, SshsigHash hash, std::string_view digest) {
  std::string data;
  WireWriter(data).bytes(kSshsigMagic).string(name_space).string("").string(hash_name(hash)).string(digest);
  return data;
}

Result<std::string> make_sshsig(const Sshsig& parts) {
  if (const auto usable = check_key_blob(parts.key_blob); !usable) return propagate(usable, "key");
  if (const auto usable = check_sshsig_namespace(parts.name_space); !usable) return propagate(usable);
  const auto signature = decode_signature(parts.signature);
  if (!signature) return propagate(signature);
  const auto fits = check_signature_form(parts.key_blob, kSshsigSignFlags, *signature);
  if (!fits) return propagate(fits);
  std::string blob;
  WireWriter(blob)
      .bytes(kSshsigMagic)
      .uint32(kSshsigVersion)
      .string(parts.key_blob)
      .string(parts.name_space)
      .string("")
      .string(hash_name(parts.hash))
      .string(parts.signature);
  return blob;
}

Result<Sshsig> parse_sshsig(std::string_view blob) {
  if (blob.size() > kMaxSshsigBlob) {
    return fail(Errc::kLimit, "signature of {} bytes is over {}", blob.size(), kMaxSshsigBlob);
  }
  WireReader reader(blob);
  const auto magic = reader.bytes(kSshsigMagic.size());
  const auto version = reader.uint32();
  if (!magic || *magic != kSshsigMagic || !version) {
    return fail(Errc::kInvalid, "Couldn't verify signature: invalid format");
  }
  if (*version > kSshsigVersion) {
    return fail(Errc::kUnsupported, "Signature version {} is larger than supported version {}", *version,
                kSshsigVersion);
  }
  auto sshsig = read_fields(reader);
  if (!sshsig) return sshsig;
  if (const auto usable = check_key_blob(sshsig->key_blob); !usable) return propagate(usable, "key");
  if (const auto usable = check_sshsig_namespace(sshsig->name_space); !usable) return propagate(usable);
  if (const auto decoded = decode_signature(sshsig->signature); !decoded) return propagate(decoded);
  return sshsig;
}

Result<Sshsig> read_sshsig(std::string_view armor) {
  const auto blob = dearmor_sshsig(armor);
  if (!blob) return propagate(blob);
  return parse_sshsig(*blob);
}

Status verify_sshsig(const Sshsig& sshsig, std::string_view name_space, std::string_view digest) {
  // An empty one means that the caller has forgotten to say what it trusts the signature for.
  if (const auto usable = check_sshsig_namespace(name_space); !usable) return usable;
  if (digest.size() != sshsig_digest_size(hash_name(sshsig.hash))) {
    return fail(Errc::kInvalid, "digest of {} bytes", digest.size());
  }
  if (sshsig.name_space != name_space) {
    return fail(Errc::kRefused, "Couldn't verify signature: namespace does not match");
  }
  // A certificate that nobody has issued is damaged, whether or not anybody looks at what it says.
  if (is_certificate_type(key_type_of(sshsig.key_blob).value_or(std::string_view()))) {
    const auto issued = verify_certificate(sshsig.key_blob);
    if (!issued) return propagate(issued, "Couldn't parse signature blob");
  }
  const auto verified = verify_any_signature(sshsig.key_blob, sshsig.signature,
                                             sshsig_signed_data(name_space, sshsig.hash, digest));
  if (!verified) return propagate(verified, "Signature verification failed");
  return {};
}

}  // namespace shed::ssh
