#include "approve/words.h"

#include <algorithm>

#include "shed/base/json.h"
#include "shed/base/log.h"

namespace shed::applets {
namespace {

constexpr std::string_view kMark = "…";

std::size_t bytes_of_character(unsigned char lead) {
  if (lead < 0x80) return 1;
  return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

// Of a character of valid UTF-8.
std::uint32_t code_of(std::string_view character) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(character[i]));
  };
  switch (character.size()) {
    case 1:
      return byte(0);
    case 2:
      return ((byte(0) & 0x1f) << 6) | (byte(1) & 0x3f);
    case 3:
      return ((byte(0) & 0x0f) << 12) | ((byte(1) & 0x3f) << 6) | (byte(2) & 0x3f);
    default:
      return ((byte(0) & 0x07) << 18) | ((byte(1) & 0x3f) << 12) | ((byte(2) & 0x3f) << 6) | (byte(3) & 0x3f);
  }
}

// Latin, Greek, Cyrillic and the usual punctuation. Of other characters no two terminals agree on the width.
bool is_one_column(std::uint32_t code) {
  if (code < 0x80) return true;
  if (code >= 0xa1 && code <= 0x2ff) return code != 0xad;
  return (code >= 0x370 && code <= 0x482) || (code >= 0x48a && code <= 0x52f) ||
         (code >= 0x2010 && code <= 0x2027);
}

// Calls with each character of a valid text.
template <class Take>
void each_character(std::string_view text, const Take& take) {
  while (!text.empty()) {
    const std::size_t size = std::min(bytes_of_character(static_cast<unsigned char>(text[0])), text.size());
    take(text.substr(0, size));
    text.remove_prefix(size);
  }
}

std::string_view known_name(const broker::ApproverQuestion& question) {
  if (question.ns == "ssh-agent" && question.op == "sign") return "a signature";
  if (question.ns == "aws-credentials") return "AWS credentials";
  if (question.ns == "docker-credentials") return "a registry login";
  return {};
}

bool is_unreadable(const broker::ApproverQuestion& question) {
  return question.subject.empty() || question.subject.starts_with("opaque");
}

}  // namespace

std::string visible(std::string_view text) {
  std::string out;
  each_character(log::printable(text), [&out](std::string_view character) {
    const std::uint32_t code = code_of(character);
    if (is_one_column(code)) {
      out += character;
    } else {
      out += fmt::format("\\u{:04x}", code);
    }
  });
  return out;
}

std::size_t columns(std::string_view text) {
  std::size_t count = 0;
  each_character(text, [&count](std::string_view) { ++count; });
  return count;
}

std::string cut(std::string_view text, std::size_t width) {
  if (columns(text) <= width) return std::string(text);
  std::string out;
  std::size_t left = width;
  each_character(text, [&](std::string_view character) {
    if (left > 1) out += character;
    if (left == 1) out += kMark;
    if (left > 0) --left;
  });
  return out;
}

std::vector<std::string> wrap(std::string_view text, std::size_t width, std::size_t most) {
  std::vector<std::string> lines(1);
  std::size_t used = 0;
  each_character(text, [&](std::string_view character) {
    if (used == width) {
      lines.emplace_back();
      used = 0;
    }
    lines.back() += character;
    ++used;
  });
  if (lines.size() <= most) return lines;
  // The last line is filled up from the one before.
  std::vector<std::string> tail;
  each_character(text, [&tail](std::string_view character) { tail.emplace_back(character); });
  std::string last;
  for (std::size_t i = tail.size() - width; i < tail.size(); ++i) last += tail[i];
  lines.resize(most - 1);
  if (!lines.empty()) lines.back() = cut(lines.back() + "..", width);
  lines.push_back(std::move(last));
  return lines;
}

std::vector<std::string> wrap_words(std::string_view text, std::size_t width) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string word = cut(text.substr(0, end), width);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::string& line = lines.back();
    if (line.empty()) {
      line = word;
    } else if (columns(line) + 1 + columns(word) <= width) {
      line += ' ' + word;
    } else {
      lines.push_back(word);
    }
  }
  return lines;
}

std::string guest_words(std::string_view server, std::string_view shed) {
  const std::string guest = shed.empty() ? "a guest without a name" : visible(shed);
  return server.empty() ? guest : guest + " on " + visible(server);
}

std::string title_words(const broker::ApproverQuestion& question) {
  const std::string_view known = known_name(question);
  const std::string guest = question.shed.empty() ? "A guest without a name" : visible(question.shed);
  if (!known.empty()) return fmt::format("{} asks for {}", guest, known);
  return fmt::format("{} asks for {} of {}", guest, visible(question.op), visible(question.ns));
}

std::string object_words(const broker::ApproverQuestion& question) {
  if (question.ns == "docker-credentials") return visible(question.detail);
  if (!question.subject.empty()) return visible(question.subject);
  return visible(question.detail);
}

std::string warning_words(const broker::ApproverQuestion& question) {
  if (question.ns != "ssh-agent") return {};
  if (is_unreadable(question))
    return "WARNING: nobody can read what is signed. It may be a login to any host.";
  if (!question.subject.starts_with("login ") || question.proof == "verified") return {};
  if (question.proof == "claimed") {
    return "WARNING: the host is only claimed by the guest, not proven. It may be another one.";
  }
  return "WARNING: nothing names the host that this login is for. It may be any.";
}

std::string time_words(SteadyTime end, SteadyTime now) {
  if (end <= now) return "0 s";
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(end - now).count();
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} m {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} m", seconds / 3600, seconds / 60 % 60);
}

std::string one_line(const broker::ApproverQuestion& question, SteadyTime now) {
  std::string line = fmt::format("{}: {}", guest_words(question.server, question.shed), visible(question.op));
  line += fmt::format(" ({}): {}", visible(question.ns), object_words(question));
  if (!question.proof.empty()) line += fmt::format(" [{}]", visible(question.proof));
  if (!question.key.empty()) {
    line += fmt::format(", key {}{}{}", visible(question.key_comment),
                        question.key_comment.empty() ? "" : " ", visible(question.key));
  }
  if (question.count > 1) line += fmt::format(", asked {} times", question.count);
  line += fmt::format(", {} left", time_words(question.end, now));
  const std::string warning = warning_words(question);
  return line + (warning.empty() ? "" : "; ") + warning + '\n';
}

std::string json_line(const broker::ApproverQuestion& question) {
  std::string line;
  JsonWriter json(line);
  json.begin_object().field("id", question.id).field("namespace", question.ns).field("op", question.op);
  json.field_unless_empty("server", question.server).field("shed", question.shed);
  json.field("detail", question.detail).field("expires_at", question.expires_at);
  json.field_unless_empty("key_type", question.key_type).field_unless_empty("key", question.key);
  json.field_unless_empty("key_comment", question.key_comment);
  json.field_unless_empty("subject", question.subject).field_unless_empty("proof", question.proof);
  json.field("count", question.count).field_unless_empty("request_id", question.request_id);
  json.end_object();
  return line += '\n';
}

}  // namespace shed::applets
