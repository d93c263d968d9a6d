#include "shed/broker/approver_client.h"

#include <algorithm>

#include "broker/agent_lines.h"
#include "broker/line_connection.h"
#include "shed/async/scope.h"
#include "shed/net/address.h"

namespace shed::broker {

ApproverClient::ApproverClient(async::Loop& loop, ApproverDesk& desk, std::string socket)
    : loop_(loop), desk_(desk), socket_(std::move(socket)), changed_(loop), written_(loop) {}

async::Task<> ApproverClient::run() {
  Millis pause = kFirstPause;
  for (;;) {
    auto conversation = converse();
    const Error over = co_await std::move(conversation);
    const bool was_connected = desk_.link() == ApproverDesk::Link::kConnected;
    desk_.lost(over.text());
    changed_.set();
    if (desk_.link() == ApproverDesk::Link::kRefused) co_return;
    if (was_connected) pause = kFirstPause;
    auto sleep = loop_.sleep(pause);
    co_await sleep;
    pause = std::min(pause * 2, kLongestPause);
  }
}

async::Task<Error> ApproverClient::converse() {
  net::Address address;
  address.unix_path = socket_;
  auto connecting = net::connect(loop_, std::move(address), kConnectLimit);
  auto stream = co_await std::move(connecting);
  if (!stream) co_return stream.error();
  LineConnection lines(loop_, std::move(*stream));
  struct Current {
    Current(ApproverClient& owner, LineConnection& connection) : client(owner) {
      client.lines_ = &connection;
    }
    Current(const Current&) = delete;
    ~Current() { client.lines_ = nullptr; }
    ApproverClient& client;
  };
  const Current current(*this, lines);
  async::Scope writer(loop_);
  written_.reset();
  writer.spawn(write(lines));
  desk_.connected([this](std::string_view line) {
    // What finds no room is not sent; an answer that is not sent is a denial.
    if (lines_ != nullptr) (void)lines_->send(line);
  });
  (void)lines.send(hello_line(kReplay));
  auto reading = read(lines);
  Error over = co_await std::move(reading);
  co_return over;
}

async::Task<Error> ApproverClient::read(LineConnection& lines) {
  for (Millis limit = kHelloLimit;; limit = kSilenceLimit) {
    auto next = lines.next();
    auto in_time = async::with_timeout(loop_, limit, std::move(next));
    const auto line = co_await std::move(in_time);
    const Status taken = line ? desk_.take(*line) : propagate(line);
    if (!taken) co_return taken.error();
    changed_.set();
  }
}

async::Task<> ApproverClient::write(LineConnection& lines) {
  auto writing = lines.write_out();
  co_await std::move(writing);
  written_.set();
}

async::Task<bool> ApproverClient::finish(Millis limit) {
  if (lines_ == nullptr) co_return false;
  lines_->finish();
  auto written = written_.wait_for(limit);
  const bool in_time = co_await written;
  co_return (in_time && lines_ != nullptr);
}

}  // namespace shed::broker
