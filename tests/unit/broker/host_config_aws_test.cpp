// What stands in the section `aws` beyond what existing files have.
#include "host_config_testing.h"

using namespace shed::broker;
using namespace shed::broker::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view kLayered = R"(
aws:
  default_role: arn:aws:iam::1:role/top
  external_id: top-id
  source_identity: me
  policy: '{"Version":"2012-10-17"}'
  policy_arns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
  tags: { project: demo, stage: dev }
  servers:
    mini2:
      external_id: server-id
      sheds: { web: { policy_arns: [], tags: { stage: prod }, policy: "{}" } }
)";

std::string policy_of(std::size_t characters) {
  const std::string frame = R"({"a":""})";
  return R"({"a":")" + std::string(characters - frame.size(), 'x') + R"("})";
}

std::string list_of(std::size_t count, const std::string& entry) {
  std::string text = "[";
  for (std::size_t i = 0; i < count; ++i) text += (i == 0 ? "" : ", ") + entry;
  return text + "]";
}

std::string tags_of(std::size_t count) {
  std::string text = "{ ";
  for (std::size_t i = 0; i < count; ++i) text += fmt::format("{}k{}: v", i == 0 ? "" : ", ", i);
  return text + " }";
}

}  // namespace

TEST_CASE("what a session has beside its role is inherited, each on its own") {
  const HostConfig config = config_of(kLayered);
  const ResolvedAws other = config.aws_for("other", "web");
  CHECK(other.external_id == "top-id");
  CHECK(other.source_identity == "me");
  CHECK(other.policy == R"({"Version":"2012-10-17"})");
  CHECK(other.policy_arns == std::vector<std::string>{"arn:aws:iam::aws:policy/ReadOnlyAccess"});
  CHECK(other.tags == AwsTags{{"project", "demo"}, {"stage", "dev"}});
  CHECK(config.aws_for("mini2", "api").external_id == "server-id");
}

TEST_CASE("a list, a map of tags and a policy replace the inherited ones, also when they are empty") {
  const ResolvedAws web = config_of(kLayered).aws_for("mini2", "web");
  CHECK(web.external_id == "server-id");
  CHECK(web.policy_arns.empty());
  CHECK(web.tags == AwsTags{{"stage", "prod"}});
  CHECK(web.policy == "{}");
}

TEST_CASE("whether a profile is written is remembered") {
  CHECK_FALSE(config_of("aws: { mode: passthrough }").aws.source_profile_written);
  CHECK_FALSE(config_of("aws: { source_profile: \"\" }").aws.source_profile_written);
  CHECK(config_of("aws: { source_profile: default }").aws.source_profile_written);
}

TEST_CASE("a session that STS does not give is a problem with what it gives") {
  CHECK(problem_of("aws: { session_duration: 14m59s }") ==
        "extensions.yaml:1:26: aws.session_duration \"14m59s\" is not possible: STS gives sessions of 15m to "
        "12h");
  CHECK_THAT(problem_of("aws: { sheds: { web: { session_duration: 12h1s } } }"),
             Catch::Contains("aws.sheds.web.session_duration \"12h1s\" is not possible"));
}

TEST_CASE("the shortest and the longest session are possible") {
  CHECK(config_of("aws: { session_duration: 15m }").aws_for("", "").session_duration == 15min);
  CHECK(config_of("aws: { session_duration: 12h }").aws_for("", "").session_duration == 12h);
}

TEST_CASE("a refresh margin that is as long as a session is a problem that names the session") {
  CHECK(problem_of("aws: { cache_refresh_before: 1h }") ==
        "extensions.yaml:1:30: aws.cache_refresh_before \"1h\" must be shorter than each session, and "
        "aws.session_duration is 1h");
  CHECK_THAT(problem_of("aws: { cache_refresh_before: 20m, servers: { m: { session_duration: 20m } } }"),
             Catch::EndsWith("and aws.servers.m.session_duration is 20m"));
  CHECK(problems_of("aws: { cache_refresh_before: 59m }").empty());
  CHECK(problems_of("aws: { cache_refresh_before: 2h, session_duration: 3h }").empty());
}

TEST_CASE("a policy must be a JSON object") {
  CHECK_THAT(problem_of("aws: { policy: '{\"Version\":' }"),
             Catch::StartsWith("extensions.yaml:1:16: aws.policy is not valid JSON: "));
  CHECK(problem_of("aws: { policy: '[]' }") ==
        "extensions.yaml:1:16: aws.policy must be a policy document, a JSON object");
  CHECK(problem_of("aws: { policy: { Version: x } }") ==
        "extensions.yaml:1:16: aws.policy must be a text, here is a map");
}

TEST_CASE("a policy has at most as many characters as STS takes") {
  CHECK(config_of("aws: { policy: '" + policy_of(2048) + "' }").aws.level.policy->size() == 2048);
  CHECK(problem_of("aws: { policy: '" + policy_of(2049) + "' }") ==
        "extensions.yaml:1:16: aws.policy has 2049 characters, STS takes 2048; name managed policies in "
        "policy_arns");
}

