#include "shed/aws/sts_client.h"

#include <sys/random.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "check_credentials.h"
#include "failures.h"
#include "shed/async/scope.h"
#include "shed/aws/signature.h"
#include "sts_failure.h"
#include "sts_targets.h"

namespace shed::aws {
namespace {

constexpr Millis kFirstPause{500};
constexpr std::string_view kContentType = "application/x-www-form-urlencoded; charset=utf-8";

const Error kUnsigned(Errc::kInvalid, "the request cannot be signed: host or region is not valid");

double system_random() {
  std::uint32_t bits = 0;
  // Jitter is no secret: without an answer half of the pause is as good.
  if (::getentropy(&bits, sizeof bits) != 0) return 0.5;
  return static_cast<double>(bits) / (static_cast<double>(UINT32_MAX) + 1);
}

// An answer's body, overwritten when it is done with: it holds the credentials.
class Answer {
 public:
  explicit Answer(net::HttpResponse response) : response_(std::move(response)) {}
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  ~Answer() { response_.wipe_body(); }

  const net::HttpResponse& operator*() const { return response_; }

 private:
  net::HttpResponse response_;
};

class HttpStsClient : public StsClient {
 public:
  HttpStsClient(async::Loop& loop, Random random) : loop_(loop), random_(std::move(random)), targets_(loop) {}

  async::Task<Outcome<Credentials>> assume_role(AssumeRoleRequest request, const Credentials& source,
                                                StsTarget target) override {
    const StsCall call{request, source, target.endpoint.url.host_header};
    const auto body = encode_assume_role(request);
    if (!body) co_return std::unexpected(unsendable(call, body.error()));
    if (const Status usable = check_credentials(source); !usable) {
      co_return source_failure(fmt::format("sts:AssumeRole {}: {}", request.role_arn, usable.error().text()));
    }
    const SteadyTime end = loop_.clock().now() + kTotalLimit;
    for (int attempt = 1;; ++attempt) {
      auto trying = try_once(call, target, *body, std::min(kAttemptLimit, left_until(end)));
      auto outcome = co_await std::move(trying);
      if (outcome) co_return std::move(*outcome);
      const Millis pause = pause_after(attempt);
      if (!outcome.error().retry || attempt == kAttempts || pause >= left_until(end)) {
        co_return std::unexpected(told_after(attempt, std::move(outcome.error().failure)));
      }
      auto sleep = loop_.sleep(pause);
      co_await sleep;
    }
  }

 private:
  Millis left_until(SteadyTime end) const {
    return std::chrono::duration_cast<Millis>(end - loop_.clock().now());
  }

  // Full jitter: anything between nothing and the longest pause, which doubles.
  Millis pause_after(int attempt) const {
    const auto longest = static_cast<double>((kFirstPause * (1 << (attempt - 1))).count());
    return Millis(static_cast<std::int64_t>(longest * random_()));
  }

  static Failure told_after(int attempts, Failure failure) {
    if (attempts > 1) failure.detail += fmt::format(" (tried {} times)", attempts);
    return failure;
  }

  async::Task<std::expected<Credentials, Judged>> try_once(const StsCall& call, const StsTarget& target,
                                                           std::string_view body, Millis limit) {
    auto client = targets_.client(target);
    if (!client) co_return std::unexpected(judge_setup(call, client.error()));
    // Signed anew each time: the time is part of it.
    const net::Url& url = target.endpoint.url;
    const SigningScope scope{target.endpoint.signing_region, "sts", loop_.clock().wall()};
    const SignedRequest to_sign{"POST", url.host_header, url.path, kContentType, body};
    const Secret headers = signature_headers(to_sign, scope, call.source);
    if (headers.empty()) co_return std::unexpected(judge_setup(call, kUnsigned));
    auto sending = (*client)->send({"POST", url.path, kContentType, headers.reveal(), body});
    auto limited = async::with_timeout(loop_, limit, std::move(sending));
    auto response = co_await std::move(limited);
    if (!response) {
      targets_.forget(*client);
      co_return std::unexpected(judge_error(call, response.error()));
    }
    const Answer answer(std::move(*response));
    co_return read(call, *answer);
  }

  std::expected<Credentials, Judged> read(const StsCall& call, const net::HttpResponse& response) const {
    if (response.status() != 200) {
      const StsRefusal refusal{response.status(), response.body(), response.header("date"),
                               loop_.clock().wall()};
      return std::unexpected(judge_refusal(call, refusal));
    }
    auto credentials = parse_assume_role_answer(response.body());
    if (!credentials) return std::unexpected(judge_garbage(call, credentials.error()));
    return std::move(*credentials);
  }

  async::Loop& loop_;
  const Random random_;
  StsTargets targets_;
};

}  // namespace

std::unique_ptr<StsClient> make_sts_client(async::Loop& loop, Random random) {
  if (!random) random = system_random;
  return std::make_unique<HttpStsClient>(loop, std::move(random));
}

}  // namespace shed::aws
