#include "shed/ssh/private_key.h"

#include <openssl/ec.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>

#include "shed/ssh/wire.h"
#include "ssh/key_formats.h"

namespace shed::ssh {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kDashes = "-----";

using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

// The text from the first line that begins an armor; empty without one.
std::string_view from_armor(std::string_view text) {
  std::size_t at = text.find(kBegin);
  while (at != std::string_view::npos && at != 0 && text[at - 1] != '\n') at = text.find(kBegin, at + 1);
  return at == std::string_view::npos ? std::string_view() : text.substr(at);
}

std::string_view label_of(std::string_view armor) {
  armor.remove_prefix(kBegin.size());
  const std::string_view line = armor.substr(0, armor.find('\n'));
  const auto end = line.find(kDashes);
  return end == std::string_view::npos ? std::string_view() : line.substr(0, end);
}

bool is_pem_label(std::string_view label) {
  // "EC PARAMETERS" is what `openssl ecparam -genkey` writes in front of its key.
  static constexpr std::array<std::string_view, 5> kLabels = {
      "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "EC PARAMETERS", "ENCRYPTED PRIVATE KEY"};
  return std::find(kLabels.begin(), kLabels.end(), label) != kLabels.end();
}

KeyResult<ReadKey> read_any(std::string_view text, std::string_view name) {
  if (text.size() > kMaxKeyFile) {
    return std::unexpected(
        KeyError{KeyProblem::kTooLarge, fmt::format("{} bytes are over {}", text.size(), kMaxKeyFile)});
  }
  const std::string_view armor = from_armor(text);
  if (armor.empty()) return unknown_type("no private key in OpenSSH's or PEM format");
  const std::string_view label = label_of(armor);
  if (label == kOpensshLabel) return read_openssh_key(armor, name);
  if (is_pem_label(label)) return read_pem_key(armor, name);
  return unknown_type("not an OpenSSH, PKCS#1, SEC 1 or PKCS#8 private key");
}

// OpenSSL's DER SEQUENCE { r, s } as RFC 5656 section 3.1.2 wants it: mpint r, mpint s.
Result<std::string> ssh_form_of_ecdsa(std::string_view der) {
  const unsigned char* at = as_unsigned(der);
  const EcdsaSignature parsed(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (!parsed) return fail(Errc::kInternal, "OpenSSL made an unreadable signature");
  std::string blob;
  WireWriter(blob)
      .mpint(magnitude_of(ECDSA_SIG_get0_r(parsed.get())))
      .mpint(magnitude_of(ECDSA_SIG_get0_s(parsed.get())));
  return blob;
}

Result<std::string> raw_signature(EVP_PKEY* key, const EVP_MD* digest, std::string_view data) {
  // A context of its own for each call: the key is only read, so calls need no lock.
  const EvpDigestContext context(EVP_MD_CTX_new());
  std::size_t size = 0;
  std::string signature;
  const bool ready = context && EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
                     EVP_DigestSign(context.get(), nullptr, &size, as_unsigned(data), data.size()) == 1;
  if (ready) signature.resize(size);
  if (!ready ||
      EVP_DigestSign(context.get(), as_unsigned(signature), &size, as_unsigned(data), data.size()) != 1) {
    ERR_clear_error();
    return fail(Errc::kInternal, "OpenSSL could not make the signature");
  }
  signature.resize(size);
  return signature;
}

}  // namespace

std::unexpected<KeyError> corrupt(std::string_view what) {
  return std::unexpected(KeyError{KeyProblem::kCorrupt, fmt::format("damaged: {}", what)});
}

std::unexpected<KeyError> mismatch() {
  return std::unexpected(KeyError{KeyProblem::kMismatch, "private and public part belong to different keys"});
}

std::unexpected<KeyError> encrypted(std::string_view file_name) {
  return std::unexpected(
      KeyError{KeyProblem::kEncrypted,
               fmt::format("needs a passphrase; run 'ssh-add {}' and the agent holds it", file_name)});
}

std::unexpected<KeyError> unknown_type(std::string_view what) {
  return std::unexpected(
      KeyError{KeyProblem::kUnknownType,
               fmt::format("{}; Ed25519, ECDSA and RSA keys can be used from a file", what)});
}

struct PrivateKey::State {
  EvpKey key;
  std::string public_blob;
  std::string comment;
};

PrivateKey::PrivateKey(std::unique_ptr<State> state) : state_(std::move(state)) {}
PrivateKey::PrivateKey(PrivateKey&&) noexcept = default;
PrivateKey& PrivateKey::operator=(PrivateKey&&) noexcept = default;
PrivateKey::~PrivateKey() = default;

std::expected<PrivateKey, KeyError> PrivateKey::parse(std::string_view text, std::string_view name) {
  auto read = read_any(text, name);
  if (!read) return std::unexpected(read.error());
  auto public_blob = public_blob_of(read->key.get());
  if (!public_blob) return std::unexpected(public_blob.error());
  if (const auto checked = check_key(read->key.get()); !checked) return std::unexpected(checked.error());
  // What a file says about its public part is shown to people and servers, so it has to be true.
  if (!read->public_blob.empty() && read->public_blob != *public_blob) return mismatch();
  return PrivateKey(std::make_unique<State>(
      State{std::move(read->key), std::move(*public_blob), std::move(read->comment)}));
}

const std::string& PrivateKey::public_blob() const { return state_->public_blob; }
const std::string& PrivateKey::comment() const { return state_->comment; }
void PrivateKey::set_comment(std::string comment) { state_->comment = std::move(comment); }

std::string_view PrivateKey::key_type() const {
  return key_type_of(state_->public_blob).value_or(std::string_view());
}

Result<Signature> PrivateKey::sign(std::string_view data, std::uint32_t flags) const {
  const auto format = expected_signature_format(key_type(), flags);
  if (!format) return propagate(format);
  auto blob = raw_signature(state_->key.get(), digest_of_format(*format), data);
  if (blob && EVP_PKEY_is_a(state_->key.get(), "EC") == 1) blob = ssh_form_of_ecdsa(*blob);
  if (!blob) return propagate(blob);
  return Signature{std::string(*format), std::move(*blob), {}};
}

}  // namespace shed::ssh
