#include "signing-shim/ssh_keygen.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "install/links.h"
#include "shed/base/file.h"

namespace shed::applets {
namespace {

constexpr std::string_view kName = "ssh-keygen";
// Where a system without PATH has its programs.
constexpr std::string_view kDefaultPath = "/usr/local/bin:/usr/bin:/bin";

// A link of that name to this binary would call itself for ever.
bool is_this_program(const struct stat& info) {
  const auto own = running_binary();
  struct stat mine{};
  return own && ::stat(own->c_str(), &mine) == 0 && mine.st_dev == info.st_dev && mine.st_ino == info.st_ino;
}

bool is_usable(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::access(path.c_str(), X_OK) == 0 &&
         !is_this_program(info);
}

}  // namespace

std::string find_ssh_keygen() {
  const std::string variable = environment("PATH");
  std::string_view folders = variable.empty() ? kDefaultPath : std::string_view(variable);
  while (!folders.empty()) {
    const std::string_view folder = folders.substr(0, folders.find(':'));
    folders.remove_prefix(std::min(folders.size(), folder.size() + 1));
    // An empty one would be the current folder, where anybody's file may lie: a repository's, for git.
    if (!folder.starts_with('/')) continue;
    std::string path = fmt::format("{}/{}", folder, kName);
    if (is_usable(path)) return path;
  }
  return {};
}

Error run_ssh_keygen(const std::string& program, const Arguments& arguments) {
  std::vector<char*> words{const_cast<char*>(kName.data())};
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ::execv(program.c_str(), words.data());
  return system_error(errno).in(program);
}

Error needs_ssh_keygen(const broker::SigningCommand& command, const Arguments& arguments) {
  std::string operation = "ssh-keygen";
  if (!arguments.empty()) operation = arguments[0];
  if (!command.operation.empty()) operation = "-Y " + command.operation;
  return {Errc::kUnavailable,
          fmt::format("operation '{}' requires ssh-keygen, which is not installed", operation)};
}

}  // namespace shed::applets
