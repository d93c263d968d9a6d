// Asks polkit on Linux: pkcheck(1), in the manual of polkit.
//
// The action is `auth_self`: each time the person at this machine authenticates as themselves, by what PAM
// has set up, a fingerprint included. polkit shows the message of the action and nothing else: only root may
// give it further details to show. What is asked is in the log, before it is asked.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shed/async/loop.h"
#include "shed/broker/person.h"

namespace shed::broker {

inline constexpr std::string_view kPolkitAction = "shed-ext.host-agent.approve";

struct PolkitOptions {
  std::string program = "/usr/bin/pkcheck";  // not looked up in PATH: its word counts
  std::vector<std::string> action_folders = {"/usr/share/polkit-1/actions", "/etc/polkit-1/actions",
                                             "/run/polkit-1/actions", "/usr/local/share/polkit-1/actions"};
  std::string process_status = "/proc/self/stat";  // has the start of this process
  uid_t user = ::geteuid();
};

// Asks with `pkcheck --action-id ... --process PID,START,UID --allow-user-interaction`. Nobody can be asked
// where pkcheck or the file of the action is missing, and for root, to whom polkit says yes without asking.
// The program is killed when its time is over and when the task is dropped, which takes polkit's dialogue
// away.
std::unique_ptr<Person> make_polkit(async::Loop& loop, PolkitOptions options = {});

}  // namespace shed::broker
