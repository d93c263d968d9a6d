#include "shed/ssh/backend.h"

namespace shed::ssh {

async::Task<Result<Signature>> SshBackend::sign_with_chosen(KeyChoice& choice, SignRequest request) {
  auto listing = list(request.binds);
  const auto identities = co_await std::move(listing);
  if (!identities) co_return propagate(identities);
  auto key = choice.choose(*identities);
  if (!key) co_return propagate(key);
  request.key_blob = std::move(*key);
  auto signing = sign(std::move(request));
  co_return co_await std::move(signing);
}

}  // namespace shed::ssh
