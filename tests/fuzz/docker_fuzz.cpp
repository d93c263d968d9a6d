// What the Docker side reads of others: server URLs and allow-lists, config.json, a helper's output. The
// first byte chooses one, the rest is its input.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "shed/docker/config_file.h"
#include "shed/docker/credential_helper.h"
#include "shed/docker/registry_name.h"

namespace {

using namespace shed;
using namespace shed::docker;

void require(bool holds) {
  if (!holds) std::abort();
}

// A line of an allow-list, a newline, and what a guest asks for.
void server_url(std::string_view text) {
  const std::size_t end = text.find('\n');
  const std::string entry(text.substr(0, end));
  const std::string_view url = end == text.npos ? text : text.substr(end + 1);
  (void)normalise(url);
  const auto name = parse_registry(url);
  if (!name) return;
  require(!name->host.empty() && name->host.size() + name->path.size() <= kMaxServerUrl + 16);
  require(name->host.find_first_of("/@ \n*") == std::string::npos);
  // What has been read means the same when it is read again.
  require(parse_registry(name->path.empty() ? name->host : name->host + "/" + name->path).value() == *name);
  const bool allowed = AllowList({entry}).allows(*name);
  require(!allowed || check_entry(entry).has_value());
  require(AllowList({}, true).allows(*name) && !AllowList({}).allows(*name));
}

void config(std::string_view text) {
  const auto file = ConfigFile::parse(text);
  if (!file) {
    require(!file.error().text().empty());
    return;
  }
  for (const auto& [key, helper] : file->helpers()) {
    require(!helper.empty() && helper.find_first_of("./ ") == std::string::npos);
    require(file->helper_for(key)->key == key);
  }
  for (const auto& [key, login] : file->logins()) {
    require(file->login_for(key)->login == &login);
    (void)read_inline_login(key, login);
  }
  (void)file->helper_for("ghcr.io/a/b");
  (void)file->login_for("docker.io");
}

void helper_output(std::string_view text) {
  (void)parse_helper_login(text);
  (void)parse_helper_list(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      server_url(input);
      break;
    case 1:
      config(input);
      break;
    default:
      helper_output(input);
  }
  return 0;
}
