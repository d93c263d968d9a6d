// Runs the programs that know credentials: a profile's `credential_process`, and the aws command.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shed/async/loop.h"
#include "shed/aws/credentials.h"
#include "shed/aws/failure.h"

namespace shed::aws {

class CredentialProgram {
 public:
  static constexpr Millis kLimit{60'000};
  static constexpr std::size_t kMaxOutput = 64 * 1024;

  virtual ~CredentialProgram() = default;
  // Runs it without a shell, with this process's environment and "/dev/null" as its input, and reads the
  // document {"Version":1,"AccessKeyId",...}. `name` stands for it in messages ("credential_process of
  // profile web, ~/.aws/config:7"). It is killed, with its children, after kLimit, when it prints too
  // much, and when the task is dropped. The last line on its stderr is told in Failure::detail, cut at
  // 200 characters and without anything that could be a secret; its stdout never.
  virtual async::Task<Outcome<Credentials>> run(std::vector<std::string> command, std::string name) = 0;
};

std::unique_ptr<CredentialProgram> make_credential_program(async::Loop& loop);

// Words as the SDKs split `credential_process`: spaces separate, double quotes (and, outside Windows,
// single ones) hold together, a backslash takes the next character: in double quotes only a quote or another
// backslash, in single quotes nothing. Errc::kInvalid for an open quote or nothing at all.
Result<std::vector<std::string>> split_command(std::string_view line);

// The document of `credential_process` and of `aws configure export-credentials --format process`.
Result<Credentials> parse_process_credentials(std::string_view json);

}  // namespace shed::aws
