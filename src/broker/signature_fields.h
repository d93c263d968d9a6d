// The fields of an SSHSIG blob one by one, for what ssh-keygen says about one that is malformed. Whether a
// signature is good is ssh/sshsig.h's to say.
#pragma once

#include <string>
#include <string_view>

#include "shed/base/result.h"
#include "shed/ssh/wire.h"

namespace shed::broker {

// What the two lines about an armor that cannot be read say: the first one, and the cause at the end of the
// second.
struct ArmorComplaint {
  std::string line;
  std::string_view cause;
};
ArmorComplaint explain_armor(std::string_view text, const Error& error);

// Call in this order. Views live as long as the blob.
class SignatureFields {
 public:
  explicit SignatureFields(std::string_view blob) : blob_(blob), reader_(blob) {}

  bool read_preamble();  // magic and version; false: complaint() has a line
  bool read_key();       // the key alone, which must be a good one
  bool read_all();       // all fields, whatever they say
  bool has_good_key();   // after read_all()
  bool at_end() const { return reader_.at_end(); }

  std::string_view key_blob() const { return key_blob_; }
  std::string_view name_space() const { return name_space_; }
  std::string_view hash() const { return hash_; }

  const std::string& complaint() const { return complaint_; }
  std::string_view cause() const { return cause_; }  // of the last false

 private:
  bool fail_with(std::string_view cause) {
    cause_ = cause;
    return false;
  }

  std::string_view blob_;
  ssh::WireReader reader_;
  std::string_view key_blob_, name_space_, hash_;
  std::string complaint_;
  std::string_view cause_;
};

}  // namespace shed::broker
