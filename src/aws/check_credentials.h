// Credentials from outside, before anything is done with them.
#pragma once

#include "shed/aws/credentials.h"
#include "shed/aws/failure.h"
#include "shed/base/result.h"

namespace shed::aws {

// Both halves of the key are there, and nothing in them or in the token could break a header line.
// Errc::kInvalid, kLimit; the texts hold names only.
Status check_credentials(const Credentials& credentials);

// Whether their own expiration has come.
bool expired(const Credentials& credentials, WallTime now);

}  // namespace shed::aws
