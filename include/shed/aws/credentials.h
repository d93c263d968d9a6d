// What an AWS request is signed with.
#pragma once

#include <optional>
#include <string>

#include "shed/base/clock.h"
#include "shed/base/secret.h"

namespace shed::aws {

struct Credentials {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token;                // empty: long-lived keys
  std::optional<WallTime> expiration;  // absent: none, or unknown
  std::string account_id;              // empty: unknown

  // Whether they are session credentials. Only these may leave this machine.
  bool temporary() const { return !session_token.empty(); }
  Credentials clone() const {
    return {access_key_id, secret_access_key.clone(), session_token.clone(), expiration, account_id};
  }
};

}  // namespace shed::aws
