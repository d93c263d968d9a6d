#include "runtime_directory.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "shed/base/file.h"
#include "shed/net/address.h"

namespace shed::applets {
namespace {

// Longest name of a socket in the folder, with its slash.
constexpr std::size_t kLongestName = sizeof("/host-agent-control.sock") - 1;
constexpr std::string_view kPattern = "/shed-ext.XXXXXX";

}  // namespace

Result<RuntimeDirectory> RuntimeDirectory::make() {
  for (const std::string& parent :
       {environment("XDG_RUNTIME_DIR"), environment("TMPDIR"), std::string("/tmp")}) {
    if (parent.empty() || parent.size() + kPattern.size() + kLongestName > net::kMaxSocketPath) continue;
    std::string path = parent + std::string(kPattern);
    if (::mkdtemp(path.data()) != nullptr) return RuntimeDirectory(path);
    if (parent == "/tmp") return std::unexpected(system_error(errno).in(path));
  }
  return fail(Errc::kInternal, "no place for a runtime folder");
}

RuntimeDirectory::~RuntimeDirectory() {
  if (path_.empty()) return;
  std::error_code ignored;  // what is left is an empty, private folder
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace shed::applets
