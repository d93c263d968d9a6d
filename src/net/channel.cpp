#include "shed/net/channel.h"

#include "plain_channel.h"

namespace shed::net {

std::unique_ptr<Channel> plain_channel(async::Stream stream) {
  return std::make_unique<PlainChannel>(std::move(stream));
}

}  // namespace shed::net
