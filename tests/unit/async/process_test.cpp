#include "shed/async/process.h"

#include <sys/stat.h>

#include "shed/async/stream.h"
#include "unit/async/support.h"

namespace shed::async {
namespace {

using namespace std::chrono_literals;

ProcessOptions shell(std::string script) {
  ProcessOptions options;
  options.command = {"/bin/sh", "-c", std::move(script)};
  options.environment = {"PATH=/usr/bin:/bin"};
  options.stdin_fd = -1;
  return options;
}

Task<Result<ExitStatus>> run_to_end(Loop& loop, ProcessOptions options) {
  auto process = Process::spawn(loop, options);
  if (!process) co_return propagate(process);
  co_return co_await process->wait();
}

Task<std::string> read_all(Loop& loop, UniqueFd fd) {
  Stream stream(loop, std::move(fd));
  std::string text;
  std::array<char, 256> part;
  for (;;) {
    const auto count = co_await stream.read(part);
    if (!count || *count == 0) co_return text;
    text.append(part.data(), *count);
  }
}

// What the script writes to its standard output.
Task<std::string> output_of(Loop& loop, ProcessOptions options) {
  auto [from, to] = make_pipe();
  options.stdout_fd = to.get();
  auto process = Process::spawn(loop, options);
  if (!process) co_return process.error().text();
  to.reset();
  std::string text = co_await read_all(loop, std::move(from));
  co_await process->wait();
  co_return text;
}

bool exists(pid_t pid) { return ::kill(pid, 0) == 0; }

// Waits for the end of a child and leaves it for the loop to collect.
void until_zombie(pid_t pid) {
  siginfo_t info{};
  REQUIRE(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
}

struct ProcessFixture {
  Loop loop;
  Result<ExitStatus> run(const std::string& script) { return loop.block_on(run_to_end(loop, shell(script))); }
};

}  // namespace

TEST_CASE_METHOD(ProcessFixture, "a child's exit code is reported") {
  const auto status = run("exit 3");
  REQUIRE(status.has_value());
  CHECK(status->code == 3);
  CHECK(status->signal == 0);
  CHECK(status->shell_code() == 3);
}

TEST_CASE_METHOD(ProcessFixture, "the signal that ended a child is reported") {
  const auto status = run("kill -TERM $$");
  REQUIRE(status.has_value());
  CHECK(status->signal == SIGTERM);
  CHECK(status->shell_code() == 128 + SIGTERM);
}

TEST_CASE_METHOD(ProcessFixture, "the exit of a child that ended before anybody waited is not lost") {
  auto process = Process::spawn(loop, shell("exit 4"));
  REQUIRE(process.has_value());
  loop.run();
  CHECK(loop.block_on(process->wait()).code == 4);
  CHECK(loop.block_on(process->wait()).code == 4);
}

TEST_CASE_METHOD(ProcessFixture, "a child can be killed") {
  auto process = Process::spawn(loop, shell("exec sleep 1000"));
  REQUIRE(process.has_value());
  CHECK(exists(process->pid()));
  process->kill(SIGKILL);
  CHECK(loop.block_on(process->wait()).signal == SIGKILL);
  process->kill(SIGKILL);  // gone, and its number may be somebody else's
}

TEST_CASE_METHOD(ProcessFixture, "a program that is not there is not found, and its name is said") {
  ProcessOptions options = shell("");
  options.command = {"shed-no-such-program"};
  const auto status = loop.block_on(run_to_end(loop, options));
  REQUIRE(!status.has_value());
  CHECK(status.error().code() == Errc::kNotFound);
  CHECK(status.error().text().starts_with("shed-no-such-program: "));
}

TEST_CASE_METHOD(ProcessFixture, "a file that may not be executed is a permission error") {
  ProcessOptions options = shell("");
  options.command = {"/etc/passwd"};
  CHECK(loop.block_on(run_to_end(loop, options)).error().code() == Errc::kPermission);
}

TEST_CASE_METHOD(ProcessFixture, "failed starts leave no descriptor and no child behind") {
  ProcessOptions options = shell("");
  options.command = {"shed-no-such-program"};
  CHECK(!Process::spawn(loop, options));
  loop.run();
  const auto before = open_descriptors();
  for (int i = 0; i < 20; ++i) CHECK(!Process::spawn(loop, options));
  loop.run();
  CHECK(open_descriptors() == before);
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

TEST_CASE_METHOD(ProcessFixture, "commands that cannot be passed on whole are refused") {
  ProcessOptions empty = shell("");
  empty.command.clear();
  CHECK(Process::spawn(loop, empty).error().code() == Errc::kInvalid);
  CHECK(Process::spawn(loop, shell(std::string("exit 0\0exit 1", 13))).error().code() == Errc::kInvalid);
  ProcessOptions environment = shell("");
  environment.environment.push_back(std::string("A=b\0c", 5));
  CHECK(Process::spawn(loop, environment).error().code() == Errc::kInvalid);
}

TEST_CASE_METHOD(ProcessFixture, "a program is looked up in the PATH that the child gets") {
  ProcessOptions options = shell("");
  options.command = {"sh", "-c", "exit 5"};
  CHECK(loop.block_on(run_to_end(loop, options)).value().code == 5);
  options.environment = {"PATH=/nowhere"};
  CHECK(loop.block_on(run_to_end(loop, options)).error().code() == Errc::kNotFound);
}

TEST_CASE_METHOD(ProcessFixture, "a child's environment is what was given, and no more") {
  ProcessOptions options = shell("echo \"$A/$HOME/\"");
  options.environment = {"A=b"};
  CHECK(loop.block_on(output_of(loop, options)) == "b//\n");
}

TEST_CASE_METHOD(ProcessFixture, "a child without standard input reads its end at once") {
  CHECK(run("cat")->code == 0);
}

TEST_CASE_METHOD(ProcessFixture,
                 "a child gets the umask that was asked for, and this process keeps its own") {
  const mode_t before = umask(0027);
  ProcessOptions options = shell("umask");
  CHECK(loop.block_on(output_of(loop, options)) == "0027\n");
  options.umask = 0002;
  CHECK(loop.block_on(output_of(loop, options)) == "0002\n");
  CHECK(umask(before) == 0027);
}

TEST_CASE_METHOD(ProcessFixture, "a child does not inherit that SIGPIPE is ignored") {
  CHECK(run("kill -PIPE $$")->signal == SIGPIPE);
}

TEST_CASE_METHOD(ProcessFixture, "a group is killed with all that the child has started") {
  auto [from, to] = make_pipe();
  ProcessOptions options = shell("sleep 1000 & sleep 1001 & echo ready; wait");
  options.own_group = true;
  options.stdout_fd = to.get();
  auto process = Process::spawn(loop, options);
  REQUIRE(process.has_value());
  to.reset();
  std::array<char, 6> ready;
  Stream stream(loop, std::move(from));
  REQUIRE(loop.block_on(stream.read_exactly(ready)).has_value());
  process->kill_group(SIGKILL);
  CHECK(loop.block_on(process->wait()).signal == SIGKILL);
  // Its end comes when the last of them is gone: they hold the other end of the pipe.
  CHECK(loop.block_on(stream.read(ready)).value() == 0);
  process->kill_group(SIGKILL);  // gone, and its number may be somebody else's
}

TEST_CASE_METHOD(ProcessFixture, "a child in a group of its own leads it and its session") {
  ProcessOptions options = shell("exec sleep 1000");
  auto process = Process::spawn(loop, options);
  options.own_group = true;
  auto leader = Process::spawn(loop, options);
  REQUIRE(process.has_value());
  REQUIRE(leader.has_value());
  CHECK(getpgid(process->pid()) == getpgrp());
  CHECK(getpgid(leader->pid()) == leader->pid());
  CHECK(getsid(leader->pid()) == leader->pid());
  process->kill_group(SIGKILL);  // itself alone, not the group of this test
  leader->kill_group(SIGKILL);
  CHECK(loop.block_on(process->wait()).signal == SIGKILL);
  CHECK(loop.block_on(leader->wait()).signal == SIGKILL);
}

TEST_CASE("a child that was let go does not keep the loop, and lives on") {
  pid_t pid = 0;
  {
    Loop loop;
    pid = Process::spawn(loop, shell("exec sleep 1000")).value().pid();
    loop.run();
  }
  CHECK(exists(pid));
  ::kill(pid, SIGKILL);
  CHECK(waitpid(pid, nullptr, 0) == pid);
}

TEST_CASE_METHOD(ProcessFixture, "a child that was let go leaves no zombie while the loop runs") {
  const pid_t pid = Process::spawn(loop, shell("exit 0")).value().pid();
  until_zombie(pid);
  CHECK(run("exit 0")->code == 0);
  CHECK(!exists(pid));
}

TEST_CASE_METHOD(ProcessFixture, "a wait may be dropped and begun again") {
  auto process = Process::spawn(loop, shell("exec sleep 1000"));
  REQUIRE(process.has_value());
  static constexpr auto wait = [](Process& child) -> Task<> { co_await child.wait(); };
  {
    Scope scope(loop);
    scope.spawn(wait(*process));
    loop.poll();
  }
  process->kill(SIGTERM);
  CHECK(loop.block_on(process->wait()).signal == SIGTERM);
}

TEST_CASE_METHOD(ProcessFixture, "assigning to a process lets go of the one before") {
  auto process = Process::spawn(loop, shell("exec sleep 1000")).value();
  const pid_t first = process.pid();
  process.kill(SIGKILL);
  until_zombie(first);
  process = Process::spawn(loop, shell("exit 6")).value();
  CHECK(process.pid() != first);
  CHECK(loop.block_on(process.wait()).code == 6);
  CHECK(!exists(first));
}

}  // namespace shed::async
