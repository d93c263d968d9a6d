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

Status skip_strings(WireReader& reader, int count) {
  for (int i = 0; i < count; ++i) {
    const auto skipped = reader.string();
    if (!skipped) return propagate(skipped);
  }
  return {};
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
  return skip_strings(reader, 1);  // application
}

Status skip_certificate(WireReader& reader) {
  const auto serial = reader.uint64();
  if (!serial) return propagate(serial);
  const auto kind = reader.uint32();
  if (!kind) return propagate(kind);
  if (const auto names = skip_strings(reader, 2); !names) return names;
  const auto dates = reader.bytes(16);
  if (!dates) return propagate(dates);
  return skip_strings(reader, 5);
}

Status read_blob(WireReader& reader, bool certificate, PublicKeyFields& fields) {
  if (certificate) {
    if (const auto nonce = skip_strings(reader, 1); !nonce) return nonce;
  }
  if (const auto read = read_fields(reader, fields); !read) return read;
  if (certificate) {
    if (const auto skipped = skip_certificate(reader); !skipped) return skipped;
  }
  return reader.end();
}

}  // namespace

const Curve* curve_of_type(std::string_view plain_type) {
  return find_curve([&](const Curve& curve) { return curve.key_type == plain_type; });
}

const Curve* curve_of_group(std::string_view openssl_name) {
  return find_curve([&](const Curve& curve) { return curve.openssl_name == openssl_name; });
}

Result<PublicKeyFields> parse_public_key(std::string_view key_blob) {
  if (key_blob.size() > kMaxKeyBlob) {
    return fail(Errc::kLimit, "key of {} bytes is over {}", key_blob.size(), kMaxKeyBlob);
  }
  const auto type = key_type_of(key_blob);
  if (!type) return propagate(type);
  const auto plain = plain_key_type(*type);
  if (!plain) return propagate(plain);
  WireReader reader(key_blob.substr(4 + type->size()));
  PublicKeyFields fields{.type = *plain, .point = {}, .e = {}, .n = {}};
  if (const auto read = read_blob(reader, is_certificate_type(*type), fields); !read) {
    return propagate(read, *type);
  }
  return fields;
}

}  // namespace shed::ssh
