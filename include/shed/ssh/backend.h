// What holds the person's keys: an SSH agent or key files. The host's SSH handler talks to this alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shed/async/task.h"
#include "shed/base/result.h"
#include "shed/ssh/types.h"

namespace shed::ssh {

// Any number of operations at a time; none waits for another, apart from a backend's bound on how
// many are under way. Every operation ends within the backend's time limits. Must outlive its tasks;
// a dropped task gives back all it held.
//
// Errors, whose text names the cause and no key:
//   kNotFound     no such key
//   kRefused      the agent said no: a person declined, or a constraint of the key forbids it
//   kUnavailable  nobody is there to answer, or who was there went away
//   kTimeout      no answer in time
//   kProtocol     the agent answered nonsense, or with another algorithm than was asked for
//   kPermission   the agent's socket may not be used by us
//   kInvalid, kLimit, kUnsupported  the request itself is malformed, over a bound, or for a type of key
//                 that is not known here; nobody was asked
//   kInternal     a library failed in a way it should not
// Which of the keys that are there is to sign.
class KeyChoice {
 public:
  virtual ~KeyChoice() = default;
  // The blob to sign with. Its error becomes the operation's.
  virtual Result<std::string> choose(const std::vector<Identity>& identities) = 0;
};

class SshBackend {
 public:
  virtual ~SshBackend() = default;

  // The keys, in the order to offer them. `binds`: see SignRequest; a constrained key may be listed only
  // to those it is meant for.
  virtual async::Task<Result<std::vector<Identity>>> list(std::vector<SessionBind> binds) = 0;

  virtual async::Task<Result<Signature>> sign(SignRequest request) = 0;

  // list(), a choice and sign() with that key, in the place of the request's: one connection where there are
  // connections. The choice must stay until the task is done.
  virtual async::Task<Result<Signature>> sign_with_chosen(KeyChoice& choice, SignRequest request);

  // "agent-forward" or "local-keys".
  virtual std::string_view mode() const = 0;
};

}  // namespace shed::ssh
