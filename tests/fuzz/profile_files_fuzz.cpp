// Any text as AWS's config and credentials files: what stands before the first NUL is the one, what
// follows it the other (neither may have a NUL in it).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "shed/aws/profile_files.h"

namespace {

using namespace shed::aws;

void require(bool holds) {
  if (!holds) std::abort();
}

void look_up(const ProfileSection& section) {
  static_cast<void>(session_expiry(section));
  for (const char* key : {"region", "role_arn", "s3.addressing_style", "sts.endpoint_url"}) {
    const ProfileValue* value = section.find(key);
    require(section.text(key).empty() == (value == nullptr));
    if (value != nullptr) require(value->line > 0 && !value->where().empty());
  }
  require(!section.where().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t middle = std::min(text.find('\0'), size);
  const auto files = ProfileFiles::parse(text.substr(0, middle), "config",
                                         text.substr(std::min(middle + 1, size)), "credentials");
  if (!files) {
    require(files.error().text().starts_with("config:") || files.error().text().starts_with("credentials:"));
    return 0;
  }
  for (const std::string& name : files->profile_names()) {
    require(files->profile(name) != nullptr);
    look_up(*files->profile(name));
  }
  if (const ProfileSection* local = files->services("local")) look_up(*local);
  return 0;
}
