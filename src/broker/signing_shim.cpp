#include "shed/broker/signing_shim.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <vector>

#include "broker/signing_files.h"
#include "shed/ssh/public_key_line.h"

namespace shed::broker {
namespace {

constexpr unsigned kKeyFileMode = 0600;
// More than anybody signs at a time, and their signatures together have some MiB at most.
constexpr std::size_t kMaxFiles = 1024;
constexpr std::string_view kStandardInput = "-";

struct SignedFile {
  std::string path;  // kStandardInput: the answer goes to the output
  std::string armor;
};

Status check_command(SigningCommand& command) {
  if (!command.foreign.empty()) {
    return fail(Errc::kInvalid, "-Y sign: option {} is unknown here or lacks its value", command.foreign);
  }
  if (!command.name_space) return fail(Errc::kInvalid, "-Y sign: missing namespace, give -n");
  if (!command.file) return fail(Errc::kInvalid, "-Y sign: missing key, give -f");
  if (const Status usable = ssh::check_sshsig_namespace(*command.name_space); !usable) return usable;
  for (const std::string& option : command.options) {
    if (option.starts_with("hashalg=") && option != "hashalg=sha512") {
      return fail(Errc::kUnsupported, "-O {}: the proxy signs with sha512 alone", option);
    }
  }
  if (command.files.size() > kMaxFiles) {
    return fail(Errc::kLimit, "{} files; {} are signed at a time", command.files.size(), kMaxFiles);
  }
  if (command.files.empty()) command.files.emplace_back(kStandardInput);
  return {};
}

// The key in the file; nothing where there is no file.
Result<std::optional<std::string>> read_key(const std::string& path) {
  auto text = read_input(path, ssh::kMaxPublicKeyFile);
  if (!text && text.error().code() == Errc::kNotFound) return std::nullopt;
  if (!text) return propagate(text, path);
  if (text->starts_with("-----BEGIN ")) {
    // A private key is not for us to read; ssh-keygen, too, looks beside it.
    text = read_input(path + ".pub", ssh::kMaxPublicKeyFile);
    if (!text)
      return fail(Errc::kInvalid, "{}: a private key, and {}.pub: {}", path, path, text.error().text());
  }
  const auto keys = ssh::parse_public_keys(*text);
  if (!keys) {
    return fail(Errc::kInvalid, "{}: no public key: {}; remove it to have the proxy's key fetched again",
                path, keys.error().text());
  }
  return keys->front().key_blob;
}

Status keep_key(const std::string& path, std::string_view key_blob) {
  const std::size_t slash = path.rfind('/');
  if (slash != path.npos && slash != 0) {
    const std::string folder = path.substr(0, slash);
    struct stat info{};
    if (::stat(folder.c_str(), &info) != 0 && errno == ENOENT) {
      if (const Status made = make_private_directory(folder); !made) return made;
    }
  }
  return write_file_atomically(path, ssh::public_key_text(key_blob) + "\n", kKeyFileMode);
}

async::Task<Result<std::string>> wanted_key(SigningClient& client, std::string path) {
  auto known = read_key(path);
  if (!known) co_return propagate(known);
  if (*known) co_return std::move(**known);
  auto fetched = co_await client.public_key();
  if (!fetched) co_return fetched;
  if (const Status kept = keep_key(path, *fetched); !kept) co_return propagate(kept, "keep the proxy's key");
  co_return fetched;
}

Result<std::string> read_message(const std::string& path, int in) {
  const bool is_input = path == kStandardInput;
  auto message = is_input ? read_input(in, kMaxSignedMessage) : read_input(path, kMaxSignedMessage);
  const std::string_view name = is_input ? "standard input" : std::string_view(path);
  if (!message) return propagate(message, name);
  if (message->empty()) return fail(Errc::kInvalid, "{}: empty, and the proxy signs no empty message", name);
  return message;
}

// A certificate has the fingerprint of its key.
std::string key_text(std::string_view key_blob) {
  const auto type = ssh::key_type_of(key_blob);
  const bool certificate = type && ssh::is_certificate_type(*type);
  return (certificate ? "a certificate of " : "") + ssh::fingerprint(ssh::plain_key_blob(key_blob));
}

std::string_view remedy_for(std::string_view key_file) {
  // Where git puts a key that stands in its configuration itself.
  constexpr std::string_view kOfGit = ".git_signing_key_tmp";
  if (key_file.substr(key_file.rfind('/') + 1).starts_with(kOfGit)) {
    return "if its key was rotated, replace it in git's user.signingkey";
  }
  return "if its key was rotated, remove that file and it is fetched again";
}

Status check_signature(const ssh::Sshsig& sshsig, std::string_view key_blob, const std::string& key_file,
                       std::string_view name_space, std::string_view message) {
  if (sshsig.key_blob != key_blob) {
    return fail(Errc::kRefused, "the proxy signs with {}, but {} has {}; {}", key_text(sshsig.key_blob),
                key_file, key_text(key_blob), remedy_for(key_file));
  }
  if (sshsig.name_space != name_space) {
    return fail(Errc::kRefused,
                "the proxy has signed for namespace '{}', not for '{}'; add that to its "
                "SSH_AGENT_PROXY_NAMESPACE",
                sshsig.name_space, name_space);
  }
  const auto digest = ssh::message_digest(sshsig.hash, message);
  if (!digest) return propagate(digest);
  return ssh::verify_sshsig(sshsig, name_space, *digest);
}

async::Task<Result<std::string>> sign_one(SigningClient& client, const SigningCommand& command,
                                          std::string_view key_blob, std::string message) {
  const auto sshsig = co_await client.sign(message, *command.name_space);
  if (!sshsig) co_return propagate(sshsig);
  const Status good = check_signature(*sshsig, key_blob, *command.file, *command.name_space, message);
  if (!good) co_return propagate(good);
  const auto blob = ssh::make_sshsig(*sshsig);
  if (!blob) co_return propagate(blob);
  co_return ssh::armor_sshsig(*blob);
}

Status print(int out, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(out, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(system_error(errno).in("standard output"));
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

Status write_signatures(const std::vector<SignedFile>& files, int out) {
  for (const SignedFile& file : files) {
    // Nobody needs it after a power cut: git has read and removed it by then, and it is made again.
    const Status written =
        file.path == kStandardInput ? print(out, file.armor) : replace_file(file.path + ".sig", file.armor);
    if (written) continue;
    for (const SignedFile& earlier : files) {
      if (&earlier == &file) break;
      if (earlier.path != kStandardInput) ::unlink((earlier.path + ".sig").c_str());
    }
    return written;
  }
  return {};
}

}  // namespace

async::Task<Status> sign_messages(SigningClient& client, SigningCommand command, SigningStreams streams) {
  if (const Status usable = check_command(command); !usable) co_return usable;
  std::optional<std::string> key;
  std::vector<SignedFile> files;
  for (const std::string& path : command.files) {
    auto message = read_message(path, streams.in);
    if (!message) co_return propagate(message);
    if (!key) {
      auto found = co_await wanted_key(client, *command.file);
      if (!found) co_return propagate(found);
      key = std::move(*found);
    }
    auto armor = co_await sign_one(client, command, *key, std::move(*message));
    if (!armor) co_return propagate(armor);
    files.push_back({path, std::move(*armor)});
  }
  co_return write_signatures(files, streams.out);
}

async::Task<Status> give_public_key(SigningClient& client, std::string path, SigningStreams streams) {
  const auto key = co_await client.public_key();
  if (!key) co_return propagate(key);
  if (!path.empty()) co_return keep_key(path, *key);
  co_return print(streams.out, ssh::public_key_text(*key) + "\n");
}

}  // namespace shed::broker
