// The guest's side of the namespace aws-credentials: asks the host over the bus, and says why not in words
// for an SDK.
#pragma once

#include <expected>
#include <optional>
#include <string>

#include "shed/async/loop.h"
#include "shed/broker/aws_payload.h"
#include "shed/broker/host_requests.h"
#include "shed/broker/payload.h"

namespace shed::broker {

// Session credentials where they came to lie. What holds them is wiped at the end.
class VendedCredentials {
 public:
  VendedCredentials(bus::Publisher::Reply reply, JsonDocument document, const CredentialsView& view);
  VendedCredentials(VendedCredentials&& other) noexcept;
  VendedCredentials& operator=(VendedCredentials&&) = delete;
  ~VendedCredentials();

  // Always with an expiration: one of our own where the host knows none.
  const CredentialsView& view() const { return view_; }

 private:
  std::optional<bus::Publisher::Reply> reply_;
  JsonDocument document_;
  CredentialsView view_;
};

// Why there are none.
struct CredentialRefusal {
  int status = 503;     // 403: no; 503: later, or nobody is there
  std::string code;     // "AccessDenied", "ROLE_NOT_FOUND", "HOST_UNAVAILABLE", "TIMEOUT", ...
  std::string error;    // in short: "credential request failed"
  std::string message;  // in full, with the cause
  std::string hint;     // what a person can do; may be empty
  std::optional<std::chrono::seconds> retry_after{};  // where the host knows it

  std::string text() const;  // one line: message, code and hint
};

using CredentialAnswer = std::expected<VendedCredentials, CredentialRefusal>;

// No cache: each request is one on the bus, for the host has the cache, the policy and the record. Only a
// denial is remembered, because an SDK asks three times for one call and nobody wants three questions.
class AwsRelay {
 public:
  static constexpr Millis kRequestLimit{3'000};
  static constexpr Millis kDenialMemory{5'000};
  // What SDKs are told where the host names no end: they ask again by then, and until then take what they
  // have for nearly expired.
  static constexpr Millis kAssumedLife = std::chrono::minutes(15);

  // A little less than the bus itself waits.
  static constexpr Millis kPatientLimit{28'000};

  // `while_alive`: how long a host that answers pings may take. SDKs that ask an endpoint give up after a
  // second or two, those that start a program wait for a minute: a source on the host may take its time.
  AwsRelay(async::Loop& loop, bus::Publisher& publisher, Millis while_alive = kRequestLimit)
      : loop_(loop), host_(loop, publisher, kAwsNamespace, kRequestLimit, while_alive) {}

  async::Task<CredentialAnswer> get();
  // Pings the host agent once: a warning with the remedy when it does not answer.
  async::Task<> greet();

 private:
  CredentialAnswer read(bus::Publisher::Reply reply);
  std::optional<CredentialRefusal> read_credentials(const JsonValue& payload, CredentialsView& view) const;
  CredentialRefusal refusal(const PayloadError& error);

  async::Loop& loop_;
  HostRequests host_;
  std::optional<CredentialRefusal> denial_;
  SteadyTime denied_until_{};
};

}  // namespace shed::broker
