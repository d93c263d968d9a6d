#include "shed/ssh/agent_session.h"

#include <array>
#include <utility>

namespace shed::ssh {
namespace {

constexpr std::array<std::string_view, 2> kExtensions = {kQueryExtension, kSessionBindExtension};

}  // namespace

AgentSession::AgentSession(AgentService& service, log::Limiter& limiter)
    : service_(service), limiter_(limiter) {}

async::Task<std::string> AgentSession::handle(std::string_view message) {
  auto request = decode_request(message);
  if (!request) co_return refuse("request", request.error());
  if (std::holds_alternative<RequestIdentities>(*request)) co_return co_await list();
  if (auto* to_sign = std::get_if<SignRequest>(&*request)) co_return co_await sign(std::move(*to_sign));
  if (const auto* asked = std::get_if<ExtensionRequest>(&*request)) co_return extension(*asked);
  // Refused on purpose, known or not: what is not list or sign may change the host's agent.
  const unsigned number = std::get<OtherRequest>(*request).number;
  limiter_.warning("other request",
                   fmt::format("request {} refused: this agent lists and signs, its keys are changed on "
                               "the host",
                               number));
  co_return encode_failure();
}

async::Task<std::string> AgentSession::list() {
  const auto identities = co_await service_.list(binds_);
  if (!identities) co_return refuse("list", identities.error());
  auto answer = encode_identities(*identities);
  if (!answer) co_return refuse("list", answer.error());
  co_return std::move(*answer);
}

async::Task<std::string> AgentSession::sign(SignRequest request) {
  const std::string object = "sign with " + fingerprint(request.key_blob);
  request.binds = binds_;
  const auto signature = co_await service_.sign(std::move(request));
  if (!signature) co_return refuse("sign", signature.error(), object);
  auto answer = encode_sign_response(*signature);
  if (!answer) co_return refuse("sign", answer.error(), object);
  co_return std::move(*answer);
}

std::string AgentSession::extension(const ExtensionRequest& request) {
  if (request.name == kQueryExtension) return encode_query_response(kExtensions);
  // RFC 9987: an extension that is not supported is answered as an unknown message is.
  if (request.name != kSessionBindExtension) return encode_failure();
  const Status bound = bind(request.contents);
  if (bound) return encode_success();
  bind_refused_ = true;
  refuse("session bind", bound.error(), "keys constrained to destinations will not work on this connection");
  return encode_extension_failure();
}

Status AgentSession::bind(std::string_view contents) {
  // Refused on purpose: with a hop missing, the rest would prove a way that nobody went.
  if (bind_refused_) return fail(Errc::kRefused, "session bind: an earlier one was refused");
  auto bind = decode_session_bind(contents);
  if (!bind) return propagate(bind);
  return add_session_bind(binds_, std::move(*bind));
}

// Once per kind and cause, whatever the object: a guest can name as many objects as it likes.
std::string AgentSession::refuse(std::string_view what, const Error& cause, std::string_view object) {
  limiter_.warning(fmt::format("{}: {}", what, cause.text()),
                   fmt::format("{}: {}", object.empty() ? what : object, cause.text()));
  return encode_failure();
}

}  // namespace shed::ssh
