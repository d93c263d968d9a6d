// Docker's credential helper in the guest. Clients start it for every pull: it does nothing that the one
// request does not need.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "applet.h"
#include "command_line.h"
#include "service.h"
#include "shed/base/log.h"
#include "shed/broker/docker_client.h"

namespace shed::applets {
namespace {

constexpr int kInputLimitMs = 5'000;

// What the client writes, to its end. A file, a pipe or a terminal: so it is read with plain calls.
Result<Secret> read_input() {
  std::string text;
  text.reserve(broker::kMaxHelperInput + 1);  // never grown, so that no copy stays behind
  std::array<char, 4096> part;
  for (;;) {
    pollfd wanted{STDIN_FILENO, POLLIN, 0};
    const int ready = ::poll(&wanted, 1, ::isatty(STDIN_FILENO) != 0 ? -1 : kInputLimitMs);
    if (ready == 0) return fail(Errc::kTimeout, "nobody has written a server URL on standard input");
    const ssize_t count = ready < 0 ? -1 : ::read(STDIN_FILENO, part.data(), part.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(system_error(errno).in("standard input"));
    if (count == 0) break;
    if (text.size() + static_cast<std::size_t>(count) > broker::kMaxHelperInput) {
      wipe(text);
      return fail(Errc::kLimit, "standard input has more than {} bytes", broker::kMaxHelperInput);
    }
    text.append(part.data(), static_cast<std::size_t>(count));
  }
  wipe(part);
  return Secret::take(text);
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno != EINTR) return false;
    if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

// Clients show what stands on stdout.
int complain(const Error& error) {
  write_all(STDOUT_FILENO, fmt::format("docker-credential-shed: {}\n", log::printable(error.text())));
  return 1;
}

int broker_login(const std::string& verb) {
  log::set_level(log::Level::kError);
  become_private();
  auto input = verb == "list" ? Result<Secret>(Secret()) : read_input();
  if (!input) return complain(input.error());
  const auto bus_url = bus::publish_url("");
  if (!bus_url) return complain(bus_url.error());
  async::Loop loop;
  bus::Publisher publisher(loop, *bus_url);
  broker::DockerClient client(loop, publisher);
  const broker::HelperOutcome outcome = loop.block_on(client.run(verb, std::move(*input)));
  write_all(STDERR_FILENO, outcome.err);
  return write_all(STDOUT_FILENO, outcome.out.reveal()) ? outcome.status : 1;
}

int run(Arguments arguments) {
  if (arguments.size() == 1 && !arguments[0].starts_with('-')) {
    if (arguments[0] != "version") return broker_login(arguments[0]);
    fmt::print("docker-credential-shed {}\n", SHED_VERSION);
    return 0;
  }
  const auto is_word = [](const std::string& argument) { return !argument.starts_with('-'); };
  if (std::ranges::any_of(arguments, is_word)) {
    return complain(
        Error(Errc::kInvalid, "give one command and nothing else: get, list, store, erase or version"));
  }
  CommandLine line(kDockerCredential, "docker-credential-shed");
  line.footer("Commands: get, list, store, erase, version. The guest bus is at $SHED_PUBLISH_URL, else " +
              std::string(bus::kDefaultPublishUrl) + ".");
  if (const auto status = line.parse(std::move(arguments))) return *status;
  return complain(Error(Errc::kInvalid, "give one command: get, list, store, erase or version"));
}

}  // namespace

const Applet kDockerCredential{"docker-credential", "docker-credential-shed",
                               "Docker registry logins, for docker, podman and skopeo", run};

}  // namespace shed::applets
