#include "shed/broker/prompt.h"

#include "broker/one_at_a_time.h"
#include "broker/prompt_program.h"
#include "broker/question_text.h"
#include "shed/async/captured_process.h"
#include "shed/base/redact.h"

namespace shed::broker {
namespace {

constexpr std::size_t kMaxOutput = 16 * 1024;
// pinentry gives up that much earlier than it is killed: a terminal is left as it was.
constexpr Millis kBeforeTheEnd{1'500};

class Prompt : public OneAtATime {
 public:
  Prompt(async::Loop& loop, Variable variable, Result<PromptProgram> program)
      : OneAtATime(loop, policy_name(Policy::kPrompt)),
        variable_(std::move(variable)),
        program_(program ? *program : PromptProgram{}),
        why_nobody_(program ? "" : "nobody can be prompted: " + program.error().text()) {}

  std::string why_nobody() const override { return why_nobody_; }

 private:
  async::Task<Answer> show(ApprovalQuestion question, std::uint64_t count, Millis limit) override {
    const QuestionText text = question_text(question, count);
    async::CaptureOptions options;
    options.command = {program_.path};
    options.environment = prompt_environment(variable_, program_.is_pinentry);
    options.max_output = kMaxOutput;
    options.limit = limit;
    if (program_.is_pinentry) {
      auto script = pinentry_script(variable_, text.text, limit - kBeforeTheEnd);
      if (!script) co_return denied(script.error().text());
      options.input = std::move(*script);
    } else {
      options.command.push_back(text.text + "\n\nAllow it?");
    }
    const std::string script = options.input;
    auto running = async::run_captured(loop(), std::move(options));
    const auto run = co_await std::move(running);
    if (!run && run.error().code() == Errc::kTimeout) co_return timed_out(limit);
    if (!run) co_return broken(run.error().text());
    co_return read(*run, script, text.whole, limit);
  }

  Answer read(const async::CapturedRun& run, std::string_view script, bool whole, Millis limit) const {
    if (run.status.signal != 0) return broken(fmt::format("ended by signal {}", run.status.signal));
    const PromptReading reading = program_.is_pinentry ? read_pinentry(script, run.output.reveal())
                                                       : read_askpass(run.status.code, run.output.reveal());
    switch (reading.answer) {
      case PromptAnswer::kYes: {
        Answer answer;
        answer.approved = true;
        answer.decided_by = variable_("USER");
        answer.scope_as_configured = whole;
        return answer;
      }
      case PromptAnswer::kNo: {
        Answer answer = denied("the person at the prompt said no");
        answer.decided_by = variable_("USER");
        return answer;
      }
      case PromptAnswer::kTimedOut:
        return timed_out(limit);
      case PromptAnswer::kUnclear:
        break;
    }
    const std::string words = last_words(run.errors.reveal());
    return broken(words.empty() ? reading.cause : reading.cause + ": " + words);
  }

  Answer broken(std::string_view cause) const {
    return denied(fmt::format("the prompt failed: {}: {}", program_.path, cause));
  }

  const Variable variable_;
  const PromptProgram program_;
  const std::string why_nobody_;
};

}  // namespace

std::unique_ptr<Person> make_prompt(async::Loop& loop, Variable variable) {
  auto program = find_prompt_program(variable);
  return std::make_unique<Prompt>(loop, std::move(variable), std::move(program));
}

}  // namespace shed::broker
