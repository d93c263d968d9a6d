#include "shed/ssh/local_keys.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "shed/async/offload.h"
#include "shed/async/scope.h"
#include "shed/base/log.h"

namespace shed::ssh {
namespace {

// Reading takes milliseconds; a home directory on a server that is gone must hang nobody.
constexpr Millis kReadLimit{3'000};
// RSA with 16384 bits takes a third of a second, and a few others may be in front of it.
constexpr Millis kSignLimit{10'000};

std::string text_of(const timespec& time) { return fmt::format("{}.{}", time.tv_sec, time.tv_nsec); }

// Changes whenever a reading might find something else: with the content's time and size, and with
// owner and mode, which decide whether the file is used at all (both in the time of change).
std::string stamp_of(const std::string& directory) {
  std::string stamp;
  for (const char* name : kKeyFileNames) {
    struct stat info{};
    if (::stat((directory + "/" + name).c_str(), &info) != 0) {
      stamp += fmt::format("- {};", errno);
      continue;
    }
#ifdef __APPLE__
    const std::string times = text_of(info.st_mtimespec) + " " + text_of(info.st_ctimespec);
#else
    const std::string times = text_of(info.st_mtim) + " " + text_of(info.st_ctim);
#endif
    stamp += fmt::format("{} {} {} {};", info.st_dev, info.st_ino, info.st_size, times);
  }
  return stamp;
}

async::Task<Result<KeyFiles>> read_keys(async::Loop& loop, std::string directory) {
  auto work = [directory] { return Result<KeyFiles>(load_key_files(directory)); };
  auto reading = async::offload(loop, std::move(work));
  co_return co_await std::move(reading);
}

}  // namespace

LocalKeysBackend::LocalKeysBackend(async::Loop& loop, std::string directory)
    : loop_(loop), directory_(std::move(directory)), stamp_(stamp_of(directory_)) {
  adopt(load_key_files(directory_));
}

void LocalKeysBackend::adopt(KeyFiles files) {
  for (const std::string& warning : files.warnings) {
    if (std::ranges::find(warnings_, warning) == warnings_.end()) log::warning("{}", warning);
  }
  warnings_ = std::move(files.warnings);
  keys_ = std::make_shared<const std::vector<PrivateKey>>(std::move(files.keys));
}

async::Task<Result<LocalKeysBackend::Keys>> LocalKeysBackend::current_keys() {
  // Taken before the files are read: a change meanwhile is seen the next time.
  std::string stamp = stamp_of(directory_);
  if (stamp == stamp_) co_return keys_;
  auto files = co_await async::with_timeout(loop_, kReadLimit, read_keys(loop_, directory_));
  if (!files) co_return propagate(files, directory_);
  stamp_ = std::move(stamp);
  adopt(std::move(*files));
  co_return keys_;
}

async::Task<Result<std::vector<Identity>>> LocalKeysBackend::list(std::vector<SessionBind>) {
  const auto keys = co_await current_keys();
  if (!keys) co_return propagate(keys);
  std::vector<Identity> identities;
  for (const PrivateKey& key : **keys) identities.push_back({key.public_blob(), key.comment()});
  co_return identities;
}

async::Task<Result<Signature>> LocalKeysBackend::sign(SignRequest request) {
  const auto keys = co_await current_keys();
  if (!keys) co_return propagate(keys);
  const auto found = std::ranges::find(**keys, request.key_blob, &PrivateKey::public_blob);
  if (found == (*keys)->end()) co_return fail(Errc::kNotFound, "{} has no such key", directory_);
  // The worker keeps the keys alive, should they be read anew or the request be dropped meanwhile.
  auto work = [owner = *keys, &key = *found, data = std::move(request.data), flags = request.flags] {
    return key.sign(data, flags);
  };
  auto signing = async::offload(loop_, std::move(work));
  co_return co_await async::with_timeout(loop_, kSignLimit, std::move(signing));
}

}  // namespace shed::ssh
