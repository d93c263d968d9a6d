#include "shed/aws/source.h"

#include <algorithm>
#include <utility>

#include "failures.h"
#include "shed/base/file.h"
#include "source_chain.h"
#include "static_credentials.h"

namespace shed::aws {
namespace {

struct Paths {
  std::string config, credentials;
};

std::string path_of(const Variables& variables, const char* variable, const char* otherwise) {
  const std::string named = variables(variable);
  return expand_home(named.empty() ? otherwise : named);
}

Outcome<ProfileFiles> load_files(const Variables& variables) {
  auto files = ProfileFiles::load(path_of(variables, "AWS_CONFIG_FILE", "~/.aws/config"),
                                  path_of(variables, "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"));
  if (!files) return source_failure(files.error().text());
  return std::move(*files);
}

class ProfileResolver : public SourceResolver {
 public:
  ProfileResolver(async::Loop& loop, StsClient& sts, CredentialProgram& program, Variables variables)
      : loop_(loop), sts_(sts), program_(program), variables_(std::move(variables)) {}

  async::Task<Outcome<Source>> resolve(std::string profile) override {
    auto planned = plan(std::move(profile));
    if (!planned) co_return std::unexpected(std::move(planned.error()));
    auto beginning = begin(std::move(planned->chain.start));
    auto credentials = co_await std::move(beginning);
    for (RoleStep& step : planned->chain.roles) {
      if (!credentials) break;
      auto assuming = assume(std::move(step), std::move(*credentials), planned->sts);
      credentials = co_await std::move(assuming);
    }
    if (!credentials) co_return std::unexpected(std::move(credentials.error()));
    co_return Source{std::move(*credentials), std::move(planned->sts)};
  }

 private:
  struct Plan {
    SourceChain chain;
    StsTarget sts;
  };

  // All that needs no waiting. The files are read once, so that one resolution sees one state of them.
  Outcome<Plan> plan(std::string profile) const {
    const WallTime now = loop_.clock().wall();
    auto files = load_files(variables_);
    if (!files) return std::unexpected(std::move(files.error()));

    SourceChain chain;
    if (profile.empty()) {
      auto credentials = environment_credentials(variables_, now);
      if (!credentials) return std::unexpected(std::move(credentials.error()));
      if (*credentials) chain.start = {std::move(**credentials), {}, "the environment"};
      profile = variables_("AWS_PROFILE");
      if (profile.empty()) profile = "default";
    }
    if (!chain.start.credentials) {
      auto planned = plan_source(*files, profile, variables_, now);
      if (!planned) return std::unexpected(std::move(planned.error()));
      chain = std::move(*planned);
    }
    auto sts = sts_target(*files, files->profile(profile), variables_);
    if (!sts) return source_failure(fmt::format("profile {}: {}", profile, sts.error().text()));
    return Plan{std::move(chain), std::move(*sts)};
  }

  async::Task<Outcome<Credentials>> begin(ChainStart start) {
    if (start.credentials) co_return std::move(*start.credentials);
    const bool aws_command = start.command.front() == "aws";
    auto running = program_.run(std::move(start.command), std::move(start.name));
    auto credentials = co_await std::move(running);
    if (!credentials && aws_command && credentials.error().code == "SourceProgram") {
      credentials.error().detail += "; it takes the AWS CLI, version 2.9 or newer, and a valid login";
    }
    co_return credentials;
  }

  async::Task<Outcome<Credentials>> assume(RoleStep step, Credentials source, StsTarget target) {
    if (source.temporary()) step.request.duration = std::min(step.request.duration, kLongestChainedSession);
    if (!step.named_session) step.request.session_name = session_name("", "host", loop_.clock().wall());
    auto assuming = sts_.assume_role(std::move(step.request), source, std::move(target));
    auto credentials = co_await std::move(assuming);
    if (!credentials) {
      Failure& failure = credentials.error();
      failure.detail = fmt::format("{}: {}", step.name, failure.detail);
      // This role is the owner's own affair: its name and account are nothing for a guest.
      failure.message = kSourceMessage;
      if (failure.kind == Failure::Kind::kRefused) failure.kind = Failure::Kind::kSource;
    }
    co_return credentials;
  }

  async::Loop& loop_;
  StsClient& sts_;
  CredentialProgram& program_;
  const Variables variables_;
};

}  // namespace

std::unique_ptr<SourceResolver> make_source_resolver(async::Loop& loop, StsClient& sts,
                                                     CredentialProgram& program, Variables variables) {
  return std::make_unique<ProfileResolver>(loop, sts, program, std::move(variables));
}

}  // namespace shed::aws
