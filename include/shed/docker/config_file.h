// The owner's login store: ~/.docker/config.json, and podman's auth.json, which has the same form.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/json.h"
#include "shed/base/result.h"
#include "shed/base/secret.h"

namespace shed::docker {

inline constexpr std::size_t kMaxConfigFile = 1024 * 1024;

// $DOCKER_CONFIG/config.json, else ~/.docker/config.json.
std::string default_config_path();

// One entry of "auths".
struct InlineLogin {
  Secret auth;            // base64 of user:password
  Secret identity_token;  // wins over the password
  Secret username, password;
};

class ConfigFile {
 public:
  // Errc::kInvalid, load()'s with file, line and column, when it is no JSON object, or has a helper that is
  // no plain name ([A-Za-z0-9_-], 64 at most: a name, never a path). A file that is missing is empty.
  static Result<ConfigFile> load(const std::string& path);
  static Result<ConfigFile> parse(std::string_view text);

  const std::string& creds_store() const { return creds_store_; }
  // The helper of that registry and the key as the file spells it; nothing without one. Looked up by
  // the name as it came, then by normalised names.
  struct HelperEntry {
    std::string helper;
    std::string key;
  };
  std::optional<HelperEntry> helper_for(std::string_view server_url) const;
  // The key of that registry's inline login as the file spells it.
  struct LoginEntry {
    std::string key;
    const InlineLogin* login;
  };
  std::optional<LoginEntry> login_for(std::string_view server_url) const;

  const std::map<std::string, std::string, std::less<>>& helpers() const { return helpers_; }
  const std::map<std::string, InlineLogin, std::less<>>& logins() const { return logins_; }

 private:
  Status read(const JsonValue& root);
  std::string creds_store_;
  std::map<std::string, std::string, std::less<>> helpers_;
  std::map<std::string, InlineLogin, std::less<>> logins_;
};

struct Login {
  std::string server_url;  // as the client asked for it
  Secret username;         // "<token>": the secret is an identity token
  Secret secret;
};

// user:password, of which the password may have colons. Errc::kInvalid "invalid auth format for <key>".
Result<Login> read_inline_login(std::string_view server_url, const InlineLogin& login);

}  // namespace shed::docker
