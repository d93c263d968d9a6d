// The container's side of the HTTP signing proxy: asks for a signature and for the key that signs.
//
//   POST /sign?namespace=NS   the message; answered with an armored SSHSIG
//   GET  /publickey           answered with "<type> <base64>" and a newline
//
// A proxy that knows no other namespace than its own passes over the query; what it signs is checked
// here in any case.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shed/async/loop.h"
#include "shed/async/task.h"
#include "shed/base/result.h"
#include "shed/base/secret.h"
#include "shed/net/address.h"
#include "shed/net/http_client.h"
#include "shed/ssh/sshsig.h"

namespace shed::broker {

inline constexpr std::string_view kDefaultSigningUrl = "http://127.0.0.1:7221/sign";
// What a proxy accepts.
inline constexpr std::size_t kMaxSignedMessage = std::size_t{16} * 1024 * 1024;

struct SigningServer {
  net::Url sign;
  net::Url public_key;
  Secret token;  // sent as a bearer token; empty: none
};

// The values of the variables; empty ones count as unset.
struct SigningServerSettings {
  std::string url;             // SSH_AGENT_PROXY_URL; without a path: /sign
  std::string public_key_url;  // SSH_AGENT_PROXY_PUBKEY_URL; else `url` with /publickey for a trailing /sign
  std::string token;           // SSH_AGENT_PROXY_TOKEN, else the file's first line:
  std::string token_file;      // SSH_AGENT_PROXY_TOKEN_FILE
};
// Errors name the variable. Errc::kInvalid for what is no URL or no token; as read_secret_file() for the
// file.
Result<SigningServer> signing_server(SigningServerSettings settings);

class SigningClient {
 public:
  static constexpr Millis kConnectLimit{10'000};
  // For all of an exchange: the proxy may wait kSigningAgentLimit for its agent's list, approval_timeout for
  // a person (25 s where nobody says more), and kSigningAgentLimit for the signature. Who leaves earlier
  // takes the question back from under that person's eyes.
  static constexpr Millis kExchangeLimit{180'000};

  SigningClient(async::Loop& loop, SigningServer server);

  // The key (or certificate) with which the proxy signs, as a key blob. Errors say the URL, and in what
  // follows what can be done: nobody there, no answer in time, a refusal (with what the proxy says), an
  // answer that is no public key.
  async::Task<Result<std::string>> public_key();
  // Nothing of the answer has been verified but its form. The message must stay until then.
  async::Task<Result<ssh::Sshsig>> sign(std::string_view message, std::string name_space);

 private:
  async::Task<Result<std::string>> ask(net::HttpClient& client, net::HttpRequest request);
  net::HttpClient& key_client();

  async::Loop& loop_;
  SigningServer server_;
  Secret authorization_;  // a header line, or empty
  net::HttpClient client_;
  std::optional<net::HttpClient> other_client_;  // where the key is asked for elsewhere
};

}  // namespace shed::broker
