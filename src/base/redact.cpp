#include "shed/base/redact.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace shed {
namespace {

constexpr std::size_t kLongestWords = 200;
// Access key ids have 20 characters, secrets 40, tokens hundreds.
constexpr std::size_t kLongRun = 16;
// No word of a person is as long, whatever letters it has.
constexpr std::size_t kTooLongForAWord = 36;
constexpr std::string_view kStruck = "***";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
char lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

// What base64 and hexadecimal are made of, but for the padding.
bool in_run(char c) {
  return is_digit(c) || is_upper(c) || is_lower(c) || c == '+' || c == '/' || c == '_' || c == '-';
}

bool looks_secret(std::string_view run) {
  if (run.size() < kLongRun) return false;
  const bool mixed = std::ranges::any_of(run, [](char c) { return is_digit(c) || c == '+'; });
  return mixed || run.size() >= kTooLongForAWord || std::ranges::none_of(run, is_lower);
}

bool contains(std::string_view text, std::string_view word) {
  return std::ranges::search(text, word, [](char a, char b) { return lower(a) == b; }).begin() != text.end();
}

bool names_a_secret(std::string_view name) {
  static constexpr std::array<std::string_view, 8> kNames{"secret",    "token",      "password", "passwd",
                                                          "accesskey", "access_key", "api_key",  "apikey"};
  return std::ranges::any_of(kNames, [name](std::string_view word) { return contains(name, word); });
}

bool ends_value(char c) { return c == ' ' || c == '\t' || c == '"' || c == '\'' || c == ',' || c == '}'; }

// Words in the order in which they stand, each with what stood before it.
class Redactor {
 public:
  explicit Redactor(std::string_view text) : rest_(text) {}

  std::string run() {
    while (!rest_.empty()) {
      take_gap();
      if (value_follows_) {
        take_value();
      } else {
        take_word();
      }
    }
    return std::move(out_);
  }

 private:
  // Sets value_follows_ after `"SecretAccessKey": "` and `token=`, not after a sentence's "the token is".
  void take_gap() {
    if (after_secret_name_) {
      const std::string_view gap = rest_.substr(0, count_while([](char c) { return is_sign(c); }));
      value_follows_ = gap.find_first_of(":=") != gap.npos;
    }
    pass(count_while([this](char c) { return value_follows_ ? is_sign(c) : !in_run(c); }));
    after_secret_name_ = false;
  }
  void take_value() {
    value_follows_ = false;
    const std::size_t length = count_while([](char c) { return !ends_value(c); });
    if (length > 0) out_ += kStruck;
    rest_.remove_prefix(length);
  }
  void take_word() {
    const std::string_view word = rest_.substr(0, count_while(in_run));
    after_secret_name_ = names_a_secret(word);
    out_ += looks_secret(word) ? kStruck : word;
    rest_.remove_prefix(word.size());
  }

  static bool is_sign(char c) {
    return c == ' ' || c == '\t' || c == '"' || c == '\'' || c == ':' || c == '=';
  }
  void pass(std::size_t length) {
    out_ += rest_.substr(0, length);
    rest_.remove_prefix(length);
  }
  template <class Predicate>
  std::size_t count_while(Predicate predicate) const {
    return static_cast<std::size_t>(std::ranges::find_if_not(rest_, predicate) - rest_.begin());
  }

  std::string_view rest_;
  std::string out_;
  bool after_secret_name_ = false;
  bool value_follows_ = false;
};

}  // namespace

std::string without_secrets(std::string_view text) { return Redactor(text).run(); }

std::string last_words(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  if (last == text.npos) return {};
  text = text.substr(0, last + 1);
  if (const std::size_t end = text.find_last_of("\r\n"); end != text.npos) text.remove_prefix(end + 1);
  // Redacted before it is cut: half a secret is not recognised.
  std::string words = without_secrets(text);
  if (words.size() > kLongestWords) words.resize(kLongestWords);
  return words;
}

void strike_out(std::string& text, std::string_view secret) {
  if (secret.empty()) return;
  for (std::size_t at = text.find(secret); at != text.npos; at = text.find(secret, at + kStruck.size())) {
    text.replace(at, secret.size(), kStruck);
  }
}

}  // namespace shed
