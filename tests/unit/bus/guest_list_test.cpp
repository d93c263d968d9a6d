#include "shed/bus/guest_list.h"

#include <sys/stat.h>

#include <deque>
#include <fstream>

#include "connector_fixture.h"

namespace shed::bus {
namespace {

const std::string kPin = "sha256:" + std::string(64, 'a');

std::string problem_of(std::string_view text) {
  const auto spec = parse_guest(text);
  return spec ? "" : spec.error().text();
}

TEST_CASE("a guest is a name, a connector and what that wants") {
  const auto spec = parse_guest("web-1.a_B=unix:/run/web.sock");
  REQUIRE(spec);
  CHECK(spec->name == "web-1.a_B");
  CHECK(spec->address.text() == "unix:/run/web.sock");
  CHECK(spec->text() == "web-1.a_B=unix:/run/web.sock");
  const auto remote = parse_guest("db=tcp+tls://db.example:1026,pin=" + kPin + ",token-file=/etc/db.token");
  REQUIRE(remote);
  CHECK(remote->pin == kPin);
  CHECK(remote->token_file == "/etc/db.token");
  CHECK(remote->text() == "db=tcp+tls://db.example:1026,pin=" + kPin + ",token-file=/etc/db.token");
}

TEST_CASE("what is wrong with a guest is said") {
  CHECK(problem_of("web").find("is not NAME=CONNECTOR") != std::string::npos);
  CHECK(problem_of("=unix:/x").find("is not a name") != std::string::npos);
  CHECK(problem_of("-web=unix:/x").find("is not a name") != std::string::npos);
  CHECK(problem_of("we b=unix:/x").find("is not a name") != std::string::npos);
  CHECK(problem_of(std::string(64, 'w') + "=unix:/x").find("is not a name") != std::string::npos);
  CHECK(parse_guest(std::string(63, 'w') + "=unix:/x"));
  CHECK(problem_of("web=carrier:pigeon").starts_with("web: "));
  CHECK(problem_of("web=unix:/x,pin=" + kPin) == "web: pin is for tcp+tls only");
  CHECK(problem_of("web=unix:/x,colour=red") == "web: 'colour' is none of pin, ca-file and token-file");
  CHECK(problem_of("web=unix:/x,") == "web: '' is none of pin, ca-file and token-file");
  CHECK(problem_of("web=unix:/x,token-file=") == "web: token-file has no value");
  CHECK(problem_of("web=unix:/x,token-file=t") == "web: token-file: 't' is not an absolute path");
  CHECK(problem_of("web=tcp+tls://h:1,pin=sha1:aa").find("not sha256:") != std::string::npos);
  CHECK(problem_of("web=tcp+tls://h:1,pin=" + kPin + ",pin=" + kPin) == "web: pin stands there twice");
  CHECK(problem_of("web=unix:/" + std::string(5000, 'x')).find("longer than") != std::string::npos);
}

TEST_CASE("connections that accept the same share what they accept it by") {
  TlsContexts contexts;
  const auto first = contexts.find("", kPin);
  REQUIRE(first);
  CHECK(*contexts.find("/ignored", kPin) == *first);
  const auto roots = contexts.find("", "");
  REQUIRE(roots);
  CHECK(*roots != *first);
  CHECK(*contexts.find("", "") == *roots);
  const auto missing = contexts.find("/nonexistent/ca.pem", "");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().text().find("/nonexistent/ca.pem") != std::string::npos);
}

// A guest half on a unix socket, which the test plays.
class PlayedGuest {
 public:
  PlayedGuest(async::Loop& loop, std::string path)
      : loop_(loop), fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
    const sockaddr_un native = net::native_address(path);
    REQUIRE(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&native), sizeof native) == 0);
    REQUIRE(::listen(fd_.get(), 8) == 0);
  }

  // Takes the connection that waits and answers its greeting; false when none does.
  bool greet() {
    UniqueFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return false;
    peers.emplace_back(loop_, std::move(fd));
    loop_.poll();
    const auto frames = frames_in(peers.back().received());
    REQUIRE(frames.size() == 1);
    peers.back().send(frame_text(greeting_answer(frames[0])));
    return true;
  }
  std::deque<net::Peer> peers;

 private:
  async::Loop& loop_;
  UniqueFd fd_;
};

