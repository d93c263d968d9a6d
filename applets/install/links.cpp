#include "links.h"

#include <filesystem>
#ifdef __APPLE__
#include <mach-o/dyld.h>

#include <array>
#endif

namespace shed::applets {

namespace fs = std::filesystem;

Result<std::string> running_binary() {
  std::error_code error;
#ifdef __APPLE__
  std::array<char, 4096> path{};
  std::uint32_t size = path.size();
  if (_NSGetExecutablePath(path.data(), &size) != 0)
    return fail(Errc::kInternal, "the binary's path is too long");
  const fs::path binary = fs::canonical(path.data(), error);
#else
  const fs::path binary = fs::read_symlink("/proc/self/exe", error);
#endif
  if (error) return std::unexpected(system_error(error.value()).in("the binary's own path"));
  return binary.string();
}

Result<bool> make_link(const std::string& binary, const std::string& directory, std::string_view name,
                       bool force) {
  std::error_code error;
  const fs::path link = fs::path(directory) / name;
  if (!fs::is_directory(directory, error)) return fail(Errc::kNotFound, "{}: no such directory", directory);
  const bool beside = fs::equivalent(fs::path(binary).parent_path(), directory, error);
  const fs::path target = beside ? fs::path(binary).filename() : fs::path(binary);
  const auto status = fs::symlink_status(link, error);
  if (fs::is_symlink(status) && fs::read_symlink(link, error) == target) return false;
  if (fs::exists(status)) {
    if (!force || fs::is_directory(status)) {
      return fail(Errc::kExists, "{}: something else is there; remove it{}", link.string(),
                  fs::is_directory(status) ? "" : " or use --force");
    }
    fs::remove(link, error);
    if (error) return std::unexpected(system_error(error.value()).in(link.string()));
  }
  fs::create_symlink(target, link, error);
  if (error) return std::unexpected(system_error(error.value()).in(link.string()));
  return true;
}

}  // namespace shed::applets
