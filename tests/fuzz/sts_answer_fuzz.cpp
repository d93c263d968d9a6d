// Any text as an answer of STS, and what is made of it: the same document is tried as an answer and as an
// error, and its texts go the way to a guest.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "shed/aws/signature.h"
#include "shed/aws/sts_messages.h"

namespace {

using namespace shed;
using namespace shed::aws;

constexpr std::string_view kRole = "arn:aws:iam::123456789012:role/dev";

void require(bool holds) {
  if (!holds) std::abort();
}

// Whatever was accepted can be signed with, and every line of the headers is ours.
void sign(const Credentials& credentials) {
  const Secret headers = signature_headers({"POST", "sts.amazonaws.com", "/", "text/plain", "body"},
                                           {"us-east-1", "sts", WallTime()}, credentials);
  require(!headers.empty());
  require(std::ranges::count(headers.reveal(), '\n') == 3);
}

bool names_an_account(std::string_view text) {
  std::size_t digits = 0;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      ++digits;
    } else if (std::exchange(digits, 0) == 12) {
      return true;
    }
  }
  return digits == 12;
}

void shape_request(std::string_view text) {
  AssumeRoleRequest request;
  request.role_arn = kRole;
  request.session_name =
      session_name(text.substr(0, text.size() / 2), text.substr(text.size() / 2), WallTime());
  require(encode_assume_role(request).has_value());
  request.policy = text;
  request.external_id = text;
  request.tags = {{std::string(text), std::string(text)}};
  static_cast<void>(encode_assume_role(request));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto credentials = parse_assume_role_answer(text);
  const auto error = parse_sts_error(text);
  require(!(credentials && error));
  if (credentials) {
    require(credentials->temporary() && credentials->expiration.has_value());
    sign(*credentials);
  }
  if (error) {
    require(!error->code.empty() && error->code.find('\n') == std::string::npos);
    require(error->message.find('\n') == std::string::npos);
    static_cast<void>(without_account_details(error->message, kRole));
  }
  require(!names_an_account(without_account_details(text, "")));
  shape_request(text);
  return 0;
}
