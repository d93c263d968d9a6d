// Keys made by the real ssh-keygen, once for a run of the test program, in a folder that goes with it.
#pragma once

#include <catch2/catch.hpp>

#include <string>
#include <string_view>

#include "shed/ssh/private_key.h"
#include "support/temporary_folder.h"

namespace shed::ssh::test {

// A folder of its own under $TMPDIR, removed with the object.
using shed::TemporaryFolder;

// Runs a shell command; a status other than 0 fails the test.
void run(const std::string& command);

std::string read_text(const std::string& path);
void write_text(const std::string& path, std::string_view text, unsigned mode = 0600);

// The path of a key, made at its first use; its public part is in PATH.pub. Names:
//   ed25519, ecdsa256, ecdsa384, ecdsa521, rsa (2048 bits)   OpenSSH's format, comment "<name> key"
//   rsa1024                                                  too short for us
//   <name>.pem, <name>.pkcs8                                 the same key, converted
//   <name>.locked, <name>.pem.locked, <name>.pkcs8.locked    the same key with a passphrase
std::string key_path(const std::string& name);
std::string key_text(const std::string& name);
// The wire form in the second field of a line as .pub files have it.
std::string blob_of_line(std::string_view line);
std::string public_blob_of_file(const std::string& name);
// Fails the test when the key cannot be read.
PrivateKey load_key(const std::string& name);
// The path of a host certificate for key `name`, made by the ed25519 key.
std::string host_certificate(const std::string& name);

}  // namespace shed::ssh::test
