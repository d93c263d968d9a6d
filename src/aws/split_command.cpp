#include "shed/aws/program.h"

namespace shed::aws {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Splitter {
 public:
  explicit Splitter(std::string_view line) : line_(line) {}

  Result<std::vector<std::string>> split() {
    for (; at_ < line_.size(); ++at_) {
      if (const Status taken = take(line_[at_]); !taken) return propagate(taken);
    }
    if (quote_ != 0) return fail(Errc::kInvalid, "a quote is not closed");
    end_word();
    if (words_.empty()) return fail(Errc::kInvalid, "it is empty");
    return std::move(words_);
  }

 private:
  Status take(char c) {
    if (c == '\\' && quote_ != '\'') {
      if (++at_ == line_.size()) return fail(Errc::kInvalid, "a backslash stands at the end");
      const char next = line_[at_];
      // In double quotes it is itself in front of all but a quote and another backslash, as in POSIX shells.
      if (quote_ == '"' && next != '"' && next != '\\') add(c);
      add(next);
    } else if (quote_ != 0) {
      if (c == quote_) {
        quote_ = 0;
      } else {
        add(c);
      }
    } else if (c == '"' || c == '\'') {
      quote_ = c;
      in_word_ = true;  // also when nothing stands between the quotes
    } else if (is_blank(c)) {
      end_word();
    } else {
      add(c);
    }
    return {};
  }
  void add(char c) {
    word_ += c;
    in_word_ = true;
  }
  void end_word() {
    if (in_word_) words_.push_back(std::move(word_));
    word_.clear();
    in_word_ = false;
  }

  std::string_view line_;
  std::size_t at_ = 0;
  char quote_ = 0;
  bool in_word_ = false;
  std::string word_;
  std::vector<std::string> words_;
};

}  // namespace

Result<std::vector<std::string>> split_command(std::string_view line) { return Splitter(line).split(); }

}  // namespace shed::aws
