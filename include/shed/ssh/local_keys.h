// Signs with the keys in a person's files (key_file.h), for when there is no agent.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shed/async/loop.h"
#include "shed/ssh/backend.h"
#include "shed/ssh/key_file.h"

namespace shed::ssh {

// Keys are read at construction, and again before an operation when one of the files changed (came,
// went, has another size, owner, mode or time): a person who adds a key or takes one away expects that to
// count at once. What is skipped is one warning line, again only when its text changes.
//
// Binds are ignored: keys in files have no destination constraints.
class LocalKeysBackend : public SshBackend {
 public:
  // `directory`: normally ~/.ssh, expanded by the caller. Reads the files here and now.
  LocalKeysBackend(async::Loop& loop, std::string directory);

  async::Task<Result<std::vector<Identity>>> list(std::vector<SessionBind> binds) override;
  // Signs on a worker thread.
  async::Task<Result<Signature>> sign(SignRequest request) override;
  std::string_view mode() const override { return "local-keys"; }

 private:
  // Shared with the worker threads that sign with them.
  using Keys = std::shared_ptr<const std::vector<PrivateKey>>;

  async::Task<Result<Keys>> current_keys();
  void adopt(KeyFiles files);

  async::Loop& loop_;
  std::string directory_;
  std::string stamp_;  // what the files looked like before they were read
  Keys keys_;
  std::vector<std::string> warnings_;  // of the last reading
};

}  // namespace shed::ssh
