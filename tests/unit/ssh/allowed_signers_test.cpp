#include "shed/ssh/allowed_signers.h"

#include <catch2/catch.hpp>

#include "shed/ssh/verify.h"
#include "shed/ssh/wire.h"
#include "sshsig_vectors.h"

namespace shed::ssh {
namespace {

using Texts = std::vector<std::string>;

const test::SshsigVectors& vectors() {
  static const test::SshsigVectors loaded;
  return loaded;
}

std::string key(std::string_view name = "ed25519") { return vectors().get(name).key_line; }
std::string authority() { return vectors().authority(); }
SigningTime at(std::string_view time) { return parse_signing_time(time).value(); }

AllowedSigners signers(std::string text) {
  auto read = AllowedSigners::read("allowed", std::move(text));
  REQUIRE(read);
  return std::move(*read);
}

SignerAnswer ask(const std::string& text, std::string_view principal = "jane",
                 std::string_view time = "20260101Z", std::string_view vector = "ed25519",
                 std::string_view name_space = "git") {
  INFO(text);
  const auto answer = signers(text).allows(vectors().get(vector).key_blob(), principal, name_space, at(time));
  CHECK(answer.principals.empty());
  return answer;
}

bool allows(const std::string& text, std::string_view principal = "jane") {
  return ask(text, principal).found;
}

Texts complaints(const std::string& text) {
  const SignerAnswer answer = ask(text);
  CHECK_FALSE(answer.found);
  return answer.complaints;
}

SignerAnswer find(const std::string& text, std::string_view vector = "ed25519",
                  std::string_view time = "20260101Z") {
  INFO(text);
  return signers(text).find_principals(vectors().get(vector).key_blob(), at(time));
}

TEST_CASE("a signer is allowed by a line with the name and the key") {
  CHECK(allows("jane " + key()));
  CHECK(allows("jane " + key() + " a comment\n"));
  CHECK(allows("# all\n\n \t\r\njohn " + key("rsa") + "\r\n\tjane\t " + key() + "\r\n"));
  CHECK_FALSE(allows("john " + key()));
  CHECK_FALSE(allows("jane " + key("rsa")));
  CHECK_FALSE(allows("# jane " + key()));
  CHECK_FALSE(allows(""));
}

TEST_CASE("a later line allows what an earlier one does not") {
  CHECK(allows("jane " + key("rsa") + "\njane namespaces=\"file\" " + key() + "\njane " + key()));
}

TEST_CASE("every type of key may be allowed") {
  for (const test::SshsigVector& vector : vectors().all()) {
    INFO(vector.name);
    CHECK(ask("jane " + vector.key_line, "jane", "20260101Z", vector.name).found);
  }
}

TEST_CASE("principals are patterns in which letters count") {
  CHECK(allows("*@example.com " + key(), "jane@example.com"));
  CHECK(allows("j?ne,john " + key()));
  CHECK(allows("john,ja* " + key()));
  CHECK_FALSE(allows("Jane " + key()));
  CHECK_FALSE(allows("jan " + key()));
  CHECK_FALSE(allows("*@example.com " + key(), "jane@example.org"));
}

TEST_CASE("an exclamation mark excludes whoever matches, wherever it stands") {
  CHECK_FALSE(allows("*,!jane " + key()));
  CHECK_FALSE(allows("!jane,* " + key()));
  CHECK_FALSE(allows("!john " + key()));
  CHECK(allows("*,!john " + key()));
}

TEST_CASE("principals with blanks stand in quotes") {
  CHECK(allows("\"jane doe\" " + key(), "jane doe"));
  CHECK(allows("\"john,jane\" " + key()));
  CHECK(complaints("\"jane " + key()) == Texts{"allowed:1: invalid line"});
}

TEST_CASE("nobody has no name") {
  CHECK_FALSE(allows("* " + key(), ""));
  CHECK_FALSE(allows("\"\" " + key(), ""));
  CHECK_FALSE(signers("* " + key()).match_principals("").found);
}

TEST_CASE("a key may be for some namespaces only") {
  CHECK(allows("jane namespaces=\"git\" " + key()));
  CHECK(allows("jane namespaces=\"file,g*\" " + key()));
  CHECK(allows("jane NAMESPACES=\"git\" " + key()));
  CHECK(complaints("jane namespaces=\"file,!git,*\" " + key()) ==
        Texts{"allowed:1: key is not permitted for use in signature namespace \"git\""});
  CHECK_FALSE(allows("jane namespaces=\"\" " + key()));
  CHECK_FALSE(allows("jane namespaces=\"GIT\" " + key()));
}

TEST_CASE("a key may be for some time only, both ends included") {
  const std::string line = "jane valid-after=\"20260101Z\",valid-before=\"20260201Z\" " + key();
  CHECK(ask(line, "jane", "20260101000000Z").found);
  CHECK(ask(line, "jane", "20260201000000Z").found);
  CHECK_FALSE(ask(line, "jane", "20251231235959Z").found);
  CHECK_FALSE(ask(line, "jane", "20260201000001Z").found);
}

TEST_CASE("a key out of its time is complained about with both times") {
  const auto text = [](std::string_view time) { return format_signing_time(at(time)); };
  CHECK(complaints("\njane valid-before=\"20250101Z\" " + key()) ==
        Texts{"allowed:2: key has expired: verify time " + text("20260101Z") + " > valid-before " +
              text("20250101Z")});
  CHECK(complaints("jane valid-after=\"99990101Z\" " + key()) ==
        Texts{"allowed:1: key is not yet valid: verify time " + text("20260101Z") + " < valid-after " +
              text("99990101Z")});
}

TEST_CASE("a line that is malformed allows nobody and says why") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"jane", "missing key"},
      {"jane namespaces=\"git\"", "missing key"},
      {"jane namespaces=\"git " + key(), "invalid options"},
      {"jane x", "missing key"},
      {"jane ssh-ed25519 AAAA", "invalid key"},
      {"jane cert-authority x y", "invalid key"},
      {"jane no-pty " + key(), "bad options: unknown key option"},
      {"jane namespaces " + key(), "bad options: unknown key option"},
      {"jane cert-authorityx " + key(), "bad options: unknown key option"},
      {"jane namespaces=git " + key(), "bad options: missing start quote"},
      {"jane namespaces=\"a\",namespaces=\"git\" " + key(), "bad options: multiple \"namespaces\" clauses"},
      {"jane valid-after=\"2026\" " + key(), "bad options: invalid \"valid-after\" time"},
      {"jane valid-before=\"\" " + key(), "bad options: invalid \"valid-before\" time"},
      {"jane valid-before=\"20270101\",valid-before=\"20280101\" " + key(),
       "bad options: multiple \"valid-before\" clauses"},
      {"jane valid-after=\"20270101\",valid-before=\"20260101\" " + key(),
       "bad options: \"valid-before\" time is before \"valid-after\""},
      {"jane namespaces=\"git\", " + key(), "bad options: unexpected end-of-options"},
      {"jane namespaces=\"git\"x " + key(), "bad options: unknown key option"},
      {"jane namespaces=\"git\\\" " + key(), "invalid options"},
  };
  for (const auto& [line, why] : cases) {
    CHECK(complaints(line) == Texts{"allowed:1: " + why});
  }
}

