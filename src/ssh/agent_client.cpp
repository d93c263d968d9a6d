#include "shed/ssh/agent_client.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "shed/async/scope.h"
#include "shed/net/address.h"
#include "shed/ssh/agent_protocol.h"

namespace shed::ssh {
namespace {

// Between the attempts to connect. Together they stay far below what ssh's user would call hanging.
constexpr std::array kPauses = {Millis(200), Millis(400)};

// A refusal or a missing socket. (A full listen queue is waited for by connect() itself.)
bool may_come_back(Errc code) { return code == Errc::kUnavailable || code == Errc::kNotFound; }

// kNotFound is left to mean that there is no such key.
Error connect_error(const Error& cause) {
  switch (cause.code()) {
    case Errc::kPermission:
    case Errc::kTimeout:
    case Errc::kInvalid:
    case Errc::kLimit:
      return cause;
    default:
      return {Errc::kUnavailable, cause.text()};
  }
}

async::Task<Result<async::Stream>> dial(async::Loop& loop, std::string path) {
  if (path.empty()) co_return fail(Errc::kInvalid, "the path of its socket is empty");
  net::Address address;
  address.unix_path = std::move(path);
  for (std::size_t attempt = 0;; ++attempt) {
    auto stream = co_await net::connect(loop, address, kAgentLimit);
    if (stream) co_return std::move(*stream);
    if (attempt == kPauses.size() || !may_come_back(stream.error().code())) {
      co_return std::unexpected(connect_error(stream.error()));
    }
    auto pause = loop.sleep(kPauses[attempt]);
    co_await pause;
  }
}

std::unexpected<Error> lost(const Error& cause) {
  return fail(Errc::kUnavailable, "the connection broke before the answer: {}", cause.text());
}

// Sends one frame and returns the message that comes back. kUnavailable, kProtocol.
async::Task<Result<std::string>> exchange(async::Stream& stream, std::string frame) {
  const Status sent = co_await stream.write(frame);
  if (!sent) co_return lost(sent.error());
  std::array<char, kFrameHeaderSize> header;
  const Status begun = co_await stream.read_exactly(header);
  if (!begun) co_return lost(begun.error());
  const auto length = frame_length({header.data(), header.size()});
  if (!length) co_return fail(Errc::kProtocol, "{}", length.error().text());
  std::string reply(*length, '\0');
  const Status read = co_await stream.read_exactly(reply);
  if (!read) co_return lost(read.error());
  co_return reply;
}

// An answer that cannot be read is the agent's fault, whatever is wrong with it.
Error answer_error(const Error& cause) {
  return {cause.code() == Errc::kRefused ? Errc::kRefused : Errc::kProtocol, cause.text()};
}

async::Task<Result<std::vector<Identity>>> list_on(async::Stream& stream) {
  const auto reply = co_await exchange(stream, encode_request_identities());
  if (!reply) co_return propagate(reply);
  auto identities = decode_identities(*reply);
  if (!identities) co_return std::unexpected(answer_error(identities.error()));
  co_return std::move(*identities);
}

Result<std::vector<std::string>> encode_binds(std::span<const SessionBind> binds) {
  if (binds.size() > kMaxSessionBinds) {
    return fail(Errc::kLimit, "{} session binds are over {}", binds.size(), kMaxSessionBinds);
  }
  std::vector<std::string> frames;
  for (const SessionBind& bind : binds) {
    auto frame = encode_session_bind(bind);
    if (!frame) return propagate(frame);
    frames.push_back(std::move(*frame));
  }
  return frames;
}

// The request's frame. Before anybody is asked to touch a key: a signature that could not be checked would
// not be used.
Result<std::string> usable_frame(const SignRequest& request) {
  const auto key_type = key_type_of(request.key_blob);
  if (!key_type) return propagate(key_type);
  const auto format = expected_signature_format(*key_type, request.flags);
  if (!format) return propagate(format);
  return encode_sign_request(request);
}

constexpr std::string_view kAgent = "SSH agent";

}  // namespace

// One of the operations that may be under way.
class AgentBackend::Turn {
 public:
  explicit Turn(AgentBackend& backend) : backend_(&backend) { ++backend.under_way_; }
  Turn(Turn&& other) noexcept : backend_(std::exchange(other.backend_, nullptr)) {}
  Turn& operator=(Turn&&) = delete;
  ~Turn() {
    if (backend_ == nullptr) return;
    --backend_->under_way_;
    backend_->turn_over_.wake_all();
  }

