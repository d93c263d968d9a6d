#include "broker/audit_chain.h"

#include <algorithm>
#include <array>

#include "shed/base/json.h"

namespace shed::broker {
namespace {

constexpr std::string_view kRecordMark = "S1";
constexpr std::string_view kHeadMark = "H1";
// What is authenticated is said first: a MAC of one kind is never one of another.
constexpr std::string_view kRecordLabel("shed-audit record\0", 18);
constexpr std::string_view kHeadLabel("shed-audit head\0", 16);
constexpr std::size_t kMacAt = kChainRecordSize - sizeof(Digest);
constexpr std::size_t kHeadMacAt = kHeadSize - sizeof(Digest);

void put_number(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
}

std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (const char c : bytes.substr(at, size)) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

Digest digest_at(std::string_view bytes, std::size_t at) {
  Digest digest;
  bytes.copy(digest.data(), digest.size(), at);
  return digest;
}

std::string encode_fields(const ChainRecord& record) {
  std::string out(kRecordMark);
  out += static_cast<char>(record.kind);
  out += static_cast<char>(record.start);
  put_number(out, record.length, 4);
  put_number(out, record.number, 8);
  put_number(out, record.end, 8);
  put_number(out, static_cast<std::uint64_t>(record.time), 8);
  out += bytes_of(record.digest);
  return out;
}

std::string encode_fields(const ChainHead& head) {
  std::string out(kHeadMark);
  put_number(out, 0, 2);
  put_number(out, head.closing, 4);
  put_number(out, head.generation, 8);
  put_number(out, head.records, 8);
  put_number(out, head.number, 8);
  put_number(out, head.end, 8);
  out += bytes_of(head.mac);
  return out;
}

std::string record_text(const Digest& previous, std::string_view fields) {
  std::string text(kRecordLabel);
  text += bytes_of(previous);
  text += fields;
  return text;
}

std::string head_text(std::string_view fields) { return std::string(kHeadLabel) += fields; }

bool is_kind(char c) { return std::string_view("COLTVR").find(c) != std::string_view::npos; }

bool is_json_object(std::string_view text) {
  JsonDocument document;
  const auto root = document.parse(text);
  return root && root->is_object();
}

}  // namespace

std::string_view describe(ChainStart start) {
  switch (start) {
    case ChainStart::kFirst:
      return "the chain begins";
    case ChainStart::kRotated:
      return "the log was rotated";
    case ChainStart::kHeadRemoved:
      return "the head was removed";
    case ChainStart::kHeadChanged:
      return "the head was changed, or made with another key";
    case ChainStart::kChainShorter:
      return "the chain was shorter than its head";
    case ChainStart::kChainChanged:
      return "the chain was changed at its end";
    case ChainStart::kLogShorter:
      return "the log was shorter than its chain";
    case ChainStart::kLogLonger:
      return "the log was longer than its chain";
    case ChainStart::kLogChanged:
      return "the log's last line was changed";
    case ChainStart::kRolledBack:
      return "log and chain were put back to an older state";
  }
  return "unknown";
}

Result<std::string> ChainKey::seal(ChainRecord& record, const Digest& previous) const {
  std::string bytes = encode_fields(record);
  const auto mac = mac_.of(record_text(previous, bytes));
  if (!mac) return propagate(mac);
  record.mac = *mac;
  return bytes += bytes_of(*mac);
}

Result<std::string> ChainKey::seal(const ChainHead& head) const {
  std::string bytes = encode_fields(head);
  const auto mac = mac_.of(head_text(bytes));
  if (!mac) return propagate(mac);
  return bytes += bytes_of(*mac);
}

std::optional<ChainRecord> ChainKey::open_record(std::string_view bytes, const Digest& previous) const {
  if (bytes.size() != kChainRecordSize || !bytes.starts_with(kRecordMark) || !is_kind(bytes[2])) return {};
  const auto mac = mac_.of(record_text(previous, bytes.substr(0, kMacAt)));
  if (!mac || !equal_in_constant_time(bytes_of(*mac), bytes.substr(kMacAt))) return {};
  const auto start = static_cast<std::uint8_t>(bytes[3]);
  if (start > static_cast<std::uint8_t>(kLastChainStart)) return {};
  ChainRecord record;
  record.kind = static_cast<ChainKind>(bytes[2]);
  record.start = static_cast<ChainStart>(start);
  record.length = static_cast<std::uint32_t>(number_at(bytes, 4, 4));
  record.number = number_at(bytes, 8, 8);
  record.end = number_at(bytes, 16, 8);
  record.time = static_cast<std::int64_t>(number_at(bytes, 24, 8));
  record.digest = digest_at(bytes, 32);
  record.mac = *mac;
  return record;
}

std::optional<ChainHead> ChainKey::open_head(std::string_view bytes) const {
  if (bytes.size() != kHeadSize || !bytes.starts_with(kHeadMark)) return {};
  const auto mac = mac_.of(head_text(bytes.substr(0, kHeadMacAt)));
  if (!mac || !equal_in_constant_time(bytes_of(*mac), bytes.substr(kHeadMacAt))) return {};
  ChainHead head;
  head.closing = static_cast<std::uint32_t>(number_at(bytes, 4, 4));
  head.generation = number_at(bytes, 8, 8);
  head.records = number_at(bytes, 16, 8);
  head.number = number_at(bytes, 24, 8);
  head.end = number_at(bytes, 32, 8);
  head.mac = digest_at(bytes, 40);
  return head;
}

AnnouncedLine judge_announced(std::string_view rest, const ChainRecord& announced) {
  if (rest.empty()) return AnnouncedLine::kNothing;
  if (rest.size() > announced.length) return AnnouncedLine::kForeign;
  if (sha256(rest) == announced.digest) return AnnouncedLine::kWhole;
  if (sha256(std::string(rest) + '\n') == announced.digest) return AnnouncedLine::kWithoutNewline;
  const bool ended = rest.ends_with('\n');
  if (ended) rest.remove_suffix(1);
  // A piece of our line is one line and no whole record: what is more was written by somebody else.
  if (rest.find('\n') != rest.npos || is_json_object(rest)) return AnnouncedLine::kForeign;
  return rest.size() + 1 < announced.length ? AnnouncedLine::kTorn : AnnouncedLine::kForeign;
}

std::string TrailNames::folder() const {
  const auto slash = log.rfind('/');
  if (slash == log.npos) return ".";
  return slash == 0 ? "/" : log.substr(0, slash);
}

std::string TrailNames::log_name() const { return log.substr(log.rfind('/') + 1); }

}  // namespace shed::broker
