#include "sts_targets.h"

#include <algorithm>

namespace shed::aws {
namespace {

// What a far-away region and a slow proxy need; an attempt has its own limit around it.
constexpr Millis kConnectLimit{5'000};
// A burst of sheds that start at the same time.
constexpr std::size_t kMaxConnections = 16;

}  // namespace

bool StsTargets::Known::serves(const StsTarget& target) const {
  const net::Url& wanted = target.endpoint.url;
  return url.origin() == wanted.origin() && url.host_header == wanted.host_header &&
         ca_file == target.ca_file && proxy.https_proxy == target.proxy.https_proxy &&
         proxy.no_proxy == target.proxy.no_proxy;
}

Result<std::shared_ptr<net::HttpClient>> StsTargets::make(const StsTarget& target) const {
  net::HttpClientOptions options;
  options.connect_limit = kConnectLimit;
  options.max_connections = kMaxConnections;
  options.max_body = kMaxStsAnswer;
  const net::Url& url = target.endpoint.url;
  if (url.tls) {
    auto tls = net::TlsContext::create({.ca_file = target.ca_file, .pin = {}});
    if (!tls) return propagate(tls);
    options.tls = std::move(*tls);
    auto proxy = net::proxy_for(url, target.proxy);
    if (!proxy) return propagate(proxy);
    options.proxy = std::move(*proxy);
  }
  return std::make_shared<net::HttpClient>(loop_, url, std::move(options));
}

Result<std::shared_ptr<net::HttpClient>> StsTargets::client(const StsTarget& target) {
  const auto found = std::ranges::find_if(known_, [&](const Known& known) { return known.serves(target); });
  if (found != known_.end()) {
    known_.splice(known_.begin(), known_, found);
    return found->client;
  }
  auto made = make(target);
  if (!made) return propagate(made);
  known_.push_front({target.endpoint.url, target.ca_file, target.proxy, *made});
  if (known_.size() > kMaxTargets) known_.pop_back();
  return made;
}

void StsTargets::forget(const std::shared_ptr<net::HttpClient>& client) {
  std::erase_if(known_, [&](const Known& known) { return known.client == client; });
}

}  // namespace shed::aws
