#include <catch2/catch.hpp>

#include "tls_fixture.h"

namespace shed::net {
namespace {

Error handshake_error(const std::function<void(Peer&)>& peer) {
  const AuthorityFile file;
  TlsPair pair(file.options());
  peer(pair.server->raw());
  REQUIRE(pair.opened->done());
  REQUIRE_FALSE(**pair.opened);
  return (**pair.opened).error();
}

TEST_CASE("bytes go both ways, several MiB of them") {
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  Connected pair({.lowest = version, .highest = version});
  std::string body(5'000'000, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 >> 3);

  auto reading = pair.run(pair.read_all());
  CHECK(pair.server->send(body));
  pair.server->goodbye();
  REQUIRE(reading->done());
  REQUIRE(**reading);
  CHECK((***reading == body));

  Connected other({.lowest = version, .highest = version});
  auto writing = other.run(other.channel().write("head", body));
  std::string got;
  while (!writing->done()) got += other.server->received();
  got += other.server->received();
  CHECK(**writing);
  CHECK((got == "head" + body));
}

TEST_CASE("a peer that sends without end does not keep others from their turn") {
  Connected pair;
  REQUIRE(pair.server->send(std::string(100'000, 'x')));
  auto reading = pair.run(pair.read_all());
  int turns = 0;
  const auto count_turns = [](async::Loop& loop, int& count) -> async::Task<> {
    for (; count < 3; ++count) {
      auto turn = loop.sleep(Millis(0));
      co_await turn;
    }
  };
  async::Scope scope(pair.loop);
  scope.spawn(count_turns(pair.loop, turns));
  REQUIRE(pair.server->send(std::string(100'000, 'x')));
  CHECK(turns == 3);
}

TEST_CASE("a goodbye is the end of the stream") {
  Connected pair;
  auto reading = pair.run(pair.read_all());
  pair.server->send("last words");
  CHECK_FALSE(reading->done());
  pair.server->close();
  REQUIRE(reading->done());
  REQUIRE(**reading);
  CHECK(***reading == "last words");
}

TEST_CASE("an end without a goodbye is an error, however much came before") {
  Connected pair;
  auto reading = pair.run(pair.read_all());
  pair.server->send("half of the");
  pair.server->cut();
  REQUIRE(reading->done());
  REQUIRE_FALSE(**reading);
  CHECK((**reading).error().code() == Errc::kClosed);
  CHECK((**reading).error().text() == "the connection was cut off (TLS without close_notify)");
}

TEST_CASE("bytes that were changed on the way are an error, and nothing more is read") {
  Connected pair;
  auto reading = pair.run(pair.read_all());
  pair.server->raw().send(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
  REQUIRE(reading->done());
  REQUIRE_FALSE(**reading);
  CHECK((**reading).error().code() == Errc::kProtocol);
  pair.server->send("more");
  auto again = pair.run(pair.read_all());
  REQUIRE(again->done());
  CHECK((**again).error().code() == Errc::kClosed);
}

TEST_CASE("session tickets and new keys are not bytes for the caller") {
  Connected pair;  // TLS 1.3: two tickets lie there already
  char byte = 0;
  auto count = pair.channel().try_read({&byte, 1});
  REQUIRE(count);
  CHECK_FALSE(count->has_value());
  REQUIRE(SSL_key_update(pair.server->native(), SSL_KEY_UPDATE_REQUESTED) == 1);
  REQUIRE(SSL_do_handshake(pair.server->native()) == 1);
  count = pair.channel().try_read({&byte, 1});
  REQUIRE(count);
  CHECK_FALSE(count->has_value());
  pair.server->send("x");
  count = pair.channel().try_read({&byte, 1});
  REQUIRE(count);
  CHECK(count->has_value());
  CHECK(byte == 'x');
  auto writing = pair.run(pair.channel().write("with new keys", {}));
  REQUIRE(writing->done());
  CHECK(pair.server->received() == "with new keys");
}

TEST_CASE("without waiting, the end and a broken connection are told apart") {
  char byte = 0;
  Connected pair;
  SECTION("the end") {
    pair.server->close();
    const auto count = pair.channel().try_read({&byte, 1});
    REQUIRE(count);
    CHECK(*count == std::optional<std::size_t>(0));
  }
  SECTION("cut off") {
    pair.server->cut();
    CHECK_FALSE(pair.channel().try_read({&byte, 1}));
  }
}

TEST_CASE("renegotiation is refused") {
  Connected pair({.highest = TLS1_2_VERSION});
  auto reading = pair.run(pair.read_all());
  SSL_renegotiate(pair.server->native());
  SSL_do_handshake(pair.server->native());
  pair.loop.poll();
  (void)pair.server->received();
  pair.server->send("x");
  CHECK_FALSE(SSL_is_init_finished(pair.server->native()));
}

TEST_CASE("a reader that is dropped leaves the bytes to the next one") {
  Connected pair;
  auto first = pair.run(pair.read_all());
  first->drop();
  pair.server->send("for the second");
  auto second = pair.run(pair.read_all());
  pair.server->goodbye();
  REQUIRE(second->done());
  CHECK(***second == "for the second");
}

TEST_CASE("after a write that was dropped nothing more is written, not even a goodbye") {
  Connected pair;
  const std::string body(8'000'000, 'x');
  auto writing = pair.run(pair.channel().write("", body));
  REQUIRE_FALSE(writing->done());
  writing->drop();
  auto again = pair.run(pair.channel().write("x", {}));
  REQUIRE(again->done());
  CHECK((**again).error().code() == Errc::kClosed);
  again.reset();
  pair.opened.reset();
  CHECK(pair.server->received().size() < body.size());
  CHECK(pair.server->broken());
  CHECK_FALSE(pair.server->ended());
}

TEST_CASE("a connection that is not needed any more ends with a goodbye") {
  Connected pair;
  pair.opened.reset();
  CHECK(pair.server->received().empty());
  CHECK(pair.server->ended());
}

// Handshakes that come to nothing

TEST_CASE("a peer that closes in the handshake is an error that says so") {
  const Error error = handshake_error([](Peer& peer) { peer.close(); });
  CHECK(error.code() == Errc::kClosed);
  CHECK(error.text() == "the peer closed the connection in the TLS handshake");
}

TEST_CASE("a peer that resets the connection in the handshake is an error") {
  CHECK(handshake_error([](Peer& peer) { peer.reset(); }).code() == Errc::kClosed);
}

TEST_CASE("a peer that speaks plain HTTP is told from one that is broken") {
  const Error error =
      handshake_error([](Peer& peer) { peer.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"); });
  CHECK(error.code() == Errc::kProtocol);
  CHECK(error.text() == "the peer does not speak TLS; is it plain http?");
}

TEST_CASE("garbage instead of a handshake is an error") {
  const auto garbage = GENERATE(values<std::string>({
      std::string(200, '\0'),
      std::string(200, '\xff'),
      std::string("\x16\x03\x03\xff\xff", 5) + std::string(200, 'x'),
      std::string("\x16\x03\x03\x00\x08", 5) + std::string(8, 'x'),
      std::string("\x15\x03\x03\x00\x02\x02\x28", 7),
      std::string("\x17\x03\x03\x00\x02xx", 7),
  }));
  CAPTURE(garbage);
  const Error error = handshake_error([&](Peer& peer) { peer.send(garbage); });
  CHECK(error.code() == Errc::kProtocol);
  CHECK_FALSE(error.text().empty());
}

TEST_CASE("TLS 1.1 is refused") {
  const AuthorityFile file;
  TlsPair pair(file.options(), "localhost", {.lowest = TLS1_VERSION, .highest = TLS1_1_VERSION});
  const Error error = pair.error();
  CHECK(error.code() == Errc::kProtocol);
  CHECK(error.text() == "the peer speaks neither TLS 1.2 nor 1.3");
}

TEST_CASE("a handshake that is dropped leaves nothing behind") {
  const AuthorityFile file;
  TlsPair pair(file.options());
  CHECK_FALSE(pair.opened->done());
  pair.opened->drop();
  CHECK(pair.server->raw().ended());
}

TEST_CASE("a host that no certificate could name is refused before anything is sent") {
  const AuthorityFile file;
  const auto host = GENERATE(values<std::string>({"", ".", std::string(300, 'a'), std::string("a\0b", 3)}));
  TlsPair pair(file.options(), host);
  REQUIRE(pair.opened->done());
  REQUIRE_FALSE(**pair.opened);
  CHECK((**pair.opened).error().code() == Errc::kInvalid);
  CHECK(pair.server->raw().received().empty());
}

}  // namespace
}  // namespace shed::net
