// What a sign request is for, in words for the audit log and for whoever decides.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shed/async/loop.h"
#include "shed/async/task.h"
#include "shed/broker/known_hosts_files.h"
#include "shed/ssh/destination.h"
#include "shed/ssh/signed_data.h"

namespace shed::broker {

struct SignSubject {
  ssh::SignedData data;  // views into the request's data
  // Of a login.
  ssh::Proof proof = ssh::Proof::kUnknown;
  std::string host_key;           // blob; empty when nothing names a host
  std::string host_fingerprint;   // of it, of a certificate's key; empty with it
  bool host_key_revoked = false;  // by a known_hosts file
  // Of the host key, by the known_hosts files; empty and kNone where they could not be looked at.
  std::vector<std::string> names;
  ssh::KnownHosts::Naming naming = ssh::KnownHosts::Naming::kNone;  // what there is beside `names`
  std::vector<bool> known_as;  // for each of the names that the reader looks up, or empty

  // `login git@github.com`, `login git@SHA256:...` for a host without a name, `login git` without a host,
  // `git commit`, `file signature (namespace X)`, `opaque`. A digest does not tell a tag or a push
  // certificate from a commit. User and namespace are the guest's: other characters than those of
  // account names stand in quotation marks, made visible, so that the last @ is always ours.
  std::string text() const;
  // `verified`, `claimed`, or nothing where no host is named.
  std::string_view proof_text() const;
};

// `looked_up`: names that a login's host is compared with, SignSubject::known_as; a hashed name is found by
// no other means. Verifies the signatures of session binds, and a host certificate's for each question to
// `hosts`: milliseconds, not for a loop's thread. The subject's data are views into the request.
SignSubject read_subject(const ssh::SignRequest& request, const ssh::KnownHosts& hosts,
                         std::span<const std::string> looked_up, WallTime now);

class SubjectReader {
 public:
  // The loop must outlive the reader and its tasks.
  SubjectReader(async::Loop& loop, std::vector<std::string> known_hosts_files,
                std::vector<std::string> looked_up = {});

  // `request` must stay until the task is done, and as long as the subject's data is looked at. Signatures of
  // session binds are verified and files are read on another thread, for a login only, and for at most
  // kLimit: what is not known by then is not proven.
  async::Task<SignSubject> read(const ssh::SignRequest& request);

  // A guest waits three seconds for its signature.
  static constexpr Millis kLimit{1'000};

 private:
  async::Loop& loop_;
  // Shared with work that outlives its task.
  std::shared_ptr<KnownHostsFiles> files_;
  std::shared_ptr<const std::vector<std::string>> looked_up_;
};

}  // namespace shed::broker
