#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "approve/session.h"
#include "approve/words.h"
#include "service.h"
#include "shed/async/scope.h"
#include "shed/async/stream.h"
#include "shed/base/log.h"

namespace shed::applets {
namespace {

using broker::ApproverDesk;
using broker::ApproverQuestion;
using broker::PersonsChoice;

// An answer is one word.
constexpr std::size_t kLongestAnswer = 64;
constexpr Millis kWriteLimit{2'000};

// Standard input may be shared with whoever started this: it stays as it was.
class StandardInput {
 public:
  StandardInput() : flags_(::fcntl(STDIN_FILENO, F_GETFL)) {}
  StandardInput(const StandardInput&) = delete;
  ~StandardInput() {
    if (flags_ >= 0) ::fcntl(STDIN_FILENO, F_SETFL, flags_);
  }
  bool is_open() const { return flags_ >= 0; }

 private:
  int flags_;
};

class Once {
 public:
  Once(async::Loop& loop, ApproverDesk& desk, const std::string& socket, const OnceOptions& options)
      : loop_(loop), desk_(desk), client_(loop, desk, socket), options_(options) {}

  async::Task<int> run() {
    async::Scope parts(loop_);
    parts.spawn(watch_end_signals(loop_, status_, client_.changed()));
    parts.spawn(client_.run());
    release_stop_signals();
    auto first = wait_for_question();
    const bool is_asked = co_await std::move(first);
    if (!is_asked) co_return status_.value_or(kNothingAsked);
    const ApproverQuestion question = desk_.questions().front();
    if (!options_.choice) {
      // Typed before anybody can have read the question; a pipe keeps what a script has written.
      ::tcflush(STDIN_FILENO, TCIFLUSH);
      parts.spawn(read_answer());
    }
    const Status printed = print(question);
    if (!printed) co_return fail_with(printed.error());
    auto waiting = wait_for_answer(question);
    co_await std::move(waiting);
    if (status_) co_return *status_;
    auto giving = give(question);
    const int status = co_await std::move(giving);
    co_return status;
  }

 private:
  // False when the time is over, or nothing will come.
  async::Task<bool> wait_for_question() {
    const SteadyTime end = loop_.clock().now() + options_.wait;
    while (desk_.questions().empty()) {
      client_.changed().reset();
      if (status_) co_return false;
      if (desk_.link() == ApproverDesk::Link::kRefused) {
        status_ = complain(desk_.why_away());
        co_return false;
      }
      const Millis left = std::chrono::ceil<Millis>(end - loop_.clock().now());
      if (left <= Millis(0)) {
        const bool is_away = desk_.link() == ApproverDesk::Link::kAway;
        log::say(fmt::format("nothing was asked within {}{}", format_duration(options_.wait),
                             is_away ? "; no host agent answers: " + desk_.why_away() : ""));
        co_return false;
      }
      auto change = client_.changed().wait_for(left);
      (void)co_await change;
    }
    co_return true;
  }

  Status print(const ApproverQuestion& question) const {
    const std::string line = options_.json ? json_line(question) : one_line(question, loop_.clock().now());
    if (std::fputs(line.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
      return fail(Errc::kIo, "standard output: nobody reads it");
    return {};
  }

  async::Task<> read_answer() {
    std::string text;
    if (input_.is_open()) {
      async::Stream stream(loop_, UniqueFd(::dup(STDIN_FILENO)));
      char bytes[kLongestAnswer];
      while (text.size() <= kLongestAnswer && text.find('\n') == std::string::npos) {
        auto reading = stream.read(bytes);
        const auto count = co_await std::move(reading);
        if (!count || *count == 0) break;
        text.append(bytes, *count);
      }
    }
    given_ = text.substr(0, text.find_first_of("\r\n"));
    client_.changed().set();
  }

  // Until there is an answer, or none is needed any more.
  async::Task<> wait_for_answer(ApproverQuestion question) {
    while (!options_.choice && !given_ && !status_) {
      client_.changed().reset();
      if (!is_open(question)) co_return;
      const Millis left = std::chrono::ceil<Millis>(question.end - loop_.clock().now());
      auto change = client_.changed().wait_for(std::max(left, Millis(1)));
      (void)co_await change;
    }
  }

  bool is_open(const ApproverQuestion& question) {
    return std::ranges::any_of(desk_.questions(),
                               [&](const ApproverQuestion& open) { return open.id == question.id; });
  }

  async::Task<int> give(ApproverQuestion question) {
    if (!is_open(question)) co_return complain("the question is over: nobody answered it here in time");
    auto choice = options_.choice;
    if (!choice) choice = parse_choice(given_.value_or(""));
    if (!choice) log::say(fmt::format("'{}' is none of once, session, guest, deny: denied", *given_));
    (void)desk_.answer(question.id, choice.value_or(PersonsChoice::kDeny), options_.ttl);
    auto writing = client_.finish(kWriteLimit);
    const bool is_written = co_await std::move(writing);
    if (!is_written) co_return complain("the host agent has gone before it was answered");
    co_return choice.value_or(PersonsChoice::kDeny) == PersonsChoice::kDeny ? kDenied : kApproved;
  }

  static int complain(std::string_view text) {
    log::say(text);
    return kDenied;
  }

  async::Loop& loop_;
  ApproverDesk& desk_;
  broker::ApproverClient client_;
  const OnceOptions& options_;
  StandardInput input_;
  std::optional<std::string> given_;
  std::optional<int> status_;
};

}  // namespace

std::optional<PersonsChoice> parse_choice(std::string_view text) {
  if (text == "once") return PersonsChoice::kOnce;
  if (text == "session") return PersonsChoice::kSession;
  if (text == "guest") return PersonsChoice::kGuest;
  if (text == "deny") return PersonsChoice::kDeny;
  return std::nullopt;
}

int approve_once(async::Loop& loop, ApproverDesk& desk, const std::string& socket,
                 const OnceOptions& options) {
  become_private();
  Once once(loop, desk, socket, options);
  return loop.block_on(once.run());
}

}  // namespace shed::applets
