// The key file of the audit trail, and what lies beside the log.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "broker/audit_chain.h"
#include "shed/base/file.h"

namespace shed::broker {
namespace {

constexpr std::size_t kKeySize = 32;
constexpr std::string_view kLogLabel("shed-audit log\0", 15);
// Names looked at in the log's folder: somebody may keep it among many other files.
constexpr int kMostNames = 100'000;

Status check_owner(const std::string& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return std::unexpected(system_error(errno).in(path));
  if (!S_ISREG(info.st_mode)) return fail(Errc::kInvalid, "{}: not a regular file", path);
  if (info.st_uid != ::geteuid()) return fail(Errc::kPermission, "{}: belongs to another user", path);
  if ((info.st_mode & 077) != 0) {
    return fail(Errc::kPermission, "{}: open to other users (mode {:04o}); move it away for a new one", path,
                info.st_mode & 07777);
  }
  return {};
}

// link() takes no name that is there: of two processes that make a key the second one finds the first's.
Status make_key(const std::string& path) {
  const auto key = random_secret(kKeySize);
  if (!key) return propagate(key);
  std::string temporary = path + ".XXXXXX";
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return std::unexpected(system_error(errno).in(path));
  Status status;
  const ssize_t written = ::write(fd.get(), key->reveal().data(), key->size());
  if (written != static_cast<ssize_t>(kKeySize) || ::fsync(fd.get()) != 0) {
    status = std::unexpected(system_error(written >= 0 && errno == 0 ? ENOSPC : errno).in(path));
  } else if (::link(temporary.c_str(), path.c_str()) != 0 && errno != EEXIST) {
    status = std::unexpected(system_error(errno).in(path));
  }
  ::unlink(temporary.c_str());
  return status;
}

// The number in "<name>.<number><suffix>"; 0 for anything else.
std::uint32_t kept_number(std::string_view file, std::string_view name, std::string_view suffix) {
  if (!file.starts_with(name) || !file.ends_with(suffix)) return 0;
  if (file.size() < name.size() + suffix.size() + 2 || file[name.size()] != '.') return 0;
  file.remove_prefix(name.size() + 1);
  file.remove_suffix(suffix.size());
  if (file.size() > 9 || file[0] == '0') return 0;
  std::uint32_t number = 0;
  for (const char c : file) {
    if (c < '0' || c > '9') return 0;
    number = number * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return number;
}

KeptFile& entry_for(std::vector<KeptFile>& files, std::uint32_t number) {
  const auto at = std::ranges::lower_bound(files, number, {}, &KeptFile::number);
  if (at != files.end() && at->number == number) return *at;
  return *files.insert(at, KeptFile{number});
}

}  // namespace

Result<ChainKey> ChainKey::load(const std::string& path, std::string_view log_name) {
  if (const Status owned = check_owner(path); !owned) return propagate(owned);
  const auto file_key = read_secret_file(path, kKeySize + 1);
  if (!file_key && file_key.error().code() != Errc::kLimit) return propagate(file_key);
  if (!file_key || file_key->size() != kKeySize) {
    return fail(Errc::kInvalid, "{}: is not a key of {} bytes; move it away for a new one", path, kKeySize);
  }
  auto derived = HmacSha256(file_key->reveal()).of(std::string(kLogLabel).append(log_name));
  if (!derived) return propagate(derived);
  ChainKey key(bytes_of(*derived));
  wipe(*derived);
  return key;
}

Result<ChainKey> ChainKey::load_or_make(const std::string& path, std::string_view log_name) {
  auto key = load(path, log_name);
  if (key || key.error().code() != Errc::kNotFound) return key;
  if (const Status made = make_key(path); !made) return propagate(made);
  return load(path, log_name);
}

std::vector<KeptFile> find_kept(const TrailNames& names) {
  const std::string name = names.log_name();
  std::vector<KeptFile> files;
  std::error_code failed;
  int seen = 0;
  for (std::filesystem::directory_iterator entry(names.folder(), failed), end;
       !failed && entry != end && seen < kMostNames; entry.increment(failed), ++seen) {
    const std::string file = entry->path().filename().string();
    if (const auto number = kept_number(file, name, ".chain")) entry_for(files, number).chain = true;
    if (const auto number = kept_number(file, name, "")) entry_for(files, number).log = true;
    if (files.size() > kMostKept) files.erase(files.begin());
  }
  return files;
}

}  // namespace shed::broker
