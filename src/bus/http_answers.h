// What both HTTP sides of the bus answer with.
#pragma once

#include <optional>
#include <string_view>

#include "shed/net/http_server.h"

namespace shed::bus {

inline constexpr std::string_view kJsonType = "application/json";

// {"error":{"code":…,"message":…}}. `headers` are further header lines, each ended by CR LF.
async::Task<> answer_error(net::HttpExchange& exchange, int status, std::string_view code,
                           std::string message, std::string_view headers = {});

// What the header of a request alone decides. The texts are constants.
struct HttpRefusal {
  int status;
  std::string_view code;
  std::string_view message;
  std::string_view headers = {};  // as in answer_error()
};
async::Task<> answer_error(net::HttpExchange& exchange, HttpRefusal refusal);

// 403 for what a web page can make a browser send here: under a name of the page's own (DNS rebinding), or
// with the page's Origin. No program that is meant to be here sends one.
std::optional<HttpRefusal> check_caller(const net::HttpExchange& exchange);

}  // namespace shed::bus
