#include "shed/broker/signing_proxy.h"

#include <algorithm>
#include <utility>

#include "shed/async/scope.h"
#include "shed/broker/signing_host.h"
#include "shed/ssh/public_key_line.h"
#include "shed/ssh/sshsig.h"

namespace shed::broker {
namespace {

constexpr std::string_view kSignPath = "/sign";
constexpr std::string_view kKeyPath = "/publickey";
constexpr std::string_view kHealthPath = "/healthz";
constexpr std::string_view kUnavailable = "signer unavailable";
constexpr std::string_view kFailed = "sign failed";
// SHA-512 over this takes less than a millisecond; other requests get their turn in between.
constexpr std::size_t kDigestPart = std::size_t{256} * 1024;

// Hexadecimal digits behind a percent sign, and nothing else: the names of namespaces have no blanks to
// spare.
std::optional<std::string> percent_decoded(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) return std::nullopt;
    decoded += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    i += 2;
  }
  return decoded;
}

// The first `namespace=` of a query; other parts are passed over, as by the existing program.
std::optional<std::string_view> asked_namespace(std::string_view query) {
  constexpr std::string_view kName = "namespace=";
  for (;;) {
    const auto end = std::min(query.find('&'), query.size());
    const std::string_view part = query.substr(0, end);
    if (part.starts_with(kName)) return part.substr(kName.size());
    if (end == query.size()) return std::nullopt;
    query.remove_prefix(end + 1);
  }
}

bool is_unavailable(Errc code) {
  return code == Errc::kUnavailable || code == Errc::kNotFound || code == Errc::kPermission;
}

// A browser says so with every request but the ones that a person types in.
bool is_web_page(const net::HttpExchange& exchange) {
  const std::string_view site = exchange.header("sec-fetch-site");
  return !exchange.header("origin").empty() || (!site.empty() && site != "none");
}

async::Task<> watch_for_end(net::HttpExchange& exchange, async::Event& over) {
  co_await exchange.disconnected();
  over.set();
}

