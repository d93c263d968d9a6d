#include "broker/prompt_program.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "shed/base/redact.h"

namespace shed::broker {
namespace {

constexpr std::size_t kMostOfLine = 1'000;  // Assuan's, with the line end

// Sessions of a desktop start programs without these.
constexpr std::string_view kFurtherPath = "/usr/local/bin:/opt/homebrew/bin";
constexpr std::string_view kDefaultPath = "/usr/bin:/bin";

constexpr const char* kPassedOn[] = {
    "HOME",   "LANG",    "LC_ALL",          "LC_CTYPE",   "LC_MESSAGES",     "LANGUAGE",
    "TERM",   "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS",
    "GPG_TTY"};

// Of libgpg-error.
constexpr std::uint32_t kCodeMask = 0xffff;
constexpr std::uint32_t kTimeout = 62;
constexpr std::uint32_t kCanceled = 99;
constexpr std::uint32_t kNotConfirmed = 114;
constexpr std::uint32_t kFullyCanceled = 198;

std::string search_path(const Variable& variable) {
  const std::string path = variable("PATH");
  return fmt::format("{}:{}", path.empty() ? kDefaultPath : std::string_view(path), kFurtherPath);
}

bool is_program(const std::string& path) {
  struct stat found{};
  return ::stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

// Empty when there is none. Only absolute folders count: a program is not the one of where we were started.
std::string find_in_path(std::string_view name, std::string_view path) {
  while (!path.empty()) {
    const std::size_t end = std::min(path.find(':'), path.size());
    const std::string candidate = fmt::format("{}/{}", path.substr(0, end), name);
    if (candidate.starts_with('/') && is_program(candidate)) return candidate;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return {};
}

std::string escaped(std::string_view text) {
  std::string line;
  for (const char c : text) {
    if (c == '%' || c == '\n' || c == '\r') {
      line += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      line += c;
    }
  }
  return line;
}

std::string_view next_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_word(std::string_view line, std::string_view word) {
  return line == word || (line.starts_with(word) && line[word.size()] == ' ');
}

// The next line that answers a command; empty at the end of what was said.
std::string_view next_reply(std::string_view& output) {
  while (!output.empty()) {
    // The rest of a line that was cut off is no answer.
    if (output.find('\n') == std::string_view::npos) return {};
    const std::string_view line = next_line(output);
    if (line.starts_with('#') || is_word(line, "S") || is_word(line, "D")) continue;
    return line;
  }
  return {};
}

PromptReading unclear(std::string cause) { return {PromptAnswer::kUnclear, std::move(cause)}; }

PromptReading read_refusal(std::string_view reply) {
  std::string_view text = reply.substr(std::min<std::size_t>(4, reply.size()));
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return unclear("an error without its number");
  switch (number & kCodeMask) {
    case kTimeout:
      return {PromptAnswer::kTimedOut, {}};
    case kCanceled:
    case kFullyCanceled:
    case kNotConfirmed:
      return {PromptAnswer::kNo, {}};
    default:
      return unclear(last_words(reply));
  }
}

}  // namespace

Result<PromptProgram> find_prompt_program(const Variable& variable) {
  const std::string path = search_path(variable);
  if (const std::string wanted = variable("SSH_ASKPASS"); !wanted.empty()) {
    const std::string found = wanted.find('/') == std::string::npos ? find_in_path(wanted, path) : wanted;
    if (found.starts_with('/') && is_program(found)) return PromptProgram{false, found};
    return fail(Errc::kNotFound, "SSH_ASKPASS is {}, which is no program; correct it or unset it", wanted);
  }
  for (const std::string_view name : {"pinentry", "pinentry-mac"}) {
    const std::string found = find_in_path(name, path);
    if (!found.empty()) return PromptProgram{true, found};
  }
  return fail(Errc::kNotFound, "SSH_ASKPASS is not set and pinentry is not installed; do one of the two");
}

std::vector<std::string> prompt_environment(const Variable& variable, bool is_pinentry) {
  std::vector<std::string> result{"PATH=" + search_path(variable)};
  for (const char* name : kPassedOn) {
    if (const std::string value = variable(name); !value.empty()) result.push_back(name + ("=" + value));
  }
  if (!is_pinentry) result.emplace_back("SSH_ASKPASS_PROMPT=confirm");
  return result;
}

Result<std::string> pinentry_script(const Variable& variable, std::string_view text, Millis limit) {
  const auto seconds =
      std::max<std::int64_t>(1, std::chrono::duration_cast<std::chrono::seconds>(limit).count());
  std::string script;
  const auto command = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) script += fmt::format("{}{}\n", name, escaped(value));
  };
  std::string locale = variable("LC_ALL");
  if (locale.empty()) locale = variable("LANG");
  command("OPTION ttyname=", variable("GPG_TTY"));
  command("OPTION ttytype=", variable("TERM"));
  command("OPTION lc-ctype=", locale);
  command("OPTION lc-messages=", locale);
  command("SETTITLE ", "shed-ext");
  command("SETTIMEOUT ", fmt::to_string(seconds));
  command("SETOK ", "Allow");
  command("SETCANCEL ", "Deny");
  command("SETDESC ", text);
  script += "CONFIRM\nBYE\n";
  for (std::string_view rest = script; !rest.empty();) {
    if (next_line(rest).size() + 1 > kMostOfLine)
      return fail(Errc::kLimit, "the question is too long for pinentry");
  }
  return script;
}

PromptReading read_pinentry(std::string_view script, std::string_view output) {
  if (!is_word(next_reply(output), "OK")) return unclear("it does not greet as pinentry does");
  while (!script.empty()) {
    const std::string_view command = next_line(script);
    const std::string_view reply = next_reply(output);
    const bool is_ok = is_word(reply, "OK");
    if (!is_ok && !is_word(reply, "ERR"))
      return unclear(reply.empty() ? "it ended without an answer" : "what it says is no answer");
    if (command == "CONFIRM") return is_ok ? PromptReading{PromptAnswer::kYes, {}} : read_refusal(reply);
    // Without its text the question is none that was asked; an option that it does not know is none that
    // matters.
    if (!is_ok && command.starts_with("SETDESC ")) return unclear("it does not show the question");
  }
  return unclear("it was not asked");
}

PromptReading read_askpass(int status, std::string_view output) {
  if (status == 1) return {PromptAnswer::kNo, {}};
  if (status > 1) return unclear(fmt::format("exit code {}", status));
  while (output.ends_with('\n') || output.ends_with('\r')) output.remove_suffix(1);
  // A program that does not know how to confirm asks for a password and prints it: nobody has said yes.
  if (output.empty() || output == "yes") return {PromptAnswer::kYes, {}};
  return unclear("what it says is no answer; is it one that can confirm?");
}

}  // namespace shed::broker
