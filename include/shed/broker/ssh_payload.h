// The payloads of the namespace ssh-agent (protocol.md section 5), in both directions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shed/base/json.h"
#include "shed/base/result.h"
#include "shed/ssh/types.h"

namespace shed::broker {

inline constexpr std::string_view kSshNamespace = "ssh-agent";

// Requests, as the guest writes them. Binds that are there travel as "session_binds".
std::string encode_list_payload(const std::vector<ssh::SessionBind>& binds);
std::string encode_sign_payload(const ssh::SignRequest& request);
// Requests, as the host reads them: `payload` is the request's object. The errors' texts are those
// that existing guests know; kNotFound stands for KEY_NOT_FOUND, all others for INTERNAL_ERROR.
Result<std::vector<ssh::SessionBind>> decode_binds(const JsonValue& payload);
Result<ssh::SignRequest> decode_sign_request(const JsonValue& payload);

// Answers, as the host writes them.
std::string encode_keys(const std::vector<ssh::Identity>& identities);
std::string encode_signature_payload(const ssh::Signature& signature);
std::string encode_ssh_status(std::string_view mode, std::size_t key_count);
// Answers, as the guest reads them. Errc::kProtocol for what is none, kLimit for too many keys.
Result<std::vector<ssh::Identity>> decode_keys(const JsonValue& payload);
Result<ssh::Signature> decode_signature_payload(const JsonValue& payload);

}  // namespace shed::broker
