#include "shed/net/listener.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "net_fixture.h"

namespace shed::net {
namespace {

namespace fs = std::filesystem;

mode_t mode_of(const std::string& path) {
  struct stat info{};
  REQUIRE(::lstat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

// A socket's file whose owner has gone without removing it.
void leave_stale_socket(const std::string& path) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  const sockaddr_un native = native_address(path);
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&native), sizeof native) == 0);
}

struct Place {
  async::Loop loop;
  TemporaryFolder folder;
  std::string path = folder / "a.sock";
  Result<Listener> open(mode_t mode = 0600) { return Listener::open(loop, unix_at(path), mode); }
};

TEST_CASE("a unix socket is made with the owner's rights only, whatever the umask is") {
  Place place;
  const mode_t before = ::umask(0);
  const auto listener = place.open();
  CHECK(::umask(before) == 0);
  REQUIRE(listener);
  CHECK(mode_of(place.path) == 0600);
  CHECK(listener->address().unix_path == place.path);
}

TEST_CASE("a unix socket is made with the mode that was asked for") {
  Place place;
  const mode_t before = ::umask(077);
  const auto listener = place.open(0660);
  CHECK(::umask(before) == 077);
  REQUIRE(listener);
  CHECK(mode_of(place.path) == 0660);
}

TEST_CASE("a unix socket takes connections, and its file goes with it") {
  Place place;
  {
    auto listener = place.open();
    REQUIRE(listener);
    Peer peer(place.loop, place.path);
    CHECK(place.loop.block_on(listener->acceptor().accept()));
  }
  CHECK_FALSE(fs::exists(place.path));
}

TEST_CASE("a stale socket is replaced") {
  Place place;
  leave_stale_socket(place.path);
  auto listener = place.open();
  REQUIRE(listener);
  Peer peer(place.loop, place.path);
  CHECK(place.loop.block_on(listener->acceptor().accept()));
}

TEST_CASE("a live socket is not replaced, and goes on") {
  Place place;
  auto first = place.open();
  REQUIRE(first);
  {
    const auto second = place.open();
    REQUIRE_FALSE(second);
    CHECK(second.error().code() == Errc::kExists);
    CHECK(second.error().text() == place.path + ": another process listens there");
  }
  Peer peer(place.loop, place.path);
  CHECK(place.loop.block_on(first->acceptor().accept()));
}

TEST_CASE("a live socket whose queue is full is not replaced, nor waited for") {
  Place place;
  const UniqueFd server(::socket(AF_UNIX, SOCK_STREAM, 0));
  const sockaddr_un native = native_address(place.path);
  REQUIRE(::bind(server.get(), reinterpret_cast<const sockaddr*>(&native), sizeof native) == 0);
  REQUIRE(::listen(server.get(), 0) == 0);
  Peer waiting(place.loop, place.path);
  const auto listener = place.open();
  REQUIRE_FALSE(listener);
  CHECK(listener.error().code() == Errc::kExists);
}

TEST_CASE("what is no socket is left as it is") {
  Place place;
  SECTION("a regular file") {
    std::ofstream(place.path) << "precious";
    const auto listener = place.open();
    REQUIRE_FALSE(listener);
    CHECK(listener.error().code() == Errc::kExists);
    CHECK(listener.error().text() ==
          place.path + ": a regular file is in the way; remove it or choose another path");
    std::string content;
    std::ifstream(place.path) >> content;
    CHECK(content == "precious");
  }
  SECTION("a directory") {
    fs::create_directory(place.path);
    CHECK(place.open().error().text() ==
          place.path + ": a directory is in the way; remove it or choose another path");
    CHECK(fs::is_directory(place.path));
  }
  SECTION("a symbolic link, even to a stale socket") {
    leave_stale_socket(place.folder / "target");
    fs::create_symlink(place.folder / "target", place.path);
    CHECK(place.open().error().text() ==
          place.path + ": a symbolic link is in the way; remove it or choose another path");
    CHECK(fs::is_symlink(place.path));
    CHECK(fs::exists(place.folder / "target"));
  }
}

TEST_CASE("a missing directory is named") {
  Place place;
  const auto listener = Listener::open(place.loop, unix_at(place.folder / "no/where/a.sock"));
  REQUIRE_FALSE(listener);
  CHECK(listener.error().code() == Errc::kNotFound);
  CHECK(listener.error().text() == (place.folder / "no/where/a.sock") + ": the directory " +
                                       (place.folder / "no/where") + " does not exist");
}

TEST_CASE("a path that is too long is refused with both lengths") {
  Place place;
  const std::string path = place.folder / std::string(200, 'a');
  const auto listener = Listener::open(place.loop, unix_at(path));
  REQUIRE_FALSE(listener);
  CHECK(listener.error().code() == Errc::kLimit);
  CHECK(listener.error().text() == fmt::format("{}: the path has {} bytes, a unix socket's may have {}", path,
                                               path.size(), kMaxSocketPath));
}

TEST_CASE("a path in a place of a regular file's is refused") {
  Place place;
  std::ofstream(place.folder / "file") << "x";
  CHECK_FALSE(Listener::open(place.loop, unix_at(place.folder / "file/a.sock")));
}

TEST_CASE("a file that took the socket's place stays") {
  Place place;
  std::optional<Listener> second;
  {
    auto first = place.open();
    REQUIRE(first);
    fs::remove(place.path);
    auto opened = place.open();
    REQUIRE(opened);
    second.emplace(std::move(*opened));
  }
  CHECK(fs::exists(place.path));
  Peer peer(place.loop, place.path);
  CHECK(place.loop.block_on(second->acceptor().accept()));
}

TEST_CASE("a listener that was moved removes its socket once") {
  Place place;
  auto first = place.open();
  REQUIRE(first);
  {
    const Listener second(std::move(*first));
    CHECK(fs::exists(place.path));
  }
  CHECK_FALSE(fs::exists(place.path));
}

TEST_CASE("port 0 becomes the port that the system chose") {
  async::Loop loop;
  const auto text = GENERATE(as<std::string>(), "127.0.0.1", "[::1]");
  auto listener = Listener::open(loop, *parse_address(text + ":0"));
  REQUIRE(listener);
  REQUIRE(listener->address().port != 0);
  CHECK(listener->address().text() == fmt::format("{}:{}", text, listener->address().port));
  const auto client = loop.block_on(connect(loop, listener->address(), Millis(5'000)));
  REQUIRE(client);
  CHECK(loop.block_on(listener->acceptor().accept()));
}

TEST_CASE("a TCP port in use is named") {
  async::Loop loop;
  const auto first = Listener::open(loop, *parse_address("127.0.0.1:0"));
  REQUIRE(first);
  const auto second = Listener::open(loop, first->address());
  REQUIRE_FALSE(second);
  CHECK(second.error().code() == Errc::kExists);
  CHECK_THAT(second.error().text(), Catch::StartsWith(first->address().text() + ": "));
}

TEST_CASE("a name is no address to listen on") {
  async::Loop loop;
  CHECK(Listener::open(loop, *parse_address("bus.example:80")).error().code() == Errc::kInvalid);
}

}  // namespace
}  // namespace shed::net
