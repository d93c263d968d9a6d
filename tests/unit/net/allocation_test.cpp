// Counts what comes from the heap, by whomever: libuv and llhttp call malloc themselves. Not under
// sanitizers, which have their own heap and where coroutine frames are not pooled.
#include <features.h>

#if !defined(SHED_SANITIZED) && defined(__GLIBC__)

#include <atomic>
#include <cstdlib>

#include "net_fixture.h"
#include "shed/net/event_stream.h"
#include "shed/net/http_client.h"

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
}

namespace {
std::atomic<long> allocations{0};
}

extern "C" {
void* malloc(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(memory, size);
}
}

namespace shed::net {
namespace {

constexpr std::string_view kBody =
    R"({"namespace":"ssh-agent","type":"request","payload":{"operation":"list"}})";

class Echo : public HttpHandler {
 public:
  async::Task<> handle(HttpExchange& exchange) override {
    (void)co_await exchange.respond(200, "application/json", exchange.body());
  }
};

async::Task<int> ask(HttpClient& client, int rounds) {
  int answers = 0;
  const HttpRequest request{
      .method = "POST", .path = "/v1/publish", .content_type = "application/json", .body = kBody};
  for (int i = 0; i < rounds; ++i) {
    const auto response = co_await client.send(request);
    if (response && response->status() == 200 && response->body() == kBody) ++answers;
  }
  co_return answers;
}

async::Task<Result<int>> ask_in_time(HttpClient& client, int rounds) {
  co_return co_await ask(client, rounds);
}

struct Pair {
  async::Loop loop;
  TemporaryFolder folder;
  Echo handler;
  HttpServer server{loop, handler};
  Result<Listener> listener = Listener::open(loop, unix_at(folder / "s"));
  HttpClient client{loop, *parse_url("http+unix://" + (folder / "s") + ":/")};
  async::Scope scope{loop};
  Pair() {
    REQUIRE(listener);
    scope.spawn(server.serve(listener->acceptor()));
  }
};

TEST_CASE("what is counted is the whole heap") {
  const long before = allocations;
  std::free(std::malloc(100));
  delete new std::string(100, 'x');
  CHECK(allocations - before >= 3);
}

TEST_CASE("a request on a connection that is kept takes nothing from the heap, on either side") {
  Pair pair;
  CHECK(pair.loop.block_on(ask(pair.client, 10)) == 10);
  const long before = allocations;
  const int answers = pair.loop.block_on(ask(pair.client, 1000));
  const long taken = allocations - before;
  CHECK(answers == 1000);
  CHECK(taken == 0);
}

TEST_CASE("nor do many requests at a time, once as many were there before") {
  Pair pair;
  const auto burst = [&pair] {
    int answers = 0;
    const auto count = [](HttpClient& client, int& sum) -> async::Task<> { sum += co_await ask(client, 20); };
    {
      async::Scope scope(pair.loop);
      for (int i = 0; i < 16; ++i) scope.spawn(count(pair.client, answers));
      while (scope.size() > 0) pair.loop.poll();
    }
    return answers;
  };
  CHECK(burst() == 320);
  CHECK(burst() == 320);
  const long before = allocations;
  const int answers = burst();
  const long taken = allocations - before;
  CHECK(answers == 320);
  CHECK(taken == 0);
}

TEST_CASE("a time limit around a request costs nothing either") {
  Pair pair;
  const auto limited = [&pair](int rounds) {
    const auto result =
        pair.loop.block_on(async::with_timeout(pair.loop, Millis(60'000), ask_in_time(pair.client, rounds)));
    return result ? *result : -1;
  };
  CHECK(limited(10) == 10);
  const long before = allocations;
  int answers = 0;
  for (int i = 0; i < 100; ++i) answers += limited(1);
  const long taken = allocations - before;
  CHECK(answers == 100);
  CHECK(taken == 0);
}

// Writes events as long as the test wants some.
class Source : public HttpHandler {
 public:
  explicit Source(async::Loop& loop) : wanted(loop) {}
  async::Task<> handle(HttpExchange& exchange) override {
    Status status = co_await exchange.start_stream("text/event-stream");
    while (status) {
      co_await wanted.wait();
      wanted.reset();
      event_.clear();
      append_event(event_, kBody);
      status = co_await exchange.write(event_.view());
    }
  }
  async::Event wanted;

 private:
  Buffer event_;
};

async::Task<int> listen(HttpStream& stream, EventStreamReader& reader, Source& source, int count) {
  int events = 0;
  source.wanted.set();
  while (events < count) {
    const auto event = reader.next();
    if (!event) break;
    if (*event) {
      events += **event == kBody ? 1 : 0;
      source.wanted.set();
      continue;
    }
    const auto more = co_await stream.read(reader.input());
    if (!more || *more == 0) break;
  }
  co_return events;
}

TEST_CASE("an event takes nothing from the heap on its way") {
  async::Loop loop;
  TemporaryFolder folder;
  Source source(loop);
  HttpServer server(loop, source);
  auto listener = Listener::open(loop, unix_at(folder / "s"));
  REQUIRE(listener);
  async::Scope scope(loop);
  scope.spawn(server.serve(listener->acceptor()));
  HttpClient client(loop, *parse_url("http+unix://" + (folder / "s") + ":/"));
  auto stream = loop.block_on(client.open_stream({}));
  REQUIRE(stream);
  EventStreamReader reader;
  CHECK(loop.block_on(listen(*stream, reader, source, 10)) == 10);
  const long before = allocations;
  const int events = loop.block_on(listen(*stream, reader, source, 1000));
  const long taken = allocations - before;
  CHECK(events == 1000);
  CHECK(taken == 0);
}

}  // namespace
}  // namespace shed::net

#endif
