#include "shed/aws/program.h"

#include <string_view>
#include <utility>

#include "check_credentials.h"
#include "failures.h"
#include "shed/async/captured_process.h"
#include "shed/base/clock.h"
#include "shed/base/redact.h"

extern char** environ;

namespace shed::aws {
namespace {

// Sessions of a desktop lack the folders where people install their tools.
constexpr std::string_view kFurtherFolders = "/usr/local/bin:/opt/homebrew/bin";
constexpr std::string_view kDefaultPath = "/usr/bin:/bin";

std::vector<std::string> program_environment() {
  std::vector<std::string> result;
  std::string path = fmt::format("PATH={}", kDefaultPath);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string text = *entry;
    if (text.starts_with("PATH=")) {
      path = std::move(text);
    } else {
      result.push_back(std::move(text));
    }
  }
  result.push_back(fmt::format("{}:{}", path, kFurtherFolders));
  return result;
}

std::unexpected<Failure> failure(Failure::Kind kind, std::string code, std::string message,
                                 std::string detail) {
  return std::unexpected(Failure{kind, std::move(code), std::move(message), std::move(detail)});
}

std::unexpected<Failure> not_run(const std::string& name, const Error& error) {
  const std::string detail = fmt::format("{}: {}", name, error.text());
  switch (error.code()) {
    case Errc::kTimeout:
      return failure(Failure::Kind::kUnavailable, "Timeout", "a program of the host did not answer in time",
                     detail);
    case Errc::kLimit:
      return failure(Failure::Kind::kSource, "BadAnswer", kSourceMessage, detail);
    case Errc::kNotFound:
    case Errc::kPermission:
    case Errc::kInvalid:
      return failure(Failure::Kind::kSource, "SourceProgram", kSourceMessage, detail);
    default:
      return failure(Failure::Kind::kUnavailable, "SourceProgram", kSourceMessage, detail);
  }
}

std::unexpected<Failure> not_successful(const std::string& name, const async::CapturedRun& run) {
  const std::string how = run.status.signal != 0 ? fmt::format("ended by signal {}", run.status.signal)
                                                 : fmt::format("exit code {}", run.status.code);
  std::string words = last_words(run.errors.reveal());
  if (words.empty()) words = "it said nothing on stderr";
  return failure(Failure::Kind::kUnavailable, "SourceProgram", kSourceMessage,
                 fmt::format("{}: {}: {}", name, how, words));
}

class ChildProgram : public CredentialProgram {
 public:
  explicit ChildProgram(async::Loop& loop) : loop_(loop) {}

  async::Task<Outcome<Credentials>> run(std::vector<std::string> command, std::string name) override {
    async::CaptureOptions options;
    options.command = std::move(command);
    options.environment = program_environment();
    options.max_output = kMaxOutput;
    options.limit = kLimit;
    auto running = async::run_captured(loop_, std::move(options));
    const auto run = co_await std::move(running);
    if (!run) co_return not_run(name, run.error());
    if (run->status.shell_code() != 0) co_return not_successful(name, *run);
    co_return read(name, run->output);
  }

 private:
  Outcome<Credentials> read(const std::string& name, const Secret& output) const {
    auto credentials = parse_process_credentials(output.reveal());
    if (!credentials) {
      return failure(Failure::Kind::kSource, "BadAnswer", kSourceMessage,
                     fmt::format("{}: what it printed cannot be used: {}", name, credentials.error().text()));
    }
    if (expired(*credentials, loop_.clock().wall())) {
      return source_expired(
          fmt::format("{}: what it printed expired at {}", name, format_rfc3339(*credentials->expiration)));
    }
    return std::move(*credentials);
  }

  async::Loop& loop_;
};

}  // namespace

std::unique_ptr<CredentialProgram> make_credential_program(async::Loop& loop) {
  return std::make_unique<ChildProgram>(loop);
}

}  // namespace shed::aws
