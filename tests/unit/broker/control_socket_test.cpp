#include "shed/broker/control_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;
using Command = ControlRequest::Command;

struct ControlFixture : HostFixture {
  ControlFixture() { options.control_socket = folder / "run/control.sock"; }

  // The agent as the program starts it, with no key, and what it answers to this line.
  std::string say(std::string_view line) {
    auto connected = connect();
    net::Running<Status> written(loop, connected.write(line));
    REQUIRE(written.done());
    std::string text(8192, '\0');
    net::Running<Result<std::size_t>> read(loop, connected.read(text));
    loop.poll();
    REQUIRE(read.done());
    text.resize((*read).value_or(0));
    return text;
  }
  async::Stream connect() {
    net::Running<Result<async::Stream>> connecting(loop, net::connect(loop, net::unix_at(path()), 2s));
    REQUIRE(connecting.done());
    REQUIRE(*connecting);
    return std::move(**connecting);
  }
  std::string path() const { return folder / "run/control.sock"; }
};

using Fixture = ControlFixture;

// A control socket with nothing behind it, and clients whose user the test chooses.
struct LoneSocket {
  explicit LoneSocket(uid_t user) {
    auto opened = ControlSocket::open(
        loop, path,
        [this](const ControlRequest&) -> Result<std::string> {
          ++obeyed;
          return "done";
        },
        user);
    REQUIRE(opened);
    socket = std::move(*opened);
    tasks.spawn(socket->run());
    for (const std::string& open : {folder / "", folder / "run", path}) {
      REQUIRE(::chmod(open.c_str(), 0777) == 0);
    }
    loop.poll();
  }
  // Says its line as it connects: what it is answered.
  std::string say(std::string_view line) {
    UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::send(client.get(), line.data(), line.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(line.size()));
    for (int i = 0; i < 4; ++i) loop.poll();
    char text[256];
    const ssize_t count = ::recv(client.get(), text, sizeof text, MSG_DONTWAIT);
    return count > 0 ? std::string(text, static_cast<std::size_t>(count)) : std::string();
  }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  std::string path = folder / "run/control.sock";
  LogLines log;
  int obeyed = 0;
  std::unique_ptr<ControlSocket> socket;
  async::Scope tasks{loop};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "the control socket is the owner's alone, and goes with the agent") {
  REQUIRE(start());
  struct stat info{};
  REQUIRE(::stat(path().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  REQUIRE(::stat((folder / "run").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
  tasks.cancel();
  agent.reset();
  CHECK(::stat(path().c_str(), &info) != 0);
}

TEST_CASE_METHOD(Fixture, "a live control socket is not replaced") {
  REQUIRE(start());
  const auto second =
      ControlSocket::open(loop, path(), [](const ControlRequest&) -> Result<std::string> { return ""; });
  REQUIRE_FALSE(second);
  CHECK(second.error().code() == Errc::kExists);
}

TEST_CASE("another user's process pauses and resumes nothing, whatever the modes of the socket are") {
  constexpr std::string_view kPause = "{\"command\":\"pause\"}\n";
  const bool is_root = ::geteuid() == 0;
  // Root is obeyed everywhere: then it is the test that becomes somebody else.
  LoneSocket lone(is_root ? 0 : ::geteuid() + 1);
  if (is_root) {
    CHECK(lone.say(kPause) == "{\"ok\":true,\"text\":\"done\"}\n");
    REQUIRE(lone.obeyed == 1);
    REQUIRE(::seteuid(65534) == 0);
  }
  const int before = lone.obeyed;
  const std::string answer = lone.say(kPause);
  if (is_root) REQUIRE(::seteuid(0) == 0);
  CHECK(answer.empty());
  CHECK(lone.obeyed == before);
  CHECK(lone.log.count("is not served") == 1);
}

TEST_CASE_METHOD(Fixture, "a line pauses and another resumes") {
  REQUIRE(start());
  CHECK(member(say(R"({"command":"pause","shed":"web"})"
                   "\n"),
               "text") ==
        "paused: web; ended 0 requests under way and 0 grants\n"
        "no guest web has asked for anything yet; is the name right?\n"
        "until 'shed-ext host resume --shed web', or a restart of the host agent");
  CHECK(member(ask(R"({"operation":"list"})"), "reason_code") == "HOST_PAUSED");
  CHECK(ask(R"({"operation":"ping"})") == R"({"status":"ok"})");
  REQUIRE(agent->status().paused.size() == 1);
  CHECK(member(say("{\"command\":\"resume\",\"shed\":\"web\"}\n"), "text") == "resumed: web");
  CHECK(ask(R"({"operation":"list"})") == R"({"keys":[]})");
  CHECK(member(say("{\"command\":\"resume\",\"shed\":\"web\"}\n"), "text") ==
        "web: not paused, nothing to resume");
}

TEST_CASE_METHOD(Fixture, "to resume one of all that are paused says what helps") {
  REQUIRE(start());
  say("{\"command\":\"pause\"}\n");
  CHECK(member(say("{\"command\":\"resume\",\"shed\":\"web\"}\n"), "text") ==
        "web: still paused by the pause of all guests; resume with 'shed-ext host resume'");
}

TEST_CASE_METHOD(Fixture, "what is no command is refused and changes nothing") {
  REQUIRE(start());
  const std::string line = GENERATE(
      std::string("garbage"), std::string("{}"), std::string(R"({"command":"stop"})"),
      std::string(R"({"command":"pause","shed":1})"), std::string(R"({"command":"pause","shed":null})"),
      std::string(R"({"command":"pause","shed":""})"),
      std::string(R"({"command":"pause","shed":"web","server":""})"), std::string(R"({"command":["pause"]})"),
      std::string("[]"), std::string(), R"({"command":"pause","shed":")" + std::string(257, 'x') + "\"}",
      std::string(5000, 'x'));
  const std::string answer = say(line + "\n");
  CHECK_THAT(answer, Catch::StartsWith(R"({"ok":false,"error":")"));
  CHECK(agent->status().paused.empty());
}

TEST_CASE_METHOD(Fixture, "who connects and says nothing is hung up on, and others are served meanwhile") {
  REQUIRE(start());
  auto silent = connect();
  CHECK(member(say("{\"command\":\"pause\"}\n"), "text") != "");
  char byte = 0;
  net::Running<Result<std::size_t>> read(loop, silent.read({&byte, 1}));
  CHECK_FALSE(read.done());
  clock.advance(ControlSocket::kClientLimit);
  loop.poll();
  loop.poll();
  REQUIRE(read.done());
  CHECK(*read == 0U);
}

TEST_CASE_METHOD(Fixture, "a host agent that is not running is said to be so") {
  net::Running<Result<std::string>> done(loop, control_host(loop, folder / "none.sock", {}));
  REQUIRE(done.done());
  REQUIRE_FALSE(*done);
  CHECK((*done).error().code() == Errc::kUnavailable);
  CHECK_THAT((*done).error().text(), Catch::StartsWith("the host agent is not running"));
}

TEST_CASE_METHOD(Fixture, "a signature under way is ended by a pause, and the answer is the refusal") {
  run();
  backend->gate.reset();
  net::Running<Result<bus::Publisher::Reply>> reply(
      loop, publisher->request("ssh-agent", R"({"operation":"list"})", 3s));
  CHECK_FALSE(reply.done());
  const auto done = agent->control().run({Command::kPause, {"mini2", "web"}});
  REQUIRE(done);
  CHECK_THAT(*done, Catch::StartsWith("paused: web on mini2; ended 1 request under way and 0 grants\n"));
  loop.poll();
  REQUIRE(reply.done());
  REQUIRE(*reply);
  CHECK(member((*reply)->payload(), "reason_code") == "HOST_PAUSED");
}

TEST_CASE_METHOD(Fixture, "the status tells who is paused") {
  StatusDocument document;
  document.paused = {{"", ""}, {"mini2", "web"}};
  const std::string text = encode_status(document, clock.wall());
  CHECK_THAT(text, Catch::Contains(R"("paused":[{},{"server":"mini2","shed":"web"}])"));
  CHECK(text.find("paused") < text.size());
  document.paused.clear();
  CHECK_THAT(encode_status(document, clock.wall()), !Catch::Contains("paused"));
}

}  // namespace shed::broker
