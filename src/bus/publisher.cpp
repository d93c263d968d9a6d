#include "shed/bus/publisher.h"

#include "shed/async/scope.h"
#include "shed/base/file.h"
#include "shed/base/json.h"

namespace shed::bus {
namespace {

// The envelope around a payload, and what other buses may add.
constexpr std::size_t kMaxAnswer = kMaxPublishBody + 64 * 1024;

Errc code_for(int status) {
  switch (status) {
    case 429:
    case 413:
      return Errc::kLimit;
    case 503:
      return Errc::kUnavailable;
    case 504:
      return Errc::kTimeout;
    default:
      return Errc::kProtocol;
  }
}

// {"error":{"code":…,"message":…}}, or whatever else came.
Error error_in(const net::HttpResponse& response) {
  JsonDocument document;
  std::string text = fmt::format("the bus answered {}", response.status());
  if (const auto root = document.parse_padded(response.body())) {
    const JsonValue error = (*root)["error"];
    const std::string_view message = error["message"].string_or("");
    if (!message.empty()) text = fmt::format("{} ({})", message, error["code"].string_or("no code"));
  }
  return {code_for(response.status()), text};
}

}  // namespace

Result<net::Url> publish_url(std::string_view option) {
  std::string text(option);
  std::string_view source = "--publish-url";
  if (text.empty()) {
    text = environment("SHED_PUBLISH_URL");
    source = "SHED_PUBLISH_URL";
  }
  if (text.empty()) text = kDefaultPublishUrl;
  auto url = net::parse_url(text);
  if (!url) return propagate(url, source);
  return url;
}

Publisher::Publisher(async::Loop& loop, net::Url url)
    : loop_(loop), client_(loop, std::move(url), {.max_body = kMaxAnswer}) {}

async::Task<Result<Publisher::Reply>> Publisher::request(std::string_view ns, std::string_view payload,
                                                         Millis limit) {
  return async::with_timeout(loop_, limit, exchange(ns, payload));
}

async::Task<Result<Publisher::Reply>> Publisher::exchange(std::string_view ns, std::string_view payload) {
  std::string body;
  JsonWriter(body)
      .begin_object()
      .field("namespace", ns)
      .field("type", "request")
      .key("payload")
      .raw(payload)
      .end_object();
  net::HttpRequest request;
  request.method = "POST";
  request.path = client_.origin().path;
  request.content_type = "application/json";
  request.body = body;
  auto response = co_await client_.send(request);
  if (!response) {
    const Errc code = response.error().code();
    // Refused, missing, reset: to whoever asks it is all the same, the bus is away.
    const bool away = code != Errc::kTimeout && code != Errc::kLimit && code != Errc::kProtocol;
    co_return std::unexpected(
        Error(away ? Errc::kUnavailable : code, response.error().text()).in("the guest bus"));
  }
  if (response->status() != 200) co_return std::unexpected(error_in(*response).in("the guest bus"));
  const auto answer = read_answer(*response, ns);
  if (!answer) co_return propagate(answer, "the guest bus");
  co_return Reply(std::move(*response), *answer);
}

Result<std::string_view> Publisher::read_answer(const net::HttpResponse& response, std::string_view ns) {
  const auto envelope = decoder_.decode(response.body());
  if (!envelope) return fail(Errc::kProtocol, "the answer is no envelope: {}", envelope.error().text());
  if (envelope->type != EnvelopeType::kResponse || envelope->ns != ns) {
    return fail(Errc::kProtocol, "the answer is a {} in {}, not a response in {}", to_text(envelope->type),
                envelope->ns, ns);
  }
  return envelope->payload;
}

}  // namespace shed::bus