struct ListFixture {
  void write(std::string_view text) {
    // Replaced, as an editor or a script does it.
    const std::string next = folder / "sheds.new";
    std::ofstream(next) << text;
    ::chmod(next.c_str(), 0600);
    REQUIRE(::rename(next.c_str(), file.c_str()) == 0);
  }
  void write_in_place(std::string_view text) { std::ofstream(file) << text; }
  Status load(std::string_view text) {
    write(text);
    const Status loaded = list.load(file);
    tasks.spawn(list.follow());
    loop.poll();
    return loaded;
  }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }
  std::string line(std::string_view name, std::string_view socket) {
    return fmt::format("{}=unix:{}\n", name, folder / socket);
  }
  std::vector<std::string> connected() const {
    std::vector<std::string> names;
    for (const GuestPort* port : half.guests()) names.emplace_back(port->shed().name);
    std::ranges::sort(names);
    return names;
  }
  using Names = std::vector<std::string>;

  LogLines log;
  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  std::string file = folder / "sheds";
  HostHalf half{loop};
  PlayedGuest web{loop, folder / "web.sock"};
  PlayedGuest db{loop, folder / "db.sock"};
  PlayedGuest other{loop, folder / "other.sock"};
  GuestList list{loop, half, "mini2"};
  async::Scope tasks{loop};
};

TEST_CASE("the guests of a file are connected, comments and empty lines are none") {
  ListFixture fixture;
  REQUIRE(fixture.load("# guests\n\n  " + fixture.line("web", "web.sock") + "\r\n" +
                       fixture.line("db", "db.sock")));
  CHECK(fixture.web.greet());
  CHECK(fixture.db.greet());
  CHECK(fixture.connected() == ListFixture::Names{"db", "web"});
  REQUIRE(fixture.half.guests().size() == 2);
  CHECK(fixture.half.guests()[0]->shed().server == "mini2");
  CHECK(fixture.half.guests()[0]->shed().backend == "unix");
  CHECK(fixture.log.warnings.empty());
}

TEST_CASE("two guests with one name are refused, with both connectors") {
  ListFixture fixture;
  REQUIRE(fixture.list.add(*parse_guest("web=vsock:3:1026")));
  const Status second = fixture.list.add(*parse_guest("web=vsock:4:1026"));
  REQUIRE_FALSE(second);
  CHECK(second.error().code() == Errc::kExists);
  CHECK(second.error().text() == "two guests are called web: vsock:3:1026 and vsock:4:1026");
  REQUIRE(fixture.load(fixture.line("web", "web.sock") + fixture.line("db", "db.sock") +
                       fixture.line("db", "other.sock")));
  CHECK(fixture.log.count(
            fmt::format("{}:1: two guests are called web: vsock:3:1026 and unix:", fixture.file)) == 1);
  CHECK(fixture.log.count(fmt::format("{}:3: two guests are called db: unix:", fixture.file)) == 1);
  CHECK(fixture.db.greet());
  CHECK_FALSE(fixture.web.greet());
  CHECK_FALSE(fixture.other.greet());
}

TEST_CASE("a change of the file reaches those whom it is about, and nobody else") {
  ListFixture fixture;
  REQUIRE(fixture.load(fixture.line("web", "web.sock") + fixture.line("db", "db.sock")));
  REQUIRE(fixture.web.greet());
  REQUIRE(fixture.db.greet());
  SECTION("a guest that is new is connected") {
    fixture.write(fixture.line("web", "web.sock") + fixture.line("db", "db.sock") +
                  fixture.line("new", "other.sock"));
    fixture.pass(GuestList::kLookInterval);
    CHECK(fixture.other.greet());
    CHECK(fixture.connected() == ListFixture::Names{"db", "new", "web"});
  }
  SECTION("a guest that is gone from it is disconnected") {
    fixture.write(fixture.line("web", "web.sock"));
    fixture.pass(GuestList::kLookInterval);
    CHECK(fixture.connected() == ListFixture::Names{"web"});
    CHECK(fixture.db.peers[0].ended());
    CHECK(fixture.log.count("guest db: no longer in the list") == 1);
  }
  SECTION("a guest whose connector is another one is connected anew") {
    fixture.write(fixture.line("db", "other.sock") + fixture.line("web", "web.sock"));
    fixture.pass(GuestList::kLookInterval);
    CHECK(fixture.db.peers[0].ended());
    CHECK(fixture.other.greet());
    CHECK(fixture.connected() == ListFixture::Names{"db", "web"});
  }
  SECTION("the same text in another file changes nothing") {
    fixture.write(fixture.line("web", "web.sock") + fixture.line("db", "db.sock"));
    fixture.pass(GuestList::kLookInterval);
    CHECK_FALSE(fixture.db.peers[0].ended());
  }
  CHECK_FALSE(fixture.web.peers[0].ended());
  CHECK_FALSE(fixture.web.greet());
}

