#include "broker/aws_schema.h"

#include <algorithm>

#include "broker/approval_schema.h"
#include "shed/aws/sts_messages.h"
#include "shed/base/json.h"

namespace shed::broker {
namespace {

#define SHED_AWS_LEVEL_KEYS \
  "mode", "session_duration", "external_id", "source_identity", "policy", "policy_arns", "tags", "mfa_serial"
constexpr std::string_view kAwsKeys[] = {
    "source_profile", "default_role", SHED_AWS_LEVEL_KEYS, "cache_refresh_before", "approval",
    "sheds",          "servers"};
constexpr std::string_view kServerKeys[] = {"default_role", SHED_AWS_LEVEL_KEYS, "sheds"};
constexpr std::string_view kShedKeys[] = {"role", SHED_AWS_LEVEL_KEYS};
#undef SHED_AWS_LEVEL_KEYS

constexpr std::string_view kModes[] = {"assume-role", "passthrough"};
constexpr AwsMode kModeValues[] = {AwsMode::kAssumeRole, AwsMode::kPassthrough};

// STS's own limits (AssumeRole in the STS API Reference).
constexpr std::size_t kMaxArn = 2048;
constexpr std::size_t kMaxPolicy = 2048;
constexpr std::size_t kMaxPolicyArns = 10;
constexpr std::size_t kMaxTags = 50;
constexpr std::size_t kMaxTagKey = 128, kMaxTagValue = 256;
constexpr std::size_t kMaxExternalId = 1224, kMaxSourceIdentity = 64;

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}
bool made_of(std::string_view text, std::string_view others) {
  return std::ranges::all_of(text, [&](char c) { return is_word(c) || others.find(c) != others.npos; });
}
bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c != 0x7F; });
}

std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(std::ranges::count_if(utf8, [](char c) { return (c & 0xC0) != 0x80; }));
}

class AwsSchema {
 public:
  explicit AwsSchema(ConfigReader& reader) : reader_(reader), problems_(reader.problems()) {}

  void read(const Setting& aws, AwsConfig& config) {
    if (!reader_.section(aws, kAwsKeys)) return;
    if (auto name = reader_.text_unless_empty(reader_.member(aws, "source_profile"))) {
      config.source_profile = std::move(*name);
      config.source_profile_written = true;
    }
    config.approval = read_approval(reader_, reader_.member(aws, "approval"), Namespace::kAws);
    config.level = level(aws, "default_role");
    if (!config.level.session_duration) note_session(ResolvedAws().session_duration, "aws.session_duration");
    config.sheds = sheds(reader_.member(aws, "sheds"));
    reader_.each_name(reader_.member(aws, "servers"), [&](const std::string& name, const Setting& server) {
      if (!reader_.section(server, kServerKeys)) return;
      config.servers[name] = {level(server, "default_role"), sheds(reader_.member(server, "sheds"))};
    });
    read_refresh(reader_.member(aws, "cache_refresh_before"), config);
  }

 private:
  ByName<AwsLevel> sheds(const Setting& map) {
    ByName<AwsLevel> levels;
    reader_.each_name(map, [&](const std::string& name, const Setting& shed) {
      if (reader_.section(shed, kShedKeys)) levels[name] = level(shed, "role");
    });
    return levels;
  }

  AwsLevel level(const Setting& map, std::string_view role_key) {
    AwsLevel level;
    level.role = role(reader_.member(map, role_key));
    if (auto mode = reader_.choice(reader_.member(map, "mode"), kModes)) level.mode = kModeValues[*mode];
    level.session_duration = session_duration(reader_.member(map, "session_duration"));
    level.external_id = identifier(reader_.member(map, "external_id"), kMaxExternalId, "+=,.@:/-");
    level.source_identity = identifier(reader_.member(map, "source_identity"), kMaxSourceIdentity, "+=,.@-");
    level.policy = policy(reader_.member(map, "policy"));
    level.policy_arns = policy_arns(reader_.member(map, "policy_arns"));
    level.tags = tags(reader_.member(map, "tags"));
    refuse_mfa(reader_.member(map, "mfa_serial"));
    return level;
  }

  // Loose on purpose: STS knows which roles exist. This catches a role's bare name, a user's ARN, a
  // session's and a slip of the pen.
  std::optional<std::string> role(const Setting& setting) {
    auto arn = reader_.text_unless_empty(setting);
    if (!arn) return std::nullopt;
    const bool is_role =
        arn->starts_with("arn:") && arn->find(":iam::") != arn->npos && arn->find(":role/") != arn->npos;
    if (is_role && is_printable(*arn) && arn->size() <= kMaxArn) return arn;
    problems_.add(setting.at(),
                  "{} \"{}\" is not the ARN of a role, like arn:aws:iam::123456789012:role/name",
                  setting.path, shown(*arn));
    return std::nullopt;
  }

