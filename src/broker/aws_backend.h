// The room aws, wired up for the host agent.
#pragma once

#include <memory>

#include "shed/aws/credential_service.h"

namespace shed::broker {

// STS, programs and profiles as the environment of this process says, with the cache in front.
std::unique_ptr<aws::CredentialBackend> make_aws_backend(async::Loop& loop);

}  // namespace shed::broker
