// The guests of a host half: from the command line, and from a file that is read again when it changes.
#pragma once

#include <sys/stat.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "shed/async/scope.h"
#include "shed/bus/guest_connector.h"
#include "shed/bus/link_address.h"
#include "shed/net/tls.h"

namespace shed::bus {

// NAME=CONNECTOR[,pin=sha256:<64 hex>][,ca-file=FILE][,token-file=FILE]
//
// A name has 1 to 63 letters, digits, '.', '_' and '-', and begins with a letter or a digit: it stands in
// logs, policies and records. CONNECTOR is what parse_link_dial() reads, without a comma in it. pin and
// ca-file are for tcp+tls alone; a file's path is absolute or begins with "~/".
struct GuestSpec {
  std::string name;
  LinkAddress address;
  std::string pin, ca_file, token_file;
  // As it is written: what two specifications are compared by.
  std::string text() const;
};

// Errc::kInvalid with what is wrong, kLimit for what is too long.
Result<GuestSpec> parse_guest(std::string_view text);
// The name in front of '=', when it is one: what a line is about that says nothing else right.
std::string_view guest_name_of(std::string_view text);

// What the connections to guests on TCP accept, shared by those that accept the same: the system's roots
// alone take more memory than a hundred guests. Certificates are read again when nobody uses them any more.
class TlsContexts {
 public:
  // The pin decides alone where there is one. Errors of net::TlsContext::create().
  Result<std::shared_ptr<net::TlsContext>> find(const std::string& ca_file, const std::string& pin);

 private:
  std::unordered_map<std::string, std::weak_ptr<net::TlsContext>> contexts_;
};

class GuestList {
 public:
  static constexpr std::size_t kMaxGuests = 4096;
  static constexpr std::size_t kMaxFile = 4 * 1024 * 1024;
  static constexpr Millis kLookInterval{1'000};

  // `server` is the server's name for listeners. `host` outlives the list.
  GuestList(async::Loop& loop, HostHalf& host, std::string server);
  GuestList(const GuestList&) = delete;
  GuestList& operator=(const GuestList&) = delete;
  // Ends all connections.
  ~GuestList();

  // A guest that stays, connected from the loop's next turn on. Errc::kExists: another one has that name;
  // both connectors are named. kLimit: kMaxGuests are there.
  Status add(GuestSpec spec);

  // Connects the guests of a file: one a line as parse_guest() reads it, empty lines, and comments from '#'
  // at the start of a line. What is wrong in a line is logged with file and line, and concerns that line
  // alone. Errc::kPermission when others may write to the file; kNotFound, kLimit and the like.
  Status load(const std::string& file);
  // Looks at the file that was loaded until the task is dropped, and follows its changes: guests that are
  // gone from it are disconnected, changed ones are connected anew, others notice nothing. A file that was
  // replaced counts at once, one that is written in place when it has been left alone from one look to the
  // next. While it is missing or cannot be read, and for guests whose line is broken, all stays as it is;
  // while a line is too broken to tell whose it is, no guest goes.
  async::Task<> follow();

  std::size_t size() const { return guests_.size(); }

 private:
  struct Guest;
  // What tells one state of a file from another.
  struct Stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    std::int64_t seconds, nanoseconds;
    bool operator==(const Stamp&) const = default;
  };
  struct Reading;

  static Result<Stamp> look_at(const std::string& file);
  void look();
  Status read();
  void apply(Reading reading);
  void take_line(Reading& reading, std::string_view line, std::size_t number);
  Status start(GuestSpec spec, bool from_file);

  async::Loop& loop_;
  HostHalf& host_;
  std::string server_;
  MessageReader reader_;
  TlsContexts contexts_;
  std::unordered_map<std::string, std::unique_ptr<Guest>> guests_;
  std::string file_;
  std::optional<Stamp> applied_;  // what the guests are from
  std::optional<Stamp> seen_;     // at the last look
  std::string last_problem_;      // with the file, as it was logged
};

}  // namespace shed::bus
