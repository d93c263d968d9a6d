// The HTTP signing proxy: a container signs commits with a key that stays in the host's SSH agent.
//
//   POST /sign        200 application/x-ssh-signature: the armored SSHSIG of the body, with SHA-512.
//                     ?namespace=NAME (ours) for another one than the first that is allowed
//   GET /publickey    200 "<type> <base64>\n" of the key that would sign; cache-control: no-cache
//   GET /healthz      200 "ok\n"; asks nobody, and needs no token
//
// HEAD is GET without a body. Errors are one line of text:
//
//   400 empty request body
//   403 a Host that is none of this machine's names (signing_host.h), a web page (Origin, Sec-Fetch-Site), a
//       namespace that is not allowed, a request that policy or a person denies
//   401 missing bearer token, wrong bearer token   where tokens are demanded
//   404, 405                                       without a body
//   413 over kMaxSigningBody
//   429 more than `limits.ssh` lets the container ask; Retry-After says when again
//   500 sign failed        the agent says no, does not sign in time, or answers with something else
//   503 signer unavailable the agent is not there, does not list its keys in time, has none, or lacks the
//                          configured ones; or the audit log or the token file cannot be used
//
// Nothing is remembered from one request to the next: each one has connections to the agent of its own. One
// that waits, for the agent or for a person, keeps no other one waiting; who goes away ends their request.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shed/async/event.h"
#include "shed/base/log.h"
#include "shed/broker/signing_keys.h"
#include "shed/broker/signing_policy.h"
#include "shed/broker/signing_tokens.h"
#include "shed/net/http_server.h"
#include "shed/ssh/agent_client.h"

namespace shed::broker {

inline constexpr std::size_t kMaxSigningBody = std::size_t{16} * 1024 * 1024;
inline constexpr Millis kSigningAgentLimit{60'000};    // each of the agent's answers
inline constexpr Millis kSigningFarewellLimit{3'000};  // for requests under way when the process ends

class SigningProxy : public net::HttpHandler {
 public:
  struct Options {
    std::vector<std::string> namespaces;  // at least one
    std::vector<std::string> hosts;       // as is_signing_host() has them
    bool on_unix_socket = false;          // no page reaches one: any Host will do
  };

  // For the HttpServer in front of it: 64 connections, 3 s for a header; 16 MiB, and 10 s to send them.
  static net::HttpServerOptions server_options();
  // For the agent behind it: kSigningAgentLimit for each of its answers.
  static ssh::AgentOptions agent_options(std::string socket_path);

  // What is given must outlive it. Without tokens everybody is let in; without a policy everything is signed,
  // and nothing recorded.
  SigningProxy(async::Loop& loop, ssh::SshBackend& agent, SigningKeys& keys, SigningTokens* tokens,
               SigningPolicy* policy, Options options);

  async::Task<> handle(net::HttpExchange& exchange) override;
  // Only of who may sign: 64 bodies of 16 MiB are for nobody else.
  bool wants_body(const net::HttpExchange& exchange) override;
  // Waits for the requests under way, at most kSigningFarewellLimit.
  async::Task<> farewell();

 private:
  struct Answer {
    int status = 500;
    std::string body;
    std::string_view type = "text/plain; charset=utf-8";
    std::string headers;
    std::string outcome;  // for the log
  };
  // What the log says of a request.
  struct Entry {
    std::string_view method, path;
    std::string container, name_space, key;
    SteadyTime start;
  };
  class Visit;

  static Answer text(int status, std::string_view line, std::string_view outcome = {});
  static Answer too_many(const SigningPolicy::TooMany& refused);
  std::optional<Answer> refusal(const net::HttpExchange& exchange, Entry& entry);
  std::optional<Answer> refusal_of_head(const net::HttpExchange& exchange, Entry& entry);
  std::optional<Answer> check_caller(const net::HttpExchange& exchange) const;
  std::optional<Answer> check_route(const net::HttpExchange& exchange) const;
  std::optional<Answer> check_token(const net::HttpExchange& exchange, Entry& entry);
  std::optional<Answer> check_body(const net::HttpExchange& exchange, Entry& entry) const;
  async::Task<> run_unless_gone(net::HttpExchange& exchange, Entry& entry, std::optional<Answer>& answer);
  async::Task<> answer_sign(std::string_view message, Entry& entry, std::optional<Answer>& answer);
  async::Task<> answer_public_key(Entry& entry, std::optional<Answer>& answer);
  async::Task<Answer> sign(std::string_view message, Entry& entry);
  async::Task<Answer> sign_by_policy(std::vector<std::string> wanted, std::string data, Entry& entry);
  async::Task<Answer> sign_at_once(std::vector<std::string> wanted, std::string data, Entry& entry);
  async::Task<Result<SigningKey>> look_for_key(std::vector<std::string> wanted);
  async::Task<Result<ssh::Signature>> ask_agent(std::string key_blob, std::string data);
  static Answer signed_answer(std::string key_blob, const Entry& entry,
                              const Result<ssh::Signature>& signature);
  async::Task<Result<std::string>> digest_of(std::string_view message);
  void report(const Entry& entry, const Answer& answer);

  async::Loop& loop_;
  ssh::SshBackend& agent_;
  SigningKeys& keys_;
  SigningTokens* tokens_;
  SigningPolicy* policy_;
  Options options_;
  log::Limiter limiter_;
  std::size_t visits_ = 0;
  async::Event idle_;
};

}  // namespace shed::broker
