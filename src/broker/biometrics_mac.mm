// Without automatic reference counting: what is made here is released by the destructors here.
#include "broker/biometrics_mac.h"

#import <CoreFoundation/CoreFoundation.h>
#import <Foundation/Foundation.h>
#import <LocalAuthentication/LocalAuthentication.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "broker/one_at_a_time.h"
#include "broker/question_text.h"
#include "shed/async/scope.h"
#include "shed/async/stream.h"
#include "shed/base/file.h"

namespace shed::broker {
namespace {

constexpr Millis kLookForLock{1'000};

// What the system says to a question. Goes through a pipe, because the system says it on a thread of its own.
struct Reply {
  std::int64_t approved = 0;
  std::int64_t code = 0;  // LAError where it is no yes
};

// The end of the pipe at which the system's block speaks. The block keeps it for as long as it may be called,
// whatever has become of the question; a block that goes away uncalled closes it, which is a denial.
class Teller {
 public:
  explicit Teller(UniqueFd to) : to_(std::move(to)) {}
  void tell(bool approved, long code) const {
    const Reply reply{approved ? 1 : 0, code};
    // Few bytes into an empty pipe: all of them or, where nobody reads any more, none. SIGPIPE is ignored.
    (void)!::write(to_.get(), &reply, sizeof reply);
  }

 private:
  const UniqueFd to_;
};

NSString* make_string(const std::string& text) { return [[NSString alloc] initWithUTF8String:text.c_str()]; }

std::string reason_for(long code) {
  switch (code) {
    case LAErrorAuthenticationFailed:
      return "nobody was recognised";
    case LAErrorUserCancel:
      return "the person at the dialogue said no";
    case LAErrorUserFallback:
      return "the password was chosen, which policy biometrics does not take; choose biometrics-or-password";
    case LAErrorSystemCancel:
      return "the system took the dialogue away; try again";
    case LAErrorAppCancel:
    case LAErrorInvalidContext:
      return "the question was taken back";
    case LAErrorPasscodeNotSet:
      return "this account has no password; set one in System Settings";
    case LAErrorBiometryNotAvailable:
      return "Touch ID is not there or not allowed; choose biometrics-or-password or another policy";
    case LAErrorBiometryNotEnrolled:
      return "Touch ID knows no finger; add one in System Settings";
    case LAErrorBiometryLockout:
      return "Touch ID is locked after too many attempts; log in with the password to unlock it";
    case LAErrorNotInteractive:
      return "there is no session with a screen to ask in";
    default:
      return fmt::format("LocalAuthentication failed with error {}", code);
  }
}

// A context, for as long as its question is open.
class Context {
 public:
  Context() : context_([[LAContext alloc] init]) {}
  Context(const Context&) = delete;
  ~Context() {
    [context_ invalidate];
    [context_ release];
  }

  // 0 when it can ask, else the LAError.
  long why_not(LAPolicy policy) const {
    NSError* error = nil;
    if ([context_ canEvaluatePolicy:policy error:&error]) return 0;
    return error == nil ? LAErrorBiometryNotAvailable : [error code];
  }
  void ask(LAPolicy policy, const std::string& reason, std::shared_ptr<Teller> teller) {
    // Without a title there is no button for the password, which would be no answer.
    if (policy == LAPolicyDeviceOwnerAuthenticationWithBiometrics) {
      NSString* const none = make_string("");
      [context_ setLocalizedFallbackTitle:none];
      [none release];
    }
    NSString* const text = make_string(reason);
    [context_ evaluatePolicy:policy
             localizedReason:text
                       reply:^(BOOL success, NSError* error) {
                         teller->tell(success, error == nil ? 0 : [error code]);
                       }];
    [text release];
  }

 private:
  LAContext* const context_;
};

class TouchId : public OneAtATime {
 public:
  TouchId(async::Loop& loop, bool or_password)
      : OneAtATime(loop, "touchid"),
        policy_(or_password ? LAPolicyDeviceOwnerAuthentication
                            : LAPolicyDeviceOwnerAuthenticationWithBiometrics) {}

  std::string why_nobody() const override {
    const long code = Context().why_not(policy_);
    return code == 0 ? std::string() : reason_for(code);
  }

 private:
  async::Task<Answer> show(ApprovalQuestion question, std::uint64_t count, Millis limit) override {
    int fds[2];
    if (::pipe(fds) != 0) co_return denied(system_error(errno).in("pipe").text());
    UniqueFd from(fds[0]), to(fds[1]);
    ::fcntl(from.get(), F_SETFD, FD_CLOEXEC);
    ::fcntl(to.get(), F_SETFD, FD_CLOEXEC);
    const QuestionText text = question_text(question, count);
    Context context;
    // The dialogue says who is trying to, and then this.
    context.ask(policy_, "let a sandbox use a credential.\n" + text.text,
                std::make_shared<Teller>(std::move(to)));
    async::Stream replies(loop(), std::move(from));
    std::array<char, sizeof(Reply)> bytes;
    auto reading = replies.read_exactly(bytes);
    auto in_time = async::with_timeout(loop(), limit, std::move(reading));
    const Status read = co_await std::move(in_time);
    if (!read && read.error().code() == Errc::kTimeout) co_return timed_out(limit);
    if (!read) co_return denied("LocalAuthentication has not answered");
    Reply reply;
    std::memcpy(&reply, bytes.data(), sizeof reply);
    co_return answer_of(reply, text.whole);
  }

  Answer answer_of(const Reply& reply, bool whole) const {
    const bool by_person = reply.approved == 1 || reply.code == LAErrorUserCancel;
    Answer answer;
    if (by_person) answer.decided_by = environment("USER");
    answer.approved = reply.approved == 1;
    answer.scope_as_configured = answer.approved && whole;
    if (!answer.approved) answer.reason = reason_for(reply.code);
    return answer;
  }

  const LAPolicy policy_;
};

// Hears of a lock, for as long as it lives.
class LockObserver {
 public:
  LockObserver() {
    CFNotificationCenterAddObserver(CFNotificationCenterGetDistributedCenter(), this, on_lock,
                                    CFSTR("com.apple.screenIsLocked"), nullptr,
                                    CFNotificationSuspensionBehaviorDeliverImmediately);
  }
  LockObserver(const LockObserver&) = delete;
  ~LockObserver() {
    CFNotificationCenterRemoveEveryObserver(CFNotificationCenterGetDistributedCenter(), this);
  }
  // Whether one has come since the last call.
  bool look() {
    // Nobody runs this thread's run loop: the event loop is another one.
    CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false);
    return std::exchange(locked_, false);
  }

 private:
  static void on_lock(CFNotificationCenterRef, void* observer, CFNotificationName, const void*,
                      CFDictionaryRef) {
    static_cast<LockObserver*>(observer)->locked_ = true;
  }
  bool locked_ = false;
};

class MacScreenLock : public ScreenLock {
 public:
  explicit MacScreenLock(async::Loop& loop) : loop_(loop) {}
  std::string why_not() const override { return {}; }
  async::Task<> watch(std::function<void()> locked) override {
    LockObserver observer;
    for (;;) {
      auto pause = loop_.sleep(kLookForLock);
      co_await pause;
      if (observer.look()) locked();
    }
  }

 private:
  async::Loop& loop_;
};

}  // namespace

std::unique_ptr<Person> make_touch_id(async::Loop& loop, bool or_password) {
  return std::make_unique<TouchId>(loop, or_password);
}

std::unique_ptr<ScreenLock> make_mac_screen_lock(async::Loop& loop) {
  return std::make_unique<MacScreenLock>(loop);
}

}  // namespace shed::broker
