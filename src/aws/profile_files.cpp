#include "shed/aws/profile_files.h"

#include <utility>

#include "profile_reader.h"
#include "shed/base/file.h"

namespace shed::aws {
namespace {

Result<Secret> read_or_empty(const std::string& path) {
  if (path.empty() || path == "/dev/null") return Secret();
  auto text = read_secret_file(path, kMaxProfileFileBytes);
  if (!text && text.error().code() == Errc::kNotFound) return Secret();
  return text;
}

const ProfileSection* find_section(const std::map<std::string, ProfileSection, std::less<>>& sections,
                                   std::string_view name) {
  const auto place = sections.find(name);
  return place == sections.end() ? nullptr : &place->second;
}

}  // namespace

std::string ProfileValue::where() const {
  return file == nullptr ? std::string() : fmt::format("{}:{}", *file, line);
}

const ProfileValue* ProfileSection::find(std::string_view key) const {
  const auto place = values_.find(key);
  return place == values_.end() ? nullptr : &place->second;
}

const ProfileValue* ProfileSection::find_first(std::string_view key, std::string_view other) const {
  const ProfileValue* a = find(key);
  const ProfileValue* b = find(other);
  if (a == nullptr || b == nullptr) return a == nullptr ? b : a;
  if (a->file == b->file) return a->line <= b->line ? a : b;
  // In two files: the section's own is the credentials file then.
  return a->file == file_ ? a : b;
}

std::string_view ProfileSection::text(std::string_view key) const {
  const ProfileValue* value = find(key);
  return value == nullptr ? std::string_view() : value->text.reveal();
}

std::string ProfileSection::where() const {
  return file_ == nullptr ? std::string() : fmt::format("{}:{}", *file_, line_);
}

Result<ProfileFiles> ProfileFiles::load(const std::string& config_path, const std::string& credentials_path) {
  const auto config = read_or_empty(config_path);
  if (!config) return propagate(config);
  const auto credentials = read_or_empty(credentials_path);
  if (!credentials) return propagate(credentials);
  return parse(config->reveal(), config_path, credentials->reveal(), credentials_path);
}

Result<ProfileFiles> ProfileFiles::parse(std::string_view config, std::string config_name,
                                         std::string_view credentials, std::string credentials_name) {
  ProfileFiles files;
  const auto add = [&files](ProfileReader::File kind, std::string_view text, std::string name) -> Status {
    files.file_names_.push_back(std::make_unique<std::string>(std::move(name)));
    ProfileReader reader(kind, files.file_names_.back().get());
    if (const Status read = reader.read(text); !read) return read;
    reader.add_to(files);
    return {};
  };
  Status status = add(ProfileReader::File::kCredentials, credentials, std::move(credentials_name));
  if (status) status = add(ProfileReader::File::kConfig, config, std::move(config_name));
  if (!status) return propagate(status);
  return files;
}

const ProfileSection* ProfileFiles::profile(std::string_view name) const {
  return find_section(profiles_, name);
}

const ProfileSection* ProfileFiles::services(std::string_view name) const {
  return find_section(services_, name);
}

std::vector<std::string> ProfileFiles::profile_names() const {
  std::vector<std::string> names;
  names.reserve(profiles_.size());
  for (const auto& [name, section] : profiles_) names.push_back(name);
  return names;
}

}  // namespace shed::aws
