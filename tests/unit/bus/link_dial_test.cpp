#include "shed/bus/link_dial.h"

#include "link_fixture.h"
#include "shed/net/tls_server.h"

namespace shed::bus {
namespace {

using OpenedChannel = Result<std::unique_ptr<net::Channel>>;

constexpr Millis kLimit{5'000};

// The socket of a vsock device, or of a virtual machine's serial port: it takes one connection.
class Dialled {
 public:
  explicit Dialled(std::string_view form = "firecracker:{}:1026") {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    listener_ = UniqueFd(fd);
    const sockaddr_un native = net::native_address(path);
    REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&native), sizeof native) == 0);
    REQUIRE(::listen(fd, 1) == 0);
    const auto address = parse_link_dial(fmt::format(fmt::runtime(form), path));
    REQUIRE(address);
    dialling.emplace(loop, dial_link(loop, *address, nullptr, kLimit));
    peer.emplace(loop, UniqueFd(::accept(fd, nullptr, nullptr)));
  }

  Error error() {
    REQUIRE(dialling->done());
    REQUIRE_FALSE(**dialling);
    return (**dialling).error();
  }
  // What comes through the channel next, if anything has come.
  std::optional<std::string> read() {
    std::string into(64, '\0');
    const auto count = (***dialling).get()->try_read(into);
    REQUIRE(count);
    if (!*count) return std::nullopt;
    return into.substr(0, **count);
  }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  std::string path = folder / "device.sock";
  std::optional<net::Peer> peer;
  std::optional<net::Running<OpenedChannel>> dialling;

 private:
  UniqueFd listener_;
};

TEST_CASE("a vsock device is asked for the port, and what follows its answer belongs to the guest") {
  Dialled device;
  CHECK(device.peer->received() == "CONNECT 1026\n");
  device.peer->send("OK 1073741824\nfirst bytes");
  REQUIRE(device.dialling->done());
  REQUIRE(**device.dialling);
  CHECK(device.read() == "first bytes");
}

TEST_CASE("a vsock device may answer in pieces") {
  Dialled device;
  for (const char* piece : {"O", "K 1", "2"}) {
    device.peer->send(piece);
    CHECK_FALSE(device.dialling->done());
  }
  device.peer->send("\n");
  REQUIRE(device.dialling->done());
  CHECK(**device.dialling);
}

TEST_CASE("a vsock device that answers anything else is refused, and its words are made readable") {
  struct Case {
    const char* answer;
    const char* shown;
  };
  const Case wrong = GENERATE(values<Case>({{"NO 1026\n", "'NO 1026'"},
                                            {"\n", "''"},
                                            {"OK\n", "'OK'"},
                                            {"OK \n", "'OK '"},
                                            {"OK 10x\n", "'OK 10x'"},
                                            {"OK 1\r\n", "'OK 1"},
                                            {"ok 1\n", "'ok 1'"},
                                            {"\x1b[2J\n", "[2J'"}}));
  CAPTURE(wrong.shown);
  Dialled device;
  device.peer->send(wrong.answer);
  const Error error = device.error();
  CHECK(error.code() == Errc::kProtocol);
  CHECK(error.text().starts_with("vsock device " + device.path + ": it does not answer with OK and a port"));
  CHECK(error.text().find(wrong.shown) != std::string::npos);
  CHECK(error.text().find_first_of("\x1b\r\n") == std::string::npos);
}

TEST_CASE("of a line without end a vsock device is heard 32 bytes") {
  Dialled device;
  device.peer->send("OK " + std::string(28, '1'));
  CHECK_FALSE(device.dialling->done());
  device.peer->send("1");
  const Error error = device.error();
  CHECK(error.code() == Errc::kProtocol);
  CHECK(error.text().ends_with("'OK " + std::string(29, '1') + "'"));
}

TEST_CASE("a vsock device that hangs up says that nobody listens in the guest") {
  Dialled device;
  SECTION("without a word") {
    device.peer->close();
    CHECK(device.error().code() == Errc::kUnavailable);
    CHECK(device.error().text() ==
          "vsock device " + device.path + ": it hung up; nobody listens on port 1026 in the guest");
  }
  SECTION("before it has read the request") {
    device.peer->reset();
    CHECK(device.error().code() == Errc::kUnavailable);
  }
  SECTION("in the middle of the line") {
    (void)device.peer->received();
    device.peer->send("OK 10");
    device.peer->close();
    CHECK(device.error().code() == Errc::kUnavailable);
    CHECK(device.error().text().find("it hung up after 'OK 10'") != std::string::npos);
  }
}

