#include "shed/ssh/known_hosts.h"

#include "captured_data.h"
#include "key_fixture.h"
#include "support/fake_clock.h"

namespace shed::ssh::test {
namespace {

using Names = std::vector<std::string>;

const WallTime kNow = *parse_rfc3339("2026-03-31T15:04:05Z");

std::string line_of(const std::string& name) {
  const std::string line = read_text(key_path(name) + ".pub");
  return line.substr(0, line.find(' ', line.find(' ') + 1));
}
std::string blob_of(const std::string& name) { return public_blob_of_file(name); }

struct Hosts {
  Hosts() = default;
  explicit Hosts(const std::string& text) { add(text); }
  void add(const std::string& text) {
    auto added = hosts.add(text);
    REQUIRE(added);
    bad = std::move(*added);
  }
  bool matches(std::string_view name, const std::string& blob, WallTime now = kNow) const {
    return hosts.matches(name, blob, now);
  }
  Names names(const std::string& blob, std::span<const std::string_view> candidates = {}) const {
    return hosts.names_for(blob, kNow, candidates);
  }
  KnownHosts hosts;
  BadLines bad;
};

// A line for a key of the tests.
Hosts with(const std::string& in_front, const std::string& key = "ed25519") {
  return Hosts(in_front + " " + line_of(key) + "\n");
}
bool matches(const std::string& pattern, std::string_view name) {
  return with(pattern).matches(name, blob_of("ed25519"));
}

// A host certificate for the key ecdsa256 by the key ed25519, made with these options of ssh-keygen.
std::string certificate(const std::string& options) {
  const TemporaryFolder folder;
  write_text(folder / "host.pub", line_of("ecdsa256") + "\n");
  run("ssh-keygen -q -s " + key_path("ed25519") + " -I id " + options + " " + folder / "host.pub");
  return blob_of_line(read_text(folder / "host-cert.pub"));
}

TEST_CASE("a host key belongs to the names of its line and to no other") {
  const CapturedData captured;
  const Hosts hosts(captured.text("known_hosts"));
  const std::string one = captured.host_key("hostbound"), two = captured.host_key("hostbound to two");
  CHECK(hosts.bad.count == 0);
  CHECK(hosts.hosts.size() == 2);
  CHECK(hosts.matches("one.example", one));
  CHECK(hosts.matches("ONE.Example", one));
  CHECK(hosts.matches("192.0.2.1", one));
  CHECK_FALSE(hosts.matches("one.example", two));
  CHECK_FALSE(hosts.matches("two.example", one));
  CHECK_FALSE(hosts.matches("example", one));
  CHECK_FALSE(hosts.matches("", one));
  CHECK(hosts.names(one) == Names{"one.example", "192.0.2.1"});
}

TEST_CASE("a port other than 22 is a part of the name") {
  const CapturedData captured;
  const Hosts hosts(captured.text("known_hosts"));
  const std::string two = captured.host_key("hostbound to two");
  CHECK(hosts.matches("[two.example]:2222", two));
  CHECK_FALSE(hosts.matches("two.example", two));
  CHECK_FALSE(hosts.matches("[two.example]:22", two));
  CHECK(hosts.matches("[one.example]:22", captured.host_key("hostbound")));
  CHECK(hosts.names(two) == Names{"[two.example]:2222"});
}

TEST_CASE("hashed names match, and only a guess can tell them") {
  const CapturedData captured;
  const Hosts hosts(captured.text("hashed_known_hosts"));
  const std::string one = captured.host_key("hostbound"), two = captured.host_key("hostbound to two");
  CHECK(hosts.hosts.size() == 3);
  CHECK(hosts.bad.count == 0);
  CHECK(hosts.matches("One.example", one));
  CHECK(hosts.matches("192.0.2.1", one));
  CHECK(hosts.matches("[two.example]:2222", two));
  CHECK_FALSE(hosts.matches("two.example", two));
  CHECK_FALSE(hosts.matches("one.example", two));
  CHECK(hosts.names(one).empty());
  const std::vector<std::string_view> guesses{"github.com", "one.example", "one.example", "192.0.2.1"};
  CHECK(hosts.names(one, guesses) == Names{"one.example", "192.0.2.1"});
}

TEST_CASE("a guess names nobody whose key it is not") {
  const Hosts hosts = with("gitlab.com");
  const std::vector<std::string_view> guesses{"github.com"};
  CHECK(hosts.names(blob_of("ed25519"), guesses) == Names{"gitlab.com"});
  CHECK(hosts.names(blob_of("rsa"), guesses).empty());
}

TEST_CASE("patterns match as ssh has them") {
  CHECK(matches("*", "any.host"));
  CHECK(matches("*.example", "a.example"));
  CHECK(matches("*.example", "a.b.example"));
  CHECK_FALSE(matches("*.example", "example"));
  CHECK_FALSE(matches("*.example", "a.example.org"));
  CHECK(matches("host?", "host1"));
  CHECK_FALSE(matches("host?", "host"));
  CHECK_FALSE(matches("host?", "host12"));
  CHECK(matches("h*s*t", "hossst"));
  CHECK_FALSE(matches("h*s*t", "hossstx"));
  CHECK(matches("a,,b", "b"));
  CHECK(matches("[*]:2222", "[host]:2222"));
  CHECK_FALSE(matches("[*]:2222", "host"));
}

TEST_CASE("a name with an exclamation mark excludes, wherever it stands") {
  CHECK(matches("*.example,!b.example", "a.example"));
  CHECK_FALSE(matches("*.example,!b.example", "b.example"));
  CHECK_FALSE(matches("!b.example,*.example", "b.example"));
  CHECK_FALSE(matches("!b.example", "a.example"));
  CHECK(with("a.example,!a.example,b.example").names(blob_of("ed25519")) == Names{"b.example"});
}

TEST_CASE("a pattern is no name, neither to ask for nor to show") {
  CHECK_FALSE(matches("*", "*"));
  CHECK_FALSE(matches("*.example", "?.example"));
  CHECK_FALSE(matches("a,b", "a,b"));
  CHECK_FALSE(matches("*", "two words"));
  CHECK(with("*.example,host?,a.example").names(blob_of("ed25519")) == Names{"a.example"});
}

TEST_CASE("a name that is too long matches nothing") {
  CHECK(matches("*", std::string(kMaxHostName, 'a')));
  CHECK_FALSE(matches("*", std::string(kMaxHostName + 9, 'a')));
}

TEST_CASE("a pattern of many stars ends") {
  std::string stars;
  for (int i = 0; i < 2000; ++i) stars += "*a";
  CHECK_FALSE(matches(stars + "b", std::string(kMaxHostName, 'a')));
}

TEST_CASE("a revoked key never matches, whatever name it is revoked for") {
  Hosts hosts = with("host.example");
  const std::string key = blob_of("ed25519");
  CHECK(hosts.matches("host.example", key));
  CHECK_FALSE(hosts.hosts.is_revoked(key));
  hosts.add("@revoked other.example " + line_of("ed25519") + "\n");
  CHECK(hosts.hosts.is_revoked(key));
  CHECK_FALSE(hosts.matches("host.example", key));
  CHECK(hosts.names(key).empty());
  CHECK_FALSE(hosts.hosts.is_revoked(blob_of("rsa")));
}

TEST_CASE("a host certificate belongs to the names that its authority and itself have") {
  const CapturedData captured;
  const Hosts hosts("@cert-authority *.example " + captured.text("authority") + "\n");
  const std::string key = captured.host_key("certified host");
  CHECK(hosts.matches("cert.example", key));
  CHECK(hosts.matches("www.cert.example", key));
  CHECK_FALSE(hosts.matches("other.example", key));
  CHECK(hosts.names(key) == Names{"cert.example"});
  const Hosts elsewhere("@cert-authority *.example.org " + captured.text("authority") + "\n");
  CHECK_FALSE(elsewhere.matches("cert.example", key));
  // Without the marker the authority is a host, and this is not its key.
  const Hosts unmarked("*.example " + captured.text("authority") + "\n");
  CHECK_FALSE(unmarked.matches("cert.example", key));
}

TEST_CASE("an authority is not a host") {
  const Hosts hosts = with("@cert-authority *");
  CHECK_FALSE(hosts.matches("host.example", blob_of("ed25519")));
}

TEST_CASE("a certificate is taken only for a host, in time, with a name and without conditions") {
  const Hosts hosts = with("@cert-authority *");
  const std::string always = " -V 20200101:20990101 ";
  CHECK(hosts.matches("host.example", certificate("-h -n host.example" + always)));
  CHECK(hosts.matches("[host.example]:2222", certificate("-h -n host.example" + always)));
  CHECK(hosts.matches("a.example", certificate("-h -n b.org,*.example" + always)));
  CHECK_FALSE(hosts.matches("host.example", certificate("-n host.example" + always)));  // a user's
  CHECK_FALSE(hosts.matches("host.example", certificate("-h" + always)));               // without names
  CHECK_FALSE(hosts.matches("host.example", certificate("-h -n host.example -O critical:x@y=1" + always)));
  const std::string of_this_year = certificate("-h -n host.example -V 20260101:20270101");
  CHECK(hosts.matches("host.example", of_this_year));
  CHECK_FALSE(hosts.matches("host.example", of_this_year, *parse_rfc3339("2025-12-30T00:00:00Z")));
  CHECK_FALSE(hosts.matches("host.example", of_this_year, *parse_rfc3339("2027-01-02T00:00:00Z")));
}

TEST_CASE("no bit of a certificate can be changed") {
  const Hosts hosts = with("@cert-authority *");
  const std::string genuine = certificate("-h -n host.example -V 20200101:20990101");
  for (std::size_t at = 0; at < genuine.size(); ++at) {
    std::string damaged = genuine;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    INFO(at);
    CHECK_FALSE(hosts.matches("host.example", damaged));
  }
}

TEST_CASE("a certificate for a host whose plain key is known belongs to that name, too") {
  const std::string key = certificate("-h -n other.example -V 20200101:20990101");
  CHECK(with("host.example", "ecdsa256").matches("host.example", key));
  CHECK_FALSE(with("host.example", "ecdsa256").matches("other.example", key));
}

TEST_CASE("a certificate of a revoked authority or key never matches") {
  const std::string key = certificate("-h -n host.example -V 20200101:20990101");
  for (const char* revoked : {"ed25519", "ecdsa256"}) {
    Hosts hosts = with("@cert-authority *");
    CHECK(hosts.matches("host.example", key));
    hosts.add("@revoked * " + line_of(revoked) + "\n");
    CHECK(hosts.hosts.is_revoked(key));
    CHECK_FALSE(hosts.matches("host.example", key));
    CHECK(hosts.names(key).empty());
  }
}

TEST_CASE("broken lines are passed over and counted, and the others count") {
  const std::string key = line_of("ed25519");
  const std::string type = "ssh-ed25519 ";
  const Hosts hosts(
      "# a comment\n"       // 1
      "\n"                  // 2
      "host-without-key\n"  // 3: bad
      "first.example " +
      key + " a comment\r\n" +                                 // 4
      "@unknown host " + key + "\n" +                          // 5: bad
      "host " + type + "AAAA*\n" +                             // 6: bad
      "host ssh-rsa " + key.substr(type.size()) + "\n" +       // 7: bad, the type is another
      "host " + key.substr(0, key.size() - 4) + "\n" +         // 8: bad, cut off
      "|1|c2FsdA==|aGFzaA== " + key + "\n" +                   // 9: bad, sizes
      "|2|x|y " + key + "\n" +                                 // 10: bad
      "host\x01 " + key + "\n" +                               // 11: bad
      "@revoked\n" +                                           // 12: bad
      "host ssh-dss AAAAB3NzaC1kc3MAAAAA\n" +                  // 13: not known here
      "host " + std::string(kMaxKnownHostsLine, 'x') + "\n" +  // 14: bad
      "  \t second.example\t" + key);                          // 15, without a line end
  CHECK(hosts.bad.count == 10);
  CHECK(hosts.bad.numbers == std::vector<std::size_t>{3, 5, 6, 7, 8, 9, 10, 11, 12, 14});
  CHECK(hosts.hosts.size() == 2);
  CHECK(hosts.names(blob_of("ed25519")) == Names{"first.example", "second.example"});
}

TEST_CASE("only the first bad lines are remembered by their numbers") {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "broken\n";
  const Hosts hosts(text);
  CHECK(hosts.bad.count == 1000);
  CHECK(hosts.bad.numbers.size() == BadLines::kMaxNumbers);
}

TEST_CASE("a line with a certificate for a key is bad: ssh writes none") {
  CHECK(Hosts("host " + read_text(host_certificate("rsa"))).bad.count == 1);
}

TEST_CASE("a file over the limit adds nothing") {
  Hosts hosts = with("host.example");
  const auto added = hosts.hosts.add(std::string(kMaxKnownHostsFile + 1, '\n'));
  REQUIRE_FALSE(added);
  CHECK(added.error().code() == Errc::kLimit);
  CHECK(hosts.hosts.size() == 1);
  CHECK(hosts.hosts.add(std::string(kMaxKnownHostsFile, '\n')));
}

TEST_CASE("names come in the order of the files, names before addresses, each once, and not without end") {
  Hosts hosts = with("192.0.2.7,[2001:db8::1]:22022,b.example,2001:db8::1");
  hosts.add("a.example,b.example " + line_of("ed25519") + "\n");
  CHECK(hosts.names(blob_of("ed25519")) ==
        Names{"b.example", "a.example", "192.0.2.7", "[2001:db8::1]:22022", "2001:db8::1"});
  std::string many = "h0";
  for (int i = 1; i < 100; ++i) many += ",h" + std::to_string(i);
  CHECK(with(many).names(blob_of("ed25519")).size() == kMaxNamesOfKey);
}

TEST_CASE("several keys of one name and several names of one key are all known") {
  Hosts hosts = with("host.example");
  hosts.add("host.example " + line_of("rsa") + "\nother.example " + line_of("rsa") + "\n");
  CHECK(hosts.matches("host.example", blob_of("ed25519")));
  CHECK(hosts.matches("host.example", blob_of("rsa")));
  CHECK(hosts.names(blob_of("rsa")) == Names{"host.example", "other.example"});
}

TEST_CASE("what is no key belongs to nobody") {
  const Hosts hosts = with("*");
  for (const std::string& blob : {std::string(), std::string("x"), blob_of("ed25519") + "x",
                                  blob_of("ed25519").substr(0, 40), blob_of("ecdsa256")}) {
    CHECK_FALSE(hosts.matches("host.example", blob));
    CHECK(hosts.names(blob).empty());
    CHECK_FALSE(hosts.hosts.is_revoked(blob));
  }
}

TEST_CASE("many names are looked up at once as each is by itself") {
  const Hosts hosts = with("one.example,192.0.2.1");
  const std::vector<std::string> names{"one.example", "two.example", "ONE.example", "192.0.2.1", ""};
  CHECK(hosts.hosts.matches_each(names, blob_of("ed25519"), kNow) ==
        std::vector<bool>{true, false, true, true, false});
  CHECK(hosts.hosts.matches_each(names, blob_of("ecdsa256"), kNow) == std::vector<bool>(names.size()));
  CHECK(hosts.hosts.matches_each(names, "no key", kNow) == std::vector<bool>(names.size()));
}

TEST_CASE("the names of a hashed line are found when many are looked up") {
  const ssh::test::CapturedData captured;
  const Hosts hosts(captured.text("hashed_known_hosts"));
  const std::vector<std::string> names{"two.example", "one.example"};
  CHECK(hosts.hosts.matches_each(names, captured.host_key("hostbound"), kNow) ==
        std::vector<bool>{false, true});
}

TEST_CASE("how much is known of a host's names is told") {
  using Naming = KnownHosts::Naming;
  const auto naming = [](const Hosts& hosts, const std::string& blob) {
    return hosts.hosts.naming(blob, kNow);
  };
  const std::string key = blob_of("ed25519");
  CHECK(naming(with("one.example,192.0.2.1"), key) == Naming::kAll);
  CHECK(naming(with("one.example"), blob_of("ecdsa256")) == Naming::kNone);
  CHECK(naming(with("one.example,*.example"), key) == Naming::kSome);
  CHECK(naming(with("@revoked one.example"), key) == Naming::kNone);
  CHECK(naming(with("one.example"), "no key") == Naming::kNone);
  std::string many = "a0.example";
  for (std::size_t i = 1; i <= kMaxNamesOfKey; ++i) many += fmt::format(",a{}.example", i);
  CHECK(naming(with(many), key) == Naming::kSome);
  const ssh::test::CapturedData captured;
  CHECK(naming(Hosts(captured.text("hashed_known_hosts")), captured.host_key("hostbound")) == Naming::kSome);
}

TEST_CASE("the names of a host with a certificate are not all listed, where its authority is known") {
  using Naming = KnownHosts::Naming;
  const std::string blob = certificate("-h -n one.example -V always:forever");
  CHECK(with("@cert-authority *.example").hosts.naming(blob, kNow) == Naming::kSome);
  CHECK(with("@cert-authority *.test").hosts.naming(blob, kNow) == Naming::kNone);
  CHECK(with("one.example").hosts.naming(blob, kNow) == Naming::kNone);
}

}  // namespace
}  // namespace shed::ssh::test
