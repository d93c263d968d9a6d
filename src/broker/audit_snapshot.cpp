#include "broker/audit_snapshot.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "broker/audit_files.h"

namespace shed::broker {
namespace {

// AuditLimits::most_lines records, and as many again for lines that were cut short.
constexpr std::uint64_t kLargestChain = std::uint64_t{32} * 1024 * 1024;

// Nothing for a file that is not there; its size otherwise.
Result<UniqueFd> open_if_there(const std::string& path, std::uint64_t& size) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!fd && errno == ENOENT) return UniqueFd();
  struct stat info{};
  if (!fd || ::fstat(fd.get(), &info) != 0) return std::unexpected(system_error(errno).in(path));
  if (!S_ISREG(info.st_mode)) return fail(Errc::kInvalid, "{}: not a regular file", path);
  size = static_cast<std::uint64_t>(info.st_size);
  return fd;
}

Result<std::string> read_from(int fd, std::uint64_t offset, std::size_t length, const std::string& path) {
  std::string bytes(length, '\0');
  std::size_t have = 0;
  while (have < length) {
    const ssize_t count = ::pread(fd, bytes.data() + have, length - have, static_cast<off_t>(offset + have));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(system_error(errno).in(path));
    if (count == 0) break;
    have += static_cast<std::size_t>(count);
  }
  bytes.resize(have);
  return bytes;
}

Status add_file(TrailSnapshot& trail, std::uint32_t number, std::string log_path, std::string chain_path) {
  TrailFile file;
  file.number = number;
  file.log_path = std::move(log_path);
  file.chain_path = std::move(chain_path);
  auto log = open_if_there(file.log_path, file.log_size);
  if (!log) return propagate(log);
  auto chain = open_if_there(file.chain_path, file.chain_size);
  if (!chain) return propagate(chain);
  file.log = std::move(*log);
  file.chain = std::move(*chain);
  trail.files.push_back(std::move(file));
  return {};
}

// A rotation that is announced and not finished: the newest lines are under either name.
Status add_closing(TrailSnapshot& trail, std::uint32_t number) {
  const TrailNames& names = trail.names;
  const bool moved = exists(names.kept(number));
  const bool chain_moved = exists(names.kept_chain(number));
  struct stat info{};
  trail.added = moved && ::stat(names.log.c_str(), &info) == 0 && info.st_size > 0;
  return add_file(trail, number, moved ? names.kept(number) : names.log,
                  chain_moved ? names.kept_chain(number) : names.chain());
}

Status add_files(TrailSnapshot& trail, std::uint32_t closing) {
  for (const KeptFile& kept : find_kept(trail.names)) {
    if (!kept.chain || kept.number == closing) continue;  // without a chain it is none of ours
    const auto& names = trail.names;
    if (const Status added =
            add_file(trail, kept.number, names.kept(kept.number), names.kept_chain(kept.number));
        !added)
      return added;
  }
  if (closing != 0) return add_closing(trail, closing);
  return add_file(trail, 0, trail.names.log, trail.names.chain());
}

}  // namespace

Result<std::string> TrailFile::read_chain() const {
  if (chain_size > kLargestChain)
    return fail(Errc::kLimit, "{}: {} bytes are more than a chain of ours has", chain_path, chain_size);
  return read_from(chain.get(), 0, chain_size, chain_path);
}

Result<std::string> TrailFile::read_log(std::uint64_t offset, std::size_t length) const {
  if (offset >= log_size) return std::string();
  return read_from(log.get(), offset, std::min<std::uint64_t>(length, log_size - offset), log_path);
}

std::optional<ChainRecord> TrailFile::begin(const ChainKey& key) const {
  if (!chain) return std::nullopt;
  const auto bytes = read_from(chain.get(), 0, kChainRecordSize, chain_path);
  return bytes ? key.open_record(*bytes, {}) : std::nullopt;
}

Result<TrailSnapshot> take_snapshot(const TrailNames& names, const ChainKey& key, Millis lock_limit) {
  TrailSnapshot trail;
  trail.names = names;
  std::uint64_t size = 0;
  const auto head = open_if_there(names.head(), size);
  if (!head) return propagate(head);
  std::uint32_t closing = 0;
  if (*head) {
    if (const Status locked = lock_descriptor(head->get(), LOCK_SH, lock_limit, names.head()); !locked)
      return propagate(locked);
    auto bytes = read_from(head->get(), 0, kHeadSize + 1, names.head());
    if (!bytes) return propagate(bytes);
    if (const auto known = key.open_head(*bytes)) closing = known->closing;
    trail.head = std::move(*bytes);
  }
  // The lock goes with the descriptor, when this returns.
  if (const Status added = add_files(trail, closing); !added) return propagate(added);
  return trail;
}

}  // namespace shed::broker
