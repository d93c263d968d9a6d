#include <algorithm>
#include <chrono>

#include "base/utf8.h"
#include "shed/aws/sts_messages.h"

namespace shed::aws {
namespace {

// AWS STS API Reference, RoleSessionName: 2 to 64 of [\w+=,.@-].
constexpr std::size_t kLongest = 64;

bool is_allowed(std::uint32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c < 0x80 && std::string_view("_+=,.@-").find(static_cast<char>(c)) != std::string_view::npos);
}

// One '-' for each character that STS does not take, however many bytes it has. Reads no more than it
// needs: a name may be of any length.
std::string made_valid(std::string_view name) {
  std::string valid;
  while (!name.empty() && valid.size() < kLongest) {
    const Utf8Character c = first_utf8_character(name);
    valid += c.length == 1 && is_allowed(c.code) ? name.front() : '-';
    name.remove_prefix(std::max<std::size_t>(c.length, 1));
  }
  return valid;
}

}  // namespace

std::string session_name(std::string_view server, std::string_view shed, WallTime now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
  // A clock before 1970 is broken; a dash more would look like a part of the name.
  const std::string time = std::to_string(std::max<decltype(seconds)>(seconds, 0));
  std::string place = made_valid(server);
  std::string guest = made_valid(shed);
  const std::size_t dashes = place.empty() ? 2 : 3;
  const std::size_t room = kLongest - std::string_view("shed").size() - dashes - time.size();
  // Either has half of the room, and what the other leaves.
  place.resize(std::min(place.size(), std::max(room / 2, room - std::min(room, guest.size()))));
  guest.resize(std::min(guest.size(), room - place.size()));
  return place.empty() ? fmt::format("shed-{}-{}", guest, time)
                       : fmt::format("shed-{}-{}-{}", place, guest, time);
}

}  // namespace shed::aws
