#include "ssh/public_key.h"

#include <algorithm>
#include <array>

#include "shed/ssh/types.h"
#include "shed/ssh/wire.h"

namespace shed::ssh {
namespace {

constexpr std::size_t kEd25519KeySize = 32;
constexpr char kUncompressedPoint = 0x04;

constexpr std::array<Curve, 3> kCurves = {{
    {"ecdsa-sha2-nistp256", "nistp256", "prime256v1", 32},
    {"ecdsa-sha2-nistp384", "nistp384", "secp384r1", 48},
    {"ecdsa-sha2-nistp521", "nistp521", "secp521r1", 66},
}};

template <class Predicate>
const Curve* find_curve(Predicate predicate) {
  const auto* found = std::find_if(kCurves.begin(), kCurves.end(), predicate);
  return found == kCurves.end() ? nullptr : found;
}

Status read_ed25519(WireReader& reader, PublicKeyFields& fields) {
  const auto key = reader.string();
  if (!key) return propagate(key);
  if (key->size() != kEd25519KeySize) return fail(Errc::kInvalid, "Ed25519 key of {} bytes", key->size());
  fields.point = *key;
  return {};
}

Status read_rsa(WireReader& reader, PublicKeyFields& fields) {
  const auto e = reader.positive_mpint();
  if (!e) return propagate(e, "exponent");
  const auto n = reader.positive_mpint();
  if (!n) return propagate(n, "modulus");
  fields.e = *e;
  fields.n = *n;
  return {};
}

Status read_ecdsa(WireReader& reader, const Curve& curve, PublicKeyFields& fields) {
  const auto name = reader.string();
  if (!name) return propagate(name);
  if (*name != curve.ssh_name) return fail(Errc::kInvalid, "the curve is not {}", curve.ssh_name);
  const auto point = reader.string();
  if (!point) return propagate(point);
  if (point->size() != 2 * curve.field_size + 1 || point->front() != kUncompressedPoint) {
    return fail(Errc::kInvalid, "not an uncompressed point of {}", curve.ssh_name);
  }
  fields.point = *point;
  return {};
}

Status read_fields(WireReader& reader, PublicKeyFields& fields) {
  const bool security_key = is_security_key_type(fields.type);
  const bool ed25519 = fields.type == "ssh-ed25519" || fields.type == "sk-ssh-ed25519@openssh.com";
  Status read;
  if (fields.type == "ssh-rsa") {
    read = read_rsa(reader, fields);
  } else if (ed25519) {
    read = read_ed25519(reader, fields);
  } else {
    // Security keys know one curve.
    read = read_ecdsa(reader, *curve_of_type(security_key ? "ecdsa-sha2-nistp256" : fields.type), fields);
  }
  if (!read || !security_key) return read;
  const auto application = reader.string();
  if (!application) return propagate(application, "application");
  // OpenSSH takes one at the end for none: a second form of the same key.
  if (application->find('\0') != application->npos)
    return fail(Errc::kInvalid, "the application has a NUL byte");
  fields.application = *application;
  return {};
}

// OpenSSH and others write 32 bytes. GnuPG's agent reads a certificate in here, with the key that it then
// signs with, and the smallest has 76: who judges the key behind the nonce would judge another one.
constexpr std::size_t kMaxNonce = 64;

Status read_certificate(WireReader& reader, std::string_view blob, CertificateFields& fields) {
  const auto serial = reader.uint64();
  const auto kind = reader.uint32();
  const auto key_id = reader.string();
  const auto principals = reader.string();
  const auto after = reader.uint64();
  const auto before = reader.uint64();
  const auto options = reader.string();
  const auto extensions = reader.string();
  const auto reserved = reader.string();
  const auto authority = reader.string();
  const std::size_t signed_size = blob.size() - reader.remaining().size();
  const auto signature = reader.string();
  if (!serial || !kind || !key_id || !principals || !after || !before || !options || !extensions ||
      !reserved || !authority || !signature) {
    return fail(Errc::kInvalid, "a field of the certificate is cut off");
  }
  fields = {*kind,    *principals, *after,     *before,
            *options, *authority,  *signature, blob.substr(0, signed_size)};
  return {};
}

Status read_blob(std::string_view blob, std::size_t start, PublicKeyFields& fields,
                 CertificateFields* certificate) {
  WireReader reader(blob.substr(start));
  if (certificate != nullptr) {
    const auto nonce = reader.string();
    if (!nonce) return propagate(nonce, "nonce");
    if (nonce->size() > kMaxNonce) return fail(Errc::kInvalid, "a nonce of {} bytes", nonce->size());
  }
  const std::string_view before = reader.remaining();
  if (const auto read = read_fields(reader, fields); !read) return read;
  fields.bytes = before.substr(0, before.size() - reader.remaining().size());
  if (certificate != nullptr) {
    if (const auto read = read_certificate(reader, blob, *certificate); !read) return read;
  }
  return reader.end();
}

struct Parsed {
  PublicKeyFields key;
  CertificateFields certificate;
};

Result<Parsed> parse(std::string_view key_blob) {
  if (key_blob.size() > kMaxKeyBlob) {
    return fail(Errc::kLimit, "key of {} bytes is over {}", key_blob.size(), kMaxKeyBlob);
  }
  const auto type = key_type_of(key_blob);
  if (!type) return propagate(type);
  const auto plain = plain_key_type(*type);
  if (!plain) return propagate(plain);
  Parsed parsed;
  parsed.key.type = *plain;
  CertificateFields* certificate = is_certificate_type(*type) ? &parsed.certificate : nullptr;
  if (const auto read = read_blob(key_blob, 4 + type->size(), parsed.key, certificate); !read) {
    return propagate(read, *type);
  }
  return parsed;
}

}  // namespace

const Curve* curve_of_type(std::string_view plain_type) {
  return find_curve([&](const Curve& curve) { return curve.key_type == plain_type; });
}

const Curve* curve_of_group(std::string_view openssl_name) {
  return find_curve([&](const Curve& curve) { return curve.openssl_name == openssl_name; });
}

Result<PublicKeyFields> parse_public_key(std::string_view key_blob) {
  const auto parsed = parse(key_blob);
  if (!parsed) return propagate(parsed);
  return parsed->key;
}

bool same_public_key(std::string_view key_blob, std::string_view other) {
  if (key_blob == other) return true;
  const auto key = parse_public_key(key_blob);
  const auto other_key = key ? parse_public_key(other) : key;
  return other_key && key->type == other_key->type && key->bytes == other_key->bytes;
}

Result<CertificateFields> parse_certificate(std::string_view key_blob) {
  const auto parsed = parse(key_blob);
  if (!parsed) return propagate(parsed);
  if (parsed->certificate.signed_part.empty()) return fail(Errc::kUnsupported, "not a certificate");
  return parsed->certificate;
}

}  // namespace shed::ssh
