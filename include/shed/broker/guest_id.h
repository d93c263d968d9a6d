// A guest on a server, as the key of a table that has a bound.
#pragma once

#include <string>
#include <string_view>
#include <tuple>

namespace shed::broker {

// As it is looked for. The bus names the guests: of longer names the beginning counts, so that no table grows
// with them, and those that begin alike share an entry.
struct GuestIdView {
  static constexpr std::size_t kMaxName = 256;
  GuestIdView(std::string_view on_server, std::string_view name)
      : server(on_server.substr(0, kMaxName)), shed(name.substr(0, kMaxName)) {}
  std::string_view server;
  std::string_view shed;
};

struct GuestId {
  explicit GuestId(GuestIdView view) : server(view.server), shed(view.shed) {}
  operator GuestIdView() const { return {server, shed}; }
  std::string server;  // empty where there is one only
  std::string shed;
};

// Looks without making a copy.
struct GuestIdOrder {
  using is_transparent = void;
  bool operator()(GuestIdView a, GuestIdView b) const {
    return std::tie(a.server, a.shed) < std::tie(b.server, b.shed);
  }
};

}  // namespace shed::broker
