// What both HTTP sides of the bus answer with.
#pragma once

#include <string_view>

#include "shed/net/http_server.h"

namespace shed::bus {

inline constexpr std::string_view kJsonType = "application/json";

// {"error":{"code":…,"message":…}}
async::Task<> answer_error(net::HttpExchange& exchange, int status, std::string_view code,
                           std::string message);

}  // namespace shed::bus
