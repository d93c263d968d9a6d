#include "source_chain.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "failures.h"
#include "shed/base/suggest.h"
#include "static_credentials.h"

namespace shed::aws {
namespace {

std::string where(const ProfileValue& value, std::string_view key, std::string_view profile) {
  return fmt::format("{} of profile {} ({})", key, profile, value.where());
}

std::unexpected<Failure> no_such_profile(const ProfileFiles& files, std::string_view name) {
  const std::vector<std::string> names = files.profile_names();
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const std::string_view meant = nearest(name, candidates);
  std::string detail = fmt::format("no profile {} in the AWS config and credentials files", name);
  if (!meant.empty()) {
    detail += fmt::format(", did you mean {}?", meant);
  } else if (names.empty()) {
    detail += "; they have none: run 'aws configure', or set AWS_CONFIG_FILE for the host agent";
  } else {
    detail += "; set source_profile in the aws section to one of them";
  }
  return source_failure(std::move(detail));
}

// Follows one profile to the next until credentials are found.
class Planner {
 public:
  Planner(const ProfileFiles& files, const Variables& variables, WallTime now)
      : files_(files), variables_(variables), now_(now) {}

  Outcome<SourceChain> plan(std::string_view first) {
    std::string name(first);
    for (;;) {
      auto next = visit(name);
      if (!next) return std::unexpected(std::move(next.error()));
      if (next->empty()) break;
      name = std::move(*next);
    }
    std::ranges::reverse(chain_.roles);
    return std::move(chain_);
  }

 private:
  // The profile to go on with, or "" where the chain has its start.
  Outcome<std::string> visit(const std::string& name) {
    const ProfileSection* profile = files_.profile(name);
    if (profile == nullptr) return missing(name);
    const bool again = std::ranges::find(visited_, name) != visited_.end();
    // A role profile may name itself as its source when it has keys as well; that is no loop.
    const bool own_keys = again && visited_.back() == name && has_static_keys(*profile);
    if (again && !own_keys) return loop(name);
    visited_.push_back(name);
    if (own_keys || profile->find("role_arn") == nullptr) return start_with(*profile, name);
    const ProfileValue* web_identity = profile->find("web_identity_token_file");
    if (web_identity == nullptr || has_source(*profile)) return visit_role(*profile, name);
    // STS takes web identities without a signature; the aws command knows how.
    ask_aws_command(where(*web_identity, "web_identity_token_file", name), name);
    return std::string();
  }

  static bool has_source(const ProfileSection& profile) {
    return profile.find("source_profile") != nullptr || profile.find("credential_source") != nullptr;
  }

  std::unexpected<Failure> missing(const std::string& name) const {
    auto failure = no_such_profile(files_, name);
    if (!visited_.empty()) {
      const ProfileValue* link = files_.profile(visited_.back())->find("source_profile");
      Failure named = failure.error();
      named.detail = fmt::format("{}: {}", where(*link, "source_profile", visited_.back()), named.detail);
      return std::unexpected(std::move(named));
    }
    return failure;
  }

  std::unexpected<Failure> loop(const std::string& name) const {
    const ProfileValue* link = files_.profile(visited_.back())->find("source_profile");
    std::string way;
    for (auto at = std::ranges::find(visited_, name); at != visited_.end(); ++at) way += *at + " -> ";
    return source_failure(fmt::format("{}: the profiles form a loop: {}{}",
                                      where(*link, "source_profile", visited_.back()), way, name));
  }

  Outcome<std::string> visit_role(const ProfileSection& profile, const std::string& name) {
    const ProfileValue& role = *profile.find("role_arn");
    if (const ProfileValue* mfa = profile.find("mfa_serial")) {
      return source_failure(
          fmt::format("{}: nobody can be asked for an MFA code; use a profile that holds the "
                      "session credentials, or a credential_process",
                      where(*mfa, "mfa_serial", name)));
    }
    const ProfileValue* from = profile.find("source_profile");
    const ProfileValue* kind = profile.find("credential_source");
    if ((from != nullptr) == (kind != nullptr)) {
      return source_failure(
          fmt::format("{}: it needs one of source_profile and credential_source, and has {}",
                      where(role, "role_arn", name), from != nullptr ? "both" : "neither"));
    }
    if (kind != nullptr && kind->text.reveal() != "Environment") return start_elsewhere(*kind, name);
    if (chain_.roles.size() == kMaxSteps) {
      return source_failure(fmt::format("{}: the chain of profiles has more than {} roles",
                                        where(role, "role_arn", name), kMaxSteps));
    }
    auto step = role_step(profile, name);
    if (!step) return std::unexpected(std::move(step.error()));
    chain_.roles.push_back(std::move(*step));
    if (kind != nullptr) return start_with_environment(*kind, name);
    return std::string(from->text.reveal());
  }

