// What is wrong in a configuration file, and where.
#pragma once

#include <string>
#include <vector>

namespace shed::broker {

struct ConfigProblem {
  std::string file;
  int line = 0;      // from 1; 0 when the problem is the file as a whole
  int column = 0;    // from 1, counted in characters
  std::string text;  // what is wrong and what would be right; control characters made visible

  // "extensions.yaml:7:9: 'polcy' is not a key of ssh.approval, did you mean 'policy'?"
  std::string format() const;
};

// In the order of the file. At most 100; the last one then says that there are more.
using ConfigProblems = std::vector<ConfigProblem>;

}  // namespace shed::broker