TEST_CASE("one time limit holds for all of the dialling") {
  Dialled device;
  device.clock.advance(kLimit - 1ms);
  device.peer->send("OK 1");  // bytes that come do not prolong it
  CHECK_FALSE(device.dialling->done());
  device.clock.advance(1ms);
  const Error error = device.error();
  CHECK(error.code() == Errc::kTimeout);
  CHECK(error.text() == "vsock device " + device.path + ": no answer within 5s");
  CHECK(device.peer->ended());
}

TEST_CASE("dialling that is dropped hangs up") {
  Dialled device;
  device.dialling->drop();
  CHECK(device.peer->ended());
}

TEST_CASE("the serial port of a virtual machine may be a unix socket, which wants no greeting") {
  Dialled chardev("serial:{}");
  REQUIRE(chardev.dialling->done());
  REQUIRE(**chardev.dialling);
  CHECK(chardev.peer->received().empty());
  chardev.peer->send("hello");
  CHECK(chardev.read() == "hello");
}

Error dial_error(async::Loop& loop, std::string_view text) {
  const auto address = parse_link_dial(text);
  REQUIRE(address);
  net::Running<OpenedChannel> dialling(loop, dial_link(loop, *address, nullptr, kLimit));
  REQUIRE(dialling.done());
  REQUIRE_FALSE(*dialling);
  return (*dialling).error();
}

TEST_CASE("a socket that is missing is named") {
  async::Loop loop;
  const net::TemporaryFolder folder;
  const std::string path = folder / "web.sock";
  for (const auto& text : {"unix:" + path, "firecracker:" + path + ":1026"}) {
    const Error error = dial_error(loop, text);
    CHECK(error.code() == Errc::kNotFound);
    CHECK(error.text().starts_with("connect to " + path + ": "));
  }
}

// A guest that listens on TCP with TLS, and what dialling it came to.
OpenedChannel dial_tls(const std::string& served, const std::string& pin) {
  async::Loop loop;
  auto listener = net::Listener::open(loop, *net::parse_address("127.0.0.1:0"));
  REQUIRE(listener);
  auto server = net::TlsServerContext::create({.certificate_file = served, .key_file = ""});
  REQUIRE(server);
  auto client =
      net::TlsContext::create({.ca_file = "", .pin = pin.empty() ? (*server)->pin() : pin, .protocol = ""});
  REQUIRE(client);
  const auto serve = [](async::Loop& on, net::Listener& from, std::shared_ptr<net::TlsServerContext> context,
                        std::string& heard) -> async::Task<> {
    auto fd = co_await from.acceptor().accept();
    auto channel = co_await net::accept_tls(on, std::move(context), async::Stream(on, std::move(*fd)));
    std::string into(64, '\0');
    if (!channel) co_return;
    const auto count = co_await (*channel)->read(into);
    if (count) heard = into.substr(0, *count);
  };
  std::string heard;
  async::Scope scope(loop);
  scope.spawn(serve(loop, *listener, *server, heard));
  const auto address = parse_link_dial("tcp+tls://" + listener->address().text());
  REQUIRE(address);
  auto dialled = loop.block_on(dial_link(loop, *address, *client, kLimit));
  if (!dialled) return propagate(dialled);
  REQUIRE(loop.block_on((*dialled)->write("frames", {})));
  loop.block_on(scope.join());
  CHECK(heard == "frames");
  return nullptr;  // its loop ends here
}

TEST_CASE("a guest on TCP is dialled with TLS, and known by its certificate") {
  const net::TemporaryFolder folder;
  const std::string path = folder / "guest.pem";
  REQUIRE(net::make_self_signed(path, "guest"));
  CHECK(dial_tls(path, ""));
  const auto wrong = dial_tls(path, "sha256:" + std::string(64, 'a'));
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code() == Errc::kRefused);
  CHECK(wrong.error().text().starts_with("TLS with 127.0.0.1:"));
  CHECK(wrong.error().text().find("the certificate's pin is sha256:") != std::string::npos);
}

TEST_CASE("TCP without anything that says which certificate to accept is refused before it is tried") {
  async::Loop loop;
  const Error error = dial_error(loop, "tcp+tls://nowhere.invalid:7001");
  CHECK(error.code() == Errc::kInvalid);
  CHECK(error.text() == "tcp+tls://nowhere.invalid:7001: nothing says which certificate to accept");
}

}  // namespace
}  // namespace shed::bus
