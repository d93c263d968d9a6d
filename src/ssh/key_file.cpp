#include "shed/ssh/key_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "shed/base/base64.h"
#include "shed/base/file.h"
#include "shed/base/secret.h"

namespace shed::ssh {
namespace {

constexpr std::size_t kMaxPublicFile = std::size_t{16} * 1024;
constexpr mode_t kOthers = 077;

std::unexpected<std::string> skipped(const std::string& path, std::string_view cause) {
  return std::unexpected(fmt::format("{}: {}", path, cause));
}

using Unless = std::expected<void, std::string>;

// On the open file, so that what is checked is what is read.
Unless check_owner(int fd, const std::string& path) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) return skipped(path, system_error(errno).text());
  if (!S_ISREG(status.st_mode)) return skipped(path, "not a regular file; the key is left out");
  if (status.st_uid != ::geteuid()) {
    return skipped(path,
                   fmt::format("belongs to user {}, not to you; run 'sudo chown {} {}' if it is your key",
                               status.st_uid, ::geteuid(), path));
  }
  if ((status.st_mode & kOthers) != 0) {
    return skipped(path, fmt::format("open to other users (mode {:04o}); run 'chmod 600 {}'",
                                     status.st_mode & 07777, path));
  }
  return {};
}

// One byte more than the limit is enough to know that it is over.
std::expected<Secret, std::string> read_secret(int fd, const std::string& path) {
  std::string bytes(kMaxKeyFile + 1, '\0');
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = ::read(fd, bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int cause = errno;
      wipe(bytes);
      return skipped(path, system_error(cause).text());
    }
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  Secret text(std::string_view(bytes).substr(0, size));
  wipe(bytes);
  return text;
}

// The comment in FILE.pub, if that is the public part of this key.
std::string comment_from_public_file(const std::string& path, const std::string& public_blob) {
  const auto text = read_file(path + ".pub", kMaxPublicFile);
  if (!text) return {};
  std::string_view line = std::string_view(*text).substr(0, text->find_first_of("\r\n"));
  const auto type_end = line.find(' ');
  if (type_end == std::string_view::npos) return {};
  line.remove_prefix(type_end + 1);
  const auto blob_end = line.find(' ');
  const auto blob = base64_decode(line.substr(0, blob_end));
  if (blob_end == std::string_view::npos || !blob || *blob != public_blob) return {};
  return std::string(line.substr(blob_end + 1));
}

std::expected<PrivateKey, std::string> load(int fd, const std::string& path, const char* name) {
  if (const auto ours = check_owner(fd, path); !ours) return std::unexpected(ours.error());
  const auto text = read_secret(fd, path);
  if (!text) return std::unexpected(text.error());
  auto key = PrivateKey::parse(text->reveal(), path);
  if (!key) return skipped(path, key.error().text);
  if (key->comment().empty()) key->set_comment(comment_from_public_file(path, key->public_blob()));
  if (key->comment().empty()) key->set_comment(name);
  return std::move(*key);
}

}  // namespace

KeyFiles load_key_files(const std::string& directory) {
  KeyFiles files;
  for (const char* name : kKeyFileNames) {
    const std::string path = directory + "/" + name;
    // Non-blocking: a FIFO in the place of a key must not hang us.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd) {
      if (errno != ENOENT && errno != ENOTDIR) {
        files.warnings.push_back(fmt::format("{}: {}", path, system_error(errno).text()));
      }
      continue;
    }
    auto key = load(fd.get(), path, name);
    if (key) {
      files.keys.push_back(std::move(*key));
    } else {
      files.warnings.push_back(std::move(key.error()));
    }
  }
  return files;
}

}  // namespace shed::ssh