 private:
  AgentBackend* backend_;
};

// A connection on which the agent has been told the binds.
struct AgentBackend::Session {
  Turn turn;
  async::Stream stream;
};

async::Task<Result<async::Stream>> connect_agent(async::Loop& loop, std::string socket_path) {
  auto stream = co_await async::with_timeout(loop, kAgentLimit, dial(loop, std::move(socket_path)));
  if (!stream) co_return propagate(stream, kAgent);
  co_return std::move(*stream);
}

AgentBackend::AgentBackend(async::Loop& loop, AgentOptions options)
    : loop_(loop), options_(std::move(options)), limiter_(loop.clock()), turn_over_(loop) {}

async::Task<Result<AgentBackend::Session>> AgentBackend::open(std::vector<SessionBind> binds) {
  auto frames = encode_binds(binds);
  if (!frames) co_return propagate(frames);
  while (under_way_ >= kMaxAgentOperations) {
    auto over = turn_over_.wait();
    co_await over;
  }
  Turn turn(*this);
  auto stream = co_await dial(loop_, options_.socket_path);
  if (!stream) co_return propagate(stream);
  for (std::string& frame : *frames) {
    const auto reply = co_await exchange(*stream, std::move(frame));
    if (!reply) co_return propagate(reply);
    const Status bound = decode_success(*reply);
    if (bound) continue;
    limiter_.warning("session bind",
                     fmt::format("{}: session bind: {}; keys constrained to destinations will not work",
                                 kAgent, bound.error().text()));
    break;
  }
  co_return Session{std::move(turn), std::move(*stream)};
}

async::Task<Result<std::vector<Identity>>> AgentBackend::list(std::vector<SessionBind> binds) {
  auto identities = co_await async::with_timeout(loop_, options_.list_limit, open_and_list(std::move(binds)));
  if (!identities) co_return propagate(identities, kAgent);
  co_return std::move(*identities);
}

async::Task<Result<std::vector<Identity>>> AgentBackend::open_and_list(std::vector<SessionBind> binds) {
  auto session = co_await open(std::move(binds));
  if (!session) co_return propagate(session);
  co_return co_await list_on(session->stream);
}

async::Task<Result<Signature>> AgentBackend::sign(SignRequest request) {
  auto signature = co_await open_and_sign(std::move(request));
  if (!signature) co_return propagate(signature, kAgent);
  co_return std::move(*signature);
}

async::Task<Result<Signature>> AgentBackend::sign_with_chosen(KeyChoice& choice, SignRequest request) {
  auto signature = co_await open_choose_and_sign(choice, std::move(request));
  if (!signature) co_return propagate(signature, kAgent);
  co_return std::move(*signature);
}

async::Task<Result<Signature>> AgentBackend::open_and_sign(SignRequest request) {
  auto frame = usable_frame(request);
  if (!frame) co_return propagate(frame);
  auto session = co_await async::with_timeout(loop_, kAgentLimit, open(std::move(request.binds)));
  if (!session) co_return propagate(session);
  co_return co_await sign_on(*session, std::move(request), std::move(*frame));
}

async::Task<Result<Signature>> AgentBackend::open_choose_and_sign(KeyChoice& choice, SignRequest request) {
  auto session = co_await async::with_timeout(loop_, kAgentLimit, open(std::move(request.binds)));
  if (!session) co_return propagate(session);
  const auto identities = co_await async::with_timeout(loop_, options_.list_limit, list_on(session->stream));
  if (!identities) co_return propagate(identities);
  auto key = choice.choose(*identities);
  if (!key) co_return propagate(key);
  request.key_blob = std::move(*key);
  auto frame = usable_frame(request);
  if (!frame) co_return propagate(frame);
  co_return co_await sign_on(*session, std::move(request), std::move(*frame));
}

async::Task<Result<Signature>> AgentBackend::sign_on(Session& session, SignRequest request,
                                                     std::string frame) {
  const bool touch = is_security_key_type(key_type_of(request.key_blob).value_or(std::string_view()));
  const Millis limit = touch ? options_.touch_limit : options_.sign_limit;
  const auto reply = co_await async::with_timeout(loop_, limit, exchange(session.stream, std::move(frame)));
  if (!reply) co_return propagate(reply);
  auto signature = decode_sign_response(*reply);
  if (!signature) {
    const Error cause = answer_error(signature.error());
    if (cause.code() != Errc::kRefused) co_return std::unexpected(cause);
    co_return std::unexpected(co_await explain_refusal(session, request.key_blob));
  }
  const Status form = check_signature_form(request.key_blob, request.flags, *signature);
  if (!form) co_return std::unexpected(answer_error(form.error()));
  co_return std::move(*signature);
}

async::Task<Error> AgentBackend::explain_refusal(Session& session, const std::string& key_blob) {
  const auto identities = co_await async::with_timeout(loop_, kAgentLimit, list_on(session.stream));
  if (identities && std::ranges::find(*identities, key_blob, &Identity::key_blob) == identities->end()) {
    co_return Error(Errc::kNotFound, "it has no such key");
  }
  co_return Error(Errc::kRefused, "it refused to sign");
}

}  // namespace shed::ssh
