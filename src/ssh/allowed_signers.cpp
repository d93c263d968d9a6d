#include "shed/ssh/allowed_signers.h"

#include <algorithm>
#include <optional>

#include "shed/base/glob.h"
#include "shed/ssh/types.h"
#include "shed/ssh/verify.h"
#include "shed/ssh/wire.h"
#include "ssh/key_line.h"
#include "ssh/public_key.h"
#include "ssh/signer_line.h"

namespace shed::ssh {
namespace {

// A principal that would read as two, or as another line, on the output of a program.
bool is_one_line(std::string_view principal) {
  return !principal.empty() && std::ranges::none_of(principal, [](char c) {
    return c == ',' || static_cast<unsigned char>(c) < ' ' || c == 0x7f;
  });
}

// The principals of a certificate; nothing where they are malformed or too many.
std::vector<std::string_view> principals_of(const CertificateFields& certificate) {
  std::vector<std::string_view> principals;
  WireReader reader(certificate.principals);
  while (!reader.at_end()) {
    const auto principal = reader.string();
    if (!principal || principals.size() == kMaxPrincipals) return {};
    principals.push_back(*principal);
  }
  return principals;
}

std::vector<std::string> split_at_commas(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const std::string_view part = list.substr(0, list.find(','));
    if (part.empty()) break;  // as ssh-keygen does
    parts.emplace_back(part);
    list.remove_prefix(std::min(list.size(), part.size() + 1));
  }
  return parts;
}

// What is asked about all lines, and the answer as it grows.
class Search {
 public:
  Search(std::string_view file, std::string_view key_blob, SigningTime time)
      : file_(file), key_blob_(key_blob), time_(time) {
    auto certificate = parse_certificate(key_blob);
    if (certificate) certificate_ = *certificate;
  }

  void ask_for(std::string_view principal, std::string_view name_space) {
    principal_ = principal;
    name_space_ = name_space;
  }

  // The next line's text, without its end. True when the search is over.
  bool look_at(std::string_view text);
  SignerAnswer take_answer() { return std::move(answer_); }

 private:
  bool complain(std::string_view what) {
    if (answer_.complaints.size() < kMaxComplaints) {
      answer_.complaints.push_back(fmt::format("{}:{}: {}", file_, number_, what));
    }
    return false;
  }

  bool has_key(const SignerLine& line);
  bool is_authorized(const SignerLine& line);
  Status check_certificate();
  bool is_permitted(const SignerOptions& options);

