#include "shed/broker/signing_keys.h"

#include <algorithm>

#include "shed/base/file.h"
#include "shed/base/log.h"
#include "shed/ssh/public_key_line.h"

namespace shed::broker {
namespace {

Result<std::vector<std::string>> read_keys(std::string_view text) {
  auto lines = ssh::parse_public_keys(text);
  if (!lines) return propagate(lines);
  if (lines->size() > kMaxSigningKeys) return fail(Errc::kLimit, "more than {} keys", kMaxSigningKeys);
  std::vector<std::string> blobs;
  for (ssh::PublicKeyLine& line : *lines) blobs.push_back(std::move(line.key_blob));
  return blobs;
}

Result<std::vector<std::string>> read_key_file(const std::string& path) {
  const auto text = read_file(path, ssh::kMaxPublicKeyFile);
  if (!text) return propagate(text);
  auto keys = read_keys(*text);
  if (!keys) return propagate(keys, path);
  return keys;
}

}  // namespace

Result<SigningKeys> SigningKeys::open(std::string_view lines, std::string path, const Clock& clock) {
  SigningKeys keys;
  if (!lines.empty()) {
    keys.keys_ = read_keys(lines);
  } else if (!path.empty()) {
    keys.file_.emplace(std::move(path), clock);
    (void)keys.file_->may_have_changed();  // before it is read: a change meanwhile is one
    keys.keys_ = read_key_file(keys.file_->path());
  }
  if (!keys.keys_) return propagate(keys.keys_);
  return keys;
}

Result<std::vector<std::string>> SigningKeys::current() {
  if (!file_ || !file_->may_have_changed()) return keys_;
  auto fresh = read_key_file(file_->path());
  if (!fresh) {
    file_->could_not_be_read();
    if (keys_ || keys_.error().text() != fresh.error().text()) {
      log::error("public key file: {}; nothing is signed until it is right", fresh.error().text());
    }
  } else if (!keys_ || *keys_ != *fresh) {
    log::info("public key file {} has changed: it is in force", file_->path());
  }
  keys_ = std::move(fresh);
  return keys_;
}

Result<SigningKey> choose_signing_key(std::span<const std::string> wanted,
                                      std::span<const ssh::Identity> identities) {
  const auto find = [identities](std::string_view blob) {
    return std::ranges::find(identities, blob, &ssh::Identity::key_blob);
  };
  for (const std::string& blob : wanted) {
    auto found = find(blob);
    if (found == identities.end()) found = find(ssh::plain_key_blob(blob));
    if (found != identities.end()) return SigningKey{blob, found->key_blob, found->comment};
  }
  if (!wanted.empty()) return fail(Errc::kNotFound, "the agent has none of the configured keys");
  for (const ssh::Identity& identity : identities) {
    if (ssh::check_key_blob(identity.key_blob)) {
      return SigningKey{identity.key_blob, identity.key_blob, identity.comment};
    }
  }
  return fail(Errc::kNotFound, "the agent has no keys");
}

}  // namespace shed::broker
