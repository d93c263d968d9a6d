// What real clients (OpenSSH 9.2, git 2.39) asked an agent for: sign requests and the binds of their
// connections, from tests/data/ssh. The account is root, the hosts are one.example and two.example, and
// for one record each rsa.example, ecdsa.example and cert.example.
#pragma once

#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/base64.h"
#include "shed/base/json.h"
#include "shed/ssh/types.h"

namespace shed::ssh::test {

class CapturedData {
 public:
  CapturedData() {
    std::ifstream file(std::string(SHED_TEST_DATA) + "/ssh/signed_data.json");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto parsed = document_.parse(text);
    REQUIRE(parsed);
    root_ = *parsed;
  }

  // The request of this name, with its binds.
  SignRequest request(std::string_view name) const {
    for (const JsonValue& record : root_["records"].elements()) {
      if (record["name"].string_or("") != name) continue;
      SignRequest request;
      request.key_blob = bytes(record["key"]);
      request.data = bytes(record["data"]);
      for (const JsonValue& bind : record["binds"].elements()) {
        request.binds.push_back({bytes(bind["host_key"]), bytes(bind["session_id"]), bytes(bind["signature"]),
                                 bind["forwarding"].boolean().value()});
      }
      return request;
    }
    FAIL("no record of the name " << name);
    return {};
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const JsonValue& record : root_["records"].elements())
      names.emplace_back(record["name"].string_or(""));
    return names;
  }
  // known_hosts: one.example with an address, [two.example]:2222; hashed_known_hosts: the same, as
  // ssh-keygen -H writes it; authority: the public key of the authority of cert.example.
  std::string text(std::string_view member) const { return std::string(root_[member].string_or("")); }
  // The host key of the host that this request is for.
  std::string host_key(std::string_view name) const { return request(name).binds.back().host_key; }

 private:
  static std::string bytes(const JsonValue& value) { return base64_decode(value.string_or("*")).value(); }

  JsonDocument document_;
  JsonValue root_;
};

}  // namespace shed::ssh::test
