#include "image_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "shed/base/log.h"

namespace shed::applets {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr unsigned kFolderMode = 0755;
constexpr unsigned kRootsHomeMode = 0700;
constexpr std::size_t kPiece = std::size_t{64} * 1024;
constexpr std::size_t kLongestTarget = 4096;  // PATH_MAX
// Names of ours that an interrupted run has left, in the way of this one, before we give up.
constexpr int kTemporaryNames = 16;

std::unexpected<Error> errno_failure(std::string_view object) {
  return std::unexpected(system_error(errno).in(object));
}

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string last_of(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

// Where the home of root is missing it is made as every distribution makes it.
unsigned mode_above(std::string_view path) { return path == "root" ? kRootsHomeMode : kFolderMode; }

ImageTree::Kind kind_of(mode_t mode) {
  if (S_ISREG(mode)) return ImageTree::Kind::kFile;
  if (S_ISLNK(mode)) return ImageTree::Kind::kLink;
  return S_ISDIR(mode) ? ImageTree::Kind::kFolder : ImageTree::Kind::kOther;
}

Result<std::string> target_of(int folder, const char* name) {
  std::string target(kLongestTarget, '\0');
  const ssize_t size = ::readlinkat(folder, name, target.data(), target.size());
  if (size < 0) return std::unexpected(system_error(errno));
  target.resize(static_cast<std::size_t>(size));
  return target;
}

bool give_to_root(int fd) { return ::geteuid() != 0 || ::fchown(fd, 0, 0) == 0; }

// The umask and a set-group-ID parent have no say.
bool make_folder(int parent, const char* name, unsigned mode) {
  if (::mkdirat(parent, name, 0700) != 0) return false;
  const UniqueFd made(::openat(parent, name, kFolderFlags));
  return made && give_to_root(made.get()) && ::fchmod(made.get(), mode) == 0;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool fill(int fd, std::string_view bytes, unsigned mode) {
  return give_to_root(fd) && write_all(fd, bytes) && ::fchmod(fd, mode) == 0 && ::fsync(fd) == 0;
}

// Makes something under a name that nobody has, and moves it to its own. False with errno set.
template <class Make>
bool make_and_move(int folder, const std::string& name, Make make) {
  for (int number = 0; number < kTemporaryNames; ++number) {
    const std::string temporary = fmt::format(".{}.{}.{}", name, ::getpid(), number);
    if (!make(temporary.c_str())) {
      if (errno == EEXIST) continue;
      const int cause = errno;
      ::unlinkat(folder, temporary.c_str(), 0);
      errno = cause;
      return false;
    }
    if (::renameat(folder, temporary.c_str(), folder, name.c_str()) == 0) return true;
    const int cause = errno;
    ::unlinkat(folder, temporary.c_str(), 0);
    errno = cause;
    return false;
  }
  return false;
}

}  // namespace

Result<ImageTree> ImageTree::open(const std::string& root) {
  UniqueFd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno_failure(root);
  std::string shown = root;
  while (shown.ends_with('/')) shown.pop_back();
  return ImageTree(std::move(fd), std::move(shown));
}

std::string ImageTree::name(std::string_view path) const { return fmt::format("{}/{}", shown_, path); }

// Says what is in the way of a folder.
std::unexpected<Error> ImageTree::obstacle(int parent, const char* name, std::string_view path) const {
  const int cause = errno;
  const auto target = target_of(parent, name);
  if (target) {
    return fail(Errc::kRefused,
                "{}: a link to '{}'; links inside the image are not followed: put a folder in its place",
                this->name(path), log::printable(*target));
  }
  if (cause == ENOTDIR) return fail(Errc::kExists, "{}: not a folder; remove it", this->name(path));
  return std::unexpected(system_error(cause).in(this->name(path)));
}

// Walks from the root, one name at a time. Without `make` a missing folder is Errc::kNotFound.
Result<UniqueFd> ImageTree::open_folder(std::string_view path, const Access* make) const {
  UniqueFd folder(::openat(root_.get(), ".", kFolderFlags));
  if (!folder) return errno_failure(shown_);
  std::size_t start = 0;
  while (start < path.size()) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string part(path.substr(start, end - start));
    const std::string_view so_far = path.substr(0, end);
    UniqueFd next(::openat(folder.get(), part.c_str(), kFolderFlags));
    if (!next && errno == ENOENT && make != nullptr) {
      const unsigned mode = end == path.size() ? make->folder_mode : mode_above(so_far);
      if (!make_folder(folder.get(), part.c_str(), mode)) return errno_failure(name(so_far));
      next = UniqueFd(::openat(folder.get(), part.c_str(), kFolderFlags));
    }
    if (!next && errno == ENOENT) return fail(Errc::kNotFound, "{}: no such folder", name(so_far));
    if (!next) return obstacle(folder.get(), part.c_str(), so_far);
    folder = std::move(next);
    start = end + 1;
  }
  return folder;
}

Result<ImageTree::Entry> ImageTree::look(std::string_view path) const {
  const auto folder = open_folder(parent_of(path), nullptr);
  if (!folder && folder.error().code() == Errc::kNotFound) return Entry{};
  if (!folder) return propagate(folder);
  const std::string last = last_of(path);
  struct stat found{};
  if (::fstatat(folder->get(), last.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return Entry{};
    return errno_failure(name(path));
  }
  Entry entry{kind_of(found.st_mode), found.st_mode & 07777U, found.st_uid, found.st_gid, {}};
  if (entry.kind != Kind::kLink) return entry;
  auto target = target_of(folder->get(), last.c_str());
  if (!target) return propagate(target, name(path));
  entry.target = std::move(*target);
  return entry;
}

// Opens without waiting and without following.
Result<UniqueFd> ImageTree::open_file(std::string_view path) const {
  const auto folder = open_folder(parent_of(path), nullptr);
  if (!folder) return propagate(folder);
  UniqueFd fd(::openat(folder->get(), last_of(path).c_str(),
                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) return errno_failure(name(path));
  struct stat found{};
  if (::fstat(fd.get(), &found) != 0) return errno_failure(name(path));
  if (!S_ISREG(found.st_mode)) return fail(Errc::kInvalid, "{}: not a regular file", name(path));
  return fd;
}

Result<std::string> ImageTree::read(std::string_view path, std::size_t limit) const {
  const auto fd = open_file(path);
  if (!fd) return propagate(fd);
  std::string text;
  std::array<char, 4096> piece;
  while (true) {
    const ssize_t count = ::read(fd->get(), piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_failure(name(path));
    if (count == 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(count));
    if (text.size() > limit) return fail(Errc::kLimit, "{}: larger than {} bytes", name(path), limit);
  }
}

Result<bool> ImageTree::holds(std::string_view path, std::string_view bytes) const {
  const auto fd = open_file(path);
  if (!fd) return propagate(fd);
  std::string piece(std::min(kPiece, bytes.size() + 1), '\0');
  while (true) {
    const ssize_t count = ::read(fd->get(), piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_failure(name(path));
    if (count == 0) return bytes.empty();
    const std::string_view got(piece.data(), static_cast<std::size_t>(count));
    if (!bytes.starts_with(got)) return false;
    bytes.remove_prefix(got.size());
  }
}

Status ImageTree::write(std::string_view path, std::string_view bytes, const Access& access) const {
  const auto folder = open_folder(parent_of(path), &access);
  if (!folder) return propagate(folder);
  const auto make = [&folder, bytes, &access](const char* temporary) {
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    UniqueFd fd(::openat(folder->get(), temporary, flags, 0600));
    // Some file systems report a full disk only when the file is closed.
    return fd && fill(fd.get(), bytes, access.mode) && ::close(fd.release()) == 0;
  };
  if (!make_and_move(folder->get(), last_of(path), make)) return errno_failure(name(path));
  ::fsync(folder->get());
  return {};
}

Status ImageTree::link(std::string_view path, const std::string& target) const {
  const Access access;
  const auto folder = open_folder(parent_of(path), &access);
  if (!folder) return propagate(folder);
  const auto make = [&folder, &target](const char* temporary) {
    if (::symlinkat(target.c_str(), folder->get(), temporary) != 0) return false;
    return ::geteuid() != 0 || ::fchownat(folder->get(), temporary, 0, 0, AT_SYMLINK_NOFOLLOW) == 0;
  };
  if (!make_and_move(folder->get(), last_of(path), make)) return errno_failure(name(path));
  return {};
}

Status ImageTree::set_owner(std::string_view path, uid_t owner, gid_t group) const {
  const auto fd = open_file(path);
  if (!fd) return propagate(fd);
  if (::fchown(fd->get(), owner, group) != 0) return errno_failure(name(path));
  return {};
}

}  // namespace shed::applets
