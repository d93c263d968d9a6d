#include "shed/ssh/signed_data.h"

#include <cstdint>

#include "shed/ssh/types.h"
#include "ssh/public_key.h"

namespace shed::ssh {
namespace {

constexpr std::uint8_t SSH2_MSG_USERAUTH_REQUEST = 50;
constexpr std::string_view kHostbound = "publickey-hostbound-v00@openssh.com";
constexpr std::string_view kCertificateSuffix = "-cert-v01@openssh.com";

// WireReader's refusals are texts on the heap. What is opaque fails at its first field, and comes at the
// rate that a guest likes.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}

  bool byte(std::uint8_t& value) {
    if (rest_.empty()) return false;
    value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return true;
  }
  bool string(std::string_view& value) {
    if (rest_.size() < 4) return false;
    std::uint32_t length = 0;
    for (const char byte : rest_.substr(0, 4)) length = length << 8 | static_cast<unsigned char>(byte);
    if (length > rest_.size() - 4) return false;
    value = rest_.substr(4, length);
    rest_.remove_prefix(4 + std::size_t{length});
    return true;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

SignedData opaque(std::string_view note) {
  SignedData result;
  result.note = note;
  return result;
}

// The name of a signature algorithm as a login has it: with a certificate, the certificate's form of it.
bool algorithm_fits(std::string_view algorithm, std::string_view key_type) {
  if (algorithm == key_type) return true;
  std::string_view plain_type = key_type;
  if (key_type.ends_with(kCertificateSuffix)) {
    if (!algorithm.ends_with(kCertificateSuffix)) return false;
    algorithm.remove_suffix(kCertificateSuffix.size());
    plain_type.remove_suffix(kCertificateSuffix.size());
  }
  return plain_type == "ssh-rsa" && (algorithm == "rsa-sha2-256" || algorithm == "rsa-sha2-512");
}

// What is asked to sign must be able to: a certificate in the data is covered by the plain key, and nothing
// else than itself by a certificate.
bool is_key_that_signs(std::string_view key, std::string_view asked) {
  if (key == asked) return check_key_blob(key).has_value();
  const auto type = key_type_of(key);
  const auto asked_type = key_type_of(asked);
  return type && asked_type && is_certificate_type(*type) && !is_certificate_type(*asked_type) &&
         same_public_key(key, asked);
}

struct LoginFields {
  std::string_view service, method;
  std::uint8_t has_signature = 0;
};

// Everything behind the message number; false for a cut field or bytes left over.
bool read_login_fields(Cursor& cursor, SignedData& login, LoginFields& fields) {
  const bool common = cursor.string(login.user) && cursor.string(fields.service) &&
                      cursor.string(fields.method) && cursor.byte(fields.has_signature) &&
                      cursor.string(login.algorithm) && cursor.string(login.key);
  if (!common) return false;
  if (fields.method == kHostbound && !cursor.string(login.host_key)) return false;
  return cursor.at_end();
}

// Why it is no login, or nothing.
std::string_view login_flaw(const SignedData& login, const LoginFields& fields, std::string_view key_blob) {
  if (fields.method != kHostbound && fields.method != "publickey") return "a login by another method";
  if (fields.service != "ssh-connection") return "a login for another service";
  // OpenSSH takes any byte but 0 for true; a client writes 1.
  if (fields.has_signature != 1) return "a login without a signature";
  if (login.user.size() > kMaxUserName || login.user.find('\0') != login.user.npos)
    return "a login with an impossible user name";
  if (!is_key_that_signs(login.key, key_blob)) return "a login with another key";
  const auto type = key_type_of(login.key);
  if (!type || !algorithm_fits(login.algorithm, *type)) return "a login with an algorithm of other keys";
  if (fields.method == kHostbound && !check_key_blob(login.host_key))
    return "a login with a malformed host key";
  return {};
}

SignedData read_login(Cursor cursor, SignedData login, std::string_view key_blob) {
  LoginFields fields;
  if (!read_login_fields(cursor, login, fields)) return opaque("a malformed login");
  if (const std::string_view flaw = login_flaw(login, fields, key_blob); !flaw.empty()) return opaque(flaw);
  login.kind = SignedData::Kind::kLogin;
  return login;
}

SignedData read_sshsig(std::string_view data) {
  Cursor cursor(data.substr(kSshsigMagic.size()));
  SignedData result;
  std::string_view reserved;
  if (!cursor.string(result.sshsig_namespace) || !cursor.string(reserved) || !cursor.string(result.hash) ||
      !cursor.string(result.digest) || !cursor.at_end()) {
    return opaque("a malformed SSHSIG");
  }
  // No verifier takes an empty namespace, and all put together the data with nothing in the reserved field.
  if (result.sshsig_namespace.empty() || result.sshsig_namespace.size() > kMaxSshsigNamespace)
    return opaque("an SSHSIG with an impossible namespace");
  if (!reserved.empty()) return opaque("an SSHSIG of another version");
  if (result.digest.size() != sshsig_digest_size(result.hash) || result.digest.empty())
    return opaque("an SSHSIG with an impossible hash");
  result.kind = SignedData::Kind::kSshsig;
  return result;
}

}  // namespace

std::size_t sshsig_digest_size(std::string_view hash) {
  if (hash == "sha256") return 32;
  return hash == "sha512" ? 64 : 0;
}

SignedData read_signed_data(std::string_view data, std::string_view key_blob) {
  if (data.starts_with(kSshsigMagic)) return read_sshsig(data);
  Cursor cursor(data);
  SignedData login;
  std::uint8_t number = 0;
  if (cursor.string(login.session_id) && !login.session_id.empty() &&
      login.session_id.size() <= kMaxSessionId && cursor.byte(number) &&
      number == SSH2_MSG_USERAUTH_REQUEST) {
    return read_login(cursor, login, key_blob);
  }
  SignedData result;
  if (data.size() == kAgentTestSize) result.kind = SignedData::Kind::kAgentTest;
  return result;
}

}  // namespace shed::ssh
