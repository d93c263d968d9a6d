#include "guest_services.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "up/runtime_directory.h"

namespace shed::applets {
namespace {

AwsListenOptions port(std::string port) { return {std::move(port), "", ""}; }
AwsListenOptions listen(std::string address) { return {"", std::move(address), ""}; }

TEST_CASE("without options the endpoint is where SDK configurations of existing guests look") {
  const auto address = aws_listen_address({});
  REQUIRE(address);
  CHECK(address->text() == "127.0.0.1:499");
}

TEST_CASE("a port is one of loopback") {
  CHECK(aws_listen_address(port("8499"))->text() == "127.0.0.1:8499");
  CHECK(aws_listen_address(port("0"))->port == 0);
}

TEST_CASE("what is no port is refused by name") {
  const std::string text = GENERATE("65536", "-1", "4x9", " 499", "http");
  CHECK(aws_listen_address(port(text)).error().text() ==
        fmt::format("--port: '{}' is not a port number, 0 to 65535", text));
}

TEST_CASE("loopback addresses and unix sockets may be listened on") {
  CHECK(aws_listen_address(listen("[::1]:499"))->host == "::1");
  CHECK(aws_listen_address(listen("unix:/run/aws.sock"))->unix_path == "/run/aws.sock");
}

TEST_CASE("an address that other machines reach is refused, with what to use") {
  const std::string text = GENERATE("0.0.0.0:499", "192.168.1.2:499", "[::]:499");
  const auto address = aws_listen_address(listen(text));
  REQUIRE_FALSE(address);
  CHECK(address.error().text() ==
        fmt::format("--listen: {}: other machines would get credentials there; use 127.0.0.1 or unix:PATH",
                    text));
}

TEST_CASE("a port and an address are one too many") {
  CHECK(aws_listen_address({"499", "127.0.0.1:499", ""}).error().text() ==
        "--port and --listen: give one of the two");
}

TEST_CASE("a token file holds the token alone, for its owner alone") {
  const auto folder = RuntimeDirectory::make();
  REQUIRE(folder);
  const std::string path = folder->file("token");
  std::ofstream(path) << std::string(64, 'a');  // of an earlier run
  const auto token = write_token_file(path);
  REQUIRE(token);
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  CHECK(text == token->reveal());
  CHECK(text.size() == 64);
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("a token does not take the place of anything else") {
  const auto folder = RuntimeDirectory::make();
  REQUIRE(folder);
  const std::string path = folder->file("precious");
  std::ofstream(path) << "notes\n";
  CHECK(write_token_file(path).error().text() ==
        "--token-file: " + path + ": something else is there; remove it or choose another name");
  std::ifstream file(path);
  CHECK(std::string{std::istreambuf_iterator<char>(file), {}} == "notes\n");
}

TEST_CASE("without a token file there is no token") {
  const auto token = write_token_file("");
  REQUIRE(token);
  CHECK(token->empty());
}

TEST_CASE("a token file that cannot be written is an error that names the option") {
  CHECK_THAT(write_token_file("/nonexistent/token").error().text(), Catch::StartsWith("--token-file: "));
}

}  // namespace
}  // namespace shed::applets
