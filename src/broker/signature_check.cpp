#include "shed/broker/signature_check.h"

#include <strings.h>

#include <optional>

#include "broker/signature_fields.h"
#include "broker/signing_files.h"
#include "shed/base/log.h"
#include "shed/ssh/allowed_signers.h"
#include "shed/ssh/public_key_line.h"
#include "shed/ssh/sshsig.h"

namespace shed::broker {
namespace {

constexpr std::string_view kFind = "find-principals";
constexpr std::string_view kVerify = "verify";
constexpr std::string_view kNoValidate = "check-novalidate";
constexpr std::string_view kVerifyTime = "verify-time=";
constexpr std::string_view kPrintKey = "print-pubkey";
// The exit statuses of ssh-keygen.
constexpr int kTooFewArguments = 1;
constexpr int kNotVerified = 255;

bool same_ignoring_case(std::string_view text, std::string_view wanted) {
  return text.size() == wanted.size() && ::strncasecmp(text.data(), wanted.data(), text.size()) == 0;
}

class Check {
 public:
  Check(const SigningCommand& command, int message_fd, ssh::SigningTime now)
      : command_(command), message_fd_(message_fd), time_(now), finds_(command.operation == kFind) {}

  CheckOutcome run() {
    if (const auto missing = missing_argument()) {
      complain(*missing);
      outcome_.status = kTooFewArguments;
      return std::move(outcome_);
    }
    const bool good = read_options() && read_signature() && (finds_ ? find() : verify());
    outcome_.status = good ? 0 : kNotVerified;
    if (!good && finds_) outcome_.err += "No principal matched.\n";
    if (!finds_ && !command_.quiet) {
      outcome_.out =
          good ? ssh::good_signature_text(sshsig_, principal()) : std::string(ssh::kCouldNotVerify);
      outcome_.out += '\n';
    }
    if (good && print_key_) outcome_.out += ssh::public_key_text(sshsig_.key_blob) + "\n";
    return std::move(outcome_);
  }

 private:
  bool complain(std::string_view text) {
    outcome_.err += fmt::format("{}\r\n", log::printable(text));
    return false;
  }

  bool validates() const { return command_.operation == kVerify; }
  std::string_view principal() const {
    return validates() ? std::string_view(*command_.principal) : std::string_view();
  }

  std::optional<std::string> missing_argument() const;
  bool read_options();
  bool read_signature();
  bool find();
  bool verify();
  bool verify_message();
  bool is_not_revoked();
  bool is_allowed();
  std::optional<ssh::AllowedSigners> read_allowed();
  bool tell_complaints(const ssh::SignerAnswer& answer);

