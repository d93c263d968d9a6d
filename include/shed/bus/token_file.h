// The file with a bearer token: one line, for its owner alone.
#pragma once

#include <string>
#include <string_view>

#include "shed/base/result.h"
#include "shed/base/secret.h"

namespace shed::bus {

inline constexpr std::size_t kMinToken = 16;
inline constexpr std::size_t kMaxToken = 1024;

// The first line, which must be all there is: kMinToken to kMaxToken printable ASCII characters
// without a space. Errc::kPermission when others than the owner may read or write the file, or when it
// is somebody else's. Errors name the file.
Result<Secret> read_token_file(const std::string& path);

// Whether what is in the file is its owner's secret: Errc::kPermission as above.
Status check_token_owner(const std::string& path);
// Whether the text is a token: as above, without the end of line.
bool is_token(std::string_view text);

struct OpenedToken {
  Secret token;
  bool made = false;  // the file was missing: it is there now, with 64 random hexadecimal digits and 0600
};
Result<OpenedToken> open_token_file(const std::string& path);

}  // namespace shed::bus