TEST_CASE("a malformed line of somebody else is passed over without a word") {
  const SignerAnswer answer = ask("john x\njane " + key());
  CHECK(answer.found);
  CHECK(answer.complaints.empty());
}

TEST_CASE("a line with a NUL or over its limit allows nobody") {
  CHECK_FALSE(allows("jane " + key() + std::string(1, '\0')));
  CHECK_FALSE(allows("jane " + key() + std::string(kMaxAllowedSignersLine, ' ')));
  CHECK(AllowedSigners::read("allowed", std::string(kMaxAllowedSignersFile + 1, '\n')).error().code() ==
        Errc::kLimit);
}

TEST_CASE("the number of complaints has a bound") {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "jane x\n";
  CHECK(complaints(text).size() == kMaxComplaints);
}

TEST_CASE("a certificate is allowed by its authority, to those whom it names") {
  const std::string line = "* cert-authority " + authority();
  for (const test::SshsigVector& vector : vectors().all()) {
    if (!vector.name.ends_with("-cert")) continue;
    INFO(vector.name);
    CHECK(ask(line, "alice", "20260101Z", vector.name).found);
    CHECK(ask(line, "bob", "20260101Z", vector.name).found);
    const SignerAnswer answer = ask(line, "carol", "20260101Z", vector.name);
    CHECK_FALSE(answer.found);
    CHECK(answer.complaints ==
          Texts{"allowed:1: certificate not authorized: Certificate invalid: name is not a listed "
                "principal"});
  }
}

TEST_CASE("a certificate is allowed only to those whom the line names as well") {
  CHECK_FALSE(ask("bob,!alice cert-authority " + authority(), "alice", "20260101Z", "ed25519-cert").found);
  CHECK_FALSE(ask("bob cert-authority " + authority(), "alice", "20260101Z", "ed25519-cert").found);
}

TEST_CASE("only a line with cert-authority makes a key an authority, and of nothing else") {
  CHECK_FALSE(ask("* " + authority(), "alice", "20260101Z", "ed25519-cert").found);
  CHECK_FALSE(ask("* cert-authority " + key("rsa"), "alice", "20260101Z", "ed25519-cert").found);
  CHECK_FALSE(ask("* cert-authority " + key("ed25519"), "alice", "20260101Z", "ed25519-cert").found);
  CHECK_FALSE(ask("* cert-authority " + key("ed25519"), "alice", "20260101Z", "ed25519").found);
}

TEST_CASE("a certificate is not the key that it certifies, nor the other way round") {
  CHECK_FALSE(ask("* " + key("ed25519"), "alice", "20260101Z", "ed25519-cert").found);
  CHECK_FALSE(ask("* " + key("ed25519-cert"), "alice", "20260101Z", "ed25519").found);
}

