#include "approve/screen.h"

#include <algorithm>

#include "approve/words.h"
#include "shed/broker/audit_report.h"

namespace shed::applets {
namespace {

using broker::ApproverDesk;
using broker::ApproverQuestion;
using broker::Scope;

// Of the names in front of what is known.
constexpr std::size_t kLabel = 10;
// Lines of one text; a longer one loses its middle.
constexpr std::size_t kMostLines = 3;
constexpr std::size_t kNarrowest = 20;
constexpr std::size_t kGrantLines = 2;

constexpr std::string_view kTitle = "\x1b[1m";
constexpr std::string_view kWarning = "\x1b[1;31m";
constexpr std::string_view kFaint = "\x1b[2m";
constexpr std::string_view kPlain = "\x1b[0m";

// Lines as they are put on the canvas.
class Page {
 public:
  explicit Page(const Canvas& canvas) : canvas_(canvas), width_(std::max(canvas.width, kNarrowest)) {}

  std::size_t width() const { return width_; }
  void line(std::string_view text = "", std::string_view style = "") {
    std::string shown = cut(text, std::min(width_, canvas_.width));
    if (canvas_.colour && !style.empty() && !shown.empty())
      shown = fmt::format("{}{}{}", style, shown, kPlain);
    lines_.push_back(std::move(shown));
  }
  void sides(std::string_view left, std::string_view right, std::string_view style = "") {
    const std::size_t used = columns(left) + columns(right);
    if (right.empty() || used + 2 > width_) {
      line(left, style);
      if (!right.empty()) line(right, style);
      return;
    }
    line(fmt::format("{}{}{}", left, std::string(width_ - used, ' '), right), style);
  }
  void words(std::string_view text, std::string_view style = "") {
    for (const std::string& part : wrap_words(text, width_)) line(part, style);
  }
  void field(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    for (const std::string& part : wrap(value, width_ - kLabel - 2, kMostLines)) {
      line(fmt::format("  {:<{}}{}", name, kLabel, part));
      name = "";
    }
  }
  // Choices that fit side by side.
  void keys(const std::vector<std::string>& choices) {
    std::string row;
    for (const std::string& choice : choices) {
      if (!row.empty() && columns(row) + 3 + columns(choice) > width_) {
        line(row);
        row.clear();
      }
      row += (row.empty() ? "" : "   ") + choice;
    }
    line(row);
  }
  // Empty lines go first where there are too many; false when something else would have to go.
  bool fits() {
    while (lines_.size() > canvas_.height) {
      const auto empty = std::ranges::find(lines_, std::string());
      if (empty == lines_.end()) break;
      lines_.erase(empty);
    }
    return lines_.size() <= canvas_.height && width_ == canvas_.width;
  }
  std::vector<std::string> take() {
    if (lines_.size() > canvas_.height) lines_.resize(canvas_.height);
    return std::move(lines_);
  }
  std::size_t room() const { return canvas_.height > lines_.size() ? canvas_.height - lines_.size() : 0; }

