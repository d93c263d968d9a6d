// One task that reads and one that writes on the same TLS channel, with a peer that makes them need one
// another's direction.
#include <catch2/catch.hpp>

#include "tls_fixture.h"

namespace shed::net {
namespace {

const TlsPeerOptions kTls13{.lowest = TLS1_3_VERSION};

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 131 >> 5);
  return text;
}

// Wants new keys of both sides; false when that does not fit into the connection.
bool ask_for_new_keys(SSL* peer, int kind = SSL_KEY_UPDATE_REQUESTED) {
  const bool sent = SSL_key_update(peer, kind) == 1 && SSL_do_handshake(peer) == 1;
  ERR_clear_error();
  return sent;
}

// What the peer writes is kept back from now on, and handed out here.
class HeldBack {
 public:
  explicit HeldBack(TlsPeer& peer) : peer_(peer), held_(BIO_new(BIO_s_mem())) {
    SSL_set0_wbio(peer_.native(), held_);
  }
  ~HeldBack() { SSL_set0_wbio(peer_.native(), BIO_new_socket(peer_.raw().fd(), BIO_NOCLOSE)); }
  HeldBack(const HeldBack&) = delete;

  std::string take() {
    char* bytes = nullptr;
    const long length = BIO_get_mem_data(held_, &bytes);
    std::string text(bytes, static_cast<std::size_t>(length));
    (void)BIO_reset(held_);
    return text;
  }

 private:
  TlsPeer& peer_;
  BIO* held_;  // the connection's
};

// A session ticket in several records: a message of TLS itself of which a part can come.
std::string long_ticket(TlsPeer& peer) {
  SSL_CTX_set_session_ticket_cb(
      SSL_get_SSL_CTX(peer.native()),
      [](SSL* ssl, void*) {
        const std::string filling(3000, 'f');
        return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), filling.data(), filling.size());
      },
      [](SSL*, SSL_SESSION*, const unsigned char*, std::size_t, SSL_TICKET_STATUS, void*) {
        return SSL_TICKET_RETURN_IGNORE;
      },
      nullptr);
  SSL_set_max_send_fragment(peer.native(), 512);
  HeldBack held(peer);
  REQUIRE(SSL_new_session_ticket(peer.native()) == 1);
  REQUIRE(SSL_do_handshake(peer.native()) == 1);
  const std::string ticket = held.take();
  REQUIRE(ticket.size() > 3000);
  return ticket;
}

