// Records of the audit log for a person: lines in columns, and counts. Texts from guests are made visible.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>

#include "shed/broker/audit_reader.h"

namespace shed::broker {

inline constexpr std::size_t kNarrowReport = 80;

// One line each, with a newline, of at most `width` columns (not below kNarrowReport): time, guest, what was
// asked, result, and as much as fits of the rest.
std::string audit_row_title(std::size_t width);
std::string audit_row(const AuditEntry& entry, std::size_t width);

// Counts by guest and namespace, and by day and guest.
class AuditSummary {
 public:
  void add(const AuditEntry& entry);
  bool empty() const { return guests_.empty(); }
  // A table, and a bar for each guest and day, at most kNarrowReport columns wide.
  std::string text() const;

 private:
  enum Column { kOk, kDenied, kError, kAnonymous, kColumns };
  using Counts = std::array<std::uint64_t, kColumns>;
  using Table = std::map<std::pair<std::string, std::string>, Counts>;

  static void count(Table& table, std::string first, std::string second, Column column);
  std::string bars() const;

  Table guests_;  // by guest and namespace
  Table days_;    // by day and guest
};

}  // namespace shed::broker
