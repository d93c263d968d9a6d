#include <algorithm>
#include <cstdint>
#include <optional>

#include "shed/base/clock.h"

// RFC 3339 section 5.6:
//   YYYY-MM-DD ( "T" / "t" / " " ) HH:MM:SS [ "." 1*DIGIT ] ( "Z" / "z" / ( "+" / "-" ) HH [":"] MM )
// The colon in the offset is not optional there, but AWS tools write times without it.

namespace shed {
namespace {

// Longer only with more digits of fraction than any clock has.
constexpr std::size_t kLongest = 64;

// Reads from the front of a text. After the first failure nothing else succeeds.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool failed() const { return failed_; }
  bool done() const { return !failed_ && rest_.empty(); }

  bool skip(char c) {
    if (failed_ || !rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) { failed_ = !skip(c) || failed_; }
  void expect_one_of(std::string_view characters) {
    const bool found = !failed_ && !rest_.empty() && characters.find(rest_[0]) != std::string_view::npos;
    found ? rest_.remove_prefix(1) : fail_here();
  }

  // Exactly `digits` digits, at most `limit` as a number.
  int number(std::size_t digits, int limit) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) value = value * 10 + digit().value_or(0);
    if (value > limit) fail_here();
    return value;
  }

  // The digits behind a point, as nanoseconds; more digits are read and dropped.
  std::int64_t nanoseconds() {
    std::int64_t value = 0;
    std::int64_t place = 100'000'000;
    value += digit().value_or(0) * place;
    while (!rest_.empty() && is_digit(rest_[0])) value += *digit() * (place /= 10);
    return value;
  }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  void fail_here() { failed_ = true; }

  std::optional<int> digit() {
    if (failed_ || rest_.empty() || !is_digit(rest_[0])) {
      fail_here();
      return std::nullopt;
    }
    const int value = rest_[0] - '0';
    rest_.remove_prefix(1);
    return value;
  }

  std::string_view rest_;
  bool failed_ = false;
};

std::chrono::seconds read_offset(Scanner& in) {
  if (in.skip('Z') || in.skip('z')) return {};
  const bool west = in.skip('-');
  if (!west) in.expect('+');
  const std::chrono::hours hours(in.number(2, 23));
  in.skip(':');
  const std::chrono::seconds offset = hours + std::chrono::minutes(in.number(2, 59));
  return west ? -offset : offset;
}

std::unexpected<Error> invalid() { return fail(Errc::kInvalid, "not a time as RFC 3339 writes it"); }

}  // namespace

Result<WallTime> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  if (text.size() > kLongest) return invalid();
  Scanner in(text);
  const year y(in.number(4, 9999));
  in.expect('-');
  const month m(static_cast<unsigned>(in.number(2, 12)));
  in.expect('-');
  const day d(static_cast<unsigned>(in.number(2, 31)));
  in.expect_one_of("Tt ");
  seconds clock = hours(in.number(2, 23));
  in.expect(':');
  clock += minutes(in.number(2, 59));
  in.expect(':');
  clock += seconds(in.number(2, 59));  // no leap second: the clock has no place for it
  const nanoseconds fraction(in.skip('.') ? in.nanoseconds() : 0);
  clock -= read_offset(in);
  const year_month_day date(y, m, d);
  if (!in.done() || !date.ok()) return invalid();

  const sys_seconds whole = sys_days(date) + clock;
  // A clock that counts nanoseconds ends in the year 2262.
  if (whole <= ceil<seconds>(WallTime::min()) || whole >= floor<seconds>(WallTime::max())) {
    return fail(Errc::kInvalid, "the time is out of range");
  }
  return WallTime(whole) + duration_cast<WallTime::duration>(fraction);
}

}  // namespace shed
