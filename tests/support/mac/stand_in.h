// What a test does as the system: the frameworks of the folders beside this are played on Linux, so that the
// file that is compiled for macOS is compiled and run here, too. Plain C++, for tests.
#pragma once

#include <string>
#include <thread>
#include <vector>

namespace shed::mac {

struct Evaluation {
  long policy = 0;  // LAPolicy
  std::string reason;
  std::string fallback_title = "not set";
};

// One test's system; the one that lives is the one that is asked.
class System {
 public:
  System();
  System(const System&) = delete;
  ~System();

  // Answers the open question on a thread of its own, as the system does; `code` is an LAError.
  void answer(bool success, long code = 0);
  // Lets go of the block without calling it.
  void forget();
  // Posts the distributed notification.
  void post(const std::string& name);

  long cannot = 0;             // an LAError: canEvaluatePolicy says no
  bool without_error = false;  // it says no without saying why
  std::vector<Evaluation> asked;
  int contexts = 0;  // that live
  int invalidated = 0;
  int observers = 0;

  struct Hidden;
  Hidden* hidden;
};

}  // namespace shed::mac