TEST_CASE("a file that is written in place counts when it has been left alone") {
  ListFixture fixture;
  REQUIRE(fixture.load(fixture.line("web", "web.sock")));
  REQUIRE(fixture.web.greet());
  // The moment between truncating and writing.
  fixture.write_in_place("");
  fixture.pass(GuestList::kLookInterval);
  CHECK(fixture.connected() == ListFixture::Names{"web"});
  fixture.write_in_place(fixture.line("web", "web.sock") + fixture.line("db", "db.sock"));
  fixture.pass(GuestList::kLookInterval);
  CHECK_FALSE(fixture.db.greet());
  fixture.pass(GuestList::kLookInterval);
  CHECK(fixture.db.greet());
  CHECK_FALSE(fixture.web.peers[0].ended());
}

TEST_CASE("a file that vanishes for a moment ends nobody, and is followed when it is back") {
  ListFixture fixture;
  REQUIRE(fixture.load(fixture.line("web", "web.sock")));
  REQUIRE(fixture.web.greet());
  REQUIRE(::unlink(fixture.file.c_str()) == 0);
  for (int i = 0; i < 5; ++i) fixture.pass(GuestList::kLookInterval);
  CHECK(fixture.connected() == ListFixture::Names{"web"});
  CHECK(fixture.log.count("no such file or directory; the guests stay as they are") == 1);
  fixture.write(fixture.line("db", "db.sock"));
  // It may have the number of the one that is gone: it counts when it has been left alone.
  for (int i = 0; i < 2; ++i) fixture.pass(GuestList::kLookInterval);
  CHECK(fixture.db.greet());
  CHECK(fixture.connected() == ListFixture::Names{"db"});
}

TEST_CASE("a broken line is reported with its place, and its guest stays as it is") {
  ListFixture fixture;
  REQUIRE(fixture.load(fixture.line("web", "web.sock") + fixture.line("db", "db.sock")));
  REQUIRE(fixture.web.greet());
  REQUIRE(fixture.db.greet());
  SECTION("with its name: the others follow the file") {
    fixture.write("\nweb=carrier:pigeon\n" + fixture.line("new", "other.sock"));
    fixture.pass(GuestList::kLookInterval);
    CHECK(fixture.log.count(fixture.file + ":2: web: ") == 1);
    CHECK(fixture.other.greet());
    CHECK(fixture.connected() == ListFixture::Names{"new", "web"});
  }
  SECTION("without: nobody goes") {
    fixture.write("we%b\n" + fixture.line("new", "other.sock"));
    fixture.pass(GuestList::kLookInterval);
    CHECK(fixture.log.count(fixture.file + ":1: 'we%b' is not NAME=CONNECTOR") == 1);
    CHECK(fixture.other.greet());
    CHECK(fixture.connected() == ListFixture::Names{"db", "new", "web"});
  }
  CHECK_FALSE(fixture.web.peers[0].ended());
}

TEST_CASE("a guest of the command line is not the file's to change") {
  ListFixture fixture;
  REQUIRE(fixture.list.add(*parse_guest("web=unix:" + (fixture.folder / "web.sock"))));
  REQUIRE(fixture.load(fixture.line("db", "db.sock")));
  REQUIRE(fixture.web.greet());
  fixture.write("");
  fixture.pass(GuestList::kLookInterval);
  CHECK(fixture.connected() == ListFixture::Names{"web"});
}

TEST_CASE("a file that others may write to says nothing about guests") {
  ListFixture fixture;
  fixture.write(fixture.line("web", "web.sock"));
  REQUIRE(::chmod(fixture.file.c_str(), 0620) == 0);
  const Status loaded = fixture.list.load(fixture.file);
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().code() == Errc::kPermission);
  CHECK(loaded.error().text() == fixture.file + ": other users may write to it; run chmod go-w on it");
  CHECK(fixture.list.size() == 0);
}

TEST_CASE("a file that is missing at the start is an error") {
  ListFixture fixture;
  const Status loaded = fixture.list.load(fixture.file);
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().code() == Errc::kNotFound);
}

TEST_CASE("there are 4096 guests at most") {
  ListFixture fixture;
  std::string text;
  for (std::size_t i = 0; i <= GuestList::kMaxGuests; ++i) text += fmt::format("g{}=vsock:3:{}\n", i, i + 1);
  fixture.write(text);
  REQUIRE(fixture.list.load(fixture.file));
  CHECK(fixture.list.size() == GuestList::kMaxGuests);
  CHECK(fixture.log.count("g4096: there are 4096 guests already") == 1);
}

}  // namespace
}  // namespace shed::bus
