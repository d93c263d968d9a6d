#include "shed/broker/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "shed/base/json.h"

namespace shed::broker {
namespace {

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

std::string format_audit_record(const AuditRecord& record) {
  std::string line;
  JsonWriter json(line);
  json.begin_object()
      .field("ts", format_rfc3339(record.ts))
      .field_unless_empty("server", record.server)
      .field("shed", record.shed)
      .field("ns", record.ns)
      .field("op", record.op)
      .field("result", record.result)
      .field_unless_empty("detail", record.detail)
      .field_unless_empty("code", record.code)
      .field_unless_empty("reason", record.reason)
      .field("approval", record.approval)
      .field_unless_empty("decided_by", record.decided_by)
      .field_unless_empty("scope", record.scope)
      .field_unless_empty("ttl", record.ttl)
      .field_unless_empty("key", record.key)
      .field_unless_empty("subject", record.subject)
      .field_unless_empty("proof", record.proof)
      .field_unless_empty("request_id", record.request_id)
      .field("duration_us", record.duration.count())
      .end_object();
  line += '\n';
  return line;
}

// Records in a file that was rotated away or removed are records that nobody finds.
bool AuditLog::still_there() const {
  struct stat ours{};
  struct stat named{};
  return ::fstat(fd_.get(), &ours) == 0 && ::lstat(path_.c_str(), &named) == 0 &&
         ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

Status AuditLog::open() {
  if (!enabled() || (fd_ && still_there())) return {};
  fd_.reset();
  const std::string directory = directory_of(path_);
  if (const Status made = make_private_directory(directory); !made) return made;
  // No link is followed: the log must not end up where somebody else wants it.
  UniqueFd fd(::open(path_.c_str(),
                     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600));
  if (!fd) return std::unexpected(system_error(errno).in(path_));
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return std::unexpected(system_error(errno).in(path_));
  const bool regular = S_ISREG(info.st_mode);
  if (regular && (info.st_mode & 077) != 0) ::fchmod(fd.get(), 0600);
  if (!regular && !S_ISCHR(info.st_mode))
    return fail(Errc::kInvalid, "{}: not a file that can be appended to", path_);
  fd_ = std::move(fd);
  return {};
}

Status AuditLog::write(const AuditRecord& record) {
  if (!enabled()) return {};
  if (const Status opened = open(); !opened) return opened;
  std::string line = format_audit_record(record);
  if (broken_line_) line.insert(0, 1, '\n');
  const Status written = append(line);
  if (!written) fd_.reset();  // the next record tries a new descriptor
  return written;
}

Status AuditLog::append(std::string_view line) {
  const std::size_t size = line.size();
  while (!line.empty()) {
    const ssize_t count = ::write(fd_.get(), line.data(), line.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      broken_line_ = broken_line_ || line.size() != size;
      return std::unexpected(system_error(count < 0 ? errno : ENOSPC).in(path_));
    }
    line.remove_prefix(static_cast<std::size_t>(count));
  }
  broken_line_ = false;
  return {};
}

}  // namespace shed::broker
