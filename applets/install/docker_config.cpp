#include "docker_config.h"

#include <sys/stat.h>

#include <filesystem>

#include "shed/base/file.h"
#include "shed/base/json.h"
#include "shed/base/json_edit.h"
#include "shed/docker/config_file.h"

namespace shed::applets {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kPrivate = 0600;

unsigned mode_of(const std::string& path) {
  struct stat found{};
  return ::stat(path.c_str(), &found) == 0 ? found.st_mode & 0777U : kPrivate;
}

}  // namespace

Result<CredentialsStore> with_credentials_store(const std::string& name, const std::string& text) {
  auto after = json_with_member(text, "credsStore", "shed");
  if (!after) return std::unexpected(json_error_in(name, after.error(), text));
  CredentialsStore changed{"", std::move(*after)};
  if (text.empty()) {
    changed.text += '\n';
    return changed;
  }
  JsonDocument document;
  const auto before = document.parse(text);
  if (before) changed.before = (*before)["credsStore"].string_or("");
  return changed;
}

Result<bool> set_credentials_store(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);
  if (error) return std::unexpected(system_error(error.value()).in(path));
  auto before = read_file(real, docker::kMaxConfigFile);
  const bool missing = !before && before.error().code() == Errc::kNotFound;
  if (!before && !missing) return propagate(before, path);
  const std::string text = missing ? "" : *before;
  const auto after = with_credentials_store(path, text);
  if (!after) return propagate(after);
  if (after->text == text) return false;
  if (missing) {
    const Status made = make_private_directory(real.parent_path());
    if (!made) return propagate(made, path);
  }
  const Status written = write_file_atomically(real, after->text, mode_of(real));
  if (!written) return propagate(written, path);
  return true;
}

}  // namespace shed::applets
