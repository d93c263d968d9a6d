// An SSH agent as a measuring program asks it: messages of RFC 9987, a length of four bytes, a type of one
// byte, then strings.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>

#include "measure.h"

namespace shed::bench {

inline constexpr char kRequestIdentities = 11, kIdentitiesAnswer = 12, kSignRequest = 13, kSignResponse = 14;
inline constexpr std::size_t kMaxAnswer = std::size_t{64} * 1024;
inline constexpr std::size_t kChallenge = 32;

inline std::string number(std::size_t value) {
  const auto byte = [value](int shift) { return static_cast<char>(value >> shift); };
  return {byte(24), byte(16), byte(8), byte(0)};
}
inline std::string text(std::string_view value) { return number(value.size()).append(value); }

inline std::size_t take_number(std::string_view& from) {
  if (from.size() < 4) die("the agent's answer is too short");
  std::size_t value = 0;
  for (const char c : from.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(c);
  from.remove_prefix(4);
  return value;
}
inline std::string_view take_text(std::string_view& from) {
  const std::size_t length = take_number(from);
  if (from.size() < length) die("the agent's answer is too short");
  const std::string_view value = from.substr(0, length);
  from.remove_prefix(length);
  return value;
}

class Agent {
 public:
  explicit Agent(const std::string& path) : socket_(path) {}

  int fd() const { return socket_.fd(); }

  // The public key of the first Ed25519 identity.
  std::string find_key() {
    socket_.write(text({&kRequestIdentities, 1}));
    std::string_view rest = read_answer(kIdentitiesAnswer);
    for (std::size_t left = take_number(rest); left > 0; --left) {
      const std::string_view blob = take_text(rest);
      take_text(rest);  // the comment
      if (blob.starts_with(text("ssh-ed25519"))) return std::string(blob);
    }
    die("the agent has no Ed25519 key");
  }

  void ask(const std::string& sign_request) { socket_.write(sign_request); }
  void await_signature() { read_answer(kSignResponse); }

 private:
  // Valid until the next call.
  std::string_view read_answer(char type) {
    std::size_t have = 0;
    std::size_t want = 4;
    while (have < want) {
      have += socket_.read_some(std::span(answer_).subspan(have));
      if (have < 4) continue;
      std::string_view head(answer_.data(), 4);
      want = 4 + take_number(head);
      if (want > answer_.size()) die("the agent's answer is too long");
    }
    if (have != want || want < 5 || answer_[4] != type) {
      die(fmt::format("the agent answered with type {}", static_cast<int>(answer_[4])));
    }
    return {answer_.data() + 5, want - 5};
  }

  Socket socket_;
  std::vector<char> answer_ = std::vector<char>(kMaxAnswer);
};

// One after the other, each over other random bytes.
class SignRequests {
 public:
  explicit SignRequests(std::string_view key) {
    request_ =
        text(std::string(1, kSignRequest) + text(key) + text(std::string(kChallenge, '\0')) + number(0));
  }
  const std::string& next() {
    std::array<std::uint64_t, kChallenge / 8> challenge;
    for (std::uint64_t& word : challenge) word = random_();
    std::memcpy(request_.data() + request_.size() - 4 - kChallenge, challenge.data(), kChallenge);
    return request_;
  }

 private:
  std::string request_;
  std::mt19937_64 random_{std::random_device{}()};
};

inline double time_sign(Agent& agent, SignRequests& requests) {
  const std::string& request = requests.next();
  const auto start = Clock::now();
  agent.ask(request);
  agent.await_signature();
  return microseconds_since(start);
}

}  // namespace shed::bench
