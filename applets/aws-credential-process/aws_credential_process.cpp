// One answer for an AWS SDK's `credential_process`. SDKs start it often, dozens at a time: it does nothing
// that the one request does not need.
#include <unistd.h>

#include <cerrno>

#include "applet.h"
#include "command_line.h"
#include "service.h"
#include "shed/base/log.h"
#include "shed/broker/aws_relay.h"

namespace shed::applets {
namespace {

async::Task<Status> print_credentials(async::Loop& loop, net::Url bus) {
  bus::Publisher publisher(loop, std::move(bus));
  broker::AwsRelay relay(loop, publisher, broker::AwsRelay::kPatientLimit);
  const auto answer = co_await relay.get();
  if (!answer) co_return fail(Errc::kRefused, "{}", answer.error().text());
  Buffer document;
  broker::append_process_document(document, answer->view());
  document.push_back('\n');
  ssize_t written = 0;
  do {
    written = ::write(STDOUT_FILENO, document.data(), document.size());
  } while (written < 0 && errno == EINTR);
  const int problem = errno;
  const bool whole = written == static_cast<ssize_t>(document.size());
  document.wipe();
  if (!whole) {
    co_return fail(Errc::kIo, "stdout: {}",
                   written < 0 ? system_error(problem).text() : "not all of it could be written");
  }
  co_return Status{};
}

int run(Arguments arguments) {
  std::string url;
  // Reading the options costs more than all the rest, and as a rule there are none.
  if (!arguments.empty()) {
    CommandLine line(kAwsCredentialProcess, "shed-ext aws-credential-process");
    line.option("--publish-url", url,
                "The guest bus; else $SHED_PUBLISH_URL, else " + std::string(bus::kDefaultPublishUrl));
    line.footer("In ~/.aws/config: credential_process = /usr/local/bin/shed-ext aws-credential-process");
    if (const auto status = line.parse(std::move(arguments))) return *status;
  }
  const auto bus_url = bus::publish_url(url);
  if (!bus_url) return fail_usage(bus_url.error());
  // One line on stderr when it fails, nothing when not: one SDK takes it for a part of the answer.
  log::set_level(log::Level::kError);
  become_private();
  async::Loop loop;
  const Status status = loop.block_on(print_credentials(loop, *bus_url));
  return status ? 0 : fail_with(status.error());
}

}  // namespace

const Applet kAwsCredentialProcess{"aws-credential-process", "shed-ext-aws-credential-process",
                                   "AWS credentials once, for credential_process", run};

}  // namespace shed::applets
