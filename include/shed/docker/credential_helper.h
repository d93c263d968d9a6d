// Runs the owner's docker credential helpers (docker-credential-helpers protocol).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "shed/async/loop.h"
#include "shed/base/file.h"
#include "shed/base/result.h"
#include "shed/docker/config_file.h"

namespace shed::docker {

class CredentialHelper {
 public:
  static constexpr Millis kLimit{5'000};
  static constexpr std::size_t kMaxOutput = 64 * 1024;
  static constexpr std::size_t kMaxAtATime = 8;  // the next waits, within its own kLimit

  virtual ~CredentialHelper() = default;
  // `docker-credential-<name> get` with `key` on its stdin, without a newline. Errc::kNotFound when it
  // says "credentials not found in native keychain"; kUnavailable when the program is missing, fails,
  // prints what is no answer or too much; kTimeout after kLimit (then it is killed, with its children).
  // It runs in a session of its own, without a terminal, with PATH (/usr/local/bin and /opt/homebrew/bin
  // behind it) and those few variables by which it finds the owner's keychain. What it printed is in no
  // error; what it printed when it failed goes to the log at debug, with secrets cut.
  virtual async::Task<Result<Login>> get(std::string name, std::string key) = 0;
  // `list`: registry to user name. Errors as above.
  virtual async::Task<Result<std::map<std::string, std::string>>> list(std::string name) = 0;
};

// `variable` reads the environment of this process; what helpers get of it is said above.
std::unique_ptr<CredentialHelper> make_credential_helper(
    async::Loop& loop, std::function<std::string(const char*)> variable = environment);

// The two documents a helper prints. Errc::kInvalid; no error quotes them.
Result<Login> parse_helper_login(std::string_view json);
Result<std::map<std::string, std::string>> parse_helper_list(std::string_view json);

}  // namespace shed::docker
