// A private folder that lasts as long as one run.
#pragma once

#include <string>

#include "shed/base/result.h"

namespace shed::applets {

class RuntimeDirectory {
 public:
  // Under $XDG_RUNTIME_DIR, else $TMPDIR, else /tmp; 0700, with a name that nobody can guess.
  static Result<RuntimeDirectory> make();
  RuntimeDirectory(RuntimeDirectory&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  RuntimeDirectory& operator=(RuntimeDirectory&&) = delete;
  // Removes the folder and the files in it.
  ~RuntimeDirectory();

  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return fmt::format("{}/{}", path_, name); }

 private:
  explicit RuntimeDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace shed::applets
