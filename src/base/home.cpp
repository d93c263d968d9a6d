#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "shed/base/file.h"

namespace shed {
namespace {

// Longer lines of the password database are taken for damaged.
constexpr std::size_t kLongestEntry = 4096;

#ifdef __linux__
// Reads the file itself: a static executable cannot load the C library's name service modules on
// another distribution.
std::string home_from_database() {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/etc/passwd", "re"), &std::fclose);
  if (!file) return {};
  std::array<char, kLongestEntry> text;
  passwd entry{};
  passwd* found = nullptr;
  while (fgetpwent_r(file.get(), &entry, text.data(), text.size(), &found) == 0) {
    if (found->pw_uid == ::getuid()) return found->pw_dir;
  }
  return {};
}
#else
std::string home_from_database() {
  std::array<char, kLongestEntry> text;
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(::getuid(), &entry, text.data(), text.size(), &found) != 0 || found == nullptr) return {};
  return found->pw_dir;
}
#endif

}  // namespace

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string home_directory() {
  std::string home = environment("HOME");
  return home.empty() ? home_from_database() : home;
}

std::string expand_home(std::string_view path) {
  if (path != "~" && !path.starts_with("~/")) return std::string(path);
  const std::string home = home_directory();
  // Without a home "~/x" must not become "/x".
  if (home.empty()) return std::string(path);
  return home + std::string(path.substr(1));
}

}  // namespace shed
