#include "shed/ssh/agent_server.h"

#include <poll.h>

#include <string>
#include <utility>

#include "agent_frame_reader.h"

namespace shed::ssh {
namespace {

// Whether the peer has closed its socket, and not only stopped sending. Other systems than Linux do
// not tell one from the other.
bool has_hung_up([[maybe_unused]] int fd) {
#ifdef __linux__
  pollfd watched{fd, 0, 0};
  return ::poll(&watched, 1, 0) == 1 && (watched.revents & (POLLHUP | POLLERR)) != 0;
#else
  return false;
#endif
}

class Connection {
 public:
  Connection(async::Loop& loop, async::Stream stream, AgentService& service, log::Limiter& limiter,
             AgentServerOptions options)
      : loop_(loop),
        stream_(std::move(stream)),
        limiter_(limiter),
        options_(options),
        reader_(stream_),
        session_(service, limiter) {}

  async::Task<> run() {
    if (!is_welcome()) co_return;
    // Not in the loop's condition: GCC 12 makes no working coroutine of a body that awaits in a
    // condition and has no variable of its own.
    for (bool open = true; open;) open = co_await serve_message();
  }

 private:
  bool is_welcome() {
    const auto peer = stream_.peer_credentials();
    if (!peer) {
      warn("peer", fmt::format("nobody knows who it is ({})", peer.error().text()));
      return false;
    }
    if (peer->user == options_.user || peer->user == 0) return true;
    warn("user", fmt::format("process {} of user {} may not use the agent of user {}", peer->process,
                             peer->user, options_.user));
    return false;
  }

  // False when the connection is over.
  async::Task<bool> serve_message() {
    const auto message = co_await reader_.next(loop_, options_.message_limit);
    if (!message) co_return give_up(message.error());
    if (message->empty()) co_return false;
    std::string answer;
    const bool present = co_await find_answer(*message, answer);
    reader_.consume();
    if (!present) co_return false;
    const Status sent = co_await async::with_timeout(loop_, options_.write_limit, stream_.write(answer));
    if (sent) co_return true;
    if (sent.error().code() == Errc::kTimeout) {
      warn("write", fmt::format("its answer was not taken within {}", format_duration(options_.write_limit)));
      co_return false;
    }
    co_return give_up(sent.error());
  }

  // False when the client went away meanwhile. The session's work is dropped then: nobody should be
  // asked to touch a key for a client that is gone.
  async::Task<bool> find_answer(std::string_view message, std::string& answer) {
    async::Event settled(loop_);
    bool gone = false;
    async::Scope scope(loop_);
    scope.spawn(handle(message, answer, settled));
    scope.spawn(watch(gone, settled));
    auto either = settled.wait();
    co_await either;
    co_return !gone;
  }

  async::Task<> handle(std::string_view message, std::string& answer, async::Event& settled) {
    answer = co_await session_.handle(message);
    settled.set();
  }

  async::Task<> watch(bool& gone, async::Event& settled) {
    auto ready = stream_.readable();
    co_await ready;
    // Else it has sent its next request, or will send no more and still wants the answer: either way
    // the descriptor stays readable and can tell no more. The request ends in its own time.
    if (!has_hung_up(stream_.fd())) co_return;
    gone = true;
    settled.set();
  }

  bool give_up(const Error& cause) {
    // A client that was killed is nobody's fault.
    if (cause.code() != Errc::kClosed) warn(cause.text(), cause.text());
    return false;
  }

  void warn(std::string_view cause, std::string_view text) {
    limiter_.warning(cause, fmt::format("client connection closed: {}", text));
  }

  async::Loop& loop_;
  async::Stream stream_;
  log::Limiter& limiter_;
  const AgentServerOptions options_;
  AgentFrameReader reader_;
  AgentSession session_;
};

}  // namespace

async::Task<> serve_agent_connection(async::Loop& loop, async::Stream stream, AgentService& service,
                                     log::Limiter& limiter, AgentServerOptions options) {
  Connection connection(loop, std::move(stream), service, limiter, options);
  co_await connection.run();
}

AgentServer::AgentServer(async::Loop& loop, AgentService& service, AgentServerOptions options)
    : service_(service), options_(options), limiter_(loop.clock()), connections_(loop) {}

async::Task<> AgentServer::serve(async::Acceptor& acceptor) {
  for (;;) {
    co_await connections_.below(options_.max_connections);
    auto fd = co_await acceptor.accept();
    if (!fd) {
      log::error("accept: {}", fd.error().text());
      co_return;
    }
    async::Loop& loop = connections_.loop();
    connections_.spawn(
        serve_agent_connection(loop, async::Stream(loop, std::move(*fd)), service_, limiter_, options_));
  }
}

}  // namespace shed::ssh