  std::optional<Millis> session_duration(const Setting& setting) {
    const auto duration = reader_.duration(setting);
    if (!duration) return std::nullopt;
    if (*duration < aws::kShortestSession || *duration > aws::kLongestSession) {
      problems_.add(setting.at(), "{} \"{}\" is not possible: STS gives sessions of 15m to 12h", setting.path,
                    shown(setting.node->text));
      return std::nullopt;
    }
    note_session(*duration, setting.path);
    return duration;
  }

  void note_session(Millis duration, std::string_view path) {
    if (duration >= shortest_session_) return;
    shortest_session_ = duration;
    shortest_path_ = path;
  }

  // A margin as long as the session would fetch a new one for every request.
  void read_refresh(const Setting& setting, AwsConfig& config) {
    const auto before = reader_.duration(setting);
    if (!before) return;
    config.cache_refresh_before = *before;
    if (*before < shortest_session_) return;
    problems_.add(setting.at(), "{} \"{}\" must be shorter than each session, and {} is {}", setting.path,
                  shown(setting.node->text), shortest_path_, format_duration(shortest_session_));
  }

  std::optional<std::string> identifier(const Setting& setting, std::size_t limit, std::string_view others) {
    auto text = reader_.text_unless_empty(setting);
    if (!text) return std::nullopt;
    if (text->size() >= 2 && text->size() <= limit && made_of(*text, others)) return text;
    problems_.add(setting.at(), "{} \"{}\" is not possible: STS takes 2 to {} letters, digits and _{}",
                  setting.path, shown(*text), limit, others);
    return std::nullopt;
  }

  std::optional<std::string> policy(const Setting& setting) {
    auto text = reader_.text_unless_empty(setting);
    if (!text) return std::nullopt;
    JsonDocument document;
    const auto root = document.parse(*text);
    if (!root) {
      problems_.add(setting.at(), "{} is not valid JSON: {}", setting.path, root.error().text());
    } else if (!root->is_object()) {
      problems_.add(setting.at(), "{} must be a policy document, a JSON object", setting.path);
    } else if (characters(*text) > kMaxPolicy) {
      problems_.add(setting.at(), "{} has {} characters, STS takes {}; name managed policies in policy_arns",
                    setting.path, characters(*text), kMaxPolicy);
    } else {
      return text;
    }
    return std::nullopt;
  }

  std::optional<std::vector<std::string>> policy_arns(const Setting& setting) {
    auto arns = reader_.texts(setting);
    if (!arns) return std::nullopt;
    if (arns->size() > kMaxPolicyArns) {
      problems_.add(setting.at(), "{} has {} entries, STS takes {}", setting.path, arns->size(),
                    kMaxPolicyArns);
    }
    for (const std::string& arn : *arns) {
      const bool is_policy = arn.starts_with("arn:") && arn.find(":policy/") != arn.npos;
      if (is_policy && is_printable(arn) && arn.size() <= kMaxArn) continue;
      problems_.add(setting.at(),
                    "{}: \"{}\" is not the ARN of a policy, like arn:aws:iam::aws:policy/ReadOnlyAccess",
                    setting.path, shown(arn));
    }
    return arns;
  }

  std::optional<AwsTags> tags(const Setting& setting) {
    if (!setting.present()) return std::nullopt;
    AwsTags tags;
    reader_.each_name(setting, [&](const std::string& key, const Setting& value) {
      auto text = reader_.text(value);
      if (!text) return;
      if (characters(key) > kMaxTagKey || characters(*text) > kMaxTagValue) {
        problems_.add(value.at(), "{} is too long: STS takes {} characters of key and {} of value",
                      value.path, kMaxTagKey, kMaxTagValue);
      }
      tags.emplace_back(key, std::move(*text));
    });
    if (tags.size() > kMaxTags)
      problems_.add(setting.at(), "{} has {} tags, STS takes {}", setting.path, tags.size(), kMaxTags);
    return tags;
  }

  void refuse_mfa(const Setting& setting) {
    if (!setting.present()) return;
    problems_.add(setting.at(),
                  "{} is not supported yet: nobody can be asked for the code; log in with another tool, and "
                  "name the profile that holds its session in aws.source_profile",
                  setting.path);
  }

  ConfigReader& reader_;
  Problems& problems_;
  Millis shortest_session_ = Millis::max();
  std::string shortest_path_;
};

}  // namespace

void read_aws(ConfigReader& reader, const Setting& aws, AwsConfig& config) {
  AwsSchema(reader).read(aws, config);
}

}  // namespace shed::broker
