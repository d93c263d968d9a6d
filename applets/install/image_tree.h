// Reading and writing below one folder, the root of an image, and never outside of it.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "shed/base/file.h"
#include "shed/base/result.h"

namespace shed::applets {

// The tree of an image can be hostile where it is mounted: a link in it, etc -> /etc, would lead to the files
// of this machine. No link below the root is followed, and only regular files are read: a FIFO would hang us.
// A path is relative to the root, "etc/profile.d/x.sh"; it comes from this program, without "." and "..".
class ImageTree {
 public:
  enum class Kind { kMissing, kFile, kLink, kFolder, kOther };

  struct Entry {
    Kind kind = Kind::kMissing;
    unsigned mode = 0;
    uid_t owner = 0;
    gid_t group = 0;
    std::string target;  // of a link, as it is written; nobody has checked it
  };

  // How a file is made. In a folder that is missing: with these permissions for it, 0755 for those above it
  // ("root": 0700).
  // The owner of everything that is made is root where we are root, else whoever runs us.
  struct Access {
    unsigned mode = 0644;
    unsigned folder_mode = 0755;
  };

  // The root itself may be behind a link: a person named it. Errc::kNotFound when it is no folder.
  static Result<ImageTree> open(const std::string& root);

  // For messages: the path as the person would write it.
  std::string name(std::string_view path) const;

  // kMissing also where a folder on the way is. Errc::kRefused where a link is on the way, Errc::kExists
  // where something else is that is no folder.
  Result<Entry> look(std::string_view path) const;
  // Errc::kLimit for more than `limit` bytes; Errc::kInvalid for what is no regular file.
  Result<std::string> read(std::string_view path, std::size_t limit) const;
  // Whether it is a regular file with exactly this content. Reads in pieces.
  Result<bool> holds(std::string_view path, std::string_view bytes) const;

  // Both replace a file or a link that is there, at once (rename), and never a folder.
  Status write(std::string_view path, std::string_view bytes, const Access& access) const;
  Status link(std::string_view path, const std::string& target) const;
  // Gives a file the owner of an earlier one, which write() has replaced.
  Status set_owner(std::string_view path, uid_t owner, gid_t group) const;

 private:
  ImageTree(UniqueFd root, std::string shown) : root_(std::move(root)), shown_(std::move(shown)) {}

  Result<UniqueFd> open_folder(std::string_view path, const Access* make) const;
  Result<UniqueFd> open_file(std::string_view path) const;
  std::unexpected<Error> obstacle(int parent, const char* name, std::string_view path) const;

  UniqueFd root_;
  std::string shown_;  // without a slash at its end
};

}  // namespace shed::applets
