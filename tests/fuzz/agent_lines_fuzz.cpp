// What the host agent says to the program at the person's terminal, and what that program makes of it. Texts
// of guests are among it: whatever they are, only visible characters reach the screen, in the columns and
// lines that it has, and nothing is approved but the one question that was on it for long enough, by a key.
//
// The input is a list of steps, each a letter and its arguments (one byte each; a text has its length first):
//   h              the greeting                       l TEXT   these bytes as a line
//   f N TEXT       field N of what is told from here on (see kFields)
//   q N            question N, of these fields        g N      N grants      e N   event N
//   k TEXT         these bytes from the keyboard      p        the screen is drawn
//   w N M          a window of N columns, M lines     t N      N times 50 ms pass
//   x              the connection is lost, and there again
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "approve/keys.h"
#include "approve/screen.h"
#include "approve/words.h"
#include "broker/agent_lines.h"
#include "shed/base/json.h"
#include "steps.h"
#include "support/fake_clock.h"

namespace shed::applets {
namespace {

using broker::ApproverDesk;
using broker::ApproverQuestion;

constexpr std::size_t kMaxSteps = 200;
constexpr std::array<std::string_view, 17> kFields = {
    "namespace", "op",         "server",     "shed", "detail",   "key_type", "key",  "key_comment", "subject",
    "proof",     "request_id", "expires_at", "ts",   "approval", "reason",   "code", "scope"};
// What the program itself puts around a line, where there is colour.
constexpr std::array<std::string_view, 3> kStyles = {"\x1b[1m", "\x1b[1;31m", "\x1b[2m"};
constexpr std::string_view kPlain = "\x1b[0m";

// The character at the start, as the terminal reads it; 0 for what is no UTF-8.
std::uint32_t take_character(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (size == 0 || size > text.size()) return 0;
  std::uint32_t code = size == 1 ? lead : lead & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return 0;
    code = (code << 6) | (next & 0x3fU);
  }
  text.remove_prefix(size);
  return code;
}

// One column wide everywhere, and of no effect on what stands beside it.
bool is_plain(std::uint32_t code) {
  const bool ascii = code >= 0x20 && code < 0x7f;
  const bool latin = code >= 0xa1 && code < 0x300 && code != 0xad;
  const bool greek_or_cyrillic = code >= 0x370 && code < 0x530 && !(code >= 0x483 && code <= 0x489);
  return ascii || latin || greek_or_cyrillic || (code >= 0x2010 && code <= 0x2027);
}

// How many columns a text takes that may hold nothing but visible characters.
std::size_t plain_columns(std::string_view text) {
  std::size_t count = 0;
  for (; !text.empty(); ++count) require(is_plain(take_character(text)));
  return count;
}

void check_line(std::string_view line, bool colour, std::size_t width) {
  const auto* const style =
      std::ranges::find_if(kStyles, [&](std::string_view begin) { return line.starts_with(begin); });
  if (colour && style != kStyles.end()) {
    require(line.ends_with(kPlain));
    line.remove_prefix(style->size());
    line.remove_suffix(kPlain.size());
  }
  require(plain_columns(line) <= width);
}

bool is_bounded(std::string_view text) { return text.size() <= broker::kMaxText + 3; }

void check_question(const ApproverQuestion& question, SteadyTime now) {
  require(!question.id.empty() && question.id.size() <= 128);
  for (const std::string* text :
       {&question.ns, &question.op, &question.server, &question.shed, &question.detail, &question.key_type,
        &question.key, &question.key_comment, &question.subject, &question.proof, &question.request_id,
        &question.expires_at}) {
    require(is_bounded(*text));
  }
  require(question.end >= now && question.end <= now + ApproverDesk::kLongestQuestion);
}

// For scripts: one line, and nothing in it that a terminal obeys.
void check_words(const ApproverQuestion& question, SteadyTime now) {
  const std::string words = one_line(question, now);
  require(words.ends_with('\n'));
  (void)plain_columns(std::string_view(words).substr(0, words.size() - 1));
  const std::string json = json_line(question);
  require(json.find('\n') == json.size() - 1);
  JsonDocument document;
  const auto root = document.parse(std::string_view(json).substr(0, json.size() - 1));
  require(root && (*root)["id"].string_or("") == question.id);
}

void check_line_alone(std::string_view line) {
  const FakeClock clock;
  const auto read = broker::read_agent_line(line, clock.now());
  if (!read) return require(read.error().code() == Errc::kProtocol);
  using Kind = broker::AgentLine::Kind;
  require(is_bounded(read->reason) && is_bounded(read->version) && read->gate_namespaces.size() <= 16);
  require(read->grants.size() <= broker::Grants::kMost);
  if (read->kind != Kind::kQuestion) return;
  check_question(read->question, clock.now());
  check_words(read->question, clock.now());
}

class Stage {
 public:
  Stage() {
    connect();
    greet();
  }

