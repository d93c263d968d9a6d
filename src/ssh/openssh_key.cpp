// OpenSSH's private key format, its PROTOCOL.key. The base64 between the armor lines holds
//
//   "openssh-key-v1" 0
//   string cipher, string kdf, string kdf options    "none", "none", "" when it is not encrypted
//   uint32 number of keys                            1
//   string public key blob
//   string private section:
//     uint32 check, uint32 check                     the same number twice
//     string type, the type's fields, string comment
//     1 2 3 ...                                      padding to a multiple of 8
#include <algorithm>

#include "shed/base/base64.h"
#include "shed/base/secret.h"
#include "shed/ssh/wire.h"
#include "ssh/key_formats.h"
#include "ssh/public_key.h"

namespace shed::ssh {
namespace {

constexpr std::string_view kMagic{"openssh-key-v1\0", 15};
constexpr std::string_view kBeginLine = "-----BEGIN OPENSSH PRIVATE KEY-----";
constexpr std::string_view kEndLine = "-----END OPENSSH PRIVATE KEY-----";
constexpr std::size_t kBlockSize = 8;  // of cipher "none"
constexpr std::size_t kEd25519Seed = 32;
// What OpenSSL's own verification takes for large moduli; 65537 in practice.
constexpr std::size_t kMaxRsaExponentBytes = 8;

KeyResult<Secret> decode_armor(std::string_view text) {
  text.remove_prefix(kBeginLine.size());
  const auto end = text.find(kEndLine);
  if (end == std::string_view::npos) return corrupt("the line that ends the key is missing");
  std::string joined;
  joined.reserve(end);  // one allocation, so that growing leaves no copy behind
  std::copy_if(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end), std::back_inserter(joined),
               [](char c) { return c != '\n' && c != '\r'; });
  const Secret base64 = Secret::take(joined);
  auto bytes = base64_decode(base64.reveal());
  if (!bytes) return corrupt("not base64");
  return Secret::take(*bytes);
}

struct Container {
  std::string_view public_blob;
  std::string_view private_section;
};

KeyResult<Container> open_container(std::string_view bytes, std::string_view file_name) {
  if (!bytes.starts_with(kMagic)) return corrupt("not version 1 of OpenSSH's format");
  WireReader reader(bytes.substr(kMagic.size()));
  const auto cipher = reader.string();
  const auto kdf = reader.string();
  const auto kdf_options = reader.string();
  const auto count = reader.uint32();
  if (!cipher || !kdf || !kdf_options || !count) return corrupt("cut short");
  if (*cipher != "none") return encrypted(file_name);
  if (*kdf != "none" || !kdf_options->empty()) return corrupt("key derivation without a cipher");
  if (*count != 1) return unknown_type("a file with several keys");
  const auto public_blob = reader.string();
  const auto section = reader.string();
  if (!public_blob || !section) return corrupt("cut short");
  if (!reader.at_end()) return corrupt("something stands behind the key");
  if (section->size() % kBlockSize != 0) return corrupt("the private section has a wrong length");
  return Container{*public_blob, *section};
}

KeyResult<EvpKey> read_ed25519(WireReader& reader) {
  const auto point = reader.string();
  const auto seed_and_point = reader.string();
  if (!point || !seed_and_point) return corrupt("cut short");
  if (point->size() != kEd25519Seed || seed_and_point->size() != 2 * kEd25519Seed) {
    return corrupt("an Ed25519 key of a wrong length");
  }
  if (seed_and_point->substr(kEd25519Seed) != *point) return mismatch();
  EvpKey key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, as_unsigned(*seed_and_point), kEd25519Seed));
  if (!key) return corrupt("OpenSSL refuses the key");
  return key;
}

KeyResult<EvpKey> read_ecdsa(WireReader& reader, const Curve& curve) {
  const auto name = reader.string();
  const auto point = reader.string();
  const auto scalar = reader.positive_mpint();
  if (!name || !point || !scalar) return corrupt("a field of the ECDSA key is damaged");
  if (*name != curve.ssh_name) return corrupt("type and curve differ");
  if (scalar->size() > curve.field_size) return corrupt("the ECDSA key's number is too large");
  const BigNumber number = secret_number(*scalar);
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  if (!number || !builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), "group", curve.openssl_name, 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), "pub", point->data(), point->size()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), "priv", number.get()) != 1) {
    return corrupt("OpenSSL refuses the key");
  }
  EvpKey key = key_from_parameters("EC", EVP_PKEY_KEYPAIR, builder.get());
  if (!key) return corrupt("the public point is not on the curve");
  return key;
}

struct RsaNumbers {
  BigNumber n, e, d, inverse, p, q;
  BigNumber d_mod_p1, d_mod_q1;  // not in the file: computed
};

