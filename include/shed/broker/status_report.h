// Is everything connected, and if not, why: what `shed-ext status` tells, in the guest and on the
// host.
#pragma once

#include <string>
#include <vector>

#include "shed/async/loop.h"
#include "shed/bus/publisher.h"

namespace shed::broker {

struct StatusQuery {
  net::Url bus;
  std::string host_socket;   // the host agent's status socket
  std::string agent_socket;  // SSH_AUTH_SOCK; empty: not set
};

// One thing that was looked at.
struct StatusLine {
  std::string name;      // "guest bus"
  bool present = false;  // it is meant to be here, as far as can be told
  bool good = false;
  std::string text;  // what was seen, or the cause
};

struct StatusReport {
  std::vector<StatusLine> lines;
  // Something is here, and all that is here works.
  bool healthy() const;
  std::string text() const;
  std::string json() const;
};

async::Task<StatusReport> gather_status(async::Loop& loop, StatusQuery query);

// The status socket's document in lines for a person.
std::string describe_status(std::string_view document);

}  // namespace shed::broker
