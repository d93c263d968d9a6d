#include "broker/line_connection.h"

#include <utility>

namespace shed::broker {
namespace {

// Lines that come at once are dealt with in one go: few enough not to hold up anybody else.
constexpr std::size_t kPart = std::size_t{16} * 1024;

}  // namespace

async::Task<Result<std::string>> LineConnection::next() {
  for (;;) {
    const std::size_t end = input_.find('\n', scanned_);
    const std::size_t size = (end == std::string::npos ? input_.size() : end) - start_;
    if (size > kMaxLine) co_return fail(Errc::kLimit, "a line is over {} bytes", kMaxLine);
    if (end != std::string::npos) {
      std::string line = input_.substr(start_, size);
      start_ = scanned_ = end + 1;
      co_return line;
    }
    input_.erase(0, start_);
    start_ = 0;
    scanned_ = size;
    input_.resize(size + kPart);
    auto reading = stream_.read({input_.data() + size, kPart});
    const auto count = co_await std::move(reading);
    input_.resize(size + (count ? *count : 0));
    if (!count) co_return propagate(count);
    if (*count == 0) co_return fail(Errc::kClosed, "the connection has ended");
  }
}

bool LineConnection::send(std::string_view line) {
  if (finished_ || queued() + line.size() > kMaxQueued) return false;
  queue_ += line;
  changed_.wake_all();
  return true;
}

void LineConnection::finish() {
  finished_ = true;
  changed_.wake_all();
}

async::Task<> LineConnection::write_out() {
  for (;;) {
    if (queue_.empty()) {
      if (finished_) co_return;
      auto change = changed_.wait();
      co_await change;
      continue;
    }
    const std::string batch = std::exchange(queue_, {});
    in_flight_ = batch.size();
    auto writing = stream_.write(batch);
    const Status written = co_await std::move(writing);
    in_flight_ = 0;
    if (!written) co_return;
  }
}

}  // namespace shed::broker
