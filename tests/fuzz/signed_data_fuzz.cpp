// What a guest wants signed, the binds that it sends along, and known_hosts files. The first byte chooses:
// signed data behind a key, a whole request with binds, or a file and a host key behind it.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "shed/ssh/agent_protocol.h"
#include "shed/ssh/destination.h"
#include "shed/ssh/known_hosts.h"
#include "shed/ssh/signed_data.h"
#include "shed/ssh/verify.h"
#include "shed/ssh/wire.h"

namespace {

using namespace shed::ssh;
using Kind = SignedData::Kind;

void require(bool holds) {
  if (!holds) std::abort();
}

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.end() <= whole.end());
}

std::string encode_login(const SignedData& login) {
  std::string bytes;
  WireWriter writer(bytes);
  writer.string(login.session_id).byte(50).string(login.user).string("ssh-connection");
  writer.string(login.is_hostbound() ? "publickey-hostbound-v00@openssh.com" : "publickey");
  writer.byte(1).string(login.algorithm).string(login.key);
  if (login.is_hostbound()) writer.string(login.host_key);
  return bytes;
}

std::string encode_sshsig(const SignedData& sshsig) {
  std::string bytes;
  WireWriter(bytes)
      .bytes("SSHSIG")
      .string(sshsig.sshsig_namespace)
      .string("")
      .string(sshsig.hash)
      .string(sshsig.digest);
  return bytes;
}

// What is not opaque is exactly its fields: no byte is left over and none is read twice.
SignedData read(std::string_view data, std::string_view key) {
  const SignedData read = read_signed_data(data, key);
  for (const std::string_view field : {read.session_id, read.user, read.algorithm, read.key, read.host_key,
                                       read.sshsig_namespace, read.hash, read.digest}) {
    require(lies_in(field, data));
  }
  if (read.kind == Kind::kLogin) {
    require(encode_login(read) == data && check_key_blob(read.key).has_value());
    require(read.session_id.size() <= kMaxSessionId && read.user.size() <= kMaxUserName);
  }
  if (read.kind == Kind::kSshsig) require(encode_sshsig(read) == data);
  if (read.kind == Kind::kAgentTest) require(data.size() == kAgentTestSize);
  return read;
}

void signed_data(std::string_view input) {
  WireReader reader(input);
  const auto key = reader.string();
  if (key) (void)read(reader.remaining(), *key);
}

// string key, string data, then session-bind messages as strings.
void request(std::string_view input) {
  WireReader reader(input);
  const auto key = reader.string();
  const auto data = reader.string();
  if (!key || !data) return;
  std::vector<SessionBind> binds;
  while (binds.size() <= kMaxSessionBinds) {
    const auto contents = reader.string();
    if (!contents) break;
    auto bind = decode_session_bind(*contents);
    if (bind) binds.push_back(std::move(*bind));
  }
  const SignedData login = read(*data, *key);
  const Destination found = find_destination(login, binds);
  require((found.proof == Proof::kUnknown) == found.host_key.empty());
  if (found.proof != Proof::kProven) return;
  require(names_this_session(login, binds) && found.hops.size() + 1 == binds.size());
  require(verify_session_bind(binds.back()).has_value() && !binds.back().forwarding);
  require(found.host_key == binds.back().host_key);
  require(!login.is_hostbound() || login.host_key == found.host_key);
}

// string host key, then the file.
void known_hosts(std::string_view input) {
  WireReader reader(input);
  const auto key = reader.string();
  if (!key) return;
  KnownHosts hosts;
  const auto bad = hosts.add(reader.remaining());
  require(bad && bad->numbers.size() <= BadLines::kMaxNumbers && bad->numbers.size() <= bad->count);
  const shed::WallTime now{std::chrono::seconds(1'774'969'445)};
  const std::string_view guess[] = {"github.com"};
  const auto names = hosts.names_for(*key, now, guess);
  require(names.size() <= kMaxNamesOfKey);
  require(!hosts.is_revoked(*key) || names.empty());
  for (const std::string& name : names) require(hosts.matches(name, *key, now));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr void (*kReaders[])(std::string_view) = {signed_data, request, known_hosts};
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  kReaders[data[0] % std::size(kReaders)](input.substr(1));
  return 0;
}