  std::string_view file_;
  std::string_view key_blob_;
  SigningTime time_;
  std::optional<CertificateFields> certificate_;
  std::optional<std::string_view> principal_;
  std::string_view name_space_;
  std::size_t number_ = 0;
  SignerAnswer answer_;
};

bool Search::look_at(std::string_view text) {
  ++number_;
  std::string_view rest = after_blanks(text);
  if (rest.empty() || rest.starts_with('#')) return false;
  if (text.size() > kMaxAllowedSignersLine || text.find('\0') != text.npos) return complain("invalid line");
  auto principals = take_principals(rest);
  if (!principals) return complain("invalid line");
  if (principal_ && !matches_principals(*principal_, *principals)) return false;
  SignerLine line;
  line.principals = std::move(*principals);
  if (const auto read = read_signer_key(rest, line); !read) return complain(read.error().text());
  answer_.principals.clear();
  answer_.found = has_key(line) && is_permitted(line.options);
  if (!answer_.found || principal_) answer_.principals.clear();
  return answer_.found;
}

bool Search::has_key(const SignerLine& line) {
  if (line.options.authority) {
    return certificate_ && same_public_key(line.key_blob, certificate_->authority) && is_authorized(line);
  }
  answer_.principals = split_at_commas(line.principals);
  // Byte for byte: a certificate is not the key that it certifies.
  return line.key_blob == key_blob_;
}

// What makes a certificate void for everybody; the texts are ssh-keygen's.
Status Search::check_certificate() {
  if (const auto issued = verify_certificate(key_blob_); !issued) return issued;
  if (certificate_->kind != kUserCertificate) {
    return fail(Errc::kRefused, "Certificate invalid: not a user certificate");
  }
  const auto seconds = time_.time_since_epoch().count();
  if (seconds < 0 || static_cast<std::uint64_t>(seconds) < certificate_->valid_after) {
    return fail(Errc::kRefused, "Certificate invalid: not yet valid");
  }
  if (static_cast<std::uint64_t>(seconds) >= certificate_->valid_before) {
    return fail(Errc::kRefused, "Certificate invalid: expired");
  }
  // Other than for a login, a certificate for everybody is one for nobody.
  if (principals_of(*certificate_).empty()) return fail(Errc::kRefused, "Certificate lacks principal list");
  return {};
}

bool Search::is_authorized(const SignerLine& line) {
  const auto valid = check_certificate();
  const auto own = principals_of(*certificate_);
  if (principal_) {
    if (!valid) return complain(fmt::format("certificate not authorized: {}", valid.error().text()));
    if (std::ranges::find(own, *principal_) != own.end()) return true;
    return complain("certificate not authorized: Certificate invalid: name is not a listed principal");
  }
  for (const std::string& pattern : split_at_commas(line.principals)) {
    for (const std::string_view name : own) {
      if (valid && is_one_line(name) && glob_matches(name, pattern)) answer_.principals.emplace_back(name);
    }
  }
  return !answer_.principals.empty() || complain("no valid principals found");
}

bool Search::is_permitted(const SignerOptions& options) {
  // Who asks for principals has no namespace to ask for.
  if (principal_ && options.namespaces && !matches_principals(name_space_, *options.namespaces)) {
    return complain(fmt::format("key is not permitted for use in signature namespace \"{}\"", name_space_));
  }
  if (options.valid_after && time_ < *options.valid_after) {
    return complain(fmt::format("key is not yet valid: verify time {} < valid-after {}",
                                format_signing_time(time_), format_signing_time(*options.valid_after)));
  }
  if (options.valid_before && time_ > *options.valid_before) {
    return complain(fmt::format("key has expired: verify time {} > valid-before {}",
                                format_signing_time(time_), format_signing_time(*options.valid_before)));
  }
  return true;
}

SignerAnswer search(Search search, std::string_view text) {
  while (!text.empty()) {
    if (search.look_at(take_line(text))) break;
  }
  return search.take_answer();
}

}  // namespace

Result<AllowedSigners> AllowedSigners::read(std::string name, std::string text) {
  if (text.size() > kMaxAllowedSignersFile) {
    return fail(Errc::kLimit, "{} bytes are over {}", text.size(), kMaxAllowedSignersFile);
  }
  return AllowedSigners(std::move(name), std::move(text));
}

SignerAnswer AllowedSigners::allows(std::string_view key_blob, std::string_view principal,
                                    std::string_view name_space, SigningTime time) const {
  // A pattern would match nobody's name.
  if (principal.empty()) return {};
  Search wanted(name_, key_blob, time);
  wanted.ask_for(principal, name_space);
  return search(std::move(wanted), text_);
}

SignerAnswer AllowedSigners::find_principals(std::string_view key_blob, SigningTime time) const {
  return search(Search(name_, key_blob, time), text_);
}

SignerAnswer AllowedSigners::match_principals(std::string_view principal) const {
  SignerAnswer answer;
  std::string_view text = text_;
  for (std::size_t number = 1; !text.empty() && !principal.empty(); ++number) {
    const std::string_view whole = take_line(text);
    std::string_view rest = after_blanks(whole);
    if (rest.empty() || rest.starts_with('#')) continue;
    auto principals = take_principals(rest);
    if (principals && !matches_principals(principal, *principals)) continue;
    SignerLine line;
    Status read = fail(Errc::kInvalid, "invalid line");
    const bool usable = whole.size() <= kMaxAllowedSignersLine && whole.find('\0') == whole.npos;
    if (principals && usable) read = read_signer_key(rest, line);
    if (!read) {
      answer = {};
      answer.complaints.push_back(fmt::format("{}:{}: {}", name_, number, read.error().text()));
      return answer;
    }
    answer.principals.push_back(std::move(*principals));
    answer.found = true;
  }
  return answer;
}

}  // namespace shed::ssh