  void step(Steps& steps) {
    switch (steps.number()) {
      case 'h':
        return greet();
      case 'l':
        return tell(steps.text());
      case 'f': {
        const std::size_t field = steps.number() % kFields.size();
        fields_[field] = steps.text();
        return;
      }
      case 'q':
        return tell(object("approval_request", steps.number()));
      case 'g':
        return tell_grants(steps.number());
      case 'e':
        return tell(object("event", steps.number()));
      case 'k':
        return type(steps.text());
      case 'p':
        return paint();
      case 'w':
        canvas_.width = steps.number() + std::size_t{1};
        canvas_.height = steps.number() + std::size_t{1};
        canvas_.colour = canvas_.width % 2 == 0;
        canvas_.countdown = canvas_.height % 2 == 0;
        state_.covered();
        painted_.clear();
        return paint();
      case 't':
        return clock_.advance(Millis(50) * static_cast<int>(steps.number()));
      case 'x':
        desk_.lost("gone");
        return connect();
      default:
        return;
    }
  }

  void paint() {
    state_.follow();
    const Frame frame = draw(state_, canvas_);
    require(frame.lines.size() <= canvas_.height);
    for (const std::string& line : frame.lines) check_line(line, canvas_.colour, canvas_.width);
    if (!desk_.questions().empty()) check_words(desk_.questions().front(), clock_.now());
    state_.shown(frame.answerable);
    const bool has_question = !frame.answerable.empty();
    const std::string id = has_question ? desk_.questions().front().id : std::string();
    if (frame.answerable != answerable_ || id != painted_) painted_at_ = clock_.now();
    answerable_ = frame.answerable;
    painted_ = id;
  }

 private:
  void connect() {
    desk_.connected([this](std::string_view line) { sent(line); });
  }
  void greet() {
    tell(R"({"type":"hello_ack","accepted":true,"agent":{"version":"1"},"gate_namespaces":["ssh-agent"]})");
  }
  void tell(std::string_view line) {
    if (!desk_.take(line)) {
      desk_.lost("it speaks another protocol");
      connect();
    }
    state_.follow();
  }

  void put_fields(JsonWriter& json) const {
    for (std::size_t i = 0; i < kFields.size(); ++i) {
      if (!fields_[i].empty()) json.field(kFields[i], fields_[i]);
    }
  }
  std::string object(std::string_view type, std::size_t number) const {
    std::string line;
    JsonWriter json(line);
    json.begin_object().field("type", type).field("id", fmt::format("{}", number)).field("kind", "audit");
    json.field("ns", fields_[0]).field("result", fields_[9]).field("count", number);
    put_fields(json);
    json.end_object();
    return line;
  }
  void tell_grants(std::size_t count) {
    std::string line;
    JsonWriter json(line);
    json.begin_object().field("type", "grants").field("ts", fields_[12]).key("grants").begin_array();
    for (std::size_t i = 0; i < count; ++i) {
      json.begin_object().field("id", fmt::format("g{}", i)).field("uses", i);
      put_fields(json);
      json.end_object();
    }
    json.end_array().end_object();
    tell(line);
  }

  void type(std::string_view bytes) {
    for (const Key key : keys_.read(bytes, clock_.now())) {
      key_ = keys_.pasting() ? kOther : key;
      state_.press(key);
      key_ = kOther;
    }
  }

  // What goes to the host agent: an approval is for the question that was drawn, read, and answered by a key.
  void sent(std::string_view line) {
    require(line.ends_with('\n') && line.find('\n') == line.size() - 1);
    JsonDocument document;
    const auto root = document.parse(line.substr(0, line.size() - 1));
    require(root.has_value());
    if ((*root)["type"].string_or("") != "approval_response") return;
    if ((*root)["decision"].string_or("") != "approve") return;
    require(!painted_.empty() && (*root)["request_id"].string_or("") == painted_);
    require(clock_.now() - painted_at_ >= ApproveState::kReadTime);
    const std::string_view scope = (*root)["scope"].string_or("");
    const bool is_time = key_ >= '1' && key_ <= '3';
    require(scope == (key_ == 'o'   ? "per-request"
                      : key_ == 's' ? "per-session"
                      : is_time     ? "per-shed"
                                    : "-"));
    painted_.clear();
  }

  FakeClock clock_;
  ApproverDesk desk_{clock_, "ada"};
  ApproveState state_{desk_};
  KeyReader keys_;
  Canvas canvas_;
  std::array<std::string, kFields.size()> fields_;
  Key key_ = kOther;
  std::string answerable_, painted_;
  SteadyTime painted_at_;
};

}  // namespace
}  // namespace shed::applets

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shed::applets;
  check_line_alone({reinterpret_cast<const char*>(data), size});
  Stage stage;
  shed::Steps steps(data, size);
  for (std::size_t count = 0; !steps.done() && count < kMaxSteps; ++count) stage.step(steps);
  stage.paint();
  return 0;
}
