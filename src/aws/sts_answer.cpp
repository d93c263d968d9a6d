#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "check_credentials.h"
#include "shed/aws/sts_messages.h"
#include "xml_answer.h"

//   <AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
//     <AssumeRoleResult>
//       <AssumedRoleUser> <AssumedRoleId/> <Arn/> </AssumedRoleUser>
//       <Credentials> <AccessKeyId/> <SecretAccessKey/> <SessionToken/> <Expiration/> </Credentials>
//     </AssumeRoleResult>
//     <ResponseMetadata> <RequestId/> </ResponseMetadata>
//   </AssumeRoleResponse>
//
//   <ErrorResponse> <Error> <Type/> <Code/> <Message/> </Error> <RequestId/> </ErrorResponse>

namespace shed::aws {
namespace {

constexpr std::size_t kMaxCode = 128;
constexpr std::size_t kMaxMessage = 1024;
constexpr std::size_t kAccountDigits = 12;

Result<Secret> field(const pugi::xml_node& parent, std::string_view name) {
  const auto element = only_child(parent, name);
  if (!element) return fail(Errc::kProtocol, "the answer does not have one {}", name);
  auto text = text_of(*element);
  if (!text || text->empty()) return fail(Errc::kProtocol, "{} has no text", name);
  return std::move(*text);
}

Result<Credentials> read_credentials(const pugi::xml_node& element) {
  auto id = field(element, "AccessKeyId");
  if (!id) return propagate(id);
  auto secret = field(element, "SecretAccessKey");
  if (!secret) return propagate(secret);
  auto token = field(element, "SessionToken");
  if (!token) return propagate(token);
  const auto expiration = field(element, "Expiration");
  if (!expiration) return propagate(expiration);
  const auto time = parse_rfc3339(expiration->reveal());
  if (!time) return fail(Errc::kProtocol, "Expiration is not a time");
  Credentials credentials{std::string(id->reveal()), std::move(*secret), std::move(*token), *time, {}};
  if (const Status checked = check_credentials(credentials); !checked) {
    return fail(Errc::kProtocol, "{}", checked.error().text());
  }
  return credentials;
}

// The fifth part of arn:aws:sts::123456789012:assumed-role/ROLE/SESSION; empty when it is no account.
std::string account_of(std::string_view arn) {
  for (int i = 0; i < 4; ++i) {
    const std::size_t colon = arn.find(':');
    if (colon == arn.npos) return {};
    arn.remove_prefix(colon + 1);
  }
  const std::string_view account = arn.substr(0, arn.find(':'));
  const bool digits = std::ranges::all_of(account, [](char c) { return c >= '0' && c <= '9'; });
  return digits && account.size() == kAccountDigits ? std::string(account) : std::string();
}

// Others that speak STS's language leave the user out, or empty.
Result<std::string> read_account(const pugi::xml_node& result) {
  if (!has_child(result, "AssumedRoleUser")) return std::string();
  const auto user = only_child(result, "AssumedRoleUser");
  const auto arn = user ? only_child(*user, "Arn") : std::nullopt;
  const auto text = arn ? text_of(*arn) : std::nullopt;
  if (!text) return fail(Errc::kProtocol, "AssumedRoleUser does not have one Arn");
  return account_of(text->reveal());
}

// At most `limit` characters, on one line, with nothing in it that a terminal would act on.
std::string one_line(std::string_view text, std::size_t limit) {
  std::string line;
  for (std::size_t count = 0; !text.empty() && count < limit; ++count) {
    const Utf8Character c = first_utf8_character(text);
    const std::size_t length = std::max<std::size_t>(c.length, 1);
    const bool control = c.length == 0 || c.code < 0x20 || (c.code >= 0x7f && c.code < 0xa0);
    line += control ? std::string_view(" ") : text.substr(0, length);
    text.remove_prefix(length);
  }
  return line;
}

// The request that STS repeats behind a signature that does not match has our session token in it.
std::string_view without_request(std::string_view message) {
  constexpr std::string_view kMarks[] = {"The Canonical String for this request", "x-amz-security-token",
                                         "X-Amz-Security-Token"};
  for (const std::string_view mark : kMarks) message = message.substr(0, message.find(mark));
  return message.substr(0, message.find_last_not_of(" \t\r\n") + 1);
}

std::string optional_text(const pugi::xml_node& parent, std::string_view name, std::size_t limit) {
  const auto element = only_child(parent, name);
  const auto text = element ? text_of(*element) : std::nullopt;
  return text ? one_line(without_request(text->reveal()), limit) : std::string();
}

}  // namespace

Result<Credentials> parse_assume_role_answer(std::string_view xml) {
  XmlAnswer answer;
  if (const Status parsed = answer.parse(xml); !parsed) return propagate(parsed);
  if (local_name(answer.root()) != "AssumeRoleResponse") {
    return fail(Errc::kProtocol, "the answer is no AssumeRoleResponse");
  }
  const auto result = only_child(answer.root(), "AssumeRoleResult");
  const auto element = result ? only_child(*result, "Credentials") : std::nullopt;
  if (!element) return fail(Errc::kProtocol, "the answer does not have one Credentials");
  auto credentials = read_credentials(*element);
  if (!credentials) return propagate(credentials);
  auto account = read_account(*result);
  if (!account) return propagate(account);
  credentials->account_id = std::move(*account);
  return credentials;
}

std::optional<StsError> parse_sts_error(std::string_view xml) {
  XmlAnswer answer;
  if (!answer.parse(xml) || local_name(answer.root()) != "ErrorResponse") return std::nullopt;
  const auto error = only_child(answer.root(), "Error");
  if (!error) return std::nullopt;
  StsError result{optional_text(*error, "Code", kMaxCode), optional_text(*error, "Message", kMaxMessage),
                  optional_text(answer.root(), "RequestId", kMaxCode)};
  if (result.code.empty()) return std::nullopt;
  return result;
}

}  // namespace shed::aws
