// Rules as text against a sign request: whatever both are, a rule allows a destination only where the host is
// proven, or where the owner has written that a claim is enough. Strings, one behind the other:
// configuration, known_hosts, key, data, then session-bind messages.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/glob.h"
#include "shed/broker/host_config.h"
#include "shed/ssh/agent_protocol.h"
#include "shed/ssh/verify.h"
#include "shed/ssh/wire.h"

namespace {

using namespace shed;
using namespace shed::broker;

const WallTime kNow{std::chrono::seconds(1'774'969'445)};

void require(bool holds) {
  if (!holds) std::abort();
}

bool is_host(const std::string& destination, const ssh::KnownHosts& hosts, const std::string& host_key,
             const SignSubject& subject) {
  if (is_fingerprint(destination)) return ssh::fingerprint(ssh::plain_key_blob(host_key)) == destination;
  if (destination.find_first_of("*?") == destination.npos) return hosts.matches(destination, host_key, kNow);
  for (const std::string& name : subject.names) {
    if (hosts.matches(name, host_key, kNow) && glob_matches(name, destination, LetterCase::kIgnored))
      return true;
  }
  return false;
}

void check_allowed(const SshRule& rule, const ssh::SignRequest& request, const ssh::KnownHosts& hosts,
                   const SignSubject& subject) {
  const ssh::SignedData data = ssh::read_signed_data(request.data, request.key_blob);
  if (rule.user) require(data.is_login() && glob_matches(data.user, *rule.user));
  if (rule.sshsig_namespace) require(data.kind == ssh::SignedData::Kind::kSshsig);
  if (!rule.destination) return;
  require(data.is_login() && !hosts.is_revoked(subject.host_key));
  require(is_host(*rule.destination, hosts, subject.host_key, subject));
  if (!rule.require_proof.value_or(true)) return;
  require(!request.binds.empty());
  const ssh::SessionBind& last = request.binds.back();
  require(last.session_id == data.session_id && last.host_key == subject.host_key && !last.forwarding);
  require(ssh::verify_session_bind(last).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  ssh::WireReader reader(std::string_view(reinterpret_cast<const char*>(bytes), size));
  const auto text = reader.string(), lines = reader.string(), key = reader.string(), data = reader.string();
  if (!text || !lines || !key || !data) return 0;
  const auto config = parse_host_config(*text, "fuzz.yaml", "/home/fuzz");
  ssh::KnownHosts hosts;
  if (!config || !hosts.add(*lines)) return 0;
  ssh::SignRequest request{std::string(*key), std::string(*data), 0, {}};
  while (request.binds.size() <= ssh::kMaxSessionBinds) {
    const auto contents = reader.string();
    if (!contents) break;
    auto bind = ssh::decode_session_bind(*contents);
    if (bind) request.binds.push_back(std::move(*bind));
  }
  const SshRules& rules = config->ssh_access.rules;
  const SignSubject subject = read_subject(request, hosts, rules.host_names(), kNow);
  const RuleVerdict verdict =
      rules.first_match({"mini2", "web", ssh::fingerprint(ssh::plain_key_blob(*key)), subject});
  if (verdict.rule == nullptr) return 0;
  static_cast<void>(rules.denial(verdict, subject.text()));
  if (verdict.rule->action == RuleAction::kAllow) check_allowed(*verdict.rule, request, hosts, subject);
  return 0;
}
