#include "shed/aws/signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <initializer_list>
#include <optional>
#include <vector>

#include "check_credentials.h"

// What is signed, line by line (AWS General Reference, "Create a canonical request"):
//   METHOD / path / query (empty) / each header as "name:value" / empty / names of the headers / hash of body
// and, around the hash of that, the string to sign:
//   AWS4-HMAC-SHA256 / time / date/region/service/aws4_request / hash

namespace shed::aws {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

using Digest = std::array<unsigned char, 32>;

// A text that is put together from secrets in memory of its own: wiped, and never moved while it grows.
class Parts {
 public:
  explicit Parts(std::initializer_list<std::string_view> parts) {
    std::size_t size = 0;
    for (const std::string_view part : parts) size += part.size();
    text_.reserve(size);
    for (const std::string_view part : parts) text_ += part;
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;
  ~Parts() { wipe(text_); }

  std::string_view view() const { return text_; }
  Secret take() { return Secret::take(text_); }

 private:
  std::string text_;
};

// The keys between the secret and the signature: each of them signs in the secret's place.
class Key {
 public:
  explicit Key(std::string_view bytes) : size_(std::min(bytes.size(), bytes_.size())) {
    std::copy_n(bytes.data(), size_, bytes_.data());
    valid_ = size_ == bytes.size();
  }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  ~Key() { wipe(bytes_); }

  // The key becomes its HMAC of `text`.
  void derive(std::string_view text) {
    Digest digest{};
    unsigned int size = 0;
    valid_ = valid_ && HMAC(EVP_sha256(), bytes_.data(), static_cast<int>(size_),
                            reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
                            &size) != nullptr;
    std::copy_n(digest.data(), digest.size(), bytes_.data());
    size_ = digest.size();
    OPENSSL_cleanse(digest.data(), digest.size());
  }
  std::optional<std::string> hexadecimal() const;

 private:
  // Room for "AWS4" and the longest secret that check_credentials() lets through.
  std::array<char, 2048> bytes_{};
  std::size_t size_;
  bool valid_ = false;
};

std::string hexadecimal_of(std::string_view bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

std::optional<std::string> Key::hexadecimal() const {
  if (!valid_) return std::nullopt;
  return hexadecimal_of({bytes_.data(), size_});
}

std::optional<std::string> sha256(std::string_view bytes) {
  Digest digest{};
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    return std::nullopt;
  }
  return hexadecimal_of({reinterpret_cast<const char*>(digest.data()), size});
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '~';
}

// Without empty segments and dots, and percent-encoded, also what was encoded before: the rule for every
// service but S3.
std::string canonical_path(std::string_view path) {
  std::vector<std::string_view> segments;
  for (std::string_view rest = path; !rest.empty();) {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view segment = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (segment.empty() || segment == ".") continue;
    if (segment != "..") {
      segments.push_back(segment);
    } else if (!segments.empty()) {
      segments.pop_back();
    }
  }
  std::string result;
  for (const std::string_view segment : segments) {
    result += '/';
    for (const char c : segment) {
      if (is_unreserved(c)) {
        result += c;
      } else {
        result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
      }
    }
  }
  if (result.empty() || path.ends_with('/')) result += '/';
  return result;
}

// As the other side normalises a header's value: no spaces around it, one between its words.
std::string canonical_value(std::string_view value) {
  std::string result;
  bool space = false;
  for (const char c : value) {
    if (c == ' ' || c == '\t') {
      space = !result.empty();
      continue;
    }
    if (space) result += ' ';
    space = false;
    result += c;
  }
  return result;
}

// "20150830T123600Z"
std::string compact_time(WallTime time) {
  std::string text = format_rfc3339(time);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

bool is_token(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}
bool is_line(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7f; });
}

bool fits_its_lines(const SignedRequest& request, const SigningScope& scope) {
  return is_token(request.method) && is_token(request.host) && is_token(request.path) &&
         is_line(request.content_type) && is_token(scope.region) && is_token(scope.service);
}

}  // namespace

Secret signature_headers(const SignedRequest& request, const SigningScope& scope,
                         const Credentials& credentials) {
  if (!check_credentials(credentials) || !fits_its_lines(request, scope)) return {};
  const std::string time = compact_time(scope.time);
  const std::string_view date = std::string_view(time).substr(0, 8);
  const std::string_view token = credentials.session_token.reveal();
  const bool typed = !request.content_type.empty();

  const std::string names = fmt::format("{}host;x-amz-date{}", typed ? "content-type;" : "",
                                        token.empty() ? "" : ";x-amz-security-token");
  const std::string type_line =
      typed ? fmt::format("content-type:{}\n", canonical_value(request.content_type)) : "";
  const std::string path = canonical_path(request.path);
  const auto body_hash = sha256(request.body);
  if (!body_hash) return {};
  const Parts canonical{request.method, "\n",
                        path,           "\n\n",
                        type_line,      "host:",
                        request.host,   "\nx-amz-date:",
                        time,           token.empty() ? "" : "\nx-amz-security-token:",
                        token,          "\n\n",
                        names,          "\n",
                        *body_hash};
  const auto request_hash = sha256(canonical.view());
  if (!request_hash) return {};

  const std::string credential_scope =
      fmt::format("{}/{}/{}/aws4_request", date, scope.region, scope.service);
  const Parts first_key{"AWS4", credentials.secret_access_key.reveal()};
  Key key(first_key.view());
  for (const std::string_view text : {date, scope.region, scope.service, std::string_view("aws4_request")}) {
    key.derive(text);
  }
  key.derive(fmt::format("{}\n{}\n{}\n{}", kAlgorithm, time, credential_scope, *request_hash));
  const auto signature = key.hexadecimal();
  if (!signature) return {};

  Parts headers{"x-amz-date: ",
                time,
                "\r\n",
                token.empty() ? "" : "x-amz-security-token: ",
                token,
                token.empty() ? "" : "\r\n",
                "authorization: ",
                kAlgorithm,
                " Credential=",
                credentials.access_key_id,
                "/",
                credential_scope,
                ", SignedHeaders=",
                names,
                ", Signature=",
                *signature,
                "\r\n"};
  return headers.take();
}

}  // namespace shed::aws
