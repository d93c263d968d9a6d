// What a profile says, as steps: the credentials it begins with, and the roles that are assumed with them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shed/aws/credentials.h"
#include "shed/aws/failure.h"
#include "shed/aws/profile_files.h"
#include "shed/aws/source.h"
#include "shed/aws/sts_messages.h"

namespace shed::aws {

inline constexpr std::size_t kMaxSteps = 8;

// Where a chain begins.
struct ChainStart {
  std::optional<Credentials> credentials;  // those of a profile or the environment; else a program's:
  std::vector<std::string> command;
  std::string name;  // of either, for messages: "credential_process of profile web (~/.aws/config:7)"
};

struct RoleStep {
  AssumeRoleRequest request;  // its session name is made when it is sent
  bool named_session = false;
  std::string name;  // "role_arn of profile web (~/.aws/config:3)"
};

struct SourceChain {
  ChainStart start;
  std::vector<RoleStep> roles;  // in the order in which they are assumed
};

// See SourceResolver::resolve(). `now` judges hints of expiry.
Outcome<SourceChain> plan_source(const ProfileFiles& files, std::string_view profile,
                                 const Variables& variables, WallTime now);

}  // namespace shed::aws