TEST_CASE("policy ARNs are ARNs of policies, ten at most") {
  const std::string arn = "\"arn:aws:iam::aws:policy/ReadOnlyAccess\"";
  CHECK(problems_of("aws: { policy_arns: " + list_of(10, arn) + " }").empty());
  CHECK(problem_of("aws: { policy_arns: " + list_of(11, arn) + " }") ==
        "extensions.yaml:1:21: aws.policy_arns has 11 entries, STS takes 10");
  CHECK(problem_of("aws: { policy_arns: [ReadOnlyAccess] }") ==
        "extensions.yaml:1:21: aws.policy_arns: \"ReadOnlyAccess\" is not the ARN of a policy, like "
        "arn:aws:iam::aws:policy/ReadOnlyAccess");
}

TEST_CASE("identifiers are of the characters and the length that STS takes") {
  CHECK(config_of("aws: { external_id: 'a:b/c-1', source_identity: me@home }").aws.level.external_id ==
        "a:b/c-1");
  CHECK(problem_of("aws: { external_id: 'a b' }") ==
        "extensions.yaml:1:21: aws.external_id \"a b\" is not possible: STS takes 2 to 1224 letters, digits "
        "and "
        "_+=,.@:/-");
  CHECK_THAT(problem_of("aws: { source_identity: x }"), Catch::Contains("STS takes 2 to 64 letters"));
  CHECK_THAT(problem_of("aws: { source_identity: a/b }"), Catch::Contains("is not possible"));
  CHECK_THAT(problem_of("aws: { source_identity: " + std::string(65, 'x') + " }"),
             Catch::Contains("is not possible"));
}

TEST_CASE("tags are as many and as long as STS takes") {
  CHECK(config_of("aws: { tags: " + tags_of(50) + " }").aws.level.tags->size() == 50);
  CHECK(problem_of("aws: { tags: " + tags_of(51) + " }") ==
        "extensions.yaml:1:14: aws.tags has 51 tags, STS takes 50");
  CHECK_THAT(problem_of("aws: { tags: { k: " + std::string(257, 'v') + " } }"),
             Catch::Contains("STS takes 128 characters of key and 256 of value"));
  CHECK_THAT(problem_of("aws: { tags: { " + std::string(129, 'k') + ": v } }"),
             Catch::Contains("is too long"));
  CHECK(problem_of("aws: { tags: [a] }") ==
        "extensions.yaml:1:14: aws.tags must be a map of names, here is a list");
}

TEST_CASE("mfa_serial is refused with what to do instead, at every level") {
  const std::string where = GENERATE("aws: {{ {} }}", "aws: {{ sheds: {{ web: {{ {} }} }} }}",
                                     "aws: {{ servers: {{ m: {{ {} }} }} }}",
                                     "aws: {{ servers: {{ m: {{ sheds: {{ web: {{ {} }} }} }} }} }}");
  CHECK_THAT(problem_of(fmt::format(fmt::runtime(where), "mfa_serial: 'arn:aws:iam::1:mfa/me'")),
             Catch::Contains(".mfa_serial is not supported yet") && Catch::Contains("aws.source_profile"));
}

TEST_CASE("what a guest's session has is described") {
  const std::string text = describe_for_shed(config_of(kLayered), "mini2", "api");
  CHECK_THAT(text, Catch::Contains("  role              arn:aws:iam::1:role/top\n"
                                   "  session           1h, renewed 5m before its end\n"
                                   "  policy            {\"Version\":\"2012-10-17\"}\n"
                                   "  policies          arn:aws:iam::aws:policy/ReadOnlyAccess\n"
                                   "  external id       server-id\n"
                                   "  source identity   me\n"
                                   "  tag               project=demo\n"
                                   "  tag               stage=dev\n"));
}

TEST_CASE("the source is described as it is written") {
  CHECK_THAT(describe_for_shed(config_of("aws: { source_profile: work }"), "", "web"),
             Catch::Contains("  profile           work\n"));
}

TEST_CASE("a guest without a role is described with the line to add") {
  CHECK_THAT(
      describe_for_shed(config_of("aws: {}"), "mini2", "web"),
      Catch::Contains("  role              none, so no credentials: add aws: { servers: { mini2: { sheds: { "
                      "web: { role: \"arn:aws:iam::<account>:role/<name>\" } } } } }\n"));
}

TEST_CASE("the check says that passthrough and a policy together give nothing") {
  const std::string_view line = "passthrough cannot apply one";
  CHECK_THAT(describe_for_shed(config_of("aws: { mode: passthrough, policy: '{}' }"), "", "web"),
             Catch::Contains(std::string(line)));
  CHECK_THAT(describe_for_shed(config_of("aws: { mode: passthrough }"), "", "web"),
             !Catch::Contains(std::string(line)));
}
