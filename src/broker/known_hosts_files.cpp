#include "shed/broker/known_hosts_files.h"

#include <fmt/ranges.h>
#include <sys/stat.h>

#include <utility>

#include "shed/base/file.h"

namespace shed::broker {
namespace {

// Nobody may read the log for a long time.
constexpr std::size_t kMaxWarnings = 16;

std::int64_t nanoseconds(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

std::string bad_lines_text(const std::string& path, const ssh::BadLines& bad) {
  return fmt::format("{}: {} {} cannot be read and {} passed over: {}{}", path, bad.count,
                     bad.count == 1 ? "line" : "lines", bad.count == 1 ? "is" : "are",
                     fmt::join(bad.numbers, ", "), bad.count > bad.numbers.size() ? ", ..." : "");
}

}  // namespace

std::vector<std::string> default_known_hosts_files(const std::string& ssh_directory) {
  return {ssh_directory + "/known_hosts", ssh_directory + "/known_hosts2", "/etc/ssh/ssh_known_hosts",
          "/etc/ssh/ssh_known_hosts2"};
}

KnownHostsFiles::Stamp KnownHostsFiles::stamp_of(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return {};
#ifdef __APPLE__
  const timespec modified = info.st_mtimespec, changed = info.st_ctimespec;
#else
  const timespec modified = info.st_mtim, changed = info.st_ctim;
#endif
  return {static_cast<std::uint64_t>(info.st_dev), static_cast<std::uint64_t>(info.st_ino),
          static_cast<std::uint64_t>(info.st_size), nanoseconds(modified), nanoseconds(changed)};
}

std::shared_ptr<const ssh::KnownHosts> KnownHostsFiles::known() {
  const std::lock_guard lock(state_);
  return hosts_;
}

std::shared_ptr<const ssh::KnownHosts> KnownHostsFiles::current() {
  std::unique_lock lock(reading_, std::try_to_lock);
  if (!lock) {
    // Another thread reads. Only who comes before anything was ever read has to wait for it.
    if (auto before = known()) return before;
    lock.lock();
  }
  // Taken before the files are read: a change meanwhile is seen the next time.
  std::vector<Stamp> stamps;
  for (const std::string& path : paths_) stamps.push_back(stamp_of(path));
  if (stamps != stamps_ || !known()) {
    read();
    stamps_ = std::move(stamps);
  }
  return known();
}

void KnownHostsFiles::read() {
  auto hosts = std::make_shared<ssh::KnownHosts>();
  for (const std::string& path : paths_) {
    const auto text = read_file(path, ssh::kMaxKnownHostsFile);
    if (!text && text.error().code() == Errc::kNotFound) continue;
    if (!text) {
      warn(fmt::format("{}; its hosts are not known by name", text.error().text()));
      continue;
    }
    const auto added = hosts->add(*text);
    if (added && added->count > 0) warn(bad_lines_text(path, *added));
  }
  const std::lock_guard lock(state_);
  hosts_ = std::move(hosts);
}

void KnownHostsFiles::warn(std::string text) {
  const std::lock_guard lock(state_);
  if (warnings_.size() < kMaxWarnings) warnings_.push_back(std::move(text));
}

std::vector<std::string> KnownHostsFiles::take_warnings() {
  const std::lock_guard lock(state_);
  return std::exchange(warnings_, {});
}

}  // namespace shed::broker
