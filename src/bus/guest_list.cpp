#include "shed/bus/guest_list.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <unordered_set>

#include "shed/base/file.h"
#include "shed/base/log.h"
#include "shed/bus/link_dial.h"
#include "shed/bus/token_file.h"

namespace shed::bus {
namespace {

constexpr Millis kDialLimit{5'000};

// Dials what the specification says. Files are read when they are wanted: one that was missing is right at
// the next attempt, and so is a token that has been exchanged.
class LinkDialer : public GuestDialer {
 public:
  LinkDialer(async::Loop& loop, TlsContexts& contexts, GuestSpec spec)
      : loop_(loop), contexts_(contexts), spec_(std::move(spec)) {}

  async::Task<Result<std::unique_ptr<net::Channel>>> dial() override {
    if (spec_.address.kind == LinkAddress::Kind::kTls && !tls_) {
      auto found = contexts_.find(spec_.ca_file, spec_.pin);
      if (!found) co_return propagate(found);
      tls_ = std::move(*found);
    }
    auto dialling = dial_link(loop_, spec_.address, tls_, kDialLimit);
    co_return co_await std::move(dialling);
  }

  Result<Secret> token() override {
    if (spec_.token_file.empty()) return Secret();
    return read_token_file(spec_.token_file);
  }

 private:
  async::Loop& loop_;
  TlsContexts& contexts_;
  GuestSpec spec_;
  std::shared_ptr<net::TlsContext> tls_;
};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const auto begin = text.find_first_not_of(kBlanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace

Result<std::shared_ptr<net::TlsContext>> TlsContexts::find(const std::string& ca_file,
                                                           const std::string& pin) {
  std::weak_ptr<net::TlsContext>& known = contexts_[pin.empty() ? "ca:" + ca_file : pin];
  if (auto context = known.lock()) return context;
  // No ALPN: frames have no name there.
  auto made = net::TlsContext::create({.ca_file = pin.empty() ? ca_file : "", .pin = pin, .protocol = ""});
  if (made) known = *made;
  return made;
}

// Members end in the reverse order: the task first, then what it works on.
struct GuestList::Guest {
  Guest(async::Loop& loop, HostHalf& host, MessageReader& reader, TlsContexts& contexts,
        GuestIdentity identity, GuestSpec wanted, bool in_file)
      : text(wanted.text()),
        connector_text(wanted.address.text()),
        from_file(in_file),
        connector(loop, host, reader, std::move(identity),
                  std::make_unique<LinkDialer>(loop, contexts, std::move(wanted))),
        task(loop) {
    task.spawn(connector.run());
  }
  std::string text, connector_text;
  bool from_file;
  GuestConnector connector;
  async::Scope task;
};

// One state of the file.
struct GuestList::Reading {
  std::unordered_map<std::string, GuestSpec> wanted;
  std::vector<std::string> order;              // of `wanted`
  std::unordered_set<std::string> unreadable;  // guests whose line is broken
  bool keep_all = false;                       // a line is too broken to tell whose it is
  std::vector<std::string> problems;
};

GuestList::GuestList(async::Loop& loop, HostHalf& host, std::string server)
    : loop_(loop), host_(host), server_(std::move(server)) {}

GuestList::~GuestList() = default;

Status GuestList::add(GuestSpec spec) { return start(std::move(spec), false); }

Status GuestList::start(GuestSpec spec, bool from_file) {
  if (const auto other = guests_.find(spec.name); other != guests_.end()) {
    return fail(Errc::kExists, "two guests are called {}: {} and {}", spec.name,
                other->second->connector_text, spec.address.text());
  }
  if (guests_.size() >= kMaxGuests) return fail(Errc::kLimit, "there are {} guests already", kMaxGuests);
  GuestIdentity identity{spec.name, std::string(spec.address.backend()), server_};
  std::string name = spec.name;
  guests_.emplace(std::move(name), std::make_unique<Guest>(loop_, host_, reader_, contexts_,
                                                           std::move(identity), std::move(spec), from_file));
  return {};
}

Result<GuestList::Stamp> GuestList::look_at(const std::string& file) {
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) return std::unexpected(system_error(errno).in(file));
  // Whoever can write to it says who is who.
  if ((info.st_mode & 022) != 0) {
    return fail(Errc::kPermission, "{}: other users may write to it; run chmod go-w on it", file);
  }
  if (info.st_uid != ::geteuid() && info.st_uid != 0) {
    return fail(Errc::kPermission, "{}: belongs to another user", file);
  }
#ifdef __APPLE__
  const timespec changed = info.st_mtimespec;
#else
  const timespec changed = info.st_mtim;
#endif
  return Stamp{info.st_dev, info.st_ino, info.st_size, changed.tv_sec, changed.tv_nsec};
}

Status GuestList::load(const std::string& file) {
  file_ = file;
  const auto stamp = look_at(file);
  if (!stamp) return propagate(stamp);
  seen_ = *stamp;
  return read();
}

async::Task<> GuestList::follow() {
  for (;;) {
    auto sleep = loop_.sleep(kLookInterval);
    co_await sleep;
    look();
  }
}

void GuestList::look() {
  const auto stamp = look_at(file_);
  Status status;
  if (!stamp) {
    status = propagate(stamp);
    seen_.reset();
  } else {
    const bool replaced = !applied_ || applied_->inode != stamp->inode || applied_->device != stamp->device;
    const bool settled = seen_ == *stamp;
    seen_ = *stamp;
    if (applied_ == *stamp || (!replaced && !settled)) return;
    status = read();
  }
  const std::string problem = status ? "" : status.error().text();
  // An editor that renames is between its two steps for a moment; the second look tells.
  if (!problem.empty() && problem != last_problem_) {
    log::warning("{}; the guests stay as they are", problem);
  }
  last_problem_ = problem;
}

Status GuestList::read() {
  const auto text = read_file(file_, kMaxFile);
  if (!text) return propagate(text);
  applied_ = seen_;
  Reading reading;
  std::string_view rest = *text;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const auto end = std::min(rest.find('\n'), rest.size());
    take_line(reading, trimmed(rest.substr(0, end)), number);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  apply(std::move(reading));
  return {};
}

void GuestList::take_line(Reading& reading, std::string_view line, std::size_t number) {
  if (line.empty() || line.starts_with('#')) return;
  auto spec = parse_guest(line);
  Status status = spec ? Status() : propagate(spec);
  if (spec) {
    const auto other = reading.wanted.find(spec->name);
    const auto fixed = guests_.find(spec->name);
    const bool on_command_line = fixed != guests_.end() && !fixed->second->from_file;
    if (other != reading.wanted.end() || on_command_line) {
      status = fail(Errc::kExists, "two guests are called {}: {} and {}", spec->name,
                    on_command_line ? fixed->second->connector_text : other->second.address.text(),
                    spec->address.text());
    } else {
      reading.order.push_back(spec->name);
      reading.wanted.emplace(spec->name, std::move(*spec));
      return;
    }
  }
  reading.problems.push_back(fmt::format("{}:{}: {}", file_, number, status.error().text()));
  const std::string_view name = guest_name_of(line);
  if (name.empty()) {
    reading.keep_all = true;
  } else {
    reading.unreadable.emplace(name);
  }
}

void GuestList::apply(Reading reading) {
  for (const std::string& problem : reading.problems) log::error("{}", problem);
  std::erase_if(guests_, [&reading](const auto& entry) {
    const auto& [name, guest] = entry;
    if (!guest->from_file) return false;
    const auto wanted = reading.wanted.find(name);
    if (wanted != reading.wanted.end()) return wanted->second.text() != guest->text;
    const bool stays = reading.keep_all || reading.unreadable.contains(name);
    if (!stays) log::info("guest {}: no longer in the list", name);
    return !stays;
  });
  for (const std::string& name : reading.order) {
    if (guests_.contains(name)) continue;
    if (const Status started = start(std::move(reading.wanted.at(name)), true); !started) {
      log::error("{}: {}: {}", file_, name, started.error().text());
    }
  }
}

}  // namespace shed::bus
