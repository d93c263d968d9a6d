// A desk that is told what a host agent tells, and the state of the program in front of it.
#pragma once

#include <catch2/catch.hpp>

#include "approve/screen.h"
#include "approve/state.h"
#include "shed/base/json.h"
#include "support/fake_clock.h"

namespace shed::applets::testing {

using namespace std::chrono_literals;

inline constexpr std::string_view kFingerprint = "SHA256:1234567890123456789012345678901234567890123";

struct Asked {
  std::string id = "q1";
  std::string ns = "ssh-agent", op = "sign", server = "mini2", shed = "web", detail = "SSH sign request";
  std::string key_type = "ssh-ed25519", key = std::string(kFingerprint), key_comment = "me@desk";
  std::string subject = "login git@github.com", proof = "verified";
  int count = 1;
};

inline Asked claimed() { return {.proof = "claimed"}; }
inline Asked opaque() { return {.subject = "opaque", .proof = ""}; }
inline Asked registry() {
  Asked asked;
  asked.ns = "docker-credentials";
  asked.op = "get";
  asked.detail = "ghcr.io";
  asked.key = asked.key_type = asked.key_comment = asked.subject = asked.proof = "";
  return asked;
}

class Approving {
 public:
  Approving() {
    desk.connected([this](std::string_view line) { sent += line; });
    tell(R"({"type":"hello_ack","accepted":true,"agent":{"version":"9.9"},"gate_namespaces":["ssh-agent"]})");
  }

  void tell(std::string_view line) {
    REQUIRE(desk.take(line));
    state.follow();
  }
  void ask(const Asked& asked = {}) {
    std::string line;
    JsonWriter json(line);
    json.begin_object().field("type", "approval_request").field("id", asked.id).field("namespace", asked.ns);
    json.field("ts", format_rfc3339_millis(clock.wall()));
    json.field("expires_at", format_rfc3339_millis(clock.wall() + 25s)).field("op", asked.op);
    json.field("server", asked.server).field("shed", asked.shed).field("detail", asked.detail);
    json.field("key_type", asked.key_type).field("key", asked.key).field("key_comment", asked.key_comment);
    json.field("subject", asked.subject).field("proof", asked.proof).field("count", asked.count).end_object();
    tell(line);
  }
  void grants(int count) {
    std::string list;
    for (int i = 1; i <= count; ++i) {
      list += fmt::format(
          R"({}{{"id":"g{}","namespace":"ssh-agent","op":"sign","shed":"web{}","key":"SHA256:k{}",)"
          R"("subject":"login git@host{}","scope":"per-session","uses":{},"expires_at":"{}"}})",
          i > 1 ? "," : "", i, i, i, i, i, format_rfc3339_millis(clock.wall() + 30min));
    }
    tell(fmt::format(R"({{"type":"grants","ts":"{}","grants":[{}]}})", format_rfc3339_millis(clock.wall()),
                     list));
  }
  // As the program does it.
  Frame paint() {
    state.follow();
    Frame frame = draw(state, canvas);
    state.shown(frame.answerable);
    return frame;
  }
  std::string text() {
    std::string out;
    for (const std::string& line : paint().lines) out += line + "\n";
    return out;
  }
  // Painted, and read for as long as it takes.
  void read() {
    paint();
    clock.advance(ApproveState::kReadTime);
  }
  void press(std::string_view keys) {
    for (const Key key : keys) state.press(key);
  }
  bool has_sent(std::string_view part) const { return sent.find(part) != std::string::npos; }

  FakeClock clock;
  broker::ApproverDesk desk{clock, "ada"};
  std::string sent;
  ApproveState state{desk};
  Canvas canvas{
      .width = 80, .height = 24, .colour = false, .countdown = true, .socket = "/run/host-agent.sock"};
};

}  // namespace shed::applets::testing
