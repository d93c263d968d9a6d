// What is behind a TlsContext.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "shed/net/tls.h"
#include "tls_openssl.h"
#include "tls_roots.h"

namespace shed::net {

using Sha256 = std::array<unsigned char, 32>;

struct TlsContext::State {
  TlsOptions options;
  SslContext native;
  std::optional<Sha256> pin;
  RootPlaces places;

  // Reads the roots unless that has been done; one at a time, from any thread.
  Status load_roots();
  bool ready() const { return ready_.load(std::memory_order_acquire); }
  void become_ready() { ready_.store(true, std::memory_order_release); }
  // What certificates are compared with, for messages.
  std::string trusted() const;

 private:
  std::mutex loading_;
  std::atomic<bool> ready_ = false;
};

// What clients and servers have in common: versions, ciphers, and what is not done.
Result<SslContext> new_ssl_context(const SSL_METHOD* method);
// "sha256:<64 hex>".
std::string pin_text(const Sha256& digest);

}  // namespace shed::net
