// The owner's registry logins, wherever docker keeps them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "shed/async/scope.h"
#include "shed/docker/config_file.h"
#include "shed/docker/credential_helper.h"

namespace shed::docker {

// What the handler of the namespace needs; tests give it another.
class LoginBackend {
 public:
  virtual ~LoginBackend() = default;
  // Errc::kNotFound: nothing is stored, go on anonymously. Everything else: the store or a helper
  // failed, and the text says which.
  virtual async::Task<Result<std::shared_ptr<const Login>>> get(std::string server_url) = 0;
  // Registry, as the stores spell it, to user name; "(credential helper)" for one with a helper of its
  // own, "(auth entry)" for one with an empty entry.
  virtual async::Task<Result<std::map<std::string, std::string>>> list() = 0;
};

struct LoginStoreOptions {
  std::string config_path;  // docker's config.json
  std::string auth_path;    // podman's auth.json, asked when the former knows nothing; empty: none
};

// Order: credHelpers for the registry, credsStore, inline auths; then the same of auth.json. Files are
// read anew when they changed (inode, size, time); a change that cannot be read is an error, not the old
// content. The same question in flight is asked once.
class LoginStore : public LoginBackend {
 public:
  LoginStore(async::Loop& loop, CredentialHelper& helper, LoginStoreOptions options);
  ~LoginStore() override;

  async::Task<Result<std::shared_ptr<const Login>>> get(std::string server_url) override;
  async::Task<Result<std::map<std::string, std::string>>> list() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shed::docker
