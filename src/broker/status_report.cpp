#include "shed/broker/status_report.h"

#include <algorithm>

#include "shed/base/json.h"
#include "shed/base/log.h"
#include "shed/broker/aws_payload.h"
#include "shed/broker/payload.h"
#include "shed/broker/status_socket.h"
#include "shed/ssh/agent_client.h"

namespace shed::broker {
namespace {

constexpr Millis kPingLimit{2'000};

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

std::string describe_aws(const AwsStatus& status) {
  if (status.role.empty()) return "no role is configured for this guest";
  return fmt::format("{}, {}", status.role,
                     status.cached_until.empty() ? "nothing cached" : "cached until " + status.cached_until);
}

// Over the bus: the host has no listener there where it has no AWS in its configuration, and then none is
// missed.
async::Task<StatusLine> look_at_aws(async::Loop& loop, net::Url url) {
  StatusLine line{"AWS", false, false, "the host has no AWS in its configuration"};
  bus::Publisher publisher(loop, std::move(url));
  const auto reply = co_await publisher.request(kAwsNamespace, kAwsStatusRequest, kPingLimit);
  if (!reply && reply.error().code() == Errc::kUnavailable) co_return line;
  line.present = true;
  line.text = reply ? "" : reply.error().text();
  if (!reply) co_return line;
  JsonDocument document;
  const auto payload = document.parse_padded(reply->payload());
  const auto refused = payload ? error_in(*payload) : std::nullopt;
  const Result<AwsStatus> status = payload ? decode_aws_status(*payload) : propagate(payload);
  line.good = !refused && status.has_value();
  line.text = refused ? refused->describe() : status ? describe_aws(*status) : status.error().text();
  co_return line;
}

async::Task<StatusLine> look_at_agent(async::Loop& loop, std::string socket) {
  StatusLine line{"SSH agent", !socket.empty(), false, "SSH_AUTH_SOCK is not set"};
  if (socket.empty()) co_return line;
  ssh::AgentBackend agent(loop, {socket});
  const auto keys = co_await agent.list({});
  line.good = keys.has_value();
  line.text = keys ? fmt::format("{}: {} keys", socket, keys->size()) : keys.error().text();
  co_return line;
}

}  // namespace

async::Task<StatusReport> gather_status(async::Loop& loop, StatusQuery query) {
  StatusReport report;
  report.lines.push_back(co_await look_at_host(loop, query.host_socket));
  report.lines.push_back(co_await look_at_bus(loop, query.bus));
  report.lines.push_back(co_await look_at_agent(loop, query.agent_socket));
  // Who is not there for SSH is not there for AWS.
  if (report.lines[1].good) report.lines.push_back(co_await look_at_aws(loop, query.bus));
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
