// How long programs take from fork to exit, taking turns, and the most memory they had:
//
//   start_bench RUNS INPUT NAME PROGRAM [ARGUMENT...] [-- NAME PROGRAM [ARGUMENT...]]...
//
// INPUT is the file that each run reads as its standard input.
#include <fcntl.h>
#include <spawn.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>

#include "measure.h"

extern char** environ;

namespace shed::bench {
namespace {

struct Program {
  std::string name;
  std::vector<char*> arguments;
  std::vector<double> times;
};

int wait_for(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child) die_of_errno("waitpid");
  return status;
}

void check_exit(const Program& program, int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  die(fmt::format("{}: failed, wait status {}", program.arguments[0], status));
}

double time_run(const Program& program, const posix_spawn_file_actions_t& actions) {
  const auto start = Clock::now();
  pid_t child = 0;
  errno = ::posix_spawn(&child, program.arguments[0], &actions, nullptr, program.arguments.data(), environ);
  if (errno != 0) die_of_errno(program.arguments[0]);
  const int status = wait_for(child);
  const double time = microseconds_since(start);
  check_exit(program, status);
  return time;
}

[[noreturn]] void run_traced(const Program& program, const char* input) {
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(::open(input, O_RDONLY), STDIN_FILENO);
  ::dup2(null, STDOUT_FILENO);
  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0)
    ::execv(program.arguments[0], program.arguments.data());
  ::_exit(127);
}

double read_peak_kib(pid_t child) {
  std::FILE* file = std::fopen(fmt::format("/proc/{}/status", child).c_str(), "r");
  if (file == nullptr) die_of_errno("/proc: status");
  char line[256];
  long kib = 0;
  while (std::fgets(line, sizeof line, file) != nullptr && std::sscanf(line, "VmHWM: %ld", &kib) != 1) {
  }
  std::fclose(file);
  if (kib == 0) die("/proc: no VmHWM");
  return static_cast<double>(kib);
}

// Read where the program stops on its way out. What wait4() reports would include our own memory, which the
// child had before it became the program.
double peak_kib(const Program& program, const char* input) {
  const pid_t child = ::fork();
  if (child < 0) die_of_errno("fork");
  if (child == 0) run_traced(program, input);
  const int status = wait_for(child);
  if (!WIFSTOPPED(status)) die(fmt::format("{}: cannot be traced", program.arguments[0]));
  if (::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACEEXIT) != 0) die_of_errno("ptrace");
  ::ptrace(PTRACE_CONT, child, nullptr, nullptr);
  if (!WIFSTOPPED(wait_for(child))) die(fmt::format("{}: ended unseen", program.arguments[0]));
  const double kib = read_peak_kib(child);
  ::ptrace(PTRACE_CONT, child, nullptr, nullptr);
  check_exit(program, wait_for(child));
  return kib;
}

std::vector<Program> parse(int argc, char** argv) {
  std::vector<Program> programs;
  for (int i = 3; i < argc; ++i) {
    Program program{argv[i], {}, {}};
    while (++i < argc && std::string_view(argv[i]) != "--") program.arguments.push_back(argv[i]);
    if (program.arguments.empty()) die(program.name + ": no program");
    program.arguments.push_back(nullptr);
    programs.push_back(std::move(program));
  }
  return programs;
}

}  // namespace
}  // namespace shed::bench

int main(int argc, char** argv) {
  using namespace shed::bench;
  const int runs = argc > 4 ? std::atoi(argv[1]) : 0;
  if (runs < 1) die("usage: start_bench RUNS INPUT NAME PROGRAM [ARGUMENT...] [-- NAME PROGRAM...]...");
  std::vector<Program> programs = parse(argc, argv);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, argv[2], O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  for (int run = 0; run < runs; ++run) {
    for (Program& program : programs) program.times.push_back(time_run(program, actions));
  }
  for (const Program& program : programs) {
    report(program.name + "_time", median(program.times));
    report(program.name + "_peak_kib", peak_kib(program, argv[2]));
  }
  return 0;
}
