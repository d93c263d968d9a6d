// What the person looks at, and what their keys do.
//
// An answer counts for what was read: a key is for the question that has been whole on the screen for
// kReadTime, and for none that has just taken its place.
#pragma once

#include <string>

#include "approve/keys.h"
#include "shed/broker/approver_desk.h"

namespace shed::applets {

enum class View { kQuestion, kGrants, kEvents, kHelp };

class ApproveState {
 public:
  static constexpr Millis kReadTime{300};
  static constexpr std::size_t kGrantsOnPage = 9;  // one for each digit
  static constexpr Millis kTimes[] = {std::chrono::minutes(15), std::chrono::hours(1), std::chrono::hours(4)};

  // The desk must outlive it.
  explicit ApproveState(broker::ApproverDesk& desk) : desk_(desk) {}

  // To be called when the desk has changed, before anything is drawn: a new question is shown at once, and
  // what was half chosen for one that is over is forgotten.
  void follow();
  // The terminal shows this now: `answerable` names what can be answered there (see answerable()), empty
  // when the question is not whole on it.
  void shown(std::string answerable);
  // Nobody knows what the terminal shows: until it is drawn again no key is an answer.
  void covered() { shown_.clear(); }
  void press(Key key);

  View view() const { return view_; }
  bool choosing_time() const { return choosing_time_; }
  bool quit() const { return quit_; }
  const std::string& notice() const { return notice_; }
  std::size_t page() const { return page_; }
  // The question in front, with what is being chosen for it.
  std::string answerable() const;
  broker::ApproverDesk& desk() const { return desk_; }
  // True once for each question that is new: a bell.
  bool take_bell();

 private:
  bool may_answer() const;
  void press_question(Key key);
  void press_time(Key key);
  void press_grants(Key key);
  void answer(broker::PersonsChoice choice, std::string_view words, Millis ttl = Millis(0));
  void mute();
  void go(View view);

  broker::ApproverDesk& desk_;
  View view_ = View::kQuestion;
  bool choosing_time_ = false;
  bool quit_ = false;
  bool bell_ = false;
  std::string notice_;
  std::size_t page_ = 0;
  std::uint64_t asked_ = 0;  // of which we know
  std::string choosing_for_;
  std::string shown_;
  SteadyTime shown_at_;
};

}  // namespace shed::applets
