#include "shed/async/stream.h"

#include "unit/async/stream_fixture.h"

namespace shed::async {

TEST_CASE_METHOD(StreamFixture, "a read waits for bytes and returns what is there") {
  start_reading(buffer);
  CHECK(!got.has_value());
  send("hello");
  loop.poll();
  CHECK(text() == "hello");
}

TEST_CASE_METHOD(StreamFixture, "what does not fit into one read is there for the next") {
  send("hello world");
  start_reading(std::span(buffer).first(5));
  CHECK(text() == "hello");
  start_reading(buffer);
  CHECK(text() == " world");
}

TEST_CASE_METHOD(StreamFixture, "a read that took all waits for more though it filled its buffer") {
  send("hello");
  start_reading(std::span(buffer).first(5));
  CHECK(text() == "hello");
  start_reading(buffer);
  CHECK(!got.has_value());
  send("again");
  loop.poll();
  CHECK(text() == "again");
}

TEST_CASE_METHOD(StreamFixture, "the end of a stream is 0, again and again, after the last bytes") {
  send("bye");
  far.close();
  start_reading(buffer);
  CHECK(text() == "bye");
  for (int i = 0; i < 40; ++i) {
    start_reading(buffer);
    REQUIRE(got.has_value());
    CHECK(**got == 0);
  }
}

TEST_CASE_METHOD(StreamFixture, "a half-closed stream still carries the other direction") {
  send("question");
  far.shut_down_writing();
  start_reading(buffer);
  CHECK(text() == "question");
  start_reading(buffer);
  CHECK(**got == 0);
  REQUIRE(loop.block_on(near.write("answer")));
  CHECK(far.try_read(buffer).value() == 6);
}

TEST_CASE_METHOD(StreamFixture, "a stream that the peer reset is closed, then at its end") {
  REQUIRE(loop.block_on(near.write("unread")));
  start_reading(buffer);
  far.close();  // with bytes that it has not read
  loop.poll();
  REQUIRE(got.has_value());
  REQUIRE(!*got);
  CHECK(got->error().code() == Errc::kClosed);
  start_reading(buffer);
  REQUIRE(got.has_value());
  CHECK(**got == 0);
}

TEST_CASE_METHOD(StreamFixture, "reading a stream that was closed here is an error at once") {
  near.close();
  start_reading(buffer);
  REQUIRE(got.has_value());
  CHECK(got->error().code() == Errc::kClosed);
  CHECK(!loop.block_on(near.write("x")));
}

TEST_CASE_METHOD(StreamFixture, "read_exactly gathers parts") {
  scope.spawn(read_exact(near, std::span(buffer).first(6), status));
  for (const char* part : {"ab", "cd", "efgh"}) send(part);
  loop.poll();
  REQUIRE(status.has_value());
  CHECK(status->has_value());
  CHECK(std::string_view(buffer.data(), 6) == "abcdef");
  start_reading(buffer);
  CHECK(text() == "gh");
}

TEST_CASE_METHOD(StreamFixture, "read_exactly of a stream that ends before says so") {
  scope.spawn(read_exact(near, std::span(buffer).first(6), status));
  send("abc");
  far.close();
  loop.poll();
  REQUIRE(status.has_value());
  CHECK(status->error().code() == Errc::kClosed);
  CHECK(status->error().text() == "the connection ended in the middle");
}

TEST_CASE_METHOD(StreamFixture, "a write larger than the socket's buffer arrives whole") {
  const std::string bytes = pattern(kHuge);
  std::string received;
  scope.spawn(write_all(far, bytes, status));
  loop.poll();
  CHECK(!status.has_value());
  scope.spawn(collect(near, received));
  loop.poll();
  REQUIRE(status.has_value());
  CHECK(status->has_value());
  CHECK(received == bytes);
}

TEST_CASE_METHOD(StreamFixture, "both directions may be full at the same time") {
  const std::string bytes = pattern(kHuge);
  std::string at_near, at_far;
  std::optional<Status> other;
  scope.spawn(write_all(far, bytes, status));
  scope.spawn(write_all(near, bytes, other));
  loop.poll();
  scope.spawn(collect(near, at_near));
  scope.spawn(collect(far, at_far));
  loop.poll();
  CHECK(at_near == bytes);
  CHECK(at_far == bytes);
}

TEST_CASE_METHOD(StreamFixture, "two parts are written in order, whatever their sizes") {
  const std::string bytes = pattern(kHuge);
  const std::vector<std::pair<std::string_view, std::string_view>> pairs = {
      {"", ""}, {"a", ""}, {"", "b"}, {"head ", "body"}, {bytes, "tail"}, {"head", bytes}};
  for (const auto& [first, second] : pairs) {
    std::string received;
    status.reset();
    {
      Scope reading(loop);
      scope.spawn(write_parts(far, first, second, status));
      reading.spawn(collect(near, received));
      loop.poll();
    }
    REQUIRE(status.has_value());
    CHECK(status->has_value());
    CHECK(received == std::string(first) + std::string(second));
  }
}

TEST_CASE_METHOD(StreamFixture, "writing to a peer that went away is an error, not a signal") {
  far.close();
  const Status written = loop.block_on(near.write("x"));
  REQUIRE(!written);
  CHECK(written.error().code() == Errc::kClosed);
  CHECK(loop.block_on(near.write("a", "b")).error().code() == Errc::kClosed);
}

TEST_CASE_METHOD(StreamFixture, "a writer that waits hears that the peer went away") {
  const std::string bytes = pattern(kHuge);
  scope.spawn(write_all(near, bytes, status));
  loop.poll();
  CHECK(!status.has_value());
  far.close();
  loop.poll();
  REQUIRE(status.has_value());
  CHECK(status->error().code() == Errc::kClosed);
}

TEST_CASE_METHOD(StreamFixture, "try_read never waits") {
  CHECK(near.try_read(buffer).value() == std::nullopt);
  send("abc");
  CHECK(near.try_read(buffer).value() == 3);
  far.close();
  CHECK(near.try_read(buffer).value() == 0);
}

TEST_CASE_METHOD(StreamFixture, "a stream that is moved takes its descriptor along") {
  Stream moved = std::move(near);
  send("abc");
  const auto count = loop.block_on(moved.read(buffer));
  CHECK(count.value() == 3);
  const auto before = open_descriptors();
  moved = std::move(far);
  CHECK(open_descriptors() == before - 1);
}

TEST_CASE_METHOD(StreamFixture, "a unix socket's peer is this process") {
  const auto peer = near.peer_credentials();
  REQUIRE(peer);
  CHECK(peer->user == getuid());
#ifdef __linux__
  CHECK(peer->process == getpid());
#endif
}

TEST_CASE_METHOD(PipeFixture, "a pipe carries bytes and its end") {
  REQUIRE(loop.block_on(writer.write("head ", "body")));
  start_reading(buffer);
  CHECK(text() == "head body");
  writer.close();
  start_reading(buffer);
  CHECK(**got == 0);
}

TEST_CASE_METHOD(PipeFixture, "writing to a pipe whose reader is gone is an error, not a signal") {
  reader.close();
  const Status written = loop.block_on(writer.write("x"));
  REQUIRE(!written);
  CHECK(written.error().code() == Errc::kClosed);
}

TEST_CASE_METHOD(PipeFixture, "a writer that waits hears that a pipe's reader is gone") {
  const std::string bytes = pattern(kHuge);
  scope.spawn(write_all(writer, bytes, status));
  loop.poll();
  CHECK(!status.has_value());
  reader.close();
  loop.poll();
  REQUIRE(status.has_value());
  CHECK(status->error().code() == Errc::kClosed);
}

TEST_CASE_METHOD(LoopFixture, "a regular file reads as a stream") {
  std::unique_ptr<FILE, int (*)(FILE*)> file(tmpfile(), fclose);
  REQUIRE(file);
  REQUIRE(fputs("contents", file.get()) >= 0);
  rewind(file.get());
  Stream stream(loop, UniqueFd(dup(fileno(file.get()))));
  std::string received;
  loop.block_on(collect(stream, received));
  CHECK(received == "contents");
}

}  // namespace shed::async
