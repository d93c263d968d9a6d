#include "broker/limits_schema.h"

#include <charconv>

namespace shed::broker {
namespace {

constexpr std::string_view kKeys[] = {"ssh", "aws", "docker"};
constexpr std::string_view kLimitKeys[] = {"burst", "per_minute"};

bool is_scalar(const Setting& setting) { return setting.node->kind == YamlNode::Kind::kScalar; }

void read_count(ConfigReader& reader, const Setting& setting, unsigned most, unsigned& count) {
  const auto text = reader.text(setting);
  if (!text) return;
  unsigned value = 0;
  const char* const end = text->data() + text->size();
  const auto [stopped, error] = std::from_chars(text->data(), end, value);
  if (error == std::errc() && stopped == end && value >= 1 && value <= most) {
    count = value;
    return;
  }
  reader.problems().add(setting.at(), "{} must be a number of 1 to {}, \"{}\" is not", setting.path, most,
                        shown(*text));
}

// False where it says `off`; anything else that is no map is reported.
bool is_on(ConfigReader& reader, const Setting& setting, std::string_view wanted) {
  return reader.boolean(setting, wanted).value_or(true);
}

void read_limit(ConfigReader& reader, const Setting& setting, std::optional<Limit>& limit) {
  if (!setting.present()) return;
  if (is_scalar(setting)) {
    if (!is_on(reader, setting, "off or a map with burst and per_minute")) limit.reset();
    return;
  }
  if (!reader.section(setting, kLimitKeys)) return;
  read_count(reader, reader.member(setting, "burst"), kMaxLimitBurst, limit->burst);
  read_count(reader, reader.member(setting, "per_minute"), kMaxLimitPerMinute, limit->per_minute);
}

}  // namespace

Limits read_limits(ConfigReader& reader, const Setting& setting) {
  Limits limits;
  if (!setting.present()) return limits;
  if (is_scalar(setting))
    return is_on(reader, setting, "off or a map with ssh, aws and docker") ? limits : Limits::none();
  if (!reader.section(setting, kKeys)) return limits;
  read_limit(reader, reader.member(setting, "ssh"), limits.ssh);
  read_limit(reader, reader.member(setting, "aws"), limits.aws);
  read_limit(reader, reader.member(setting, "docker"), limits.docker);
  return limits;
}

}  // namespace shed::broker
