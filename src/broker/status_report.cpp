#include "shed/broker/status_report.h"

#include <algorithm>

#include "shed/base/json.h"
#include "shed/base/log.h"
#include "shed/broker/approval_channel.h"
#include "shed/broker/aws_payload.h"
#include "shed/broker/docker_payload.h"
#include "shed/broker/kill_switch.h"
#include "shed/broker/payload.h"
#include "shed/broker/status_socket.h"
#include "shed/ssh/agent_client.h"

namespace shed::broker {
namespace {

constexpr Millis kPingLimit{2'000};

// Empty where nobody is connected, nor missed, and nothing was granted.
std::string describe_approver(const JsonValue& root) {
  const JsonValue channel = root["approval_channel"];
  const auto grants = channel["grants"].integer().value_or(0);
  std::string text;
  if (channel["consumer_connected"].boolean().value_or(false)) {
    const std::string name = log::printable(channel["client_name"].string_or(""));
    text = fmt::format("approver {} {} is connected", name.empty() ? "without a name" : name,
                       log::printable(channel["client_version"].string_or("")));
  } else if (root["gate_namespaces"].exists()) {
    text = "no approver is connected; run " +
           log::printable(approve_command(channel["socket_path"].string_or("")));
  }
  if (grants <= 0) return text;
  return fmt::format("{}{}{} {} in force", text, text.empty() ? "" : "; ", grants,
                     grants == 1 ? "grant" : "grants");
}

// `web: login git@github.com with SHA256:... (per-session until 2026-03-31T19:04:05Z, by desk)`
std::string describe_grant(const JsonValue& grant) {
  const GuestSelection guest{std::string(grant["server"].string_or("")),
                             std::string(grant["shed"].string_or("?"))};
  const std::string_view subject = grant["subject"].string_or("");
  const std::string_view key = grant["key"].string_or("");
  const std::string_view by = grant["decided_by"].string_or("");
  const std::string text =
      fmt::format("{}: {}{}{} ({} until {}{}{})", guest.text(), subject.empty() ? "anything" : subject,
                  key.empty() ? "" : " with ", key, grant["scope"].string_or("?"),
                  grant["expires_at"].string_or("?"), by.empty() ? "" : ", by ", by);
  return log::printable(text);
}

// "web on mini2, ci", or nothing.
std::string describe_paused(const JsonValue& root) {
  std::string text;
  for (const JsonValue& pause : root["paused"].elements()) {
    const GuestSelection guests{std::string(pause["server"].string_or("")),
                                std::string(pause["shed"].string_or(""))};
    text += fmt::format("{}{}", text.empty() ? "" : ", ", log::printable(guests.text()));
  }
  return text;
}

// A host agent runs where its socket is; the guest bus is looked for in the other case, or where it
// was named.
async::Task<StatusLine> look_at_host(async::Loop& loop, std::string socket) {
  StatusLine line{"host agent", false, false, {}};
  const auto document = co_await read_status(loop, socket);
  line.present = document || document.error().code() != Errc::kUnavailable;
  line.good = document.has_value();
  line.text = document ? "" : document.error().text();
  if (!document) co_return line;
  JsonDocument parsed;
  const auto root = parsed.parse(*document);
  line.text = fmt::format("running, pid {}", root ? (*root)["pid"].integer().value_or(0) : 0);
  if (!root) co_return line;
  // Nothing is broken, but whoever wonders why everything is denied finds it here.
  for (const auto& [ns, why] : (*root)["nobody_to_ask"].members()) {
    line.text += fmt::format("; {}: {}", log::printable(ns), log::printable(why.string_or("?")));
  }
  if (const std::string approver = describe_approver(*root); !approver.empty()) line.text += "; " + approver;
  if (const std::string paused = describe_paused(*root); !paused.empty())
    line.text += fmt::format("; paused: {}; 'shed-ext host resume' ends it", paused);
  for (const JsonValue& server : (*root)["servers"].elements()) {
    for (const JsonValue& listener : server["namespaces"].elements()) {
      const std::string_view state = listener["state"].string_or("");
      if (state == "connected") continue;
      line.good = false;
      line.text += fmt::format("; {} is {}: {}", listener["namespace"].string_or(""), state,
                               listener["last_error"].string_or("no connection yet"));
    }
  }
  co_return line;
}

async::Task<StatusLine> look_at_bus(async::Loop& loop, net::Url url) {
  StatusLine line{"guest bus", true, false, {}};
  const std::string name = url.address.text();
  bus::Publisher publisher(loop, std::move(url));
  const auto reply = co_await publisher.request("ssh-agent", ping_request(), kPingLimit);
  line.good = reply.has_value();
  line.text = reply ? fmt::format("{}: the host agent answers", name) : reply.error().text();
  co_return line;
}

Result<std::string> describe_aws(const JsonValue& payload) {
  const auto status = decode_aws_status(payload);
  if (!status) return propagate(status);
  if (status->role.empty()) return "no role is configured for this guest";
  return fmt::format(
      "{}, {}", status->role,
      status->cached_until.empty() ? "nothing cached" : "cached until " + status->cached_until);
}

Result<std::string> describe_docker(const JsonValue& payload) {
  const auto status = decode_docker_status(payload);
  if (!status) return propagate(status);
  if (status->allow_all) return "all registries are allowed";
  if (status->registry_count == 0) return "no registry is allowed to this guest";
  return fmt::format("registries allowed to this guest: {}", status->registry_count);
}

struct Asked {
  const char* name;
  std::string_view ns;
  std::string_view request;
  const char* absent;  // where nobody listens to it: the host has none, and then none is missed
  Result<std::string> (*describe)(const JsonValue& payload);
};
constexpr Asked kAws{"AWS", kAwsNamespace, kAwsStatusRequest, "the host has no AWS in its configuration",
                     describe_aws};
constexpr Asked kDocker{"Docker", kDockerNamespace, kDockerStatusRequest, "the host has no registry logins",
                        describe_docker};

Result<std::string> describe_answer(const Asked& asked, const bus::Publisher::Reply& reply) {
  JsonDocument document;
  const auto payload = document.parse_padded(reply.payload());
  if (!payload) return propagate(payload);
  if (const auto refused = error_in(*payload)) return fail(Errc::kRefused, "{}", refused->describe());
  return asked.describe(*payload);
}

// Over the bus, as its clients ask.
async::Task<StatusLine> look_at_namespace(async::Loop& loop, net::Url url, const Asked& asked) {
  StatusLine line{asked.name, false, false, asked.absent};
  bus::Publisher publisher(loop, std::move(url));
  const auto reply = co_await publisher.request(asked.ns, asked.request, kPingLimit);
  if (!reply && reply.error().code() == Errc::kUnavailable) co_return line;
  const auto text = reply ? describe_answer(asked, *reply) : propagate(reply);
  line.present = true;
  line.good = text.has_value();
  line.text = text ? *text : text.error().text();
  co_return line;
}

async::Task<StatusLine> look_at_agent(async::Loop& loop, std::string socket) {
  StatusLine line{"SSH agent", !socket.empty(), false, "SSH_AUTH_SOCK is not set"};
  if (socket.empty()) co_return line;
  ssh::AgentBackend agent(loop, {socket});
  const auto keys = co_await agent.list({});
  line.good = keys.has_value();
  if (keys) {
    line.text = fmt::format("{}: {} {}", socket, keys->size(), keys->size() == 1 ? "key" : "keys");
  } else if (keys.error().code() == Errc::kRefused) {
    line.text = fmt::format("{} refuses to list keys; the log of the program behind it says why", socket);
  } else {
    line.text = keys.error().text();
  }
  co_return line;
}

}  // namespace

async::Task<StatusReport> gather_status(async::Loop& loop, StatusQuery query) {
  StatusReport report;
  report.lines.push_back(co_await look_at_host(loop, query.host_socket));
  report.lines.push_back(co_await look_at_bus(loop, query.bus));
  report.lines.push_back(co_await look_at_agent(loop, query.agent_socket));
  // Who is not there for SSH is not there for the others.
  if (report.lines[1].good) {
    report.lines.push_back(co_await look_at_namespace(loop, query.bus, kAws));
    report.lines.push_back(co_await look_at_namespace(loop, query.bus, kDocker));
  }
  // On the owner's machine there need be no guest bus: only where no host agent runs is it missed.
  if (report.lines[0].present && !report.lines[1].good) report.lines[1].present = false;
  co_return report;
}

bool StatusReport::healthy() const {
  const bool any = std::ranges::any_of(lines, &StatusLine::present);
  return any && std::ranges::all_of(lines, [](const StatusLine& line) { return !line.present || line.good; });
}

std::string StatusReport::text() const {
  std::string text;
  for (const StatusLine& line : lines) {
    const std::string_view verdict = line.good ? "ok" : line.present ? "FAILED" : "absent";
    text += fmt::format("{:<11} {:<7} {}\n", line.name, verdict, log::printable(line.text));
  }
  return text;
}

std::string StatusReport::json() const {
  std::string text;
  JsonWriter json(text);
  json.begin_object().field("healthy", healthy()).key("parts").begin_array();
  for (const StatusLine& line : lines) {
    json.begin_object()
        .field("name", line.name)
        .field("present", line.present)
        .field("good", line.good)
        .field("text", line.text)
        .end_object();
  }
  json.end_array().end_object();
  return text + '\n';
}

std::string describe_status(std::string_view document) {
  JsonDocument parsed;
  const auto root = parsed.parse(document);
  if (!root) return {};
  std::string text = fmt::format("shed-host-agent {}, pid {}, since {}\n", (*root)["version"].string_or("?"),
                                 (*root)["pid"].integer().value_or(0), (*root)["started_at"].string_or("?"));
  const std::string_view config = (*root)["config_path"].string_or("");
  text += fmt::format("configuration: {}\n", config.empty() ? "built in" : config);
  for (const auto& [ns, policy] : (*root)["policies"].members()) {
    text += fmt::format("{:<20} {}\n", ns, policy.string_or("?"));
  }
  for (const auto& [ns, why] : (*root)["nobody_to_ask"].members()) {
    text += fmt::format("{:<20} denied: {}\n", log::printable(ns), log::printable(why.string_or("?")));
  }
  if (const std::string approver = describe_approver(*root); !approver.empty())
    text += fmt::format("{:<20} {}\n", "approvals", approver);
  for (const JsonValue& grant : (*root)["granted"].elements())
    text += fmt::format("{:<20} {}\n", "granted", describe_grant(grant));
  if (const std::string paused = describe_paused(*root); !paused.empty())
    text += fmt::format("{:<20} {}\n", "paused", paused);
  for (const JsonValue& server : (*root)["servers"].elements()) {
    for (const JsonValue& listener : server["namespaces"].elements()) {
      const std::string_view error = listener["last_error"].string_or("");
      text += fmt::format("{:<20} {} to {} since {}{}{}\n", listener["namespace"].string_or("?"),
                          listener["state"].string_or("?"), server["url"].string_or("?"),
                          listener["since"].string_or("?"), error.empty() ? "" : ": ", log::printable(error));
    }
  }
  return text;
}

}  // namespace shed::broker
