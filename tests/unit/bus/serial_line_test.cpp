#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <cstdlib>

#include "link_fixture.h"
#include "shed/bus/link_dial.h"

namespace shed::bus {
namespace {

constexpr Millis kLimit{5'000};

TEST_CASE("a serial device is a character device and nothing else") {
  async::Loop loop;
  const net::TemporaryFolder folder;
  const std::string fifo = folder / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const std::string file = folder / "file";
  REQUIRE(UniqueFd(::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)));
  for (const std::string& path : {fifo, file, folder / "."}) {
    const auto opened = open_serial(loop, path);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code() == Errc::kUnsupported);
    CHECK(opened.error().text() == path + ": not a character device");
    const auto dialled = loop.block_on(dial_link(loop, *parse_link_dial("serial:" + path), nullptr, kLimit));
    REQUIRE_FALSE(dialled);
    CHECK(dialled.error().text() == path + ": not a character device");
  }
  const auto missing = open_serial(loop, folder / "none");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code() == Errc::kNotFound);
  CHECK(missing.error().text().starts_with((folder / "none") + ": "));
}

// A serial line with its two ends; the second is a tty.
class PseudoTerminal {
 public:
  PseudoTerminal() : master(::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) {
    REQUIRE(master);
    REQUIRE(::grantpt(master.get()) == 0);
    REQUIRE(::unlockpt(master.get()) == 0);
    path = ::ptsname(master.get());
  }
  // Waits for at least so many bytes: the kernel brings them piece by piece, on a thread of its own.
  std::string received(std::size_t wanted) {
    std::string all;
    pollfd ready{master.get(), POLLIN, 0};
    do {
      char bytes[4096];
      const ssize_t count = ::read(master.get(), bytes, sizeof bytes);
      if (count > 0) all.append(bytes, static_cast<std::size_t>(count));
    } while (all.size() < wanted && ::poll(&ready, 1, static_cast<int>(kLimit.count())) == 1);
    return all;
  }
  void send(std::string_view bytes) {
    REQUIRE(::write(master.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  UniqueFd master;
  std::string path;
};

// Every byte that a line discipline would change, hold back or take for a signal.
std::string all_bytes() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(static_cast<char>(byte));
  return bytes;
}

TEST_CASE("a tty is set raw: bytes arrive as they were sent, and without a line end") {
  async::Loop loop;
  PseudoTerminal line;
  const auto opened = open_serial(loop, line.path);
  REQUIRE(opened);
  net::Channel& channel = **opened;

  line.send(all_bytes());
  std::string into(1024, '\0');
  const auto count = loop.block_on(channel.read(into));
  REQUIRE(count);
  CHECK(into.substr(0, *count) == all_bytes());
  CHECK(line.received(0).empty());  // no echo

  REQUIRE(loop.block_on(channel.write(all_bytes(), "\r\n")));
  CHECK(line.received(all_bytes().size() + 2) == all_bytes() + "\r\n");
}

TEST_CASE("a serial device that is dialled is opened in the same way") {
  async::Loop loop;
  PseudoTerminal line;
  auto opened = loop.block_on(dial_link(loop, *parse_link_dial("serial:" + line.path), nullptr, kLimit));
  REQUIRE(opened);
  REQUIRE(loop.block_on((*opened)->write("\n", {})));
  CHECK(line.received(1) == "\n");
}

TEST_CASE("a serial line that is hung up ends") {
  async::Loop loop;
  PseudoTerminal line;
  const auto opened = open_serial(loop, line.path);
  REQUIRE(opened);
  net::Running<Result<std::size_t>> reading(loop,
                                            [](net::Channel& channel) -> async::Task<Result<std::size_t>> {
                                              std::string into(16, '\0');
                                              co_return co_await channel.read(into);
                                            }(**opened));
  CHECK_FALSE(reading.done());
  line.master.reset();
  REQUIRE(reading.done());
  REQUIRE(*reading);
  CHECK(**reading == 0);
}

}  // namespace
}  // namespace shed::bus