 private:
  const Canvas& canvas_;
  std::size_t width_;
  std::vector<std::string> lines_;
};

std::string left_words(SteadyTime end, const ApproverDesk& desk, const Canvas& canvas) {
  return canvas.countdown ? time_words(end, desk.clock().now()) + " left" : "";
}

void header(Page& page, const ApproverDesk& desk) {
  const bool is_there = desk.link() == ApproverDesk::Link::kConnected;
  page.sides("shed-ext approve",
             is_there ? "connected to host agent " + visible(desk.agent_version()) : "not connected", kFaint);
  page.line();
}

std::string key_words(const ApproverQuestion& question) {
  if (question.key_comment.empty()) return visible(question.key_type);
  return fmt::format("{} ({})", visible(question.key_comment), visible(question.key_type));
}

std::string host_words(const ApproverQuestion& question) {
  if (question.proof == "verified") return "verified: the host has proven its key for this login";
  if (question.proof == "claimed") return "claimed, not proven";
  return visible(question.proof);
}

std::string_view object_label(const ApproverQuestion& question) {
  if (question.ns == "aws-credentials") return "role";
  return question.ns == "docker-credentials" ? "registry" : "for";
}

void facts(Page& page, const ApproverQuestion& question) {
  page.field("guest", guest_words(question.server, question.shed));
  page.field("asks", fmt::format("{} ({})", visible(question.op), visible(question.ns)));
  page.field(object_label(question), object_words(question));
  page.field("host", host_words(question));
  if (!question.key.empty()) {
    page.field("key", key_words(question));
    page.field("", visible(question.key));
  }
  if (question.count == 1) page.field("asked", "for the first time");
  if (question.count > 1) page.field("asked", fmt::format("{} times", question.count));
}

std::vector<std::string> answers(const ApproverQuestion& question) {
  std::vector<std::string> keys{"o once"};
  if (question.scope_for(Scope::kPerSession) == Scope::kPerSession) keys.emplace_back("s this session");
  if (question.scope_for(Scope::kPerShed) == Scope::kPerShed) keys.emplace_back("g this guest for a time");
  keys.emplace_back("d deny");
  keys.emplace_back("m deny and mute");
  return keys;
}

std::string use_words(std::uint64_t uses) { return uses == 1 ? "once" : fmt::format("{} times", uses); }

std::vector<std::string> times() {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < std::size(ApproveState::kTimes); ++i) {
    keys.push_back(fmt::format("{} {}", i + 1, format_duration(ApproveState::kTimes[i])));
  }
  keys.emplace_back("any other key: back");
  return keys;
}

void choices(Page& page, const ApproveState& state, const ApproverQuestion& question) {
  if (state.choosing_time()) {
    page.words(question.key.empty() ? "Yes to whatever this guest asks for there, for at most:"
                                    : "Yes to whatever this guest signs with this key, for at most:",
               kTitle);
    page.keys(times());
    return;
  }
  page.keys(answers(question));
  page.keys({"l grants", "e events", "q quit", "? help"});
}

void too_small(Page& page, const ApproverQuestion& question) {
  page.line(title_words(question), kTitle);
  page.words("The window is too small to show it. Nothing can be answered until it is larger; q quits.");
}

void question(Page& page, const ApproveState& state, const Canvas& canvas) {
  const ApproverDesk& desk = state.desk();
  auto& open = state.desk().questions();
  const ApproverQuestion& asked = open.front();
  std::string right = left_words(asked.end, desk, canvas);
  if (open.size() > 1) {
    right += fmt::format("{}{} more {}", right.empty() ? "" : ", ", open.size() - 1,
                         open.size() == 2 ? "waits" : "wait");
  }
  page.sides(title_words(asked), right, kTitle);
  page.line();
  facts(page, asked);
  if (const std::string warning = warning_words(asked); !warning.empty()) {
    page.line();
    page.words(warning, kWarning);
  }
  page.line();
  choices(page, state, asked);
}

void nothing_asked(Page& page, const ApproveState& state, const Canvas& canvas) {
  ApproverDesk& desk = state.desk();
  if (desk.link() == ApproverDesk::Link::kAway) {
    page.words("No host agent answers at " + visible(canvas.socket) + ".", kTitle);
    if (!desk.why_away().empty()) page.words("(" + visible(desk.why_away()) + ")");
    page.words("Trying again until one does. Start it with: shed-ext host");
  } else if (desk.gate_namespaces().empty()) {
    page.words("Nothing will be asked: no policy of the host agent is shed-desktop.", kTitle);
  } else {
    std::string names;
    for (const std::string& ns : desk.gate_namespaces()) names += (names.empty() ? "" : ", ") + visible(ns);
    page.words("Nothing is asked.", kTitle);
    page.words("Asked here: " + names);
  }
  for (const ApproverDesk::Mute& mute : desk.muted()) {
    page.line(
        fmt::format("muted: {} {}", guest_words(mute.server, mute.shed), left_words(mute.end, desk, canvas)));
  }
  page.line();
  std::vector<std::string> keys{"l grants", "e events", "q quit", "? help"};
  if (!desk.muted().empty()) keys.insert(keys.begin(), "u unmute");
  page.keys(keys);
}

// What is open is not forgotten while something else is looked at.
void waiting(Page& page, const ApproveState& state, const Canvas& canvas) {
  const auto& open = state.desk().questions();
  if (open.empty()) return;
  const std::string left = left_words(open.front().end, state.desk(), canvas);
  page.words(fmt::format("{} {}{}{}", open.size(), open.size() == 1 ? "question waits" : "questions wait",
                         left.empty() ? "" : ", ", left),
             kWarning);
}

std::string scope_words(const broker::ApproverGrant& grant) {
  if (grant.scope == "per-session") return "session";
  return grant.scope == "per-shed" ? "whole guest" : visible(grant.scope);
}

void grants(Page& page, const ApproveState& state, const Canvas& canvas) {
  ApproverDesk& desk = state.desk();
  const auto& list = desk.grants();
  page.line(list.empty() ? "No grants are in force." : fmt::format("Grants in force: {}", list.size()),
            kTitle);
  waiting(page, state, canvas);
  constexpr std::size_t kPage = ApproveState::kGrantsOnPage;
  const std::size_t first = std::min(state.page() * kPage, list.size());
  const std::size_t shown = std::min(kPage, list.size() - first);
  for (std::size_t i = 0; i < shown && page.room() > kGrantLines + 2; ++i) {
    const broker::ApproverGrant& grant = list[first + i];
    page.sides(fmt::format("{} {}, {}", i + 1, guest_words(grant.server, grant.shed), scope_words(grant)),
               fmt::format("used {}{}{}", use_words(grant.uses), canvas.countdown ? ", " : "",
                           left_words(grant.end, desk, canvas)));
    const std::string what = grant.subject.empty() ? "anything" : visible(grant.subject);
    page.line(fmt::format("    {}{}{}", what, grant.key.empty() ? "" : ", ", visible(grant.key)));
  }
  std::vector<std::string> keys;
  if (!list.empty()) keys = {"1-9 revoke that one", "a revoke all"};
  if (list.size() > kPage) keys.emplace_back("n more");
  keys.insert(keys.end(), {"q quit", "any other key: back"});
  page.keys(keys);
}

std::string without_end(std::string line) {
  if (line.ends_with('\n')) line.pop_back();
  return line;
}

void events(Page& page, const ApproveState& state, const Canvas& canvas) {
  const auto& all = state.desk().events();
  waiting(page, state, canvas);
  page.line(without_end(broker::audit_row_title(page.width())), kTitle);
  const std::size_t room = page.room() > 2 ? page.room() - 2 : 0;
  for (std::size_t i = all.size() - std::min(room, all.size()); i < all.size(); ++i) {
    page.line(visible(without_end(broker::audit_row(all[i].entry, page.width()))));
  }
  if (all.empty()) page.line("Nothing has happened yet.");
  page.keys({"q quit", "any other key: back"});
}

void help(Page& page) {
  for (const std::string_view text :
       {"o  yes, this once", "s  yes, and to the same again from this guest, until session_ttl ends",
        "g  yes, and to all that this guest does with that key, role or registry", "d  no",
        "m  no, and no to all that this guest asks for the next 5 minutes", "u  ends all muting",
        "l  what was granted, and revoking it", "e  what is recorded, as it happens",
        "q  quits: what is open is denied"}) {
    page.line(text);
  }
  page.line();
  page.words(
      "A key counts once the question has been on the screen for 0.3 s. What nobody answers is denied.");
  page.line();
  page.keys({"any other key: back"});
}

}  // namespace

Frame draw(const ApproveState& state, const Canvas& canvas) {
  Page page(canvas);
  const bool is_question = state.view() == View::kQuestion && !state.desk().questions().empty();
  header(page, state.desk());
  if (is_question) {
    question(page, state, canvas);
  } else if (state.view() == View::kQuestion) {
    nothing_asked(page, state, canvas);
  } else if (state.view() == View::kGrants) {
    grants(page, state, canvas);
  } else if (state.view() == View::kEvents) {
    events(page, state, canvas);
  } else {
    help(page);
  }
  const bool is_whole = page.fits();
  if (is_question && !is_whole) {
    Page small(canvas);
    too_small(small, state.desk().questions().front());
    return {small.take(), {}};
  }
  if (!state.notice().empty() && page.room() > 1) {
    page.line();
    page.line(state.notice(), kFaint);
  }
  return {page.take(), is_question ? state.answerable() : std::string()};
}

}  // namespace shed::applets
