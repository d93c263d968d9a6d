// What the tests of the SSH side share: keys that look like keys, a backend and a gate that do what the
// test says, and files in a temporary folder.
#pragma once

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shed/async/event.h"
#include "shed/base/base64.h"
#include "shed/base/json.h"
#include "shed/broker/approval.h"
#include "shed/ssh/backend.h"
#include "shed/ssh/wire.h"
#include "support/fake_clock.h"
#include "support/log_lines.h"
#include "unit/net/net_fixture.h"

namespace shed::broker::testing {

using namespace std::chrono_literals;

inline std::string key_blob(std::string_view type, char fill = 'k') {
  std::string blob;
  ssh::WireWriter writer(blob);
  writer.string(type).string(std::string(32, fill));
  if (type.starts_with("sk-")) writer.string("ssh:");
  return blob;
}
inline std::string ed25519() { return key_blob("ssh-ed25519"); }
inline std::string security_key() { return key_blob("sk-ssh-ed25519@openssh.com"); }

inline ssh::SessionBind make_bind(int number = 1, bool forwarding = true) {
  return {key_blob("ssh-ed25519", 'h'), fmt::format("session {:024}", number),
          ssh::encode_signature({"ssh-ed25519", std::string(64, 's'), ""}), forwarding};
}

inline ssh::Signature ed25519_signature() { return {"ssh-ed25519", std::string(64, 's'), ""}; }

inline std::string text_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void write_to_file(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

// The value of a member that is a string; empty for anything else.
inline std::string member(std::string_view json, std::string_view name) {
  JsonDocument document;
  const auto root = document.parse(json);
  INFO(json);
  REQUIRE(root);
  return std::string((*root)[name].string_or(""));
}

class FakeBackend : public ssh::SshBackend {
 public:
  explicit FakeBackend(async::Loop& loop) : gate(loop) { gate.set(); }

  async::Task<Result<std::vector<ssh::Identity>>> list(std::vector<ssh::SessionBind> binds) override {
    lists.push_back(std::move(binds));
    async::Event& event = list_gate != nullptr ? *list_gate : gate;
    auto wait = event.wait();
    co_await wait;
    co_return identities;
  }
  async::Task<Result<ssh::Signature>> sign(ssh::SignRequest request) override {
    signs.push_back(std::move(request));
    auto wait = gate.wait();
    co_await wait;
    co_return signature;
  }
  std::string_view mode() const override { return "agent-forward"; }

  Result<std::vector<ssh::Identity>> identities = std::vector<ssh::Identity>{};
  Result<ssh::Signature> signature = ed25519_signature();
  async::Event gate;                  // operations wait here
  async::Event* list_gate = nullptr;  // lists here instead
  std::vector<std::vector<ssh::SessionBind>> lists;
  std::vector<ssh::SignRequest> signs;
};

class FakeGate : public ApprovalGate {
 public:
  explicit FakeGate(async::Loop& loop) : gate(loop) {
    gate.set();
    decision.approved = true;
    decision.method = "approve-all";
  }
  async::Task<Decision> decide(ApprovalQuestion question) override {
    questions.push_back(std::move(question));
    auto wait = gate.wait();
    co_await wait;
    co_return decision;
  }
  async::Task<Decision> ask(ApprovalQuestion question) override {
    asked_by_rule.push_back(std::move(question));
    auto wait = gate.wait();
    co_await wait;
    co_return answer;
  }
  bool may_wait(Namespace) const override { return waits; }

  Decision decision;  // of decide()
  Decision answer;    // of ask()
  bool waits = false;
  async::Event gate;  // decisions wait here
  std::vector<ApprovalQuestion> questions;
  std::vector<ApprovalQuestion> asked_by_rule;
};

}  // namespace shed::broker::testing