// d mod (factor - 1).
BigNumber reduced_exponent(const BIGNUM* d, const BIGNUM* factor) {
  const BigNumberContext context(BN_CTX_secure_new());
  const BigNumber less_one(BN_secure_new());
  BigNumber reduced(BN_secure_new());
  if (!context || !less_one || !reduced || BN_sub(less_one.get(), factor, BN_value_one()) != 1)
    return nullptr;
  BN_set_flags(less_one.get(), BN_FLG_CONSTTIME);
  if (BN_mod(reduced.get(), d, less_one.get(), context.get()) != 1) return nullptr;
  BN_set_flags(reduced.get(), BN_FLG_CONSTTIME);
  return reduced;
}

EvpKey make_rsa(const RsaNumbers& numbers) {
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder) return nullptr;
  const std::pair<const char*, const BIGNUM*> parameters[] = {
      {"n", numbers.n.get()},
      {"e", numbers.e.get()},
      {"d", numbers.d.get()},
      {"rsa-factor1", numbers.p.get()},
      {"rsa-factor2", numbers.q.get()},
      {"rsa-exponent1", numbers.d_mod_p1.get()},
      {"rsa-exponent2", numbers.d_mod_q1.get()},
      {"rsa-coefficient1", numbers.inverse.get()},
  };
  for (const auto& [name, number] : parameters) {
    if (number == nullptr || OSSL_PARAM_BLD_push_BN(builder.get(), name, number) != 1) return nullptr;
  }
  return key_from_parameters("RSA", EVP_PKEY_KEYPAIR, builder.get());
}

KeyResult<EvpKey> read_rsa(WireReader& reader) {
  const auto n = reader.positive_mpint();
  const auto e = reader.positive_mpint();
  const auto d = reader.positive_mpint();
  const auto inverse = reader.positive_mpint();
  const auto p = reader.positive_mpint();
  const auto q = reader.positive_mpint();
  if (!n || !e || !d || !inverse || !p || !q) return corrupt("a field of the RSA key is damaged");
  // Before anything is computed with them.
  constexpr std::size_t kMaxBytes = kMaxRsaBits / 8;
  if (n->size() > kMaxBytes || d->size() > n->size() || p->size() > n->size() || q->size() > n->size() ||
      inverse->size() > n->size() || e->size() > kMaxRsaExponentBytes) {
    return corrupt("a number of the RSA key is too large");
  }
  RsaNumbers numbers{public_number(*n), public_number(*e), secret_number(*d), secret_number(*inverse),
                     secret_number(*p), secret_number(*q), nullptr,           nullptr};
  if (numbers.d && numbers.p && numbers.q) {
    numbers.d_mod_p1 = reduced_exponent(numbers.d.get(), numbers.p.get());
    numbers.d_mod_q1 = reduced_exponent(numbers.d.get(), numbers.q.get());
  }
  EvpKey key = make_rsa(numbers);
  if (!key) return corrupt("the numbers of the RSA key make no key");
  return key;
}

KeyResult<EvpKey> read_fields(WireReader& reader) {
  const auto type = reader.string();
  if (!type) return corrupt("cut short");
  if (*type == "ssh-ed25519") return read_ed25519(reader);
  if (*type == "ssh-rsa") return read_rsa(reader);
  if (const Curve* curve = curve_of_type(*type); curve != nullptr) return read_ecdsa(reader, *curve);
  if (is_security_key_type(*type)) return unknown_type("a security key, which only an agent can use");
  return unknown_type("a key of a type that is not known");
}

bool is_padding(std::string_view bytes) {
  if (bytes.size() >= kBlockSize) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != static_cast<char>(i + 1)) return false;
  }
  return true;
}

KeyResult<ReadKey> read_section(const Container& container) {
  WireReader reader(container.private_section);
  const auto check = reader.uint32();
  const auto check_again = reader.uint32();
  if (!check || !check_again) return corrupt("cut short");
  if (*check != *check_again) return corrupt("the check numbers differ");
  auto key = read_fields(reader);
  if (!key) return std::unexpected(key.error());
  const auto comment = reader.string();
  if (!comment) return corrupt("cut short");
  if (!is_padding(reader.remaining())) return corrupt("wrong padding");
  return ReadKey{std::move(*key), std::string(container.public_blob), std::string(*comment)};
}

}  // namespace

KeyResult<ReadKey> read_openssh_key(std::string_view text, std::string_view file_name) {
  const auto bytes = decode_armor(text);
  if (!bytes) return std::unexpected(bytes.error());
  const auto container = open_container(bytes->reveal(), file_name);
  if (!container) return std::unexpected(container.error());
  return read_section(*container);
}

}  // namespace shed::ssh
