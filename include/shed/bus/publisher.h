// Publisher: how a guest's applet asks something over the bus (protocol.md section 2).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shed/bus/envelope.h"
#include "shed/net/http_client.h"

namespace shed::bus {

inline constexpr std::string_view kDefaultPublishUrl = "http://127.0.0.1:498/v1/publish";

// `option` when it is not empty, else $SHED_PUBLISH_URL, else the default. Errc::kInvalid names the
// one that is wrong.
Result<net::Url> publish_url(std::string_view option);

class Publisher {
 public:
  Publisher(async::Loop& loop, net::Url url);

  // The payload of an answer, where it came to lie.
  class Reply {
   public:
    Reply(net::HttpResponse response, std::string_view payload)
        : response_(std::move(response)), payload_(payload) {}
    // kJsonPadding bytes behind it are readable.
    std::string_view payload() const { return payload_; }
    void wipe() { response_.wipe_body(); }

   private:
    net::HttpResponse response_;
    std::string_view payload_;
  };

  // `payload` is JSON, and must stay until the task is done. Whatever goes wrong, it ends within
  // `limit`. Errc::kUnavailable: the bus or its other side is away. kTimeout. kProtocol: the answer
  // is no response envelope of that namespace. kLimit: too many requests, or too large an answer.
  async::Task<Result<Reply>> request(std::string_view ns, std::string_view payload, Millis limit);

  std::string url() const { return client_.origin().address.text(); }

 private:
  async::Task<Result<Reply>> exchange(std::string_view ns, std::string_view payload);
  Result<std::string_view> read_answer(const net::HttpResponse& response, std::string_view ns);

  async::Loop& loop_;
  net::HttpClient client_;
  EnvelopeDecoder decoder_;
};

}  // namespace shed::bus
