#include "shed/ssh/verify.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>

#include "shed/ssh/wire.h"
#include "ssh/openssl.h"
#include "ssh/public_key.h"

namespace shed::ssh {
namespace {

constexpr int kMaxHostRsaBits = 16384;
// OpenSSL demands it for large moduli; larger ones only cost time.
constexpr std::size_t kMaxRsaExponentBytes = 8;
constexpr std::size_t kEd25519SignatureSize = 64;
// byte flags, uint32 counter: OpenSSH's PROTOCOL.u2f.
constexpr std::size_t kSecurityKeyRest = 5;
constexpr std::string_view kWebauthn = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com";

using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

// What OpenSSL verifies: a public key, and the signature in the form that OpenSSL reads.
struct Verification {
  EvpKey key;
  std::string signature;
};

Result<Verification> prepare_ed25519(const PublicKeyFields& fields, std::string_view blob) {
  if (blob.size() != kEd25519SignatureSize) {
    return fail(Errc::kInvalid, "Ed25519 signature of {} bytes", blob.size());
  }
  EvpKey key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, as_unsigned(fields.point), fields.point.size()));
  if (!key) return fail(Errc::kInvalid, "not an Ed25519 key");
  return Verification{std::move(key), std::string(blob)};
}

// RFC 5656 section 3.1.2, mpint r and mpint s, as the DER that OpenSSL reads.
Result<std::string> der_form_of_ecdsa(std::string_view blob, const Curve& curve) {
  WireReader reader(blob);
  const auto r = reader.positive_mpint();
  if (!r) return propagate(r, "ECDSA signature");
  const auto s = reader.positive_mpint();
  if (!s) return propagate(s, "ECDSA signature");
  if (const auto end = reader.end(); !end) return propagate(end, "ECDSA signature");
  if (r->size() > curve.field_size || s->size() > curve.field_size) {
    return fail(Errc::kInvalid, "ECDSA signature: a number is too large");
  }
  const EcdsaSignature signature(ECDSA_SIG_new());
  BigNumber r_number = public_number(*r);
  BigNumber s_number = public_number(*s);
  if (!signature || !r_number || !s_number) return fail(Errc::kInternal, "out of memory");
  ECDSA_SIG_set0(signature.get(), r_number.release(), s_number.release());
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) return fail(Errc::kInternal, "OpenSSL could not encode a signature");
  std::string bytes(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

Result<Verification> prepare_ecdsa(const PublicKeyFields& fields, const Curve& curve, std::string_view blob) {
  auto der = der_form_of_ecdsa(blob, curve);
  if (!der) return propagate(der);
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.openssl_name, 0) !=
          1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, fields.point.data(),
                                       fields.point.size()) != 1) {
    return fail(Errc::kInternal, "out of memory");
  }
  EvpKey key = key_from_parameters("EC", EVP_PKEY_PUBLIC_KEY, builder.get());
  if (!key) return fail(Errc::kInvalid, "the point is not on {}", curve.ssh_name);
  return Verification{std::move(key), std::move(*der)};
}

Result<EvpKey> rsa_key(const PublicKeyFields& fields) {
  const BigNumber n = public_number(fields.n);
  const BigNumber e = public_number(fields.e);
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  if (!n || !e || !builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return fail(Errc::kInternal, "out of memory");
  }
  const int bits = BN_num_bits(n.get());
  if (bits < kMinHostRsaBits || bits > kMaxHostRsaBits) {
    return fail(Errc::kInvalid, "RSA key of {} bits; {} to {} are accepted", bits, kMinHostRsaBits,
                kMaxHostRsaBits);
  }
  // With e = 1 anything is its own signature.
  if (BN_is_odd(n.get()) != 1 || BN_is_odd(e.get()) != 1 || BN_is_one(e.get())) {
    return fail(Errc::kInvalid, "RSA key with an impossible modulus or exponent");
  }
  EvpKey key = key_from_parameters("RSA", EVP_PKEY_PUBLIC_KEY, builder.get());
  if (!key) return fail(Errc::kInvalid, "not an RSA key");
  return key;
}

Result<Verification> prepare_rsa(const PublicKeyFields& fields, std::string_view blob) {
  if (fields.n.size() > kMaxHostRsaBits / 8 || fields.e.size() > kMaxRsaExponentBytes) {
    return fail(Errc::kInvalid, "RSA key with a number that is too large");
  }
  if (blob.size() > fields.n.size()) {
    return fail(Errc::kInvalid, "RSA signature of {} bytes by a key of {}", blob.size(), fields.n.size());
  }
  auto key = rsa_key(fields);
  if (!key) return propagate(key);
  // Some signers leave out leading zeros; OpenSSL wants the modulus' length.
  std::string signature(fields.n.size() - blob.size(), '\0');
  signature.append(blob);
  return Verification{std::move(*key), std::move(signature)};
}

