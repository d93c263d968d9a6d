// Reads, follows and verifies the audit log.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>

#include "applet.h"
#include "command_line.h"
#include "service.h"
#include "shed/base/file.h"
#include "shed/base/log.h"
#include "shed/broker/audit_reader.h"
#include "shed/broker/audit_report.h"
#include "shed/broker/audit_verify.h"
#include "shed/broker/host_config.h"

namespace shed::applets {
namespace {

constexpr int kUnverifiable = 2;
constexpr timespec kFollowPause{0, 200'000'000};
// A terminal may say anything.
constexpr std::size_t kWidest = 500;

struct Options {
  std::string config, log;
  std::string since, shed, ns, result;
  bool json = false;
};

void add_log_options(CommandLine& line, Options& options) {
  line.option("--log", options.log, "The log; default is logging.path of the configuration");
  line.option("--config", options.config,
              "That configuration; default " + broker::default_host_config_path());
}

void add_filter_options(CommandLine& line, Options& options) {
  line.option("--since", options.since, "Records from there on: 2h, 30m, 720h, or 2026-03-31T15:04:05Z");
  line.option("--shed", options.shed, "Records of this guest");
  line.option("--ns", options.ns, "Records of ssh, aws or docker, or of host: pauses, resumes and revokes");
  line.option("--result", options.result, "Records that are ok, denied, error or anonymous");
}

// What is said about a configuration is said by `host --check`; here it only names the log.
Result<std::string> log_path(const Options& options) {
  if (!options.log.empty()) return expand_home(options.log);
  const std::string config =
      options.config.empty() ? broker::default_host_config_path() : expand_home(options.config);
  if (options.config.empty() && ::access(config.c_str(), F_OK) != 0)
    return broker::built_in_config().logging_path;
  const auto loaded = broker::load_host_config(config);
  if (!loaded) return fail(Errc::kInvalid, "{}; or name the log with --log", loaded.error().front().format());
  return loaded->logging_path;
}

Result<broker::AuditFilter> filter_of(const Options& options) {
  broker::AuditFilter filter;
  filter.shed = options.shed;
  if (!options.since.empty()) {
    const auto since = broker::parse_since(options.since, system_clock().wall());
    if (!since) return propagate(since, "--since");
    filter.since = *since;
  }
  if (!options.ns.empty()) {
    auto ns = broker::parse_audit_namespace(options.ns);
    if (!ns) return propagate(ns, "--ns");
    filter.ns = std::move(*ns);
  }
  if (!options.result.empty()) {
    auto result = broker::parse_audit_result(options.result);
    if (!result) return propagate(result, "--result");
    filter.result = std::move(*result);
  }
  return filter;
}

std::size_t output_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return broker::kNarrowReport;
  return std::clamp<std::size_t>(size.ws_col, broker::kNarrowReport, kWidest);
}

// Prints the records that pass the filter, with a title above the first, or as they stand in the log.
class Printer {
 public:
  Printer(broker::AuditFilter filter, bool json) : filter_(std::move(filter)), json_(json) {}

  void print(std::string_view line) {
    const auto entry = broker::parse_audit_line(document_, line);
    if (!entry) {
      ++broken_;
      return;
    }
    if (!filter_.matches(*entry)) return;
    if (json_) {
      fmt::print("{}\n", line);
      return;
    }
    if (!std::exchange(titled_, true)) fmt::print("{}", broker::audit_row_title(width_));
    fmt::print("{}", broker::audit_row(*entry, width_));
  }
  std::size_t broken() const { return broken_; }

 private:
  broker::AuditFilter filter_;
  bool json_;
  std::size_t width_ = output_width();
  JsonDocument document_;
  bool titled_ = false;
  std::size_t broken_ = 0;
};

void say_what_was_left_out(std::size_t broken) {
  if (broken == 0) return;
  log::say(fmt::format("{} {} no record and {} left out; 'shed-ext audit verify' tells more", broken,
                       broken == 1 ? "line is" : "lines are", broken == 1 ? "is" : "are"));
}

int end_of_output() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
  return fail_with(system_error(errno).in("stdout"));
}

