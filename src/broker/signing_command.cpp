#include "shed/broker/signing_command.h"

#include <string_view>

namespace shed::broker {
namespace {

// ssh-keygen's own. Those with a value must be known even where they mean nothing here: what follows them
// is no file.
constexpr std::string_view kWithValue = "CDEFIMNOPRVYZabfjmnrstwz";
// Touch, verbosity and the agent are the proxy's business.
constexpr std::string_view kIgnored = "Uv";

void take_value(SigningCommand& command, char option, std::string value) {
  switch (option) {
    case 'Y':
      command.operation = std::move(value);
      return;
    case 'n':
      command.name_space = std::move(value);
      return;
    case 'f':
      command.file = std::move(value);
      return;
    case 's':
      command.signature = std::move(value);
      return;
    case 'I':
      command.principal = std::move(value);
      return;
    case 'r':
      command.revoked = std::move(value);
      return;
    case 'O':
      command.options.push_back(std::move(value));
      return;
    default:
      if (command.foreign.empty()) command.foreign = {'-', option};
  }
}

void take_flag(SigningCommand& command, char option) {
  if (option == 'q') {
    command.quiet = true;
  } else if (!kIgnored.contains(option) && command.foreign.empty()) {
    command.foreign = {'-', option};
  }
}

// One word of options; `next` is the word behind it, if any. True when that was taken as a value.
bool take_word(SigningCommand& command, std::string_view word, const std::string* next) {
  for (std::size_t at = 1; at < word.size(); ++at) {
    const char option = word[at];
    if (!kWithValue.contains(option)) {
      take_flag(command, option);
      continue;
    }
    const std::string_view glued = word.substr(at + 1);
    if (!glued.empty()) {
      take_value(command, option, std::string(glued));
    } else if (next != nullptr) {
      take_value(command, option, *next);
      return true;
    } else {
      command.foreign = {'-', option};
    }
    return false;
  }
  return false;
}

}  // namespace

SigningCommand parse_signing_command(std::span<const std::string> arguments) {
  SigningCommand command;
  std::size_t at = 0;
  for (; at < arguments.size(); ++at) {
    const std::string& word = arguments[at];
    if (word.size() < 2 || word[0] != '-') break;
    if (word == "--") {
      ++at;
      break;
    }
    const std::string* next = at + 1 < arguments.size() ? &arguments[at + 1] : nullptr;
    if (take_word(command, word, next)) ++at;
  }
  for (; at < arguments.size(); ++at) command.files.push_back(arguments[at]);
  return command;
}

}  // namespace shed::broker
