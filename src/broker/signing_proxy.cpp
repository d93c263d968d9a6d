#include "shed/broker/signing_proxy.h"

#include <utility>

#include "broker/signing_texts.h"
#include "shed/async/scope.h"
#include "shed/ssh/public_key_line.h"
#include "shed/ssh/sshsig.h"

namespace shed::broker {
namespace {

// SHA-512 over this takes less than a millisecond; other requests get their turn in between.
constexpr std::size_t kDigestPart = std::size_t{256} * 1024;

bool is_unavailable(Errc code) {
  return code == Errc::kUnavailable || code == Errc::kNotFound || code == Errc::kPermission;
}

// Keeps what was chosen: the signature is of that key.
struct Choice : ssh::KeyChoice {
  explicit Choice(std::vector<std::string> keys) : wanted(std::move(keys)) {}
  Result<std::string> choose(const std::vector<ssh::Identity>& identities) override {
    auto key = choose_signing_key(wanted, identities);
    if (!key) return propagate(key);
    chosen = std::move(*key);
    return chosen.asked;
  }
  std::vector<std::string> wanted;
  SigningKey chosen;  // with an empty blob: none yet
};

async::Task<> watch_for_end(net::HttpExchange& exchange, async::Event& over) {
  co_await exchange.disconnected();
  over.set();
}

async::Task<> tell_when_done(async::Task<> task, async::Event& over) {
  co_await std::move(task);
  over.set();
}

// A client that leaves ends the work with its frame: what a person was asked, and has perhaps granted for
// more than this once, is on record all the same.
class LastingRecord {
 public:
  explicit LastingRecord(AuditedRequest& audited) : audited_(&audited) {}
  LastingRecord(const LastingRecord&) = delete;
  LastingRecord& operator=(const LastingRecord&) = delete;
  ~LastingRecord() {
    if (audited_ == nullptr) return;
    audited_->failed("CLIENT_LEFT", "given up: the client has left, or the proxy ends");
    (void)audited_->close();
  }
  Status close() { return std::exchange(audited_, nullptr)->close(); }

 private:
  AuditedRequest* audited_;
};

}  // namespace

// Counts a request that may have to be waited for at the end.
class SigningProxy::Visit {
 public:
  explicit Visit(SigningProxy& proxy) : proxy_(proxy) { ++proxy_.visits_; }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  ~Visit() {
    if (--proxy_.visits_ == 0) proxy_.idle_.wake_all();
  }

