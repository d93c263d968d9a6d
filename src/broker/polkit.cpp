#include "shed/broker/polkit.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "broker/one_at_a_time.h"
#include "broker/question_text.h"
#include "shed/async/captured_process.h"
#include "shed/base/file.h"
#include "shed/base/log.h"
#include "shed/base/redact.h"

namespace shed::broker {
namespace {

constexpr std::size_t kMaxOutput = 16 * 1024;
constexpr std::size_t kMaxStatus = 4096;

// Field 22 of proc_pid_stat(5), in clock ticks since the machine started. The second field is a name that may
// have anything in it, in parentheses.
Result<std::uint64_t> start_time(const std::string& path) {
  const auto status = read_file(path, kMaxStatus);
  if (!status) return propagate(status, path);
  std::string_view rest = *status;
  const std::size_t name_end = rest.rfind(')');
  if (name_end == std::string_view::npos) return fail(Errc::kInvalid, "{}: no status of a process", path);
  rest.remove_prefix(name_end + 1);
  constexpr int kFieldsBefore = 19;  // from the third one on, each behind a space
  for (int i = 0; i < kFieldsBefore; ++i) {
    const std::size_t space = rest.find(' ', 1);
    if (space == std::string_view::npos) return fail(Errc::kInvalid, "{}: it ends early", path);
    rest.remove_prefix(space);
  }
  if (!rest.empty()) rest.remove_prefix(1);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error != std::errc() || value == 0) return fail(Errc::kInvalid, "{}: no start time", path);
  return value;
}

class Polkit : public OneAtATime {
 public:
  Polkit(async::Loop& loop, PolkitOptions options)
      : OneAtATime(loop, "polkit"), options_(std::move(options)) {}

  std::string why_nobody() const override {
    // Refused on purpose: a yes without a question is none.
    if (options_.user == 0) return "polkit lets root do everything without asking; do not run this as root";
    if (::access(options_.program.c_str(), X_OK) != 0)
      return fmt::format("{} is missing; install polkit", options_.program);
    const auto is_there = [](const std::string& folder) {
      return ::access(fmt::format("{}/{}.policy", folder, kPolkitAction).c_str(), R_OK) == 0;
    };
    if (std::ranges::any_of(options_.action_folders, is_there)) return {};
    return fmt::format("polkit does not know the action {0}; install {0}.policy into {1}", kPolkitAction,
                       options_.action_folders.front());
  }

 private:
  async::Task<Answer> show(ApprovalQuestion question, std::uint64_t count, Millis limit) override {
    const auto start = start_time(options_.process_status);
    if (!start) co_return denied("polkit cannot be asked: " + start.error().text());
    const QuestionText asked = question_text(question, count);
    std::string text = asked.text;
    std::ranges::replace(text, '\n', ' ');
    log::info("polkit asks for this: {}", text);
    async::CaptureOptions options;
    options.command = {options_.program,
                       "--action-id",
                       std::string(kPolkitAction),
                       "--process",
                       fmt::format("{},{},{}", ::getpid(), *start, options_.user),
                       "--allow-user-interaction"};
    options.environment = {"PATH=/usr/bin:/bin", "LC_ALL=C"};
    options.max_output = kMaxOutput;
    options.limit = limit;
    auto running = async::run_captured(loop(), std::move(options));
    const auto run = co_await std::move(running);
    if (!run && run.error().code() == Errc::kTimeout) co_return timed_out(limit);
    if (!run) co_return denied("polkit cannot be asked: " + run.error().text());
    co_return read(*run, asked.whole);
  }

  // The exit codes of pkcheck(1).
  Answer read(const async::CapturedRun& run, bool whole) const {
    if (run.status.signal != 0)
      return denied(fmt::format("pkcheck failed: ended by signal {}", run.status.signal));
    switch (run.status.code) {
      case 0: {
        Answer answer;
        answer.approved = true;
        answer.decided_by = environment("USER");
        answer.scope_as_configured = whole;
        return answer;
      }
      case 1:
        return denied("the authentication failed, or polkit's rules say no");
      case 2:
        return denied(
            "no authentication agent of polkit runs in this session; start the desktop's, or pkttyagent");
      case 3: {
        Answer answer = denied("the person at polkit's dialogue said no");
        answer.decided_by = environment("USER");
        return answer;
      }
      default:
        break;
    }
    const std::string words = last_words(run.errors.reveal());
    return denied(
        fmt::format("pkcheck failed: exit code {}{}{}", run.status.code, words.empty() ? "" : ": ", words));
  }

  const PolkitOptions options_;
};

}  // namespace

std::unique_ptr<Person> make_polkit(async::Loop& loop, PolkitOptions options) {
  return std::make_unique<Polkit>(loop, std::move(options));
}

}  // namespace shed::broker