int verify(Arguments arguments, const Applet& applet) {
  Options options;
  CommandLine line(applet, "shed-ext audit verify");
  add_log_options(line, options);
  if (const auto code = line.parse(std::move(arguments))) return *code;
  const auto path = log_path(options);
  if (!path) return fail_usage(path.error());
  become_private();  // the key
  const broker::AuditVerdict verdict = broker::verify_audit_log(*path);
  for (const std::string& note : verdict.notes) log::say("note: " + note);
  if (verdict.outcome == broker::AuditVerdict::Outcome::kIntact) {
    fmt::print("ok: {}\n", log::printable(verdict.text));
    return end_of_output();
  }
  log::say(verdict.text);
  return verdict.outcome == broker::AuditVerdict::Outcome::kChanged ? 1 : kUnverifiable;
}

int show(Arguments arguments, const Applet& applet) {
  Options options;
  CommandLine line(applet, "shed-ext audit show");
  add_log_options(line, options);
  add_filter_options(line, options);
  line.flag("--json", options.json, "The records as they stand in the log");
  if (const auto code = line.parse(std::move(arguments))) return *code;
  const auto path = log_path(options);
  if (!path) return fail_usage(path.error());
  const auto filter = filter_of(options);
  if (!filter) return fail_usage(filter.error());
  Printer printer(*filter, options.json);
  const auto read = broker::read_audit_lines(*path, filter->since,
                                             [&printer](std::string_view text) { printer.print(text); });
  if (!read) return fail_with(read.error());
  say_what_was_left_out(printer.broken() + read->skipped);
  return end_of_output();
}

int follow(Arguments arguments, const Applet& applet) {
  Options options;
  CommandLine line(applet, "shed-ext audit follow");
  add_log_options(line, options);
  add_filter_options(line, options);
  line.flag("--json", options.json, "The records as they stand in the log");
  if (const auto code = line.parse(std::move(arguments))) return *code;
  const auto path = log_path(options);
  if (!path) return fail_usage(path.error());
  const auto filter = filter_of(options);
  if (!filter) return fail_usage(filter.error());
  Printer printer(*filter, options.json);
  broker::AuditFollower follower(*path);
  // Ends with a signal, or when nobody reads any more.
  for (;;) {
    const Status polled = follower.poll([&printer](std::string_view text) { printer.print(text); });
    if (!polled) return fail_with(polled.error());
    if (const int code = end_of_output(); code != 0) return code;
    ::nanosleep(&kFollowPause, nullptr);
  }
}

int summary(Arguments arguments, const Applet& applet) {
  Options options;
  CommandLine line(applet, "shed-ext audit summary");
  add_log_options(line, options);
  add_filter_options(line, options);
  if (const auto code = line.parse(std::move(arguments))) return *code;
  const auto path = log_path(options);
  if (!path) return fail_usage(path.error());
  const auto filter = filter_of(options);
  if (!filter) return fail_usage(filter.error());
  broker::AuditSummary counts;
  JsonDocument document;
  std::size_t broken = 0;
  const auto read = broker::read_audit_lines(*path, filter->since, [&](std::string_view text) {
    const auto entry = broker::parse_audit_line(document, text);
    if (!entry) {
      ++broken;
    } else if (filter->matches(*entry)) {
      counts.add(*entry);
    }
  });
  if (!read) return fail_with(read.error());
  say_what_was_left_out(broken + read->skipped);
  fmt::print("{}", counts.empty() ? "no records\n" : counts.text());
  return end_of_output();
}

struct Command {
  std::string_view name;
  std::string_view summary;
  int (*run)(Arguments arguments, const Applet& applet);
};
constexpr Command kCommands[] = {
    {"verify", "Is the log as it was written; names the first line that is not", verify},
    {"show", "Print the records, or those that are asked for", show},
    {"follow", "Print records as they come", follow},
    {"summary", "Count by guest, and by guest and day", summary},
};

int run(Arguments arguments) {
  for (const Command& command : kCommands) {
    if (arguments.empty() || arguments.front() != command.name) continue;
    const Applet described{"audit", "", command.summary, nullptr};
    arguments.erase(arguments.begin());
    return command.run(std::move(arguments), described);
  }
  CommandLine line(kAudit, "shed-ext audit");
  bool given = false;
  for (const Command& command : kCommands) line.command(command.name, given, std::string(command.summary));
  line.footer("'shed-ext audit COMMAND --help' lists the options of a command.");
  if (const auto code = line.parse(std::move(arguments))) return *code;
  return fail_usage(Error(Errc::kInvalid, "say what to do: verify, show, follow or summary"));
}

}  // namespace

const Applet kAudit{"audit", "", "Read, follow and verify the audit log", run};

}  // namespace shed::applets