  const SigningCommand& command_;
  int message_fd_;
  ssh::SigningTime time_;
  bool finds_;
  bool print_key_ = false;
  std::string blob_;
  ssh::Sshsig sshsig_;
  CheckOutcome outcome_;
};

// Word for word, the missing blank and the wrong "sign" included.
std::optional<std::string> Check::missing_argument() const {
  const auto lacks = [this](std::string_view what) {
    return fmt::format("Too few arguments for {}: missing {}", command_.operation, what);
  };
  if (finds_) {
    if (!command_.signature) return fmt::format("Too few arguments for {}:missing signature file", kFind);
    if (!command_.file) return fmt::format("Too few arguments for {}:missing allowed keys file", kFind);
    return std::nullopt;
  }
  if (command_.name_space.value_or("").empty()) return lacks("namespace");
  if (!command_.signature) return lacks("signature file");
  if (!validates()) return std::nullopt;
  if (!command_.file) return "Too few arguments for sign: missing allowed keys file";
  if (!command_.principal) return lacks("principal identity");
  return std::nullopt;
}

bool Check::read_options() {
  for (const std::string& option : command_.options) {
    if (same_ignoring_case(std::string_view(option).substr(0, kVerifyTime.size()), kVerifyTime)) {
      const auto time = ssh::parse_signing_time(std::string_view(option).substr(kVerifyTime.size()));
      if (!time) return complain("Invalid \"verify-time\" option");
      time_ = *time;
    } else if (!finds_ && same_ignoring_case(option, kPrintKey)) {
      print_key_ = true;
    } else {
      return complain(fmt::format("Invalid option \"{}\"", option));
    }
  }
  return true;
}

bool Check::read_signature() {
  const auto text = read_input(*command_.signature, ssh::kMaxSshsigArmor);
  if (!text) return complain(fmt::format("Couldn't read signature file: {}", text.error().text()));
  auto blob = ssh::dearmor_sshsig(*text);
  if (!blob) {
    const ArmorComplaint words = explain_armor(*text, blob.error());
    complain(words.line);
    return complain(
        fmt::format("{}: sshsig_armor: {}", finds_ ? "sig_find_principals" : "sig_verify", words.cause));
  }
  blob_ = std::move(*blob);
  return true;
}

bool Check::tell_complaints(const ssh::SignerAnswer& answer) {
  for (const std::string& complaint : answer.complaints) complain(complaint);
  return answer.found;
}

std::optional<ssh::AllowedSigners> Check::read_allowed() {
  const std::string& path = *command_.file;
  const auto file = open_input(path);
  auto text = file ? read_input(file->get(), ssh::kMaxAllowedSignersFile) : Result<std::string>();
  const Error* error = file ? (text ? nullptr : &text.error()) : &file.error();
  if (error == nullptr) {
    auto allowed = ssh::AllowedSigners::read(path, std::move(*text));
    if (allowed) return std::move(*allowed);
  } else if (!file || finds_ || error->code() == Errc::kLimit) {
    complain(fmt::format("Unable to {} allowed keys file \"{}\": {}", file ? "read" : "open", path,
                         error->text()));
    if (finds_) complain(fmt::format("sig_find_principals: sshsig_find_principal: {}", error->text()));
  }
  return std::nullopt;
}

bool Check::find() {
  SignatureFields fields(blob_);
  // Nothing behind the key matters here, and nothing of it has been verified.
  if (!fields.read_preamble() || !fields.read_key()) {
    if (!fields.complaint().empty()) complain(fields.complaint());
    return complain(fmt::format("sig_find_principals: sshsig_get_pubkey: {}", fields.cause()));
  }
  const auto allowed = read_allowed();
  if (!allowed) return false;
  const auto answer = allowed->find_principals(fields.key_blob(), time_);
  for (const std::string& name : answer.principals) outcome_.out += name + "\n";
  return tell_complaints(answer);
}

bool Check::verify() {
  if (!verify_message()) return false;
  return !validates() || (is_not_revoked() && is_allowed());
}

bool Check::verify_message() {
  SignatureFields fields(blob_);
  if (!fields.read_preamble()) return complain(fields.complaint());
  if (!fields.read_all()) {
    return complain(fmt::format("sshsig_peek_hashalg: parse signature object: {}", fields.cause()));
  }
  const auto hash = ssh::sshsig_hash(fields.hash());
  if (!hash) {
    complain(fmt::format("sshsig_check_hashalg: unsupported hash algorithm \"{}\"", fields.hash()));
    return complain("sshsig_verify_fd: hash_file: signature algorithm not supported");
  }
  ssh::MessageDigest message(*hash);
  InputPart part;
  for (;;) {
    const auto count = read_input_part(message_fd_, part);
    if (!count) return complain(fmt::format("sshsig_verify_fd: hash_file: {}", count.error().text()));
    if (*count == 0) break;
    message.update({part.data(), *count});
  }
  if (!fields.has_good_key()) {
    return complain(fmt::format("sshsig_wrap_verify: parse signature object: {}", fields.cause()));
  }
  if (!fields.at_end()) return complain("Signature contains trailing data");
  if (fields.name_space() != *command_.name_space) {
    return complain("Couldn't verify signature: namespace does not match");
  }
  const auto digest = message.finish();
  auto sshsig = ssh::parse_sshsig(blob_);
  if (!digest || !sshsig) return complain(sshsig ? digest.error().text() : sshsig.error().text());
  sshsig_ = std::move(*sshsig);
  const Status good = ssh::verify_sshsig(sshsig_, *command_.name_space, *digest);
  if (good) return true;
  if (good.error().code() == Errc::kRefused) {
    return complain("Signature verification failed: incorrect signature");
  }
  return complain(good.error().text());
}

// Whatever is wrong with the list, nothing verifies. ssh-keygen does not say why; what it would have read is
// said.
bool Check::is_not_revoked() {
  if (!command_.revoked) return true;
  const auto list = read_input(*command_.revoked, ssh::kMaxPublicKeyFile);
  const auto revoked =
      list ? ssh::is_revoked_key(*list, sshsig_.key_blob) : Result<bool>(std::unexpected(list.error()));
  if (revoked) return !*revoked;
  const Errc code = revoked.error().code();
  if (code != Errc::kUnsupported && code != Errc::kLimit) return false;
  return complain(fmt::format("{}: {}", *command_.revoked, revoked.error().text()));
}

bool Check::is_allowed() {
  const auto allowed = read_allowed();
  if (!allowed) return false;
  return tell_complaints(allowed->allows(sshsig_.key_blob, *command_.principal, *command_.name_space, time_));
}

}  // namespace

bool is_signature_check(const SigningCommand& command) {
  const std::string& operation = command.operation;
  return command.foreign.empty() && (operation == kFind || operation == kVerify || operation == kNoValidate);
}

CheckOutcome check_signature(const SigningCommand& command, int message_fd, ssh::SigningTime now) {
  return Check(command, message_fd, now).run();
}

}  // namespace shed::broker
