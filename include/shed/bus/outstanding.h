// Requests that a listener was sent and has not answered.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <string_view>
#include <vector>

#include "shed/base/clock.h"

namespace shed::bus {

class GuestPort;

// Ids are the guests' own choice: two guests may use the same one at the same time.
class OutstandingRequests {
 public:
  static constexpr std::size_t kIdSize = 36;  // of a UUID, the only ids that are taken
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

  struct Request {
    std::array<char, kIdSize> text;
    GuestPort* guest;
    SteadyTime since;
    std::string_view id() const { return {text.data(), text.size()}; }
  };

  std::size_t size() const { return requests_.size(); }
  const Request& operator[](std::size_t at) const { return requests_[at]; }
  const std::vector<Request>& all() const { return requests_; }

  // `id` has kIdSize bytes.
  void add(std::string_view id, GuestPort& guest, SteadyTime now) {
    Request request{{}, &guest, now};
    std::ranges::copy(id, request.text.begin());
    requests_.push_back(request);
    keys_.push_back(key_of(id));
  }

  // Where the first request with this id is that `wanted` is true for, or kNowhere.
  template <class Predicate>
  std::size_t find(std::string_view id, Predicate wanted) const {
    const std::size_t key = key_of(id);
    // The keys stand apart from the rest: thousands of them are looked through in a microsecond.
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      if (keys_[i] == key && requests_[i].id() == id && wanted(*requests_[i].guest)) return i;
    }
    return kNowhere;
  }

  // The last one takes its place.
  void remove(std::size_t at) {
    requests_[at] = requests_.back();
    keys_[at] = keys_.back();
    requests_.pop_back();
    keys_.pop_back();
  }

  // `unwanted` is asked about each.
  template <class Predicate>
  void remove_if(Predicate unwanted) {
    for (std::size_t i = requests_.size(); i > 0; --i) {
      if (unwanted(requests_[i - 1])) remove(i - 1);
    }
  }

 private:
  static std::size_t key_of(std::string_view id) { return std::hash<std::string_view>()(id); }

  std::vector<Request> requests_;
  std::vector<std::size_t> keys_;
};

}  // namespace shed::bus
