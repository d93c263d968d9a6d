// The programs that show a prompt, and what they say.
//
// pinentry speaks Assuan (the manuals "Using the PINentry" and "Developing with Assuan"): a line for a
// command, at most 1,000 bytes with its line end, in which % and the line ends are %XX; answered, after any
// number of lines that begin with #, S or D, by a line `OK` or `ERR <number> <text>`. The program greets with
// an OK of its own. The low 16 bits of the number are an error code of libgpg-error.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shed/base/result.h"
#include "shed/broker/prompt.h"

namespace shed::broker {

struct PromptProgram {
  bool is_pinentry = false;
  std::string path;  // absolute
};

// Errc::kNotFound with the remedy. What SSH_ASKPASS names and cannot be started is an error, too: nobody is
// asked by another program than the one that was chosen.
Result<PromptProgram> find_prompt_program(const Variable& variable);
// What a program needs to show a window or to use a terminal, and no more.
std::vector<std::string> prompt_environment(const Variable& variable, bool is_pinentry);

// All that pinentry is told, in one piece: the question is put by the one CONFIRM in it. `limit` is when it
// gives up by itself. Errc::kLimit when a line would be too long for Assuan.
Result<std::string> pinentry_script(const Variable& variable, std::string_view text, Millis limit);

enum class PromptAnswer { kYes, kNo, kTimedOut, kUnclear };
struct PromptReading {
  PromptAnswer answer = PromptAnswer::kUnclear;
  std::string cause;  // what is unclear
};
// `output` is everything that it said to `script`.
PromptReading read_pinentry(std::string_view script, std::string_view output);
// Of a program that has exited with `status`.
PromptReading read_askpass(int status, std::string_view output);

}  // namespace shed::broker
