// The signing proxy's routes as any bytes of a client reach them, cut into pieces, and its answers to any
// bytes of an agent. Without a token nobody gets a signature or the key, whatever they send; whatever the
// agent answers, the client gets HTTP, and a 200 has a signature that can be read.
#include <fuzzer/FuzzedDataProvider.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_connection.h"
#include "shed/async/scope.h"
#include "shed/base/file.h"
#include "shed/base/log.h"
#include "shed/broker/signing_proxy.h"
#include "shed/ssh/agent_protocol.h"
#include "shed/ssh/sshsig.h"
#include "shed/ssh/wire.h"
#include "support/fake_clock.h"

namespace shed::broker {
namespace {

constexpr std::string_view kToken = "0123456789abcdef";
constexpr std::string_view kSigned = "-----BEGIN SSH SIGNATURE-----";

void check(bool holds) {
  if (!holds) std::abort();
}

std::string key() {
  std::string blob;
  ssh::WireWriter(blob).string("ssh-ed25519").string(std::string(32, 'k'));
  return blob;
}

// Answers each message with what it is given, read as an agent's.
class Agent : public ssh::SshBackend {
 public:
  explicit Agent(std::string_view answer) : answer_(answer) {}

  async::Task<Result<std::vector<ssh::Identity>>> list(std::vector<ssh::SessionBind>) override {
    if (answer_.empty() || answer_.front() == ssh::SSH_AGENT_SIGN_RESPONSE) {
      co_return std::vector<ssh::Identity>{{key(), "key"}};
    }
    co_return ssh::decode_identities(answer_);
  }
  async::Task<Result<ssh::Signature>> sign(ssh::SignRequest) override {
    if (answer_.empty()) co_return ssh::Signature{"ssh-ed25519", std::string(64, 's'), ""};
    co_return ssh::decode_sign_response(answer_);
  }
  std::string_view mode() const override { return "agent-forward"; }

 private:
  std::string_view answer_;
};

// A token file that is there for the whole run.
class TokenFile {
 public:
  TokenFile() : folder_("/tmp/shed-fuzz-XXXXXX") {
    check(::mkdtemp(folder_.data()) != nullptr);
    check(write_file_atomically(path(), kToken, 0600).has_value());
  }
  ~TokenFile() {
    ::unlink(path().c_str());
    ::rmdir(folder_.c_str());
  }
  std::string path() const { return folder_ + "/token"; }

 private:
  std::string folder_;
};

std::string receive_all(int fd) {
  std::string text;
  char part[4096];
  for (ssize_t count; (count = ::recv(fd, part, sizeof part, MSG_DONTWAIT)) > 0;) {
    text.append(part, static_cast<std::size_t>(count));
  }
  return text;
}

// What the client of a connection gets for these pieces.
std::string answer_to(const std::vector<std::string_view>& pieces, std::string_view agent_says,
                      bool demand_token) {
  static const TokenFile file;
  FakeClock clock;
  async::Loop loop(clock);
  Agent agent(agent_says);
  auto keys = SigningKeys::open("", "");
  auto tokens = SigningTokens::open(file.path());
  check(keys && tokens);
  SigningProxy proxy(loop, agent, *keys, demand_token ? &*tokens : nullptr, nullptr,
                     {{"git", "file"}, {}, false});
  int ends[2];
  check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
  const UniqueFd client(ends[0]);
  const net::HttpServerOptions options = SigningProxy::server_options();
  async::IntrusiveList<net::HttpConnection> spare;
  net::HttpConnection connection(loop, async::Stream(loop, UniqueFd(ends[1])), proxy, options, spare);
  bool ended = false;
  async::Scope scope(loop);
  const auto run = [](net::HttpConnection& served, bool& over) -> async::Task<> {
    co_await served.run();
    over = true;
  };
  scope.spawn(run(connection, ended));
  loop.poll();
  std::string answer;
  for (const std::string_view piece : pieces) {
    (void)!::send(client.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
    loop.poll();
    answer += receive_all(client.get());
  }
  // Whatever was sent, the connection ends: by the idle limit or the request's, and a second of linger.
  for (int i = 0; i < 4; ++i) {
    clock.advance(Millis(11'000));
    loop.poll();
    answer += receive_all(client.get());
  }
  check(ended);
  return answer;
}

void be_a_client(FuzzedDataProvider& input) {
  const bool demand_token = input.ConsumeBool();
  std::vector<std::size_t> places;
  for (int count = input.ConsumeIntegralInRange(0, 3); count > 0; --count) {
    places.push_back(input.ConsumeIntegral<std::uint16_t>());
  }
  const std::string text = input.ConsumeRemainingBytesAsString();
  for (std::size_t& place : places) place = text.empty() ? 0 : place % text.size();
  std::sort(places.begin(), places.end());
  places.push_back(text.size());
  std::vector<std::string_view> pieces;
  std::size_t begin = 0;
  for (const std::size_t end : places) {
    pieces.push_back(std::string_view(text).substr(begin, end - begin));
    begin = end;
  }
  const std::string answer = answer_to(pieces, {}, demand_token);
  check(answer.empty() || answer.starts_with("HTTP/1.1 "));
  // No answer repeats what was sent, so that these texts are the proxy's own.
  const bool given = answer.find(kSigned) != answer.npos || answer.find("ssh-ed25519 ") != answer.npos;
  check(!given || !demand_token || text.find(kToken) != text.npos);
}

void be_the_agent(FuzzedDataProvider& input) {
  const std::string says = input.ConsumeRemainingBytesAsString();
  const std::string answer =
      answer_to({"POST /sign HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"}, says, false);
  const std::string body = answer.substr(answer.find("\r\n\r\n") + 4);
  if (answer.starts_with("HTTP/1.1 200 ")) {
    check(ssh::read_sshsig(body).has_value());
  } else {
    check((answer.starts_with("HTTP/1.1 500 ") && body == "sign failed\n") ||
          (answer.starts_with("HTTP/1.1 503 ") && body == "signer unavailable\n"));
  }
}

}  // namespace
}  // namespace shed::broker

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  shed::log::set_sink([](shed::log::Level, std::string_view) {});
  // The numbers come from the end of the input, so that the text can be read in it.
  FuzzedDataProvider input(data, size);
  input.ConsumeBool() ? shed::broker::be_the_agent(input) : shed::broker::be_a_client(input);
  return 0;
}
