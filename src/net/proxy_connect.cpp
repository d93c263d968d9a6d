#include "proxy_connect.h"

#include "http_parser.h"
#include "shed/base/buffer.h"
#include "shed/base/secret.h"

namespace shed::net {
namespace {

constexpr HttpLimits kAnswerLimits{.header = 16 * 1024, .body = 0};
constexpr std::size_t kReadSize = 4096;
constexpr int kLoginWanted = 407;

// May have a login in it.
Secret connect_request(const Proxy& proxy, const Address& target) {
  const std::string authority = target.text();
  std::string request;
  request.reserve(2 * authority.size() + proxy.authorization.size() + 128);
  auto out = std::back_inserter(request);
  fmt::format_to(out, "CONNECT {0} HTTP/1.1\r\nhost: {0}\r\n", authority);
  if (!proxy.authorization.empty()) {
    fmt::format_to(out, "proxy-authorization: {}\r\n", proxy.authorization);
  }
  fmt::format_to(out, "\r\n");
  return Secret::take(request);
}

Status judge(int status, const Proxy& proxy) {
  if (status / 100 == 2) return {};
  if (status != kLoginWanted) return fail(Errc::kUnavailable, "it answered CONNECT with {}", status);
  return fail(Errc::kUnavailable, "it wants {} (407)",
              proxy.authorization.empty() ? "a login, like http://user:password@host:port"
                                          : "another login than the one that it got");
}

}  // namespace

async::Task<Status> ask_proxy(Channel& channel, const Proxy& proxy, const Address& target) {
  const Secret request = connect_request(proxy, target);
  const Status sent = co_await channel.write(request.reveal(), {});
  if (!sent) co_return sent;
  HttpParser parser(HTTP_RESPONSE, kAnswerLimits);
  parser.expect_no_body();
  Buffer answer;
  for (;;) {
    const auto progress = parser.advance(answer);
    if (!progress) co_return propagate(progress);
    if (*progress != HttpParser::Progress::kMore) break;
    const auto count = co_await channel.read(answer.spare(kReadSize));
    if (!count) co_return propagate(count);
    if (*count == 0) co_return fail(Errc::kUnavailable, "it closed the connection without an answer");
    answer.commit(*count);
  }
  const Status judged = judge(parser.status(), proxy);
  if (!judged) co_return judged;
  parser.next_message(answer);
  if (!answer.empty()) co_return fail(Errc::kProtocol, "it sent more than its answer to CONNECT");
  co_return Status{};
}

}  // namespace shed::net
