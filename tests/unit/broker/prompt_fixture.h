// Programs that a test plays, in a temporary folder.
#pragma once

#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "approval_fixture.h"
#include "shed/async/scope.h"
#include "shed/broker/prompt.h"

namespace shed::broker::testing {

class ProgramFixture {
 public:
  // Makes a shell script; its path.
  std::string program(std::string_view name, std::string_view script) {
    const std::string path = folder / name;
    {
      std::ofstream file(path);
      file << "#!/bin/sh\n" << script << '\n';
    }
    ::chmod(path.c_str(), 0755);
    return path;
  }
  // What a program wrote into a file of the folder.
  std::string written(std::string_view name) const {
    std::ifstream file(folder / name);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  // The folder as PATH has it.
  std::string programs() const { return folder / "."; }
  // Lets programs run for a moment.
  void wait() { loop.block_on(pause(loop)); }
  // Whether the process is gone, or goes soon.
  bool ends(pid_t process) {
    for (int i = 0; i < 2'000; ++i) {
      if (::kill(process, 0) != 0) return true;
      wait();
    }
    return false;
  }
  Variable variable() {
    return [this](const char* name) { return variables[name]; };
  }

  static async::Task<> pause(async::Loop& loop) {
    auto pause = loop.sleep(5ms);
    co_await pause;
  }

  async::Loop loop;  // with the system's time: programs run in it
  net::TemporaryFolder folder;
  LogLines log;
  std::map<std::string, std::string> variables;
};

}  // namespace shed::broker::testing
