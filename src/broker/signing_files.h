// The files of a program that runs for moments: what it reads, and what it leaves behind.
//
// Read are those given by name or on a descriptor: regular files, but pipes and devices too
// (`-f <(program)`), as ssh-keygen takes them. Whoever writes into such a pipe is the caller's own, so there
// is no time limit.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "shed/base/file.h"
#include "shed/base/result.h"

namespace shed::broker {

// Errors have the C library's text and nothing else, because that is what ssh-keygen prints.
Result<UniqueFd> open_input(const std::string& path);
// To its end. Errc::kLimit over `limit` bytes.
Result<std::string> read_input(int fd, std::size_t limit);
Result<std::string> read_input(const std::string& path, std::size_t limit);

using InputPart = std::array<char, 64 * 1024>;
// The next bytes; 0 at the end.
Result<std::size_t> read_input_part(int fd, InputPart& part);

// As write_file_atomically() with the mode of any new file, but nothing is synced, which takes milliseconds:
// for what another program reads right away.
Status replace_file(const std::string& path, std::string_view bytes);

}  // namespace shed::broker
