#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "shed/base/file.h"
#include "shed/broker/host_config.h"

namespace shed::broker {

Status write_starter_config(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash != path.npos && slash > 0) {
    if (const Status made = make_private_directory(path.substr(0, slash)); !made) return made;
  }
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd && errno == EEXIST)
    return fail(Errc::kExists, "{}: is there already, and is not overwritten", path);
  if (!fd) return std::unexpected(system_error(errno).in(path));
  std::string_view rest = starter_config();
  while (!rest.empty()) {
    const ssize_t count = ::write(fd.get(), rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const Error error = system_error(errno).in(path);
      ::unlink(path.c_str());
      return std::unexpected(error);
    }
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

}  // namespace shed::broker
