// Texts of others, made fit for a log.
#pragma once

#include <string>
#include <string_view>

namespace shed {

// What looks like a key or a token becomes "***": what follows "secret", "token", "password" or "key" and
// a colon or an equals sign, and what is long and no word. Rather too much than too little.
std::string without_secrets(std::string_view text);

// The last line that is not empty, cut at 200 characters, without secrets.
std::string last_words(std::string_view text);

// Every occurrence of `secret` in `text` as "***".
void strike_out(std::string& text, std::string_view secret);

}  // namespace shed
