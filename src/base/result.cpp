#include "shed/base/result.h"

#include <cctype>
#include <cerrno>
#include <system_error>

namespace shed {
namespace {

Errc code_of(int errno_value) {
  switch (errno_value) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return Errc::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return Errc::kPermission;
    case EEXIST:
    case ENOTEMPTY:
    case EADDRINUSE:
    case ENOTDIR:
    case EISDIR:
      return Errc::kExists;
    case ECONNREFUSED:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
    case EAGAIN:
      return Errc::kUnavailable;
    case ETIMEDOUT:
      return Errc::kTimeout;
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
      return Errc::kClosed;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
      return Errc::kInvalid;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EFBIG:
    case E2BIG:
    case EMSGSIZE:
      return Errc::kLimit;
    case ENOSYS:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
      return Errc::kUnsupported;
    case EBADF:
    case EFAULT:
      return Errc::kInternal;
    default:
      return Errc::kIo;
  }
}

}  // namespace

Error system_error(int errno_value) {
  std::string text = std::generic_category().message(errno_value);
  // The text follows "<object>: ", so it does not start a sentence.
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return {code_of(errno_value), std::move(text)};
}

}  // namespace shed
