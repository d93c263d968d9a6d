// What `ssh-agent-proxy-sign` does when it signs: the part of `ssh-keygen -Y sign` that git and people use,
// with the key on the other side of an HTTP signing proxy.
//
// The key in -f decides: what comes back must be by that key, over that message and for that namespace,
// before anybody sees it. A file that is missing is made, with the key that the proxy signs with, and is
// what later signatures are held to: a key that was rotated is an error with its remedy, not another signer.
#pragma once

#include <string>

#include "shed/async/task.h"
#include "shed/base/result.h"
#include "shed/broker/signing_client.h"
#include "shed/broker/signing_command.h"

namespace shed::broker {

struct SigningStreams {
  int in = 0;   // the message where no file is named
  int out = 1;  // its signature
};

// Signs all files, then writes each FILE.sig (or the answer for "-" and for no file to `out`): when one of
// them cannot be signed nothing is written, and an older FILE.sig stays as it was; when one cannot be
// written, those written before it are removed. FILE.sig is replaced in one step; its mode is that of any new
// file. Errors name the object; their cause is one line.
async::Task<Status> sign_messages(SigningClient& client, SigningCommand command, SigningStreams streams);

// The proxy's key as a line, to `out`, or into a file (0600, in one step; folders that are missing are made
// with 0700).
async::Task<Status> give_public_key(SigningClient& client, std::string path, SigningStreams streams);

}  // namespace shed::broker