  Outcome<RoleStep> role_step(const ProfileSection& profile, const std::string& name) const {
    RoleStep step;
    step.name = where(*profile.find("role_arn"), "role_arn", name);
    step.request.role_arn = profile.text("role_arn");
    step.request.external_id = profile.text("external_id");
    step.request.session_name = profile.text("role_session_name");
    step.named_session = !step.request.session_name.empty();
    if (const ProfileValue* duration = profile.find("duration_seconds")) {
      const std::string_view text = duration->text.reveal();
      std::uint32_t seconds = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
      if (error != std::errc() || end != text.data() + text.size()) {
        return source_failure(
            fmt::format("{}: it is no number of seconds", where(*duration, "duration_seconds", name)));
      }
      step.request.duration =
          std::clamp<Millis>(std::chrono::seconds(seconds), kShortestSession, kLongestSession);
    }
    return step;
  }

  Outcome<std::string> start_with_environment(const ProfileValue& kind, const std::string& name) {
    auto credentials = environment_credentials(variables_, now_);
    if (!credentials) return std::unexpected(std::move(credentials.error()));
    if (!*credentials) {
      return source_failure(fmt::format("{}: AWS_ACCESS_KEY_ID is not set in the host agent's environment",
                                        where(kind, "credential_source", name)));
    }
    chain_.start.credentials = std::move(**credentials);
    chain_.start.name = "the environment";
    return std::string();
  }

  // The aws command does the role of such a profile as well.
  Outcome<std::string> start_elsewhere(const ProfileValue& kind, const std::string& name) {
    const std::string_view text = kind.text.reveal();
    if (text != "Ec2InstanceMetadata" && text != "EcsContainer") {
      return source_failure(fmt::format("{}: it must be Environment, Ec2InstanceMetadata or EcsContainer",
                                        where(kind, "credential_source", name)));
    }
    ask_aws_command(where(kind, "credential_source", name), name);
    return std::string();
  }

  Outcome<std::string> start_with(const ProfileSection& profile, const std::string& name) {
    if (has_static_keys(profile)) {
      auto credentials = static_credentials(profile, name, now_);
      if (!credentials) return std::unexpected(std::move(credentials.error()));
      chain_.start.credentials = std::move(*credentials);
      chain_.start.name = fmt::format("profile {} ({})", name, profile.where());
      return std::string();
    }
    if (const ProfileValue* process = profile.find("credential_process")) {
      chain_.start.name = where(*process, "credential_process", name);
      auto command = split_command(process->text.reveal());
      if (!command) return source_failure(fmt::format("{}: {}", chain_.start.name, command.error().text()));
      chain_.start.command = std::move(*command);
      return std::string();
    }
    for (const std::string_view key :
         {"sso_session", "sso_start_url", "sso_account_id", "login_session", "web_identity_token_file"}) {
      if (const ProfileValue* value = profile.find(key)) {
        ask_aws_command(where(*value, key, name), name);
        return std::string();
      }
    }
    return source_failure(fmt::format(
        "profile {} ({}): it has neither keys nor role_arn, credential_process, sso_*, login_session or "
        "web_identity_token_file",
        name, profile.where()));
  }

  void ask_aws_command(const std::string& reason, const std::string& profile) {
    chain_.start.command = {"aws",      "configure", "export-credentials", "--profile", profile,
                            "--format", "process"};
    chain_.start.name = fmt::format("{}: 'aws configure export-credentials'", reason);
  }

  const ProfileFiles& files_;
  const Variables& variables_;
  const WallTime now_;
  std::vector<std::string> visited_;
  SourceChain chain_;
};

}  // namespace

Outcome<SourceChain> plan_source(const ProfileFiles& files, std::string_view profile,
                                 const Variables& variables, WallTime now) {
  return Planner(files, variables, now).plan(profile);
}

}  // namespace shed::aws
