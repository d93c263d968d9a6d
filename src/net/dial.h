// From an origin to a channel on which requests can be sent: connection, proxy and TLS.
#pragma once

#include <memory>

#include "shed/net/channel.h"
#include "shed/net/http_client.h"

namespace shed::net {

// Errors as HttpClient::send() has them; the text names the step and who did not do it. `origin` and
// `options` must outlive the task; a missing `options.tls` that is needed is made and put there.
async::Task<Result<std::unique_ptr<Channel>>> open_channel(async::Loop& loop, const Url& origin,
                                                           HttpClientOptions& options);

}  // namespace shed::net
