#include "shed/broker/signing_options.h"

#include <catch2/catch.hpp>
#include <map>

#include "shed/base/file.h"

namespace shed::broker {
namespace {

using Variables = std::map<std::string, std::string>;

Result<SigningOptions> read(Variables variables) {
  variables.try_emplace("SSH_AUTH_SOCK", "/run/agent.sock");
  return read_signing_options([&variables](const char* name) { return variables[name]; });
}

TEST_CASE("without variables the defaults are the existing program's") {
  const auto options = read({});
  REQUIRE(options);
  CHECK(options->address.text() == "127.0.0.1:7221");
  CHECK(options->namespaces == std::vector<std::string>{"git"});
  CHECK(options->agent_socket == "/run/agent.sock");
  CHECK(options->public_key.empty());
  CHECK(options->public_key_file.empty());
  CHECK(options->token_file.empty());
  CHECK(options->known_hosts.empty());
}

TEST_CASE("a unix socket is its owner's unless a mode is given") {
  const auto closed = read({{"SSH_AGENT_PROXY_ADDR", "unix:/run/sign.sock"}});
  REQUIRE(closed);
  CHECK(closed->address.unix_path == "/run/sign.sock");
  CHECK(closed->socket_mode == 0600);
  const auto open = read({{"SSH_AGENT_PROXY_ADDR", "unix:/run/a:mode=b/sign.sock:mode=0660"}});
  REQUIRE(open);
  CHECK(open->address.unix_path == "/run/a:mode=b/sign.sock");
  CHECK(open->socket_mode == 0660);
}

TEST_CASE("a wrong address is an error that names its variable") {
  const std::string address = GENERATE("127.0.0.1", ":7221", "127.0.0.1:70000", "127.0.0.1:-1", "unix:x",
                                       "unix:", "unix:/s:mode=", "unix:/s:mode=0777", "unix:/s:mode=060",
                                       "unix:/s:mode=u+w", "unix:/s:mode=99999999999");
  const auto options = read({{"SSH_AGENT_PROXY_ADDR", address}});
  REQUIRE_FALSE(options);
  CHECK_THAT(options.error().text(), Catch::StartsWith("SSH_AGENT_PROXY_ADDR: "));
}

TEST_CASE("namespaces and hosts are lists, with blanks around their parts") {
  const auto options =
      read({{"SSH_AGENT_PROXY_NAMESPACE", "git, file ,x y"}, {"SSH_AGENT_PROXY_HOSTS", "a.example,b"}});
  REQUIRE(options);
  CHECK(options->namespaces == std::vector<std::string>{"git", "file", "x y"});
  CHECK(options->known_hosts == std::vector<std::string>{"a.example", "b"});
}

TEST_CASE("the upstream comes before the agent of the session, and one of them must be there") {
  CHECK(read({{"SSH_AGENT_PROXY_UPSTREAM", "/other"}})->agent_socket == "/other");
  const auto none = read({{"SSH_AUTH_SOCK", ""}});
  REQUIRE_FALSE(none);
  CHECK(none.error().text() == "no agent path: set SSH_AGENT_PROXY_UPSTREAM or SSH_AUTH_SOCK");
}

TEST_CASE("a key's line comes before its file") {
  const auto options = read({{"SSH_AGENT_PROXY_PUBKEY", "line"}, {"SSH_AGENT_PROXY_PUBKEY_FILE", "/file"}});
  REQUIRE(options);
  CHECK(options->public_key == "line");
  CHECK(options->public_key_file.empty());
}

TEST_CASE("the home directory may be written as in a unit file or a shell") {
  const std::string home = GENERATE("%h", "~");
  const auto options = read({{"SSH_AGENT_PROXY_UPSTREAM", home + "/agent.sock"},
                             {"SSH_AGENT_PROXY_PUBKEY_FILE", home + "/key.pub"},
                             {"SSH_AGENT_PROXY_TOKEN_FILE", home + "/token"}});
  REQUIRE(options);
  CHECK(options->agent_socket == home_directory() + "/agent.sock");
  CHECK(options->public_key_file == home_directory() + "/key.pub");
  CHECK(options->token_file == home_directory() + "/token");
  CHECK(read({{"SSH_AGENT_PROXY_UPSTREAM", "/a/%h/b"}})->agent_socket == "/a/%h/b");
}

}  // namespace
}  // namespace shed::broker
