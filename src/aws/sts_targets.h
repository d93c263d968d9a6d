// The HTTP clients of the last few targets, so that their connections are used again.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "shed/aws/sts_client.h"
#include "shed/net/http_client.h"

namespace shed::aws {

class StsTargets {
 public:
  // One target a profile's region is usual.
  static constexpr std::size_t kMaxTargets = 4;

  explicit StsTargets(async::Loop& loop) : loop_(loop) {}

  // The client for the target. Who has one keeps it while a request is on its way. Errors: the CA file
  // (named), the proxy.
  Result<std::shared_ptr<net::HttpClient>> client(const StsTarget& target);
  // After an error: the next one reads CA file and roots again.
  void forget(const std::shared_ptr<net::HttpClient>& client);

 private:
  struct Known;
  Result<std::shared_ptr<net::HttpClient>> make(const StsTarget& target) const;

  async::Loop& loop_;
  std::list<Known> known_;  // the one used last in front
};

struct StsTargets::Known {
  net::Url url;
  std::string ca_file;
  net::ProxyEnvironment proxy;
  std::shared_ptr<net::HttpClient> client;

  bool serves(const StsTarget& target) const;
};

}  // namespace shed::aws
