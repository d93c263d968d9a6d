#include "broker/question_text.h"

#include <algorithm>

#include "broker/cut_text.h"
#include "shed/base/log.h"

namespace shed::broker {
namespace {

// Bytes of one text as it is shown, without the mark. Assuan's lines end at 1,000 bytes (prompt_program.h),
// and six of these are shown.
constexpr std::size_t kMostOfOne = 120;
constexpr std::size_t kMostOfEnd = kMostOfOne / 2;  // where the middle is left out

// Windows of some toolkits read text that looks like markup as such: it could hide or fake the rest.
std::string without_markup(std::string_view text) {
  std::string plain;
  for (const char c : text) {
    if (c == '<') {
      plain += "\\x3c";
    } else if (c == '&') {
      plain += "\\x26";
    } else {
      plain += c;
    }
  }
  return plain;
}

std::string visible(std::string_view text) { return without_markup(log::printable(text)); }

class Writer {
 public:
  // The end of a long text says as much as its beginning, such as the host of a login whose user has a name
  // without end: what is left out is the middle.
  std::string shown(std::string_view text) {
    if (text.size() <= kMostOfOne) {
      std::string plain = visible(text);
      if (plain.size() <= kMostOfOne) return plain;
    }
    result_.whole = false;
    const std::size_t part = std::min(kMostOfOne, text.size());
    std::string out(front_of(visible(text.substr(0, part)), kMostOfEnd));
    out += "…";
    return out += back_of(visible(text.substr(text.size() - part)), kMostOfEnd);
  }
  void line(const std::string& text) {
    if (!result_.text.empty()) result_.text += '\n';
    result_.text += text;
  }
  QuestionText take() { return std::move(result_); }

 private:
  QuestionText result_;
};

std::string what(Writer& writer, const ApprovalQuestion& question) {
  switch (question.ns) {
    case Namespace::kSsh:
      return "wants to sign: " + writer.shown(question.subject.empty() ? question.detail : question.subject);
    case Namespace::kAws:
      return "wants credentials of " +
             writer.shown(question.subject.empty() ? question.detail : question.subject);
    case Namespace::kDocker:
      return "wants the login for " + writer.shown(question.detail);
  }
  return {};
}

std::string_view about_the_host(const ApprovalQuestion& question) {
  if (question.ns != Namespace::kSsh || !question.subject.starts_with("login ")) return {};
  if (question.proof == "verified") return "The host is proven.";
  return question.proof == "claimed" ? "The host is only claimed, not proven." : "The host is not known.";
}

}  // namespace

QuestionText question_text(const ApprovalQuestion& question, std::uint64_t count) {
  Writer writer;
  const std::string server = question.server.empty() ? "" : " on " + writer.shown(question.server);
  writer.line(fmt::format("Guest {}{} {}", writer.shown(question.shed), server, what(writer, question)));
  if (const auto host = about_the_host(question); !host.empty()) writer.line(std::string(host));
  if (!question.key.empty()) {
    const std::string comment = question.key_comment.empty() ? "" : writer.shown(question.key_comment) + ", ";
    writer.line(
        fmt::format("Key: {}{} {}", comment, writer.shown(question.key_type), writer.shown(question.key)));
  }
  if (count > 1) writer.line(fmt::format("It has asked for this {} times.", count));
  return writer.take();
}

}  // namespace shed::broker
