// What the tests of the AWS side share: credentials that look like credentials, a backend that does what
// the test says, and a guest bus with a host behind it.
#pragma once

#include "fake_guest_bus.h"
#include "shed/aws/credential_service.h"
#include "shed/broker/aws_payload.h"
#include "shed/broker/aws_relay.h"
#include "ssh_fixture.h"

namespace shed::broker::testing {

inline constexpr std::string_view kRole = "arn:aws:iam::123456789012:role/dev";
inline constexpr std::string_view kSecretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
inline constexpr std::string_view kSessionToken = "FwoGZXIvYXdzEBYaDL/+token==";

inline aws::Credentials session_credentials(std::optional<WallTime> expiration) {
  return {"ASIAIOSFODNN7EXAMPLE", Secret(kSecretKey), Secret(kSessionToken), expiration, "123456789012"};
}

// The payload of an answer with these; empty fields are left out.
inline std::string credentials_payload(std::string_view expiration, std::string_view account = {}) {
  std::string payload;
  JsonWriter(payload)
      .begin_object()
      .field("access_key_id", "ASIAIOSFODNN7EXAMPLE")
      .field("secret_access_key", kSecretKey)
      .field("session_token", kSessionToken)
      .field_unless_empty("expiration", expiration)
      .field_unless_empty("account_id", account)
      .end_object();
  return payload;
}

class FakeCredentials : public aws::CredentialBackend {
 public:
  explicit FakeCredentials(async::Loop& loop) : gate(loop) { gate.set(); }

  async::Task<aws::Outcome<aws::SharedCredentials>> get(aws::Grant grant) override {
    grants.push_back(std::move(grant));
    auto wait = gate.wait();
    co_await wait;
    if (failure) co_return std::unexpected(*failure);
    co_return std::make_shared<aws::Credentials>(session_credentials(expiration));
  }
  std::optional<WallTime> cached_until(const aws::Grant& grant) const override {
    asked_about = grant;
    return cached;
  }
  std::size_t forget(std::string_view server, std::string_view shed) override {
    forgotten.emplace_back(server, shed);
    return 1;
  }

  std::optional<WallTime> expiration =
      WallTime(std::chrono::seconds(1774973045));  // the fake clock's 16:04:05
  std::optional<aws::Failure> failure;
  std::optional<WallTime> cached;
  async::Event gate;  // fetches wait here
  std::vector<aws::Grant> grants;
  std::vector<std::pair<std::string, std::string>> forgotten;  // server, shed
  mutable std::optional<aws::Grant> asked_about;
};

class FakeHost : public FakeGuestBus {
 public:
  FakeHost() : FakeGuestBus(kAwsNamespace), relay(server.loop, publisher) {
    answers["ping"] = R"({"status":"ok"})";
    answers["get_credentials"] = credentials_payload("2026-03-31T16:04:05Z", "123456789012");
  }
  net::Running<CredentialAnswer> get() { return {server.loop, relay.get()}; }

  LogLines log;
  AwsRelay relay;
};

}  // namespace shed::broker::testing
