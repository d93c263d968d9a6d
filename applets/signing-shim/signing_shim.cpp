// git's `gpg.ssh.program` where the key is behind an HTTP signing proxy. git starts it for every commit: it
// does nothing that the one signature does not need. Everything but signing is ssh-keygen's, where it is.
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "applet.h"
#include "command_line.h"
#include "service.h"
#include "shed/base/file.h"
#include "shed/base/log.h"
#include "shed/broker/signature_check.h"
#include "shed/broker/signing_shim.h"
#include "shed/ssh/verify.h"
#include "signing-shim/ssh_keygen.h"

namespace shed::applets {
namespace {

// One line. git looks for this word in it, and then says that OpenSSH is too old.
int complain(const Error& error) {
  std::string text = error.text();
  for (std::size_t at = 0; (at = text.find("usage:", at)) != text.npos;) text.erase(at + 5, 1);
  return fail_with(Error(error.code(), std::move(text)));
}

Result<broker::SigningServer> server() {
  broker::SigningServerSettings settings;
  settings.url = environment("SSH_AGENT_PROXY_URL");
  settings.public_key_url = environment("SSH_AGENT_PROXY_PUBKEY_URL");
  settings.token = environment("SSH_AGENT_PROXY_TOKEN");
  settings.token_file = environment("SSH_AGENT_PROXY_TOKEN_FILE");
  return broker::signing_server(std::move(settings));
}

template <class Ask>
int ask_proxy(Ask ask) {
  log::set_level(log::Level::kError);
  become_private();
  auto found = server();
  if (!found) return complain(found.error());
  if (!found->sign.tls && !found->public_key.tls) ssh::expect_few_signatures();
  async::Loop loop;
  broker::SigningClient client(loop, std::move(*found));
  const Status status = loop.block_on(ask(client));
  return end_soon(status ? 0 : complain(status.error()));
}

int give_public_key(const Arguments& arguments) {
  if (arguments.size() > 2) {
    return complain(Error(Errc::kInvalid, "pubkey: takes one path, or none to print the key"));
  }
  const std::string path = arguments.size() == 2 ? arguments[1] : std::string();
  return ask_proxy([&](broker::SigningClient& client) { return broker::give_public_key(client, path, {}); });
}

int print_help(Arguments arguments) {
  CommandLine line(kSigningShim, "ssh-agent-proxy-sign");
  line.footer(
      "Commands: -Y sign -n NAMESPACE -f KEY [FILE...], pubkey [PATH]; all others are passed on to "
      "ssh-keygen. "
      "The proxy is at $SSH_AGENT_PROXY_URL, else " +
      std::string(broker::kDefaultSigningUrl) + ". In git: git config gpg.ssh.program ssh-agent-proxy-sign");
  return line.parse(std::move(arguments)).value_or(0);
}

bool print(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno != EINTR) return false;
    if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

int check(const broker::SigningCommand& command) {
  ssh::expect_few_signatures();
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const broker::CheckOutcome outcome = broker::check_signature(command, STDIN_FILENO, now);
  print(STDERR_FILENO, outcome.err);
  // Who does not see it must not take it for a yes.
  if (!print(STDOUT_FILENO, outcome.out)) return 1;
  return outcome.status;
}

int run(Arguments arguments) {
  if (arguments.size() == 1 && arguments[0] == "--help") return print_help(std::move(arguments));
  if (!arguments.empty() && arguments[0] == "pubkey") return give_public_key(arguments);
  auto command = broker::parse_signing_command(arguments);
  if (command.operation == "sign") {
    return ask_proxy(
        [&](broker::SigningClient& client) { return broker::sign_messages(client, std::move(command), {}); });
  }
  const std::string program = find_ssh_keygen();
  if (!program.empty()) return complain(run_ssh_keygen(program, arguments));
  if (broker::is_signature_check(command)) return check(command);
  return complain(needs_ssh_keygen(command, arguments));
}

}  // namespace

const Applet kSigningShim{"signing-shim", "ssh-agent-proxy-sign",
                          "git's gpg.ssh.program: signs through an HTTP signing proxy", run};

}  // namespace shed::applets