Status check_security_key_format(std::string_view key_type, const Signature& signature) {
  if (signature.format == kWebauthn) return fail(Errc::kUnsupported, "made through a browser");
  if (signature.format != key_type) {
    return fail(Errc::kInvalid, "the algorithm does not fit a key of type {}", key_type);
  }
  if (signature.rest.size() == kSecurityKeyRest) return {};
  return fail(Errc::kInvalid, "flags and counter are {} bytes, not {}", signature.rest.size(),
              kSecurityKeyRest);
}

Status check_format(std::string_view key_type, const Signature& signature) {
  if (is_security_key_type(key_type)) return check_security_key_format(key_type, signature);
  if (!signature.rest.empty()) return fail(Errc::kInvalid, "{} bytes too many", signature.rest.size());
  if (key_type != "ssh-rsa") {
    if (signature.format == key_type) return {};
    return fail(Errc::kInvalid, "the algorithm does not fit a key of type {}", key_type);
  }
  if (signature.format == "rsa-sha2-256" || signature.format == "rsa-sha2-512") return {};
  if (signature.format == "ssh-rsa") return fail(Errc::kUnsupported, "made with SHA-1, which can be forged");
  return fail(Errc::kInvalid, "the algorithm does not fit a key of type {}", key_type);
}

Result<Verification> prepare(const PublicKeyFields& fields, std::string_view blob) {
  if (fields.type == "ssh-rsa") return prepare_rsa(fields, blob);
  // Security keys know one curve.
  const bool sk_ecdsa = fields.type == "sk-ecdsa-sha2-nistp256@openssh.com";
  const Curve* curve = curve_of_type(sk_ecdsa ? "ecdsa-sha2-nistp256" : fields.type);
  if (curve != nullptr) return prepare_ecdsa(fields, *curve, blob);
  return prepare_ed25519(fields, blob);
}

Status run(const Verification& verification, const EVP_MD* digest, std::string_view data) {
  const EvpDigestContext context(EVP_MD_CTX_new());
  const bool verified =
      context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, verification.key.get()) == 1 &&
      EVP_DigestVerify(context.get(), as_unsigned(verification.signature), verification.signature.size(),
                       as_unsigned(data), data.size()) == 1;
  ERR_clear_error();
  if (!verified) return fail(Errc::kRefused, "the signature is not by this key");
  return {};
}

// What a security key signs in the place of the data.
std::string security_key_data(std::string_view application, std::string_view rest, std::string_view data) {
  std::string bytes = sha256(application);
  bytes.append(rest).append(sha256(data));
  return bytes;
}

Status verify_by(const PublicKeyFields& fields, std::string_view signature, std::string_view data) {
  // The system's openssl.cnf is for the system's programs: it can name modules to load, which a static binary
  // could not survive, and to read it takes most of the time that the first signature does.
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  const auto decoded = decode_signature(signature);
  if (!decoded) return propagate(decoded);
  if (const auto fits = check_format(fields.type, *decoded); !fits) return propagate(fits, "signature");
  const auto verification = prepare(fields, decoded->blob);
  if (!verification) return propagate(verification);
  const EVP_MD* digest = digest_of_format(decoded->format);
  if (!is_security_key_type(fields.type)) return run(*verification, digest, data);
  return run(*verification, digest, security_key_data(fields.application, decoded->rest, data));
}

}  // namespace

void expect_few_signatures() {
  // Names of ciphers that nobody asks for, and texts of errors that nobody sees; and nothing is freed by hand
  // at the end, as the system does that.
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
                          OPENSSL_INIT_NO_ADD_ALL_DIGESTS | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS |
                          OPENSSL_INIT_NO_ATEXIT,
                      nullptr);
}

Status verify_signature(std::string_view key_blob, std::string_view signature, std::string_view data) {
  const auto fields = parse_public_key(key_blob);
  if (!fields) return propagate(fields, "key");
  if (is_security_key_type(fields->type)) return fail(Errc::kUnsupported, "{}: a security key", fields->type);
  return verify_by(*fields, signature, data);
}

Status verify_any_signature(std::string_view key_blob, std::string_view signature, std::string_view data) {
  const auto fields = parse_public_key(key_blob);
  if (!fields) return propagate(fields, "key");
  return verify_by(*fields, signature, data);
}

Status verify_certificate(std::string_view certificate) {
  const auto fields = parse_certificate(certificate);
  if (!fields) return propagate(fields);
  if (fields->kind != kUserCertificate && fields->kind != kHostCertificate) {
    return fail(Errc::kInvalid, "certificate of an unknown kind");
  }
  const auto authority = key_type_of(fields->authority);
  // There are no chains.
  if (!authority || is_certificate_type(*authority))
    return fail(Errc::kInvalid, "authority: not a plain key");
  const auto verified = verify_any_signature(fields->authority, fields->signature, fields->signed_part);
  if (!verified) return propagate(verified, "certificate");
  return {};
}

Status verify_session_bind(const SessionBind& bind) {
  if (bind.session_id.empty() || bind.session_id.size() > kMaxSessionId) {
    return fail(Errc::kInvalid, "session bind: session id of {} bytes", bind.session_id.size());
  }
  const auto verified = verify_signature(bind.host_key, bind.signature, bind.session_id);
  if (!verified) return propagate(verified, "session bind");
  return {};
}

}  // namespace shed::ssh
