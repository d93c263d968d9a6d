// policy: biometrics and biometrics-or-password: the owner of this machine shows that it is them.
#pragma once

#include <memory>

#include "shed/async/loop.h"
#include "shed/broker/person.h"

namespace shed::broker {

// macOS: Touch ID, with `or_password` also the watch and the password (LocalAuthentication); the question is
// in the dialogue. method() is touchid. Linux: polkit (polkit.h), whose dialogue does not show the question;
// what it takes, a fingerprint or the password, is PAM's affair, with `or_password` and without. method() is
// polkit.
//
// One question at a time; whatever is no yes denies with its reason, and why_nobody() says what is missing.
std::unique_ptr<Person> make_biometrics(async::Loop& loop, bool or_password);

}  // namespace shed::broker
