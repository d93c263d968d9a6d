// `ssh-keygen -Y verify`, `-Y check-novalidate` and `-Y find-principals` where there is no ssh-keygen: the
// same answers with the same words on the same streams, and the same exit status, as OpenSSH 9.2 has them.
// git reads all three.
//
// What is not the same: lists of revoked keys in OpenSSH's binary form (KRL) cannot be read, so nothing
// verifies against them; a file of allowed signers has a bound (ssh/allowed_signers.h), a signature file, too
// (ssh/sshsig.h: what stands behind the armor counts); a certificate that its authority signed with SHA-1
// never counts. Where ssh-keygen says more about why an input is malformed than git or a person can use, the
// words may differ.
#pragma once

#include <string>

#include "shed/broker/signing_command.h"
#include "shed/ssh/signing_time.h"

namespace shed::broker {

struct CheckOutcome {
  std::string out;
  std::string err;  // whole lines; as OpenSSH's own, most of them end with CR LF
  int status = 0;
};

// Whether check_signature() does this operation, with these options.
bool is_signature_check(const SigningCommand& command);

// Reads the files that are named and, where the operation wants a message, that from `message_fd` to its end.
// `now` is the time for keys and certificates where no -Overify-time is given.
CheckOutcome check_signature(const SigningCommand& command, int message_fd, ssh::SigningTime now);

}  // namespace shed::broker
