// Signatures by every type of key, from tests/data/sshsig.
#pragma once

#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/base64.h"
#include "shed/base/json.h"
#include "shed/ssh/sshsig.h"

namespace shed::ssh::test {

struct SshsigVector {
  std::string name;
  std::string key_line;  // type and base64
  std::string hash;
  std::string armor;

  std::string key_blob() const { return base64_decode(key_line.substr(key_line.find(' ') + 1)).value(); }
  Sshsig sshsig() const {
    auto read = read_sshsig(armor);
    INFO(name);
    REQUIRE(read);
    return *read;
  }
};

class SshsigVectors {
 public:
  SshsigVectors() {
    std::ifstream file(std::string(SHED_TEST_DATA) + "/sshsig/vectors.json");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto root = document_.parse(text);
    REQUIRE(root);
    message_ = (*root)["message"].string_or("");
    authority_ = (*root)["authority"].string_or("");
    for (const JsonValue& entry : (*root)["vectors"].elements()) {
      const auto member = [&](std::string_view name) { return std::string(entry[name].string_or("")); };
      vectors_.push_back({member("name"), member("key"), member("hash"), member("armor")});
    }
    REQUIRE(vectors_.size() == 26);
  }

  const std::vector<SshsigVector>& all() const { return vectors_; }
  const SshsigVector& get(std::string_view name) const {
    for (const SshsigVector& vector : vectors_) {
      if (vector.name == name) return vector;
    }
    FAIL("no vector of the name " << name);
    return vectors_.front();
  }
  const std::string& message() const { return message_; }
  // The key that signed all certificates, as a line.
  const std::string& authority() const { return authority_; }
  std::string digest(const Sshsig& sshsig) const { return message_digest(sshsig.hash, message_).value(); }

 private:
  JsonDocument document_;
  std::string message_, authority_;
  std::vector<SshsigVector> vectors_;
};

}  // namespace shed::ssh::test
