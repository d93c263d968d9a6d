// What is behind a TlsServerContext.
#pragma once

#include "shed/net/tls_server.h"
#include "tls_context.h"

namespace shed::net {

struct TlsServerContext::State {
  SslContext native;
  Sha256 pin{};
};

}  // namespace shed::net
