// One connection of the server: reads requests, has them handled, sends the answers.
#pragma once

#include <string>
#include <string_view>

#include "http_parser.h"
#include "shed/async/stream.h"
#include "shed/base/buffer.h"
#include "shed/net/http_server.h"

namespace shed::net {

// Its buffers live as long as it does, and serve request after request.
class HttpConnection : public async::ListHook {
 public:
  // It is on the list `spare` while nobody would miss it: when no request has begun, or it has its answer and
  // still sends.
  HttpConnection(async::Loop& loop, async::Stream stream, HttpHandler& handler,
                 const HttpServerOptions& options, async::IntrusiveList<HttpConnection>& spare);
  ~HttpConnection();

  // Until either side has had enough.
  async::Task<> run();

  SteadyTime spare_since() const { return spare_since_; }
  // Ends it, unless a request has just come: that one is answered yet.
  void dismiss();

 private:
  friend class HttpExchange;

  // True when there is a request to answer.
  async::Task<bool> read_request();
  void become_spare();
  async::Task<Result<std::size_t>> receive();
  async::Task<Status> read_message();
  // Until the header is whole, or the message.
  async::Task<Result<HttpParser::Progress>> read_on();
  async::Task<Result<HttpParser::Progress>> read_body();
  bool wants_body();
  async::Task<Status> allow_body();
  async::Task<> serve_request();

  // A peer that does not read must not hold the connection, and with it the handler, forever.
  async::Task<Status> send(std::string_view first, std::string_view second = {});
  async::Task<Status> send_head(int status, std::string_view content_type, std::string_view body,
                                std::string_view headers, bool streaming);
  async::Task<Status> send_part(std::string_view part);
  // Views into input_ are in use, so what comes meanwhile goes elsewhere.
  async::Task<> wait_for_end();

  // Closing while the client still sends would reset the connection and with it the answer.
  async::Task<> drain();
  async::Task<Status> discard_input();

  async::Loop& loop_;
  async::Stream stream_;
  HttpHandler& handler_;
  const HttpServerOptions& options_;
  async::IntrusiveList<HttpConnection>& spare_;
  SteadyTime spare_since_{};
  HttpParser parser_;
  Buffer input_;
  Buffer ahead_;  // what came while a handler waited for the end of the connection
  std::string head_;
  bool too_large_ = false;
  bool unwanted_ = false;   // the body was not read
  bool closing_ = false;    // no further request
  bool lingering_ = false;  // the client may still be sending
  bool broken_ = false;     // nothing more can be sent
  bool dismissed_ = false;
  bool bodiless_ = false;  // the answer has no body, whatever the handler writes
  bool chunked_ = false;
};

}  // namespace shed::net
