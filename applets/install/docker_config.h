// Docker's configuration in a guest.
#pragma once

#include <string>

#include "shed/base/result.h"

namespace shed::applets {

// Sets "credsStore" to "shed" and keeps everything else byte for byte; a file that is missing is made
// (0600, its folder 0700), one behind a link is changed where it is. False when nothing had to be changed.
// Errors name the file; one that is no JSON object is left alone.
Result<bool> set_credentials_store(const std::string& path);

struct CredentialsStore {
  std::string before;  // what "credsStore" was; empty: nothing, or no text
  std::string text;    // the whole file with "shed" there
};
// The same for the text of a file; an empty one counts as a file that is missing. The name is for the error.
Result<CredentialsStore> with_credentials_store(const std::string& name, const std::string& text);

}  // namespace shed::applets
