#include "shed/broker/known_hosts_files.h"

#include <sys/stat.h>

#include <future>

#include "ssh_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

struct Files {
  net::TemporaryFolder folder;
  std::string first = folder / "known_hosts", second = folder / "known_hosts2";
  KnownHostsFiles files{{first, second}};

  static std::string line(std::string_view name) {
    return fmt::format("{} ssh-ed25519 {}\n", name, base64_encode(ed25519()));
  }
  std::vector<std::string> names() { return files.current()->names_for(ed25519(), FakeClock().wall()); }
};

using Names = std::vector<std::string>;

TEST_CASE("files that are missing are empty, without a word") {
  Files it;
  CHECK(it.files.current()->size() == 0);
  CHECK(it.files.take_warnings().empty());
}

TEST_CASE("the files of a person are read in their order") {
  Files it;
  write_to_file(it.second, it.line("b.example"));
  write_to_file(it.first, it.line("a.example"));
  CHECK(it.names() == Names{"a.example", "b.example"});
}

TEST_CASE("files that stay as they are are read once") {
  Files it;
  write_to_file(it.first, it.line("a.example"));
  const auto before = it.files.current();
  CHECK(it.files.current() == before);
}

TEST_CASE("a file that changed, came or went is read again") {
  Files it;
  write_to_file(it.first, it.line("a.example"));
  CHECK(it.names() == Names{"a.example"});
  write_to_file(it.first, it.line("a.example") + it.line("b.example"));
  CHECK(it.names() == Names{"a.example", "b.example"});
  write_to_file(it.second, "@revoked * ssh-ed25519 " + base64_encode(ed25519()));
  CHECK(it.names().empty());
  std::filesystem::remove(it.second);
  CHECK(it.names() == Names{"a.example", "b.example"});
  std::filesystem::remove(it.first);
  CHECK(it.names().empty());
}

TEST_CASE("a file that another took the place of is read again, with the same size and time") {
  Files it;
  write_to_file(it.first, it.line("a.example"));
  CHECK(it.names() == Names{"a.example"});
  const std::string other = it.folder / "other";
  write_to_file(other, it.line("b.example"));
  std::filesystem::last_write_time(other, std::filesystem::last_write_time(it.first));
  std::filesystem::rename(other, it.first);
  CHECK(it.names() == Names{"b.example"});
}

TEST_CASE("what was handed out stays as it was while the files change") {
  Files it;
  write_to_file(it.first, it.line("a.example"));
  const auto before = it.files.current();
  std::filesystem::remove(it.first);
  CHECK(it.names().empty());
  CHECK(before->names_for(ed25519(), FakeClock().wall()) == Names{"a.example"});
}

TEST_CASE("bad lines are told once for each reading, with their numbers") {
  Files it;
  write_to_file(it.first, "broken\n" + it.line("a.example") + "broken, too\n");
  CHECK(it.names() == Names{"a.example"});
  CHECK(it.names() == Names{"a.example"});
  CHECK(it.files.take_warnings() == Names{it.first + ": 2 lines cannot be read and are passed over: 1, 3"});
  CHECK(it.files.take_warnings().empty());
  write_to_file(it.first, "broken\n");
  it.names();
  CHECK(it.files.take_warnings() == Names{it.first + ": 1 line cannot be read and is passed over: 1"});
}

TEST_CASE("a file that is too large is passed over, and the others count") {
  Files it;
  write_to_file(it.first, std::string(ssh::kMaxKnownHostsFile + 1, '\n'));
  write_to_file(it.second, it.line("b.example"));
  CHECK(it.names() == Names{"b.example"});
  CHECK(it.files.take_warnings() ==
        Names{it.first + ": larger than 1048576 bytes; its hosts are not known by name"});
}

TEST_CASE("what is no file is passed over and cannot hang anybody") {
  Files it;
  REQUIRE(::mkfifo(it.first.c_str(), 0600) == 0);
  std::filesystem::create_directory(it.second);
  CHECK(it.names().empty());
  CHECK(it.files.take_warnings().size() == 2);
}

TEST_CASE("warnings that nobody fetches do not pile up") {
  Files it;
  for (std::size_t i = 1; i < 100; ++i) {
    write_to_file(it.first, std::string(i, 'x'));
    it.names();
  }
  CHECK(it.files.take_warnings().size() == 16);
}

TEST_CASE("many threads may ask at once while the file changes") {
  Files it;
  write_to_file(it.first, it.line("a.example"));
  std::vector<std::future<bool>> threads;
  for (int i = 0; i < 8; ++i) {
    threads.push_back(std::async(std::launch::async, [&it] {
      bool all = true;
      for (int turn = 0; turn < 200; ++turn) all = all && it.files.current() != nullptr;
      return all;
    }));
  }
  for (int i = 0; i < 50; ++i) write_to_file(it.first, it.line("a.example") + std::string(i, '\n'));
  for (auto& thread : threads) CHECK(thread.get());
  CHECK(it.names() == Names{"a.example"});
}

TEST_CASE("ssh's own places are looked at") {
  CHECK(default_known_hosts_files("/home/me/.ssh") ==
        Names{"/home/me/.ssh/known_hosts", "/home/me/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts",
              "/etc/ssh/ssh_known_hosts2"});
}

}  // namespace
}  // namespace shed::broker