async::Task<> tell_when_done(async::Task<> task, async::Event& over) {
  co_await std::move(task);
  over.set();
}

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
  options.request_limit = Millis(10'000);
  // Who is idle must not keep others out for long.
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

async::Task<> SigningProxy::handle(net::HttpExchange& exchange) {
  Entry entry;
  entry.method = exchange.method();
  entry.path = exchange.path();
  entry.start = loop_.clock().now();
  std::optional<Answer> answer = refusal(exchange, entry);
  if (!answer && entry.path == kHealthPath) {
    answer = text(200, "ok");
  } else if (!answer) {
    const Visit visit(*this);
    auto running = run_unless_gone(exchange, entry, answer);
    co_await std::move(running);
    if (!answer) answer = text(500, kFailed, "the client has left");
    report(entry, *answer);
    (void)co_await exchange.respond(answer->status, answer->type, answer->body, answer->headers);
    co_return;
  } else {
    report(entry, *answer);
  }
  (void)co_await exchange.respond(answer->status, answer->type, answer->body, answer->headers);
}

std::optional<SigningProxy::Answer> SigningProxy::refusal(const net::HttpExchange& exchange, Entry& entry) {
  auto answer = check_caller(exchange);
  if (!answer) answer = check_route(exchange);
  if (!answer && entry.path != kHealthPath) answer = check_token(exchange, entry);
  if (!answer && entry.path == kSignPath) answer = check_body(exchange, entry);
  return answer;
}

// First, so that a web page learns nothing else.
std::optional<SigningProxy::Answer> SigningProxy::check_caller(const net::HttpExchange& exchange) const {
  if (!options_.on_unix_socket && !is_signing_host(exchange.header("host"), options_.hosts)) {
    return text(403, "forbidden: Host is not a name of this machine; SSH_AGENT_PROXY_HOSTS can name more",
                "a Host that is not ours");
  }
  if (is_web_page(exchange)) return text(403, "forbidden: web pages are not served", "a web page");
  return std::nullopt;
}

std::optional<SigningProxy::Answer> SigningProxy::check_route(const net::HttpExchange& exchange) const {
  const std::string_view path = exchange.path();
  const std::string_view method = exchange.method();
  const bool signs = path == kSignPath;
  Answer answer;
  answer.type = {};
  if (!signs && path != kKeyPath && path != kHealthPath) {
    answer.status = 404;
    answer.outcome = "no such path";
    return answer;
  }
  const bool allowed = signs ? method == "POST" : method == "GET" || method == "HEAD";
  if (allowed) return std::nullopt;
  answer.status = 405;
  answer.headers = signs ? "allow: POST\r\n" : "allow: GET,HEAD\r\n";
  answer.outcome = "no such method";
  return answer;
}

std::optional<SigningProxy::Answer> SigningProxy::check_token(const net::HttpExchange& exchange,
                                                              Entry& entry) {
  entry.container = kUnnamedContainer;
  if (tokens_ == nullptr) return std::nullopt;
  auto name = tokens_->name_of(exchange.header("authorization"));
  if (name) {
    entry.container = std::move(*name);
    return std::nullopt;
  }
  if (name.error().code() != Errc::kRefused) return text(503, kUnavailable, name.error().text());
  Answer answer = text(401, name.error().text());
  answer.headers = "www-authenticate: Bearer\r\n";
  return answer;
}

std::optional<SigningProxy::Answer> SigningProxy::check_body(const net::HttpExchange& exchange,
                                                             Entry& entry) const {
  if (exchange.body_too_large()) return text(413, "request body too large");
  if (exchange.body().empty()) return text(400, "empty request body");
  entry.name_space = options_.namespaces.front();
  const auto asked = asked_namespace(exchange.query());
  if (!asked) return std::nullopt;
  const auto decoded = percent_decoded(*asked);
  const auto found = std::ranges::find(options_.namespaces, decoded.value_or(""));
  if (found == options_.namespaces.end()) {
    return text(403, "forbidden: the namespace is not one of SSH_AGENT_PROXY_NAMESPACE",
                "a namespace that is not allowed");
  }
  entry.name_space = *found;
  return std::nullopt;
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
  const auto key = co_await choose_key(true);
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
  answer = co_await std::move(signing);
}

async::Task<SigningProxy::Answer> SigningProxy::sign(std::string_view message, Entry& entry) {
  const auto digest = co_await digest_of(message);
  if (!digest) co_return text(500, kFailed, digest.error().text());
  const auto key = co_await choose_key(policy_ != nullptr);
  if (!key) co_return text(503, kUnavailable, key.error().text());
  entry.key = ssh::fingerprint(key->blob);
  const std::string data = ssh::sshsig_signed_data(entry.name_space, ssh::SshsigHash::kSha512, *digest);
  std::optional<AuditedRequest> audited;
  if (policy_ != nullptr) {
    audited.emplace(policy_->begin(entry.container, key->blob, key->comment, data));
    auto deciding = policy_->decide(*audited, key->asked, data);
    const Status decided = co_await std::move(deciding);
    if (!decided) {
      (void)audited->close();
      const std::string why = log::printable(decided.error().text());
      co_return text(403, fmt::format("denied: {}", why), fmt::format("denied: {}", why));
    }
  }
  auto making = make_signature(*key, entry.name_space, data);
  auto armor = co_await std::move(making);
  if (!armor && audited) audited->failed("SIGN_FAILED", armor.error().text());
  if (audited) {
    const Status recorded = audited->close();
    if (!recorded) co_return text(503, "the host's audit log cannot be written");
  }
  if (!armor) {
    const bool unavailable = is_unavailable(armor.error().code());
    co_return text(unavailable ? 503 : 500, unavailable ? kUnavailable : kFailed, armor.error().text());
  }
  Answer answer;
  answer.status = 200;
  answer.type = "application/x-ssh-signature";
  answer.body = std::move(*armor);
  answer.outcome = "signed";
  co_return answer;
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

// Without a look where one key is configured: the agent says by itself when it has not got it. A certificate
// needs one, because its key may be there without it; a policy needs the key's comment, and nobody should be
// asked about a key that is not there.
async::Task<Result<SigningKey>> SigningProxy::choose_key(bool must_look) {
  const auto wanted = keys_.current();
  if (!wanted) co_return propagate(wanted);
  const bool certain = wanted->size() == 1 && !ssh::is_certificate_type(*ssh::key_type_of(wanted->front()));
  if (certain && !must_look) co_return SigningKey{wanted->front(), wanted->front(), ""};
  auto listing = agent_.list({});
  auto identities = co_await std::move(listing);
  if (!identities) co_return propagate(identities);
  if (policy_ != nullptr) {
    const auto is_withheld = [this](const ssh::Identity& identity) {
      return !policy_->offers(identity.key_blob);
    };
    std::erase_if(*identities, is_withheld);
  }
  co_return choose_signing_key(*wanted, *identities);
}

async::Task<Result<std::string>> SigningProxy::make_signature(SigningKey key, std::string name_space,
                                                              std::string data) {
  ssh::SignRequest request{key.asked, std::move(data), ssh::kSshsigSignFlags, {}};
  auto signing = agent_.sign(std::move(request));
  const auto signature = co_await std::move(signing);
  if (!signature) co_return propagate(signature);
  // As the agent gave it: what stands behind a security key's signature is part of it.
  auto blob = ssh::make_sshsig({std::move(key.blob), std::move(name_space), ssh::SshsigHash::kSha512,
                                ssh::encode_signature(*signature)});
  if (!blob) co_return propagate(blob);
  co_return ssh::armor_sshsig(*blob);
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
