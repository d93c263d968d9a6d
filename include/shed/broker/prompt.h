// policy: prompt (ours): a question in a window or on a terminal of this machine.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "shed/async/loop.h"
#include "shed/base/file.h"
#include "shed/broker/person.h"

namespace shed::broker {

// A variable of the environment; empty when it is not set.
using Variable = std::function<std::string(const char*)>;

// Asks with the program that SSH_ASKPASS names, as ssh-add does when it confirms (its argument is the
// question, SSH_ASKPASS_PROMPT is confirm; exit status 0 and no output, or the word yes, is a yes), and
// without that variable with pinentry, found in PATH. Which one is decided here; where there is none,
// why_nobody() says why.
//
// One question at a time. The program has no shell around it and a small environment; it is killed with all
// that it started when its time is over and when the task is dropped. Everything but a clear yes denies: an
// exit by itself with another status, a crash, words that are no answer, too many of them.
std::unique_ptr<Person> make_prompt(async::Loop& loop, Variable variable = environment);

}  // namespace shed::broker
