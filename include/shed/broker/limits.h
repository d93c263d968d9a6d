// How many requests a guest may make, `limits` of extensions.yaml.
#pragma once

#include <optional>

#include "shed/broker/policy.h"

namespace shed::broker {

// `burst` requests at once, and after them `per_minute`.
struct Limit {
  unsigned burst = 0;
  unsigned per_minute = 0;
  bool operator==(const Limit&) const = default;
};

// Of each guest and namespace; nothing: not limited. The defaults are what a person's work stays well below,
// and a program that asks in a loop does not.
struct Limits {
  // A login takes two requests, list and sign, and so does a signed commit: 500 at once, and one a second
  // from then on. A fetch with 100 submodules side by side is 200 requests, an Ansible run over 50 hosts
  // without shared connections 100 a step, `ssh-add -l` in every prompt one for each Return.
  std::optional<Limit> ssh = Limit{1000, 120};
  // Each start of an SDK asks once, or three times while it is refused: 100 programs started at once by
  // `make -j`, and two a second in a loop over files.
  std::optional<Limit> aws = Limit{300, 120};
  // Some clients ask four times an image, by path and by host: a `docker compose pull` of 40 images is 160.
  std::optional<Limit> docker = Limit{400, 120};
  // Pings of all namespaces together, not in the configuration. A relay sends one or two a minute, and one
  // more for each request that takes its time: as many as all requests above, all slow, and half as many
  // again.
  std::optional<Limit> ping = Limit{2550, 1200};

  const std::optional<Limit>& of(Namespace ns) const {
    return ns == Namespace::kSsh ? ssh : ns == Namespace::kAws ? aws : docker;
  }
  static Limits none() { return {std::nullopt, std::nullopt, std::nullopt, std::nullopt}; }
};

inline constexpr unsigned kMaxLimitBurst = 100'000;
inline constexpr unsigned kMaxLimitPerMinute = 60'000;

}  // namespace shed::broker
