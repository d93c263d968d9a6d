#include <algorithm>

#include "shed/aws/sts_messages.h"

namespace shed::aws {
namespace {

constexpr std::string_view kHidden = "[hidden]";
constexpr std::string_view kArn = "arn:";
constexpr std::size_t kAccountDigits = 12;
// AKIA..., ASIA..., AROA... and their like have 20 characters, older ones 16.
constexpr std::size_t kShortestKeyId = 16;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool in_key_id(char c) { return is_digit(c) || (c >= 'A' && c <= 'Z'); }
bool is_alphanumeric(char c) { return in_key_id(c) || (c >= 'a' && c <= 'z'); }
bool in_arn(char c) {
  return c > ' ' && c != 0x7f && std::string_view("\"'`<>(){}[];|").find(c) == std::string_view::npos;
}

template <class Predicate>
std::string_view leading(std::string_view text, Predicate predicate) {
  return {text.begin(), std::ranges::find_if_not(text, predicate)};
}

class Redaction {
 public:
  Redaction(std::string_view text, std::string_view role_arn) : rest_(text), role_arn_(role_arn) {}

  std::string run() {
    while (!rest_.empty()) {
      const bool word_starts = out_.empty() || !is_alphanumeric(previous_);
      if (word_starts && rest_.starts_with(kArn)) {
        take_arn();
      } else if (is_digit(rest_.front())) {
        take_number(word_starts);
      } else {
        take_word(word_starts);
      }
    }
    return std::move(out_);
  }

 private:
  void take_arn() {
    std::string_view arn = leading(rest_, in_arn);
    // A full stop or a comma behind an ARN is the sentence's, though a name may end with one.
    while (arn != role_arn_ && (arn.ends_with('.') || arn.ends_with(',') || arn.ends_with(':'))) {
      arn.remove_suffix(1);
    }
    pass(arn.size(), arn != role_arn_);
  }
  void take_number(bool word_starts) {
    const std::size_t digits = leading(rest_, is_digit).size();
    if (digits == kAccountDigits) {
      pass(digits, true);
    } else {
      take_word(word_starts);
    }
  }
  void take_word(bool word_starts) {
    const std::size_t length = word_starts ? leading(rest_, in_key_id).size() : 0;
    if (length >= kShortestKeyId) {
      pass(length, true);
    } else if (is_digit(rest_.front())) {
      pass(leading(rest_, is_digit).size(), false);
    } else {
      pass(1, false);
    }
  }

  void pass(std::size_t length, bool hidden) {
    out_ += hidden ? kHidden : rest_.substr(0, length);
    previous_ = rest_[length - 1];
    rest_.remove_prefix(length);
  }

  std::string_view rest_;
  std::string_view role_arn_;
  std::string out_;
  char previous_ = ' ';
};

}  // namespace

std::string without_account_details(std::string_view message, std::string_view role_arn) {
  return Redaction(message, role_arn).run();
}

}  // namespace shed::aws
