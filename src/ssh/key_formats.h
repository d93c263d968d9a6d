// The formats of private key files, for private_key.cpp alone.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "shed/ssh/private_key.h"
#include "ssh/openssl.h"

namespace shed::ssh {

template <class T>
using KeyResult = std::expected<T, KeyError>;

std::unexpected<KeyError> corrupt(std::string_view what);
std::unexpected<KeyError> mismatch();
std::unexpected<KeyError> encrypted(std::string_view file_name);
std::unexpected<KeyError> unknown_type(std::string_view what);

// What a format gives: the key as OpenSSL has it, with its arithmetic not checked yet.
struct ReadKey {
  EvpKey key;
  std::string public_blob;  // as the file states it; empty where the format has none
  std::string comment;
};

inline constexpr std::string_view kOpensshLabel = "OPENSSH PRIVATE KEY";

// `text` starts at the line "-----BEGIN <label>-----".
KeyResult<ReadKey> read_openssh_key(std::string_view text, std::string_view file_name);
KeyResult<ReadKey> read_pem_key(std::string_view text, std::string_view file_name);

// The type's checks: RSA by size and arithmetic, ECDSA by curve, point and scalar.
KeyResult<void> check_key(EVP_PKEY* key);
// The wire form of the public part. Fails for a type that is not in private_key.h's list.
KeyResult<std::string> public_blob_of(EVP_PKEY* key);

}  // namespace shed::ssh
