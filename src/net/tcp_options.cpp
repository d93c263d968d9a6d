#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "socket_address.h"

namespace shed::net {
namespace {

// A peer that is gone without a word (its machine sleeps or has crashed, its network changed) is
// noticed 35 s after its last word when nothing is on the way to it, also on an event stream on which
// it would say nothing, and 30 s after what it did not acknowledge.
constexpr int kIdle = 15;
constexpr int kInterval = 10;
constexpr int kProbes = 3;
#ifdef TCP_USER_TIMEOUT
// Milliseconds. Also the longest that a peer may leave no room for what is to be sent.
constexpr unsigned kUnacknowledged = 30'000;
#endif

void set(int fd, int level, int option, int value) { setsockopt(fd, level, option, &value, sizeof value); }

}  // namespace

void set_tcp_options(int fd) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, kIdle);
#else
  set(fd, IPPROTO_TCP, TCP_KEEPALIVE, kIdle);
#endif
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, kInterval);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
#ifdef TCP_USER_TIMEOUT
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnacknowledged, sizeof kUnacknowledged);
#endif
}

}  // namespace shed::net