TEST_CASE("megabytes go both ways at the same time") {
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  Connected pair({.lowest = version, .highest = version});
  const std::string body = pattern(3'000'000);
  auto reading = pair.run(pair.read_all());
  auto writing = pair.run(pair.channel().write("head", body));
  std::string got;
  for (std::size_t sent = 0; sent < body.size(); sent += 50'000) {
    REQUIRE(pair.server->send(std::string_view(body).substr(sent, 50'000)));
    got += pair.server->received();
  }
  while (!writing->done()) got += pair.server->received();
  got += pair.server->received();
  pair.server->goodbye();
  CHECK(**writing);
  CHECK((got == "head" + body));
  REQUIRE(reading->done());
  CHECK((***reading == body));
}

TEST_CASE("a peer that wants new keys again and again while it does not read gets all that was written") {
  Connected pair(kTls13);
  const std::string body = pattern(4'000'000);
  auto reading = pair.run(pair.read_all());
  auto writing = pair.run(pair.channel().write(body, {}));
  for (int i = 0; i < 20; ++i) {
    REQUIRE(ask_for_new_keys(pair.server->native()));
    pair.loop.poll();
  }
  REQUIRE_FALSE(writing->done());
  CHECK_FALSE(reading->done());
  std::string got;
  for (int round = 0; round < 1000 && !writing->done(); ++round) got += pair.server->received();
  got += pair.server->received();
  REQUIRE(writing->done());
  CHECK(**writing);
  CHECK((got == body));
  pair.server->send("still here");
  pair.server->goodbye();
  REQUIRE(reading->done());
  CHECK(***reading == "still here");
}

TEST_CASE("a peer that fills the connection with its wishes for new keys harms itself alone") {
  Connected pair(kTls13);
  auto reading = pair.run(pair.read_all());
  auto writing = pair.run(pair.channel().write(pattern(4'000'000), {}));
  bool all_sent = true;
  for (int i = 0; i < 2000; ++i) {
    all_sent = ask_for_new_keys(pair.server->native()) && all_sent;
    pair.loop.poll();
  }
  CHECK_FALSE(all_sent);
  CHECK_FALSE(writing->done());  // their time limits end them
  CHECK_FALSE(reading->done());
  SECTION("when the reader goes first") {
    reading->drop();
    writing->drop();
  }
  SECTION("when the writer goes first") {
    writing->drop();
    reading->drop();
  }
  pair.opened.reset();
  CHECK(pair.server->raw().ended());
}

TEST_CASE("a reader behind a write that was dropped ends, rather than to wait in vain") {
  Connected pair(kTls13);
  auto reading = pair.run(pair.read_all());
  auto writing = pair.run(pair.channel().write(pattern(4'000'000), {}));
  for (int i = 0; i < 3; ++i) {
    ask_for_new_keys(pair.server->native());
    pair.loop.poll();
  }
  writing->drop();
  (void)pair.server->received();
  REQUIRE(reading->done());
  REQUIRE_FALSE(**reading);
  CHECK((**reading).error().code() == Errc::kClosed);
}

TEST_CASE("a reader that has to send first, and a writer, wait for the same and both go on") {
  Connected pair(kTls13);
  // The connection is full, and no record is half sent.
  const std::string filling = pattern(100'000);
  auto filler = pair.run(pair.channel().write(filling, {}));
  REQUIRE(filler->done());
  const int least = 1;
  REQUIRE(::setsockopt(pair.client_fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof least) == 0);

  auto reading = pair.run(pair.read_all());
  for (int i = 0; i < 3; ++i) {
    REQUIRE(ask_for_new_keys(pair.server->native()));
    pair.loop.poll();
  }
  auto writing = pair.run(pair.channel().write("written", {}));
  CHECK_FALSE(writing->done());
  CHECK_FALSE(reading->done());

  CHECK((pair.server->received() == filling + "written"));
  REQUIRE(writing->done());
  CHECK(**writing);
  pair.server->send("read");
  pair.server->goodbye();
  REQUIRE(reading->done());
  CHECK(***reading == "read");
}

TEST_CASE("a writer behind half a message of TLS waits for the rest of it, beside a reader") {
  Connected pair(kTls13);
  const std::string ticket = long_ticket(*pair.server);
  auto reading = pair.run(pair.read_all());
  pair.server->raw().send(ticket.substr(0, 1500));
  auto writing = pair.run(pair.channel().write("written", {}));
  CHECK_FALSE(writing->done());
  SECTION("and both go on") {
    pair.server->raw().send(ticket.substr(1500));
    REQUIRE(writing->done());
    CHECK(**writing);
    CHECK(pair.server->received() == "written");
    pair.server->send("read");
    pair.server->goodbye();
    REQUIRE(reading->done());
    CHECK(***reading == "read");
  }
  SECTION("and goes on when the reader is dropped") {
    reading->drop();
    pair.server->raw().send(ticket.substr(1500));
    REQUIRE(writing->done());
    CHECK(**writing);
  }
  SECTION("and the reader goes on when the writer is dropped") {
    writing->drop();
    pair.server->raw().send(ticket.substr(1500));
    pair.server->send("read");
    pair.server->goodbye();
    REQUIRE(reading->done());
    CHECK(***reading == "read");
  }
  SECTION("and both hear when the connection breaks") {
    pair.server->raw().send(std::string(1000, 'x'));
    REQUIRE(writing->done());
    CHECK_FALSE(**writing);
    REQUIRE(reading->done());
    CHECK_FALSE(**reading);
  }
  SECTION("and both hear when it ends") {
    pair.server->cut();
    REQUIRE(writing->done());
    CHECK_FALSE(**writing);
    REQUIRE(reading->done());
    CHECK_FALSE(**reading);
  }
}

TEST_CASE("a writer is woken when somebody else has read what it waits for") {
  Connected pair(kTls13);
  const std::string ticket = long_ticket(*pair.server);
  char byte = 0;
  pair.server->raw().send(ticket.substr(0, 1500));
  CHECK_FALSE(*pair.channel().try_read({&byte, 1}));
  auto writing = pair.run(pair.channel().write("written", {}));
  CHECK_FALSE(writing->done());
  const std::string rest = ticket.substr(1500);
  // The loop has no turn between the arrival and the look: the descriptor is never ready for it.
  REQUIRE(::send(pair.server->raw().fd(), rest.data(), rest.size(), 0) == static_cast<ssize_t>(rest.size()));
  CHECK_FALSE(*pair.channel().try_read({&byte, 1}));
  REQUIRE(writing->done());
  CHECK(**writing);
  CHECK(pair.server->received() == "written");
}

TEST_CASE("a failed read ends the write that waits, and no write succeeds after it") {
  Connected pair(kTls13);
  const std::string body = pattern(4'000'000);
  auto reading = pair.run(pair.read_all());
  auto writing = pair.run(pair.channel().write(body, {}));
  CHECK_FALSE(writing->done());
  pair.server->raw().send(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
  REQUIRE(reading->done());
  CHECK((**reading).error().code() == Errc::kProtocol);
  REQUIRE(writing->done());
  CHECK((**writing).error().code() == Errc::kClosed);
  auto again = pair.run(pair.channel().write("x", {}));
  REQUIRE(again->done());
  CHECK((**again).error().code() == Errc::kClosed);
}

TEST_CASE("a peer that sends new keys without end does not keep others from their turn") {
  Connected pair(kTls13);
  int updates = 0;
  while (updates < 100 && ask_for_new_keys(pair.server->native(), SSL_KEY_UPDATE_NOT_REQUESTED)) ++updates;
  REQUIRE(updates == 100);
  SSL_shutdown(pair.server->native());
  int turns = 0;
  const auto count_turns = [](async::Loop& loop, int& count) -> async::Task<> {
    for (; count < 50; ++count) {
      auto turn = loop.sleep(Millis(0));
      co_await turn;
    }
  };
  const auto read_to_end = [](Connected& reader, int& count) -> async::Task<int> {
    auto reading = reader.read_all();
    const auto text = co_await std::move(reading);
    CHECK(text == "");
    co_return count;
  };
  async::Scope scope(pair.loop);
  scope.spawn(count_turns(pair.loop, turns));
  auto turns_at_end = pair.run(read_to_end(pair, turns));
  CHECK(**turns_at_end == 50);
}

}  // namespace
}  // namespace shed::net