 private:
  SigningProxy& proxy_;
};

net::HttpServerOptions SigningProxy::server_options() {
  net::HttpServerOptions options;
  options.max_connections = 64;
  options.max_header = std::size_t{16} * 1024;
  options.max_body = kMaxSigningBody;
  // Who is slow or idle must not keep others out for long.
  options.header_limit = Millis(3'000);
  options.request_limit = Millis(10'000);
  options.idle_limit = Millis(10'000);
  options.send_limit = Millis(10'000);
  return options;
}

ssh::AgentOptions SigningProxy::agent_options(std::string socket_path) {
  ssh::AgentOptions options;
  options.socket_path = std::move(socket_path);
  options.touch_limit = options.sign_limit = options.list_limit = kSigningAgentLimit;
  return options;
}

SigningProxy::SigningProxy(async::Loop& loop, ssh::SshBackend& agent, SigningKeys& keys,
                           SigningTokens* tokens, SigningPolicy* policy, Options options)
    : loop_(loop),
      agent_(agent),
      keys_(keys),
      tokens_(tokens),
      policy_(policy),
      options_(std::move(options)),
      limiter_(loop.clock()),
      idle_(loop) {}

async::Task<> SigningProxy::farewell() {
  const SteadyTime end = loop_.clock().now() + kSigningFarewellLimit;
  while (visits_ > 0) {
    const auto left = std::chrono::duration_cast<Millis>(end - loop_.clock().now());
    if (left <= Millis(0)) break;
    auto wait = idle_.wait_for(left);
    (void)co_await wait;
  }
}

SigningProxy::Answer SigningProxy::text(int status, std::string_view line, std::string_view outcome) {
  Answer answer;
  answer.status = status;
  answer.body = fmt::format("{}\n", line);
  answer.outcome = outcome.empty() ? line : outcome;
  return answer;
}

// RFC 9110, section 10.2.3, and RFC 6585, section 4.
SigningProxy::Answer SigningProxy::too_many(const SigningPolicy::TooMany& refused) {
  Answer answer = text(429, fmt::format("denied: {}", refused.reason), "too many requests");
  answer.headers = fmt::format("retry-after: {}\r\n", refused.again.count());
  return answer;
}

async::Task<> SigningProxy::handle(net::HttpExchange& exchange) {
  Entry entry;
  entry.method = exchange.method();
  entry.path = exchange.path();
  entry.start = loop_.clock().now();
  std::optional<Answer> answer = refusal(exchange, entry);
  const bool refused = answer.has_value();
  const bool is_health = !refused && entry.path == kHealthPath;
  std::optional<Visit> visit;
  if (is_health) {
    answer = text(200, "ok");
  } else if (!refused) {
    visit.emplace(*this);  // until the answer is on its way
    auto running = run_unless_gone(exchange, entry, answer);
    co_await std::move(running);
    if (!answer) answer = text(500, kFailed, "the client has left");
  }
  if (!is_health) report(entry, *answer);
  (void)co_await exchange.respond(answer->status, answer->type, answer->body, answer->headers);
}

// A client that has left must neither hold its place nor have a person asked.
async::Task<> SigningProxy::run_unless_gone(net::HttpExchange& exchange, Entry& entry,
                                            std::optional<Answer>& answer) {
  async::Event over(loop_);
  async::Scope scope(loop_);
  auto work = entry.path == kSignPath ? answer_sign(exchange.body(), entry, answer)
                                      : answer_public_key(entry, answer);
  scope.spawn(tell_when_done(std::move(work), over));
  scope.spawn(watch_for_end(exchange, over));
  auto ended = over.wait();
  co_await ended;
}

async::Task<> SigningProxy::answer_public_key(Entry& entry, std::optional<Answer>& answer) {
  auto wanted = keys_.current();
  if (!wanted) {
    answer = text(503, kUnavailable, wanted.error().text());
    co_return;
  }
  const auto refused = policy_ == nullptr ? std::nullopt : policy_->admit(entry.container, "list");
  if (refused) {
    answer = too_many(*refused);
    co_return;
  }
  auto looking = look_for_key(std::move(*wanted));
  const auto key = co_await std::move(looking);
  if (!key) {
    answer = text(503, kUnavailable, key.error().text());
    co_return;
  }
  entry.key = ssh::fingerprint(key->blob);
  answer = text(200, ssh::public_key_text(key->blob), "ok");
  answer->headers = "cache-control: no-cache\r\n";
}

async::Task<> SigningProxy::answer_sign(std::string_view message, Entry& entry,
                                        std::optional<Answer>& answer) {
  auto signing = sign(message, entry);
  Answer made = co_await std::move(signing);
  answer = std::move(made);
}

async::Task<SigningProxy::Answer> SigningProxy::sign(std::string_view message, Entry& entry) {
  auto hashing = digest_of(message);
  const auto digest = co_await std::move(hashing);
  if (!digest) co_return text(500, kFailed, digest.error().text());
  auto wanted = keys_.current();
  if (!wanted) co_return text(503, kUnavailable, wanted.error().text());
  std::string data = ssh::sshsig_signed_data(entry.name_space, ssh::SshsigHash::kSha512, *digest);
  auto signing = policy_ != nullptr ? sign_by_policy(std::move(*wanted), std::move(data), entry)
                                    : sign_at_once(std::move(*wanted), std::move(data), entry);
  co_return co_await std::move(signing);
}

// With a connection to the agent for the list, because a person may take a while between the two.
async::Task<SigningProxy::Answer> SigningProxy::sign_by_policy(std::vector<std::string> wanted,
                                                               std::string data, Entry& entry) {
  const auto refused = policy_->admit(entry.container, "sign");
  if (refused) co_return too_many(*refused);
  auto looking = look_for_key(std::move(wanted));
  const auto key = co_await std::move(looking);
  if (!key) co_return text(503, kUnavailable, key.error().text());
  entry.key = ssh::fingerprint(key->blob);
  AuditedRequest audited = policy_->begin(entry.container, key->blob, key->comment, data);
  LastingRecord record(audited);
  auto deciding = policy_->decide(audited, key->asked, data);
  const Status decided = co_await std::move(deciding);
  if (!decided) {
    (void)record.close();
    const std::string why = fmt::format("denied: {}", log::printable(decided.error().text()));
    co_return text(403, why);
  }
  auto asking = ask_agent(key->asked, std::move(data));
  const auto signature = co_await std::move(asking);
  Answer answer = signed_answer(key->blob, entry, signature);
  if (answer.status != 200) audited.failed("SIGN_FAILED", answer.outcome);
  if (!record.close()) co_return text(503, "the host's audit log cannot be written");
  co_return answer;
}

async::Task<SigningProxy::Answer> SigningProxy::sign_at_once(std::vector<std::string> wanted,
                                                             std::string data, Entry& entry) {
  // The agent says by itself when it has not got the one key. A certificate needs a look at its list, because
  // the key may be there without it.
  const bool certain = wanted.size() == 1 && !ssh::is_certificate_type(*ssh::key_type_of(wanted.front()));
  if (certain) {
    entry.key = ssh::fingerprint(wanted.front());
    auto asking = ask_agent(wanted.front(), std::move(data));
    const auto signature = co_await std::move(asking);
    co_return signed_answer(wanted.front(), entry, signature);
  }
  Choice choice(std::move(wanted));
  ssh::SignRequest request{"", std::move(data), ssh::kSshsigSignFlags, {}};
  auto asking = agent_.sign_with_chosen(choice, std::move(request));
  const auto signature = co_await std::move(asking);
  if (choice.chosen.blob.empty()) co_return text(503, kUnavailable, signature.error().text());
  entry.key = ssh::fingerprint(choice.chosen.blob);
  co_return signed_answer(choice.chosen.blob, entry, signature);
}

async::Task<Result<ssh::Signature>> SigningProxy::ask_agent(std::string key_blob, std::string data) {
  ssh::SignRequest request{std::move(key_blob), std::move(data), ssh::kSshsigSignFlags, {}};
  return agent_.sign(std::move(request));
}

async::Task<Result<SigningKey>> SigningProxy::look_for_key(std::vector<std::string> wanted) {
  auto listing = agent_.list({});
  auto identities = co_await std::move(listing);
  if (!identities) co_return propagate(identities);
  if (policy_ != nullptr) {
    const auto is_withheld = [this](const ssh::Identity& identity) {
      return !policy_->offers(identity.key_blob);
    };
    std::erase_if(*identities, is_withheld);
  }
  co_return choose_signing_key(wanted, *identities);
}

SigningProxy::Answer SigningProxy::signed_answer(std::string key_blob, const Entry& entry,
                                                 const Result<ssh::Signature>& signature) {
  if (!signature) {
    const bool unavailable = is_unavailable(signature.error().code());
    return text(unavailable ? 503 : 500, unavailable ? kUnavailable : kFailed, signature.error().text());
  }
  // As the agent gave it: what stands behind a security key's signature is part of it.
  const auto blob = ssh::make_sshsig(
      {std::move(key_blob), entry.name_space, ssh::SshsigHash::kSha512, ssh::encode_signature(*signature)});
  if (!blob) return text(500, kFailed, blob.error().text());
  Answer answer;
  answer.status = 200;
  answer.type = "application/x-ssh-signature";
  answer.body = ssh::armor_sshsig(*blob);
  answer.outcome = "signed";
  return answer;
}

async::Task<Result<std::string>> SigningProxy::digest_of(std::string_view message) {
  ssh::MessageDigest digest(ssh::SshsigHash::kSha512);
  for (;;) {
    const std::string_view part = message.substr(0, kDigestPart);
    digest.update(part);
    message.remove_prefix(part.size());
    if (message.empty()) break;
    auto turn = loop_.turn();
    co_await turn;
  }
  co_return digest.finish();
}

void SigningProxy::report(const Entry& entry, const Answer& answer) {
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(loop_.clock().now() - entry.start);
  std::string line = fmt::format("{} {} {}", entry.method, entry.path.substr(0, 64), answer.status);
  const auto add = [&line](std::string_view name, std::string_view value) {
    if (!value.empty()) line += fmt::format(" {}={}", name, value);
  };
  add("container", entry.container);
  add("namespace", entry.name_space);
  add("key", entry.key);
  line += fmt::format(" duration={}.{:03}ms outcome={}", took.count() / 1000, took.count() % 1000,
                      answer.outcome);
  if (answer.status < 400) {
    log::info("{}", line);
  } else if (entry.key.empty()) {
    // Anybody can be refused as often as they like.
    limiter_.warning(answer.outcome, line);
  } else {
    log::warning("{}", line);
  }
}

}  // namespace shed::broker
