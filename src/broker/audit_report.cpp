#include "shed/broker/audit_report.h"

#include <algorithm>

#include "shed/base/log.h"
#include "shed/broker/audit_log.h"

namespace shed::broker {
namespace {

constexpr std::size_t kTimeColumns = 20;
constexpr std::size_t kGuestColumns = 12;
constexpr std::size_t kAskedColumns = 10;
constexpr std::size_t kResultColumns = 9;
constexpr std::size_t kBarColumns = 40;
// Guests and days that are counted each for itself: the names are the guests' own.
constexpr std::size_t kMostRows = 5'000;
constexpr std::string_view kOthers = "(others)";

// Of printable text, which is UTF-8. What may be wide counts as two, so that a line is never longer than it
// may be.
std::size_t columns_of(unsigned char lead) { return lead >= 0xe1 ? 2 : 1; }
std::size_t bytes_of_character(unsigned char lead) {
  if (lead < 0x80) return 1;
  return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

// At most so many columns, with a mark where something is cut off; filled up with spaces when asked for.
std::string fit(std::string_view raw, std::size_t width, bool fill) {
  const std::string text = log::printable(raw);
  std::size_t used = 0;
  std::size_t end = 0;
  std::size_t used_before_mark = 0;
  std::size_t end_before_mark = 0;
  while (end < text.size() && used <= width) {
    if (used < width) {
      used_before_mark = used;
      end_before_mark = end;
    }
    used += columns_of(static_cast<unsigned char>(text[end]));
    end += bytes_of_character(static_cast<unsigned char>(text[end]));
  }
  std::string out = text;
  if (used > width || end < text.size()) {
    out = text.substr(0, end_before_mark) + '>';
    used = used_before_mark + 1;
  }
  if (fill && used < width) out.append(width - used, ' ');
  return out;
}

std::string row(std::string_view time, std::string_view guest, std::string_view asked,
                std::string_view result, std::string_view rest, std::size_t width) {
  constexpr std::size_t kBefore = kTimeColumns + kGuestColumns + kAskedColumns + kResultColumns + 4;
  const std::size_t room = std::max(width, kNarrowReport) - kBefore;
  std::string line =
      fmt::format("{} {} {} {} {}", fit(time, kTimeColumns, true), fit(guest, kGuestColumns, true),
                  fit(asked, kAskedColumns, true), fit(result, kResultColumns, true), fit(rest, room, false));
  line.resize(line.find_last_not_of(' ') + 1);
  return line += '\n';
}

std::string guest_of(const AuditEntry& entry) {
  return entry.server.empty() ? entry.shed : entry.server + "/" + entry.shed;
}

std::string short_namespace(const std::string& ns) { return ns.substr(0, ns.find('-')); }

std::string asked_of(const AuditEntry& entry) {
  if (entry.ns == kControlNamespace) return entry.op;
  const std::string_view op = entry.op == "get_credentials" ? std::string_view("get") : entry.op;
  return fmt::format("{} {}", short_namespace(entry.ns), op);
}

// What matters most comes first: the line may end early.
std::string rest_of(const AuditEntry& entry) {
  std::string rest;
  const auto add = [&rest](std::string_view text) {
    if (text.empty()) return;
    if (!rest.empty()) rest += ", ";
    rest += text;
  };
  add(entry.code);
  add(entry.subject);
  add(entry.proof);
  add(entry.detail);
  add(entry.reason);
  add(entry.key);
  if (!entry.decided_by.empty()) add("by " + entry.decided_by);
  if (!entry.rule.empty()) add("rule " + entry.rule);
  return rest;
}

std::string bar_of(std::uint64_t count, std::uint64_t most, char mark) {
  const std::uint64_t length = most == 0 ? 0 : (count * kBarColumns + most - 1) / most;
  return std::string(std::min<std::uint64_t>(length, kBarColumns), mark);
}

}  // namespace

std::string audit_row_title(std::size_t width) {
  return row("TIME", "GUEST", "ASKED", "RESULT", "WHAT", width);
}

std::string audit_row(const AuditEntry& entry, std::size_t width) {
  return row(entry.time, guest_of(entry), asked_of(entry), entry.result, rest_of(entry), width);
}

void AuditSummary::count(Table& table, std::string first, std::string second, Column column) {
  std::pair key(std::move(first), std::move(second));
  if (table.size() >= kMostRows && !table.contains(key)) key = {std::string(kOthers), ""};
  ++table[std::move(key)][column];
}

void AuditSummary::add(const AuditEntry& entry) {
  const Column column = entry.result == "denied"      ? kDenied
                        : entry.result == "error"     ? kError
                        : entry.result == "anonymous" ? kAnonymous
                                                      : kOk;
  const std::string guest = guest_of(entry);
  count(guests_, guest, short_namespace(entry.ns), column);
  count(days_, entry.ts ? format_rfc3339(*entry.ts).substr(0, 10) : "no date", guest, column);
}

std::string AuditSummary::text() const {
  std::string out = fmt::format("{} {} {:>10} {:>10} {:>10} {:>10}\n", fit("GUEST", 20, true),
                                fit("ASKED", 8, true), "OK", "DENIED", "ERROR", "ANONYMOUS");
  for (const auto& [key, counts] : guests_) {
    out +=
        fmt::format("{} {} {:>10} {:>10} {:>10} {:>10}\n", fit(key.first, 20, true), fit(key.second, 8, true),
                    counts[kOk], counts[kDenied], counts[kError], counts[kAnonymous]);
  }
  return out + bars();
}

std::string AuditSummary::bars() const {
  std::uint64_t most = 0;
  for (const auto& [key, counts] : days_) {
    most = std::max(most, counts[kOk] + counts[kDenied] + counts[kError] + counts[kAnonymous]);
  }
  std::string out = "\nA day and a guest: # answered, x refused or failed\n";
  std::string_view day;
  for (const auto& [key, counts] : days_) {
    const std::uint64_t bad = counts[kDenied] + counts[kError];
    const std::uint64_t all = counts[kOk] + counts[kAnonymous] + bad;
    const std::string refused = bar_of(bad, most, 'x');
    std::string bar = bar_of(all, most, '#');
    bar.replace(bar.size() - refused.size(), refused.size(), refused);
    out += fmt::format("{:<10} {} {} {}\n", key.first == day ? "" : key.first,
                       fit(key.second, kGuestColumns, true), bar, all);
    day = key.first;
  }
  return out;
}

}  // namespace shed::broker