TEST_CASE("a certificate is valid from its first second up to its last, without it") {
  const std::string line = "* cert-authority " + authority();
  const auto why = [&](std::string_view time) {
    const SignerAnswer answer = ask(line, "alice", time, "ed25519-cert");
    CHECK(answer.found == answer.complaints.empty());
    return answer.found ? std::string() : answer.complaints.at(0);
  };
  CHECK(why("20200101000000Z").empty());
  CHECK(why("20291231235959Z").empty());
  CHECK(why("20191231235959Z") ==
        "allowed:1: certificate not authorized: Certificate invalid: not yet valid");
  CHECK(why("20300101000000Z") == "allowed:1: certificate not authorized: Certificate invalid: expired");
}

TEST_CASE(
    "certificates of hosts, without principals and out of date are not allowed; options do not matter") {
  const std::string line = "* cert-authority " + authority();
  const auto why = [&](std::string_view vector) {
    const SignerAnswer answer = ask(line, "alice", "20260101Z", vector);
    return answer.found ? std::string() : answer.complaints.at(0);
  };
  CHECK(why("host") == "allowed:1: certificate not authorized: Certificate invalid: not a user certificate");
  CHECK(why("no-principals") == "allowed:1: certificate not authorized: Certificate lacks principal list");
  CHECK(why("expired") == "allowed:1: certificate not authorized: Certificate invalid: expired");
  CHECK(why("force-command").empty());
}

TEST_CASE("options of a line with cert-authority count for its certificates") {
  const auto allowed = [&](std::string_view options) {
    return ask("* " + std::string(options) + " " + authority(), "alice", "20260101Z", "ed25519-cert").found;
  };
  CHECK(allowed("cert-authority,namespaces=\"git\",valid-before=\"20260201Z\""));
  CHECK(allowed("namespaces=\"git\",,CERT-AUTHORITY"));
  CHECK_FALSE(allowed("cert-authority,namespaces=\"file\""));
  CHECK_FALSE(allowed("cert-authority,valid-before=\"20251231Z\""));
}

TEST_CASE("a certificate that its authority has not signed is never allowed") {
  const std::string certificate = vectors().get("ed25519-cert").key_blob();
  std::string forged = certificate;
  forged.replace(forged.find("alice"), 5, "carol");
  const AllowedSigners file = signers("* cert-authority " + authority());
  CHECK_FALSE(file.allows(forged, "carol", "git", at("20260101Z")).found);
  CHECK_FALSE(file.find_principals(forged, at("20260101Z")).found);
  CHECK(file.allows(certificate, "alice", "git", at("20260101Z")).found);
}

TEST_CASE("the principals of a key are those of the first line that has it, as they stand") {
  CHECK(find("john " + key("rsa") + "\na*,!b,c " + key() + "\nlast " + key()).principals ==
        Texts{"a*", "!b", "c"});
  CHECK(find("\"jane doe\" namespaces=\"file\" " + key()).principals == Texts{"jane doe"});
  CHECK_FALSE(find("john " + key("rsa")).found);
}

TEST_CASE("a line that is malformed or out of its time is passed over when principals are looked for") {
  const SignerAnswer answer = find("x\nold valid-before=\"20250101Z\" " + key() + "\njane " + key());
  CHECK(answer.principals == Texts{"jane"});
  REQUIRE(answer.complaints.size() == 2);
  CHECK(answer.complaints[0] == "allowed:1: missing key");
  CHECK(answer.complaints[1].starts_with("allowed:2: key has expired: "));
  const SignerAnswer none = find("old valid-before=\"20250101Z\" " + key());
  CHECK_FALSE(none.found);
  CHECK(none.principals.empty());
}

TEST_CASE("the principals of a certificate are its own that the line's patterns match") {
  const auto own = [](const std::string& principals, std::string_view time = "20260101Z") {
    return find(principals + " cert-authority " + authority(), "ed25519-cert", time);
  };
  CHECK(own("*").principals == Texts{"alice", "bob"});
  CHECK(own("b*,carol").principals == Texts{"bob"});
  CHECK(own("bob,*").principals == Texts{"bob", "alice", "bob"});
  CHECK_FALSE(own("carol").found);
  CHECK(own("carol").complaints == Texts{"allowed:1: no valid principals found"});
  CHECK_FALSE(own("*", "20310101Z").found);
}

TEST_CASE("all lines that match a principal are told, whatever their keys are for") {
  const AllowedSigners file =
      signers("jane " + key() + "\njohn x\nj*,!x valid-before=\"20250101Z\" " + key("rsa"));
  const SignerAnswer answer = file.match_principals("jane");
  CHECK(answer.found);
  CHECK(answer.principals == Texts{"jane", "j*,!x"});
  const SignerAnswer bad = file.match_principals("john");
  CHECK_FALSE(bad.found);
  CHECK(bad.principals.empty());
  CHECK(bad.complaints == Texts{"allowed:2: missing key"});
  CHECK_FALSE(file.match_principals("x").found);
}

}  // namespace
}  // namespace shed::ssh
