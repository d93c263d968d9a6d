// The services of the guest: each is an applet of its own and a member of `guest` and `up`.
#pragma once

#include <string>

#include "shed/async/loop.h"
#include "shed/base/secret.h"
#include "shed/net/listener.h"

namespace shed::applets {

// Each serves on its listener, and asks the guest bus at this URL, until the task is dropped.
async::Task<> serve_ssh_agent(async::Loop& loop, net::Listener listener, net::Url bus);
// With an empty token none is demanded.
async::Task<> serve_aws_credentials(async::Loop& loop, net::Listener listener, net::Url bus, Secret token);

// What --port, --listen and --token-file say.
struct AwsListenOptions {
  std::string port;    // of 127.0.0.1; default 499
  std::string listen;  // "ADDR:PORT", "unix:PATH"; instead of the port
  std::string token_file;
};
inline constexpr const char* kDefaultAgentSocket = "/run/shed-extensions/ssh-agent.sock";
inline constexpr const char* kDefaultAwsPort = "499";

// Errc::kInvalid where both are given, for what is no address, and for one that other machines reach:
// whoever asks there gets credentials.
Result<net::Address> aws_listen_address(const AwsListenOptions& options);
// A new token, in the file (0600, without a newline, which two SDKs would send along); an empty one
// where no file is named.
Result<Secret> write_token_file(const std::string& path);

}  // namespace shed::applets
