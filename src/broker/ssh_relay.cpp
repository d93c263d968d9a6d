#include "shed/broker/ssh_relay.h"

#include <unistd.h>

#include "shed/base/file.h"
#include "shed/base/json.h"
#include "shed/broker/payload.h"
#include "shed/broker/ssh_payload.h"

namespace shed::broker {
namespace {

constexpr Millis kPauseWhileAway{2'000};
constexpr Millis kPauseWhileThere{60'000};

constexpr std::string_view kRemedy = "start it on the host with: shed-ext host";

// The answer's payload, unless the host refused.
Result<JsonValue> read_answer(JsonDocument& document, const bus::Publisher::Reply& reply) {
  const auto payload = document.parse_padded(reply.payload());
  if (!payload) return propagate(payload);
  if (const auto error = error_in(*payload)) {
    return fail(Errc::kRefused, "the host refused: {}", error->describe());
  }
  return payload;
}

}  // namespace

SshRelay::SshRelay(async::Loop& loop, bus::Publisher& publisher, std::string status_file)
    : loop_(loop),
      publish_url_(publisher.url()),
      host_(loop, publisher, kSshNamespace, kRequestLimit),
      status_file_(std::move(status_file)) {
  state_.reason = "not asked yet";
  state_.since = loop.clock().wall();
  write_status();
}

SshRelay::~SshRelay() {
  if (!status_file_.empty()) ::unlink(status_file_.c_str());
}

async::Task<Result<bus::Publisher::Reply>> SshRelay::ask(std::string_view operation, std::string payload) {
  auto reply = co_await host_.ask(payload);
  // What a request saw is newer than the last ping.
  become(reply.has_value(), reply ? "" : reply.error().text());
  if (reply) co_return std::move(*reply);
  if (reply.error().code() == Errc::kTimeout) {
    // Existing operators look for this line.
    co_return fail(Errc::kTimeout, "ssh-agent {} request timed out — shed-host-agent may not be running",
                   operation);
  }
  co_return propagate(reply);
}

async::Task<Result<std::vector<ssh::Identity>>> SshRelay::list(const std::vector<ssh::SessionBind>& binds) {
  const auto reply = co_await ask("list", encode_list_payload(binds));
  if (!reply) co_return propagate(reply);
  JsonDocument document;
  const auto payload = read_answer(document, *reply);
  if (!payload) co_return propagate(payload);
  co_return decode_keys(*payload);
}

async::Task<Result<ssh::Signature>> SshRelay::sign(ssh::SignRequest request) {
  // A person has to touch the key. The host knows that since it listed it, but was pinged before.
  const auto type = ssh::key_type_of(request.key_blob);
  if (host_.limit() == kRequestLimit && type && ssh::is_security_key_type(*type)) {
    const Status asked = co_await host_.ping();
    if (!asked) co_return propagate(asked, "ping before a sign");
  }
  const auto reply = co_await ask("sign", encode_sign_payload(request));
  if (!reply) co_return propagate(reply);
  JsonDocument document;
  const auto payload = read_answer(document, *reply);
  if (!payload) co_return propagate(payload);
  auto signature = decode_signature_payload(*payload);
  if (!signature) co_return propagate(signature);
  // Hosts that know no security keys drop flags and counter: an error now beats a signature that no
  // server accepts.
  const Status form = ssh::check_signature_form(request.key_blob, request.flags, *signature);
  if (!form) co_return propagate(form, "the host's signature");
  co_return signature;
}

async::Task<> SshRelay::watch_host() {
  bool warned = false;
  for (;;) {
    const Status status = co_await host_.ping();
    if (!status && !warned)
      log::warning("the host agent does not answer: {}; {}", status.error().text(), kRemedy);
    if (status && warned) log::info("the host agent answers");
    warned = !status;
    become(status.has_value(), status ? "" : status.error().text());
    auto pause = loop_.sleep(status ? kPauseWhileThere : kPauseWhileAway);
    co_await pause;
  }
}

void SshRelay::become(bool connected, std::string reason) {
  if (state_.connected == connected && state_.reason == reason) return;
  state_ = {connected, std::move(reason), loop_.clock().wall()};
  write_status();
}

void SshRelay::write_status() {
  if (status_file_.empty()) return;
  std::string text;
  JsonWriter(text)
      .begin_object()
      .field("state", state_.connected ? "connected" : "waiting")
      .field_unless_empty("reason", state_.reason)
      .field("since", format_rfc3339(state_.since))
      .field("pid", ::getpid())
      .field("publish_url", publish_url_)
      .end_object();
  text += '\n';
  if (const Status written = write_file_atomically(status_file_, text, 0600); !written) {
    log::warning("status file: {}", written.error().text());
    status_file_.clear();  // once is enough
  }
}

}  // namespace shed::broker
