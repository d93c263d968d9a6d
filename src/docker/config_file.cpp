// {"auths": {KEY: {"auth": base64, "identitytoken": text, "username": text, "password": text}},
//  "credHelpers": {KEY: NAME}, "credsStore": NAME}
#include "shed/docker/config_file.h"

#include <algorithm>

#include "shed/base/base64.h"
#include "shed/base/file.h"
#include "shed/docker/registry_name.h"

namespace shed::docker {
namespace {

constexpr std::size_t kMaxEntries = 1024;
constexpr std::size_t kMaxHelperName = 64;
constexpr std::string_view kTokenUser = "<token>";

bool is_helper_name(std::string_view name) {
  const auto allowed = [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  };
  return !name.empty() && name.size() <= kMaxHelperName && std::ranges::all_of(name, allowed);
}

// What becomes part of a program's name must not choose another folder.
Result<std::string> helper_name(const JsonValue& value, std::string_view where) {
  const auto name = value.string();
  if (!name) return fail(Errc::kInvalid, "{} is not a text", where);
  if (is_helper_name(*name)) return std::string(*name);
  return fail(Errc::kInvalid, "{} is not the name of a credential helper (letters, digits, - and _)", where);
}

Status check_map(const JsonValue& value, std::string_view name) {
  if (!value.is_object()) return fail(Errc::kInvalid, "'{}' is not an object", name);
  if (value.members().size() > kMaxEntries) {
    return fail(Errc::kLimit, "'{}' has more than {} entries", name, kMaxEntries);
  }
  return {};
}

InlineLogin inline_login(const JsonValue& entry) {
  const auto secret = [&](const char* key) { return Secret(entry[key].string_or("")); };
  return {secret("auth"), secret("identitytoken"), secret("username"), secret("password")};
}

// How far up the path of what is asked for a key lies; nothing when it is another registry's.
std::optional<std::size_t> specificity(const RegistryName& key, const RegistryName& asked) {
  if (key.host != asked.host || !lies_below(asked.path, key.path)) return std::nullopt;
  return key.path.size();
}

// The entry as it was asked for, else the one for the same registry with the longest path.
template <class T>
const std::pair<const std::string, T>* look_up(const std::map<std::string, T, std::less<>>& map,
                                               std::string_view server_url) {
  if (const auto exact = map.find(server_url); exact != map.end()) return &*exact;
  const auto asked = parse_registry(server_url);
  if (!asked) return nullptr;
  const std::pair<const std::string, T>* best = nullptr;
  std::size_t best_length = 0;
  for (const auto& entry : map) {
    const auto key = parse_registry(entry.first);
    const auto length = key ? specificity(*key, *asked) : std::nullopt;
    if (!length || (best != nullptr && *length <= best_length)) continue;
    best = &entry;
    best_length = *length;
  }
  return best;
}

Error no_login(std::string_view server_url) {
  return {Errc::kInvalid, fmt::format("invalid auth format for {}", server_url)};
}

}  // namespace

std::string default_config_path() {
  const std::string folder = environment("DOCKER_CONFIG");
  return (folder.empty() ? home_directory() + "/.docker" : folder) + "/config.json";
}

Result<ConfigFile> ConfigFile::load(const std::string& path) {
  const auto text = read_secret_file(path, kMaxConfigFile);
  if (!text && text.error().code() == Errc::kNotFound) return ConfigFile();
  if (!text) return propagate(text);
  auto parsed = parse(text->reveal());
  if (!parsed) return std::unexpected(json_error_in(path, parsed.error(), text->reveal()));
  return parsed;
}

Result<ConfigFile> ConfigFile::parse(std::string_view text) {
  JsonDocument document;
  const auto root = document.parse(text);
  if (!root) return propagate(root);
  ConfigFile file;
  Status status = root->is_object() ? file.read(*root) : fail(Errc::kInvalid, "it is not a JSON object");
  document.wipe();
  if (!status) return propagate(status);
  return file;
}

Status ConfigFile::read(const JsonValue& root) {
  if (const JsonValue store = root["credsStore"]; store.exists() && store.string_or("x") != "") {
    auto name = helper_name(store, "'credsStore'");
    if (!name) return propagate(name);
    creds_store_ = std::move(*name);
  }
  if (const JsonValue helpers = root["credHelpers"]; helpers.exists() && !helpers.is_null()) {
    if (const Status valid = check_map(helpers, "credHelpers"); !valid) return valid;
    for (const auto& [key, value] : helpers.members()) {
      auto name = helper_name(value, fmt::format("the helper of '{}'", key));
      if (!name) return propagate(name);
      helpers_.emplace(key, std::move(*name));
    }
  }
  if (const JsonValue logins = root["auths"]; logins.exists() && !logins.is_null()) {
    if (const Status valid = check_map(logins, "auths"); !valid) return valid;
    for (const auto& [key, value] : logins.members()) logins_.emplace(key, inline_login(value));
  }
  return {};
}

std::optional<ConfigFile::HelperEntry> ConfigFile::helper_for(std::string_view server_url) const {
  const auto* entry = look_up(helpers_, server_url);
  if (entry == nullptr) return std::nullopt;
  return HelperEntry{entry->second, entry->first};
}

std::optional<ConfigFile::LoginEntry> ConfigFile::login_for(std::string_view server_url) const {
  const auto* entry = look_up(logins_, server_url);
  if (entry == nullptr) return std::nullopt;
  return LoginEntry{entry->first, &entry->second};
}

Result<Login> read_inline_login(std::string_view server_url, const InlineLogin& login) {
  if (!login.identity_token.empty()) {
    return Login{std::string(server_url), Secret(kTokenUser), login.identity_token.clone()};
  }
  if (login.auth.empty()) {
    if (login.username.empty()) return fail(Errc::kNotFound, "no login is stored for {}", server_url);
    return Login{std::string(server_url), login.username.clone(), login.password.clone()};
  }
  auto decoded = base64_decode(login.auth.reveal());
  if (!decoded) return std::unexpected(no_login(server_url));
  const Secret plain = Secret::take(*decoded);
  const std::size_t colon = plain.reveal().find(':');
  if (colon == std::string_view::npos || colon == 0) return std::unexpected(no_login(server_url));
  std::string_view password = plain.reveal().substr(colon + 1);
  // Old programs padded it with zeros.
  password = password.substr(0, password.find_last_not_of('\0') + 1);
  return Login{std::string(server_url), Secret(plain.reveal().substr(0, colon)), Secret(password)};
}

}  // namespace shed::docker
