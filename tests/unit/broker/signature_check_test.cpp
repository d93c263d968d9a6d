#include "shed/broker/signature_check.h"

#include <fcntl.h>

#include <fstream>

#include "shed/base/file.h"
#include "unit/net/net_fixture.h"
#include "unit/ssh/sshsig_vectors.h"

namespace shed::broker {
namespace {

using ssh::test::SshsigVectors;

const SshsigVectors& vectors() {
  static const SshsigVectors loaded;
  return loaded;
}

constexpr ssh::SigningTime kNow{std::chrono::seconds(1'767'225'600)};  // 2026-01-01T00:00:00Z
constexpr const char* kBad = "255|Could not verify signature.\n|";

// Files with a signature, who may sign, and the message.
class Files {
 public:
  Files() {
    write("message", vectors().message());
    use("ed25519");
  }

  void use(std::string_view vector) {
    write("signature", vectors().get(vector).armor);
    write("allowed", "jane " + vectors().get(vector).key_line + "\n");
  }
  void write(std::string_view name, std::string_view text) const {
    std::ofstream(folder / name, std::ios::binary) << text;
  }

  SigningCommand command(std::string operation) const {
    SigningCommand command;
    command.operation = std::move(operation);
    command.name_space = "git";
    command.file = folder / "allowed";
    command.signature = folder / "signature";
    command.principal = "jane";
    return command;
  }

  // "status|stdout|stderr".
  std::string run(const SigningCommand& command) const {
    const UniqueFd message(::open((folder / "message").c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(message);
    const CheckOutcome outcome = check_signature(command, message.get(), kNow);
    return fmt::format("{}|{}|{}", outcome.status, outcome.out, outcome.err);
  }

  net::TemporaryFolder folder;
};

}  // namespace

TEST_CASE_METHOD(
    Files, "a key or certificate of every type verifies by a line of its own, and its principal is found") {
  for (const auto& vector : vectors().all()) {
    INFO(vector.name);
    use(vector.name);
    const std::string good = ssh::good_signature_text(vector.sshsig(), "jane") + "\n";
    CHECK(run(command("verify")) == "0|" + good + "|");
    CHECK(run(command("find-principals")) == "0|jane\n|");
  }
}

TEST_CASE_METHOD(Files, "every signature is checked without being validated") {
  for (const auto& vector : vectors().all()) {
    INFO(vector.name);
    use(vector.name);
    CHECK(run(command("check-novalidate")) == "0|" + ssh::good_signature_text(vector.sshsig()) + "\n|");
  }
}

TEST_CASE_METHOD(Files, "another message does not verify") {
  write("message", vectors().message() + "!");
  CHECK(run(command("verify")) ==
        std::string(kBad) + "Signature verification failed: incorrect signature\r\n");
}

TEST_CASE_METHOD(Files, "a signature that is good for another namespace does not verify") {
  SigningCommand other = command("verify");
  other.name_space = "file";
  CHECK(run(other) == std::string(kBad) + "Couldn't verify signature: namespace does not match\r\n");
}

TEST_CASE_METHOD(Files,
                 "a good signature of somebody who is not allowed does not verify, without a word why") {
  SigningCommand other = command("verify");
  other.principal = "joe";
  CHECK(run(other) == kBad);
}

TEST_CASE_METHOD(Files, "a revoked key does not verify") {
  SigningCommand revoking = command("verify");
  revoking.revoked = folder / "revoked";
  write("revoked", vectors().get("ed25519").key_line + "\n");
  CHECK(run(revoking) == kBad);
  write("revoked", vectors().get("rsa").key_line + "\n");
  CHECK_THAT(run(revoking), Catch::StartsWith("0|Good"));
}

TEST_CASE_METHOD(Files, "against a binary list of revoked keys nothing verifies, and the reason is said") {
  SigningCommand revoking = command("verify");
  revoking.revoked = folder / "revoked";
  write("revoked", std::string("SSHKRL\n\0", 8) + std::string(40, '\0'));
  const std::string outcome = run(revoking);
  CHECK_THAT(outcome, Catch::StartsWith(kBad));
  CHECK_THAT(outcome, Catch::Contains(*revoking.revoked));
}

TEST_CASE_METHOD(Files, "a file of allowed signers that is over its bound allows nobody") {
  write("allowed",
        "jane " + vectors().get("ed25519").key_line + "\n" + std::string(std::size_t{5} * 1024 * 1024, '#'));
  CHECK_THAT(run(command("verify")), Catch::StartsWith(kBad));
  CHECK_THAT(run(command("find-principals")), Catch::StartsWith("255||"));
}

TEST_CASE_METHOD(Files, "a signature file that is over its bound does not verify") {
  write("signature", vectors().get("ed25519").armor + std::string(std::size_t{128} * 1024, 'x'));
  CHECK_THAT(run(command("verify")), Catch::StartsWith(kBad));
}

TEST_CASE_METHOD(Files, "control characters of a file are made visible") {
  write("allowed", "jane \x1b[31m " + vectors().get("ed25519").key_line + "\n");
  const std::string outcome = run(command("verify"));
  CHECK_THAT(outcome, Catch::StartsWith(kBad));
  CHECK(outcome.find('\x1b') == std::string::npos);
}

TEST_CASE("only three operations are done without ssh-keygen, and only with options that are understood") {
  SigningCommand command;
  for (const char* operation : {"verify", "check-novalidate", "find-principals"}) {
    command.operation = operation;
    CHECK(is_signature_check(command));
  }
  for (const char* operation : {"", "sign", "match-principals", "verify2"}) {
    command.operation = operation;
    CHECK_FALSE(is_signature_check(command));
  }
  command.operation = "verify";
  command.foreign = "-E";
  CHECK_FALSE(is_signature_check(command));
}

}  // namespace shed::broker
