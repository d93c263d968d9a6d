#include "approve/state.h"

#include <algorithm>

#include "approve/words.h"

namespace shed::applets {

using broker::PersonsChoice;
using broker::Scope;

void ApproveState::follow() {
  const auto& questions = desk_.questions();
  const std::string first = questions.empty() ? std::string() : questions.front().id;
  if (choosing_time_ && first != choosing_for_) choosing_time_ = false;
  // Whatever comes next is another question, also under an id that was there before.
  if (questions.empty()) covered();
  if (desk_.asked() == asked_) return;
  asked_ = desk_.asked();
  if (questions.empty()) return;
  bell_ = true;
  view_ = View::kQuestion;
}

std::string ApproveState::answerable() const {
  const auto& questions = desk_.questions();
  if (view_ != View::kQuestion || questions.empty()) return {};
  return (choosing_time_ ? "time:" : "answer:") + questions.front().id;
}

void ApproveState::shown(std::string answerable) {
  if (answerable == shown_) return;
  shown_ = std::move(answerable);
  shown_at_ = desk_.clock().now();
}

bool ApproveState::take_bell() { return std::exchange(bell_, false); }

bool ApproveState::may_answer() const {
  return !shown_.empty() && shown_ == answerable() && desk_.clock().now() - shown_at_ >= kReadTime;
}

void ApproveState::press(Key key) {
  follow();
  if (choosing_time_) return press_time(key);
  if (view_ == View::kGrants) return press_grants(key);
  if (view_ != View::kQuestion && key != 'q') return go(View::kQuestion);
  press_question(key);
}

void ApproveState::press_question(Key key) {
  switch (key) {
    case 'q':
      quit_ = true;
      return;
    case 'l':
      desk_.list_grants();
      return go(View::kGrants);
    case 'e':
      return go(View::kEvents);
    case '?':
      return go(View::kHelp);
    case 'u':
      desk_.unmute();
      return;
    default:
      break;
  }
  // Typed before it could be read.
  if (!may_answer()) return;
  const broker::ApproverQuestion& question = desk_.questions().front();
  const bool has_session = question.scope_for(Scope::kPerSession) == Scope::kPerSession;
  const bool has_guest = question.scope_for(Scope::kPerShed) == Scope::kPerShed;
  if (key == 'o') return answer(PersonsChoice::kOnce, "approved once");
  if (key == 's' && has_session) return answer(PersonsChoice::kSession, "approved for this session");
  if (key == 'd') return answer(PersonsChoice::kDeny, "denied");
  if (key == 'm') return mute();
  if (key == 'g' && has_guest) {
    choosing_time_ = true;
    choosing_for_ = question.id;
  }
}

void ApproveState::press_time(Key key) {
  const auto number = static_cast<std::size_t>(key - '1');
  if (key < '1' || number >= std::size(kTimes)) {
    choosing_time_ = false;
    return;
  }
  if (!may_answer()) return;
  const Millis time = kTimes[number];
  choosing_time_ = false;
  answer(PersonsChoice::kGuest, "approved for this guest, for at most " + format_duration(time), time);
}

void ApproveState::press_grants(Key key) {
  const std::size_t count = desk_.grants().size();
  if (key == 'n') {
    page_ = (page_ + 1) * kGrantsOnPage < count ? page_ + 1 : 0;
  } else if (key == 'a') {
    desk_.revoke_all();
    notice_ = "all grants are revoked";
  } else if (key >= '1' && key <= '9') {
    const std::size_t number = page_ * kGrantsOnPage + static_cast<std::size_t>(key - '1');
    if (number >= count) return;
    notice_ = "revoked: " + guest_words(desk_.grants()[number].server, desk_.grants()[number].shed);
    desk_.revoke(desk_.grants()[number].id);
  } else if (key == 'q') {
    quit_ = true;
  } else {
    go(View::kQuestion);
  }
}

void ApproveState::answer(PersonsChoice choice, std::string_view words, Millis ttl) {
  const broker::ApproverQuestion question = desk_.questions().front();
  covered();
  if (desk_.answer(question.id, choice, ttl)) {
    notice_ =
        fmt::format("{}: {}: {}", words, guest_words(question.server, question.shed), object_words(question));
  }
}

void ApproveState::mute() {
  const broker::ApproverQuestion question = desk_.questions().front();
  covered();
  if (desk_.deny_and_mute(question.id)) {
    notice_ = fmt::format("denied, and so is all that {} asks for the next 5 minutes",
                          guest_words(question.server, question.shed));
  }
}

void ApproveState::go(View view) {
  view_ = view;
  page_ = 0;
}

}  // namespace shed::applets
