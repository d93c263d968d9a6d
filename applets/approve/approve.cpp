// Asks the person at the terminal, over the host agent's approval channel.
#include <unistd.h>

#include "applet.h"
#include "approve/session.h"
#include "command_line.h"
#include "service.h"
#include "shed/base/file.h"
#include "shed/broker/approval_channel.h"

namespace shed::applets {
namespace {

struct Options {
  std::string socket, wait = "60s", answer, ttl;
  bool once = false, json = false;
};

// Whoever it is that decides, as the audit record has it.
std::string person() {
  const std::string name = environment("USER");
  return name.empty() ? fmt::format("user {}", ::getuid()) : name;
}

Result<Millis> positive_duration(const std::string& text, std::string_view option) {
  const auto time = parse_duration(text);
  if (!time) return propagate(time, option);
  if (*time <= Millis(0)) return fail(Errc::kInvalid, "{}: '{}' is no time to wait", option, text);
  return *time;
}

Result<OnceOptions> once_options(const Options& options) {
  OnceOptions once;
  once.json = options.json;
  const auto wait = positive_duration(options.wait, "--wait");
  if (!wait) return propagate(wait);
  once.wait = *wait;
  if (!options.ttl.empty()) {
    const auto ttl = positive_duration(options.ttl, "--ttl");
    if (!ttl) return propagate(ttl);
    once.ttl = *ttl;
  }
  if (options.answer.empty()) return once;
  once.choice = parse_choice(options.answer);
  if (!once.choice)
    return fail(Errc::kInvalid, "--answer: '{}' is none of once, session, guest, deny", options.answer);
  return once;
}

int run(Arguments arguments) {
  Options options;
  CommandLine line(kApprove, "shed-ext approve");
  line.option("--socket", options.socket, "The host agent's; default " + broker::default_approval_socket());
  line.flag("--once", options.once,
            "Print the first question and read its answer: once, session, guest or deny");
  line.option("--wait", options.wait, "With --once: for a question, so long");
  line.option("--answer", options.answer, "With --once: the answer, whatever is asked");
  line.option("--ttl", options.ttl, "With --once: how long session or guest is to last");
  line.flag("--json", options.json, "With --once: the question as JSON");
  if (const auto code = line.parse(std::move(arguments))) return *code;
  const std::string socket =
      options.socket.empty() ? broker::default_approval_socket() : expand_home(options.socket);
  const bool wants_script = options.json || !options.answer.empty() || !options.ttl.empty();
  if (!options.once && wants_script)
    return fail_usage(Error(Errc::kInvalid, "--json, --answer and --ttl are for --once"));
  const auto once = once_options(options);
  if (!once) return fail_usage(once.error());
  hold_stop_signals();
  async::Loop loop;
  broker::ApproverDesk desk(loop.clock(), person());
  if (options.once) return approve_once(loop, desk, socket, *once);
  const auto status = approve_on_terminal(loop, desk, socket);
  if (status) return *status;
  return fail_usage(Error(status.error().code(), status.error().text() + "; for scripts there is --once"));
}

}  // namespace

const Applet kApprove{"approve", "", "Ask the person at this terminal what guests may have", run};

}  // namespace shed::applets
