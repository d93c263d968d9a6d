// SHA-2 without OpenSSL's providers: looking a hash up starts the whole library, and a program that does no
// more than that has 1.7 MiB more resident.
#define OPENSSL_SUPPRESS_DEPRECATED  // what is asked for here is deprecated for being without them

#include <openssl/sha.h>

#include <variant>

#include "shed/ssh/sshsig.h"
#include "ssh/openssl.h"

namespace shed::ssh {

struct MessageDigest::State {
  std::variant<SHA512_CTX, SHA256_CTX> context;
  bool works = false;
};

MessageDigest::MessageDigest(SshsigHash hash) : state_(std::make_unique<State>()) {
  if (hash == SshsigHash::kSha256) {
    state_->works = SHA256_Init(&state_->context.emplace<SHA256_CTX>()) == 1;
  } else {
    state_->works = SHA512_Init(&state_->context.emplace<SHA512_CTX>()) == 1;
  }
}

MessageDigest::MessageDigest(MessageDigest&&) noexcept = default;
MessageDigest& MessageDigest::operator=(MessageDigest&&) noexcept = default;
MessageDigest::~MessageDigest() = default;

void MessageDigest::update(std::string_view bytes) {
  if (!state_->works) return;
  if (auto* const context = std::get_if<SHA256_CTX>(&state_->context)) {
    state_->works = SHA256_Update(context, bytes.data(), bytes.size()) == 1;
  } else {
    state_->works = SHA512_Update(&std::get<SHA512_CTX>(state_->context), bytes.data(), bytes.size()) == 1;
  }
}

Result<std::string> MessageDigest::finish() {
  if (!state_->works) return fail(Errc::kInternal, "OpenSSL could not hash the message");
  state_->works = false;  // a second digest would be of nothing
  if (auto* const context = std::get_if<SHA256_CTX>(&state_->context)) {
    std::string digest(SHA256_DIGEST_LENGTH, '\0');
    SHA256_Final(as_unsigned(digest), context);
    return digest;
  }
  std::string digest(SHA512_DIGEST_LENGTH, '\0');
  SHA512_Final(as_unsigned(digest), &std::get<SHA512_CTX>(state_->context));
  return digest;
}

std::string sha256(std::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes.data(), bytes.size());
  SHA256_Final(as_unsigned(digest), &context);
  return digest;
}

}  // namespace shed::ssh
