#include "shed/broker/sign_subject.h"

#include <algorithm>
#include <array>

#include "shed/async/offload.h"
#include "shed/async/scope.h"
#include "shed/base/log.h"

namespace shed::broker {
namespace {

// Many systems hash the names in known_hosts, so that they can only be guessed.
constexpr std::array<std::string_view, 9> kGuesses = {
    "github.com",
    "[ssh.github.com]:443",
    "gitlab.com",
    "[altssh.gitlab.com]:443",
    "bitbucket.org",
    "codeberg.org",
    "git.sr.ht",
    "ssh.dev.azure.com",
    "vs-ssh.visualstudio.com",
};

// On another thread, so that a host with many names, or a certificate, keeps nobody waiting.
SignSubject find_subject(const ssh::SignRequest& request, KnownHostsFiles& files,
                         const std::vector<std::string>& looked_up, WallTime now) {
  return read_subject(request, *files.current(), looked_up, now);
}

bool is_plain(char c) {
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return letter || (c >= '0' && c <= '9') || std::string_view("._+-$").find(c) != std::string_view::npos;
}

// As it is when it looks like a name, else in quotation marks: nobody can put words into the log's mouth.
std::string quoted_unless_plain(std::string_view text) {
  if (!text.empty() && std::ranges::all_of(text, is_plain)) return std::string(text);
  std::string escaped;
  for (const char c : text) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return '"' + log::printable(escaped) + '"';
}

std::string login_text(const SignSubject& subject) {
  const std::string login = "login " + quoted_unless_plain(subject.data.user);
  if (subject.host_key.empty()) return login;
  if (!subject.names.empty()) return login + "@" + subject.names.front();
  return login + "@" + subject.host_fingerprint + (subject.host_key_revoked ? " (revoked)" : "");
}

void name_host_key(SignSubject& subject) {
  if (subject.host_key.empty()) return;
  subject.host_fingerprint = ssh::fingerprint(ssh::plain_key_blob(subject.host_key));
}

}  // namespace

std::string SignSubject::text() const {
  using Kind = ssh::SignedData::Kind;
  switch (data.kind) {
    case Kind::kLogin:
      return login_text(*this);
    case Kind::kSshsig:
      if (data.sshsig_namespace == "git") return "git commit";
      return fmt::format("file signature (namespace {})", quoted_unless_plain(data.sshsig_namespace));
    case Kind::kAgentTest:
      return "opaque (1,024 bytes, as ssh-add -T asks for)";
    case Kind::kOpaque:
      break;
  }
  return data.note.empty() ? "opaque" : fmt::format("opaque ({})", data.note);
}

std::string_view SignSubject::proof_text() const {
  if (proof == ssh::Proof::kProven) return "verified";
  return proof == ssh::Proof::kClaimed ? "claimed" : "";
}

SignSubject read_subject(const ssh::SignRequest& request, const ssh::KnownHosts& hosts,
                         std::span<const std::string> looked_up, WallTime now) {
  SignSubject subject;
  subject.data = ssh::read_signed_data(request.data, request.key_blob);
  const ssh::Destination destination = ssh::find_destination(subject.data, request.binds);
  subject.proof = destination.proof;
  subject.host_key = destination.host_key;
  if (subject.host_key.empty()) return subject;
  name_host_key(subject);
  subject.host_key_revoked = hosts.is_revoked(subject.host_key);
  std::vector<std::string_view> guesses(kGuesses.begin(), kGuesses.end());
  guesses.insert(guesses.end(), looked_up.begin(), looked_up.end());
  subject.names = hosts.names_for(subject.host_key, now, guesses);
  subject.naming = hosts.naming(subject.host_key, now);
  subject.known_as = hosts.matches_each(looked_up, subject.host_key, now);
  return subject;
}

SubjectReader::SubjectReader(async::Loop& loop, std::vector<std::string> known_hosts_files,
                             std::vector<std::string> looked_up)
    : loop_(loop),
      files_(std::make_shared<KnownHostsFiles>(std::move(known_hosts_files))),
      looked_up_(std::make_shared<const std::vector<std::string>>(std::move(looked_up))) {}

async::Task<SignSubject> SubjectReader::read(const ssh::SignRequest& request) {
  SignSubject subject;
  subject.data = ssh::read_signed_data(request.data, request.key_blob);
  if (!subject.data.is_login()) co_return subject;
  auto work = [request, files = files_, looked_up = looked_up_, now = loop_.clock().wall()] {
    return Result<SignSubject>(find_subject(request, *files, *looked_up, now));
  };
  auto finding = async::offload(loop_, std::move(work));
  auto found = co_await async::with_timeout(loop_, kLimit, std::move(finding));
  for (const std::string& warning : files_->take_warnings()) log::warning("{}", warning);
  if (!found) {
    log::warning("known_hosts files: {}; a login's host is not verified", found.error().text());
    subject.host_key = subject.data.host_key;
    if (!subject.host_key.empty()) subject.proof = ssh::Proof::kClaimed;
    name_host_key(subject);
    co_return subject;
  }
  found->data = subject.data;  // the other thread's views are into its copy of the request
  co_return std::move(*found);
}

}  // namespace shed::broker
