#include "shed/broker/watched_file.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>

#include "ssh_fixture.h"

namespace shed::broker {
namespace {

using namespace std::chrono_literals;
using namespace testing;

// The file's times are real ones, so the clock stands so and so long after its making.
struct Fixture {
  Fixture() { write_to_file(path, "one"); }
  WatchedFile look_after(Millis age) {
    clock.set_wall(std::chrono::system_clock::now() + age);
    WatchedFile file(path, clock);
    CHECK(file.may_have_changed());
    return file;
  }
  net::TemporaryFolder folder;
  FakeClock clock;
  std::string path = folder / "file";
};

TEST_CASE("a file that has long been there is read once") {
  Fixture it;
  WatchedFile file = it.look_after(10s);
  CHECK_FALSE(file.may_have_changed());
  CHECK_FALSE(file.may_have_changed());
}

TEST_CASE("a file that was written to, replaced, given another mode, or removed may have changed, once") {
  Fixture it;
  WatchedFile file = it.look_after(1h);
  const int what = GENERATE(0, 1, 2, 3);
  if (what == 0) write_to_file(it.path, "longer");
  if (what == 1) {
    write_to_file(it.path + ".new", "two");
    std::filesystem::rename(it.path + ".new", it.path);
  }
  if (what == 2) ::chmod(it.path.c_str(), 0400);
  if (what == 3) std::filesystem::remove(it.path);
  CHECK(file.may_have_changed());
  CHECK_FALSE(file.may_have_changed());
}

TEST_CASE("a file that had just been changed when it was read is read once more, when its clock has ticked") {
  Fixture it;
  WatchedFile file = it.look_after(0s);
  CHECK(file.may_have_changed());
  it.clock.advance(10s);
  CHECK(file.may_have_changed());
  CHECK_FALSE(file.may_have_changed());
}

TEST_CASE("a file from the future is read each time") {
  Fixture it;
  WatchedFile file = it.look_after(-1h);
  CHECK(file.may_have_changed());
  CHECK(file.may_have_changed());
}

TEST_CASE("a file that could not be read is read again, though it looks the same") {
  Fixture it;
  WatchedFile file = it.look_after(10s);
  file.could_not_be_read();
  CHECK(file.may_have_changed());
  CHECK_FALSE(file.may_have_changed());
}

}  // namespace
}  // namespace shed::broker
