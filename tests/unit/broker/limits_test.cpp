#include "shed/broker/limits.h"

#include "host_config_testing.h"

namespace shed::broker {

using namespace testing;

TEST_CASE("without a section the default limits hold, also in the built-in configuration") {
  CHECK(config_of("").limits.ssh == Limits().ssh);
  CHECK(built_in_config(kHome).limits.docker == Limits().docker);
}

TEST_CASE("limits are read, and what is not written keeps its default") {
  const Limits limits = config_of("limits: { ssh: { burst: 120 }, aws: { burst: 5, per_minute: 6 } }").limits;
  CHECK(limits.ssh == Limit{120, Limits().ssh->per_minute});
  CHECK(limits.aws == Limit{5, 6});
  CHECK(limits.docker == Limits().docker);
  CHECK(limits.ping == Limits().ping);
}

TEST_CASE("limits can be switched off, all or one") {
  const Limits none = config_of("limits: off").limits;
  CHECK_FALSE(none.ssh);
  CHECK_FALSE(none.aws);
  CHECK_FALSE(none.docker);
  CHECK_FALSE(none.ping);
  const Limits one = config_of("limits: { ssh: off }").limits;
  CHECK_FALSE(one.ssh);
  CHECK(one.aws == Limits().aws);
  CHECK(config_of("limits: on").limits.ssh == Limits().ssh);
}

TEST_CASE("limits that are none are refused, with what would be one") {
  CHECK(problem_of("limits: { ssh: { burst: 0 } }") ==
        "extensions.yaml:1:25: limits.ssh.burst must be a number of 1 to 100000, \"0\" is not");
  const std::string wrong =
      GENERATE("-1", "100001", "1e3", "1.5", "many", "18446744073709551617", "\"\"", "\" 5\"", "0x10");
  CHECK_THAT(problem_of("limits: { docker: { burst: " + wrong + " } }"),
             Catch::Contains("must be a number of 1 to"));
  CHECK_THAT(problem_of("limits: { docker: { per_minute: 60001 } }"), Catch::Contains("1 to 60000"));
}

TEST_CASE("a limit of another shape is refused") {
  CHECK_THAT(problem_of("limits: never"),
             Catch::EndsWith("limits must be off or a map with ssh, aws and docker, \"never\" is neither"));
  CHECK_THAT(problem_of("limits: { ssh: 60 }"),
             Catch::EndsWith("limits.ssh must be off or a map with burst and per_minute, \"60\" is neither"));
  CHECK_THAT(problem_of("limits: { ssh: \"off\" }"), Catch::EndsWith("is a text, remove the quotes"));
  CHECK_THAT(problem_of("limits: [ssh]"), Catch::Contains("limits must be a map"));
  CHECK(problem_of("limits: { shh: off }") ==
        "extensions.yaml:1:11: 'shh' is not a key of limits, did you mean 'ssh'?");
  CHECK_THAT(problem_of("limits: { ssh: { per_second: 1 } }"), Catch::Contains("not a key of limits.ssh"));
}

TEST_CASE("what is in force for a guest names its limits") {
  const std::string text = describe_for_shed(config_of("limits: { docker: off }"), "", "web");
  CHECK_THAT(text, Catch::Contains("  limit             1000 requests at once, then 120 a minute\n"));
  CHECK_THAT(text, Catch::Contains("  limit             off (limits.docker)\n"));
}

}  // namespace shed::broker
