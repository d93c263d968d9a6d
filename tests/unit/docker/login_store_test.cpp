#include "shed/docker/login_store.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "shed/base/base64.h"
#include "shed/base/file.h"
#include "support/fake_clock.h"
#include "support/temporary_folder.h"

using namespace shed;
using namespace shed::docker;

namespace {

// The owner's helpers: what they know, what they were asked, and whether they take their time.
class FakeHelper : public CredentialHelper {
 public:
  explicit FakeHelper(async::Loop& loop) : released(loop) {}

  async::Task<Result<Login>> get(std::string name, std::string key) override {
    asked.push_back(name + " " + key);
    if (slow) {
      auto wait = released.wait();
      co_await wait;
    }
    if (broken) co_return fail(Errc::kUnavailable, "docker-credential-{}: it failed", name);
    const auto found = logins.find(name + " " + key);
    if (found == logins.end()) co_return fail(Errc::kNotFound, "nothing for {}", key);
    co_return Login{key, Secret(found->second), Secret("secret of " + key)};
  }
  async::Task<Result<std::map<std::string, std::string>>> list(std::string name) override {
    asked.push_back(name + " list");
    if (broken) co_return fail(Errc::kUnavailable, "docker-credential-{}: it failed", name);
    co_return listed;
  }

  std::map<std::string, std::string> logins;  // "<helper> <key>" to user name
  std::map<std::string, std::string> listed;
  std::vector<std::string> asked;
  bool slow = false;
  bool broken = false;
  async::Event released;
};

class Fixture {
 public:
  Fixture() : loop(clock), helper(loop) {
    store.emplace(loop, helper, LoginStoreOptions{folder / "config.json", folder / "auth.json"});
  }
  void write(const char* file, std::string_view text) {
    REQUIRE(write_file_atomically(folder / file, text, 0600));
  }
  // "user secret", or the error's text.
  std::string get(const std::string& server_url) {
    const auto login = loop.block_on(store->get(server_url));
    if (!login) return login.error().text();
    return std::string((*login)->username.reveal()) + " " + std::string((*login)->secret.reveal());
  }
  Result<std::map<std::string, std::string>> list() { return loop.block_on(store->list()); }

  FakeClock clock;
  async::Loop loop;
  FakeHelper helper;
  TemporaryFolder folder;
  std::optional<LoginStore> store;
};

std::string auth(std::string_view plain) { return R"({"auth": ")" + base64_encode(plain) + R"("})"; }

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE_METHOD(Fixture, "without any file there are no logins") {
  CHECK(get("ghcr.io") == "no login is stored for ghcr.io");
  CHECK(list()->empty());
}

TEST_CASE_METHOD(Fixture, "a registry's own helper comes first, and nobody else is asked") {
  write("config.json", R"({"credHelpers": {"ghcr.io": "gh"}, "credsStore": "store", "auths": {"ghcr.io": )" +
                           auth("inline:pw") + "}}");
  CHECK(get("https://ghcr.io") == "no login is stored for https://ghcr.io");
  CHECK(helper.asked == Names{"gh ghcr.io"});
  helper.logins["gh ghcr.io"] = "me";
  CHECK(get("https://ghcr.io") == "me secret of ghcr.io");
}

TEST_CASE_METHOD(Fixture, "the store comes before inline logins, and is asked with the file's own key") {
  write("config.json", R"({"credsStore": "store", "auths": {"https://GHCR.io": )" + auth("inline:pw") + "}}");
  CHECK(get("ghcr.io") == "inline pw");
  CHECK(helper.asked == Names{"store https://GHCR.io"});
  helper.logins["store https://GHCR.io"] = "me";
  CHECK(get("ghcr.io") == "me secret of https://GHCR.io");
}

TEST_CASE_METHOD(Fixture, "a store is asked for Docker Hub as docker itself does") {
  write("config.json", R"({"credsStore": "store"})");
  helper.logins["store https://index.docker.io/v1/"] = "me";
  CHECK(get("docker.io") == "me secret of https://index.docker.io/v1/");
  CHECK(helper.asked == Names{"store https://index.docker.io/v1/"});
}

TEST_CASE_METHOD(Fixture, "a store is asked with the name as it came, then with the bare host") {
  write("config.json", R"({"credsStore": "store"})");
  CHECK(get("http://localhost:5000/v2/") == "no login is stored for http://localhost:5000/v2/");
  CHECK(helper.asked == Names{"store http://localhost:5000/v2/", "store localhost:5000"});
}

TEST_CASE_METHOD(Fixture, "a helper that fails is an error, not an anonymous pull") {
  write("config.json", R"({"credsStore": "store", "auths": {"ghcr.io": )" + auth("inline:pw") + "}}");
  helper.broken = true;
  CHECK(get("ghcr.io") == "docker-credential-store: it failed");
  CHECK_FALSE(list());
}

TEST_CASE_METHOD(Fixture, "a login that cannot be read names its file and its registry") {
  write("config.json", R"({"auths": {"a.io": {"auth": "?"}}})");
  CHECK(get("a.io") == folder / "config.json" + ": invalid auth format for a.io");
}

TEST_CASE_METHOD(Fixture, "podman's file is asked when docker's knows nothing") {
  write("config.json", R"({"auths": {"a.io": )" + auth("a:docker") + "}}");
  write("auth.json",
        R"({"auths": {"a.io": )" + auth("a:podman") + R"(, "b.io/team": )" + auth("b:podman") + "}}");
  CHECK(get("a.io") == "a docker");
  CHECK(get("b.io/team/app") == "b podman");
  CHECK(get("b.io") == "no login is stored for b.io");
}

TEST_CASE_METHOD(Fixture, "the answer has the server as the client asked for it") {
  write("config.json", R"({"credHelpers": {"https://index.docker.io/v1/": "hub"}})");
  helper.logins["hub https://index.docker.io/v1/"] = "me";
  const auto login = loop.block_on(store->get("docker.io"));
  REQUIRE(login);
  CHECK((*login)->server_url == "docker.io");
}

TEST_CASE_METHOD(Fixture, "a file that changed is read anew") {
  write("config.json", R"({"auths": {"a.io": )" + auth("old:pw") + "}}");
  CHECK(get("a.io") == "old pw");
  write("config.json", R"({"auths": {"a.io": )" + auth("new:pw") + "}}");
  CHECK(get("a.io") == "new pw");
  std::filesystem::remove(folder / "config.json");
  CHECK(get("a.io") == "no login is stored for a.io");
}

TEST_CASE_METHOD(Fixture, "a file that breaks is an error until it is mended, never its old content") {
  write("config.json", R"({"auths": {"a.io": )" + auth("old:pw") + "}}");
  CHECK(get("a.io") == "old pw");
  write("config.json", "{\"auths\": nope}");
  const std::string broken = folder / "config.json" + ":1:11: not well-formed JSON";
  CHECK(get("a.io") == broken);
  CHECK(get("a.io") == broken);
  write("config.json", R"({"auths": {"a.io": )" + auth("new:pw") + "}}");
  CHECK(get("a.io") == "new pw");
}

TEST_CASE_METHOD(Fixture, "the same question in flight is asked once") {
  write("config.json", R"({"credHelpers": {"a.io": "a", "b.io": "b"}})");
  helper.logins["a a.io"] = "me";
  helper.slow = true;
  std::vector<std::optional<Result<std::shared_ptr<const Login>>>> answers(100);
  async::Event done(loop);
  async::Scope askers(loop);
  for (auto& answer : answers)
    askers.spawn(async::detail::store_and_signal(store->get("a.io"), answer, done));
  std::optional<Result<std::shared_ptr<const Login>>> other;
  askers.spawn(async::detail::store_and_signal(store->get("b.io"), other, done));
  loop.poll();
  CHECK(helper.asked == Names{"a a.io", "b b.io"});
  helper.released.set();
  loop.poll();
  for (const auto& answer : answers) {
    REQUIRE(answer.has_value());
    CHECK((**answer)->username.reveal() == "me");
  }
  REQUIRE(other.has_value());
  CHECK_FALSE(other->has_value());
}

TEST_CASE_METHOD(Fixture, "who goes away takes nobody's answer along") {
  write("config.json", R"({"credHelpers": {"a.io": "a"}})");
  helper.logins["a a.io"] = "me";
  helper.slow = true;
  std::optional<Result<std::shared_ptr<const Login>>> first, second;
  async::Event done(loop);
  async::Scope staying(loop);
  {
    async::Scope leaving(loop);
    leaving.spawn(async::detail::store_and_signal(store->get("a.io"), first, done));
    staying.spawn(async::detail::store_and_signal(store->get("a.io"), second, done));
    loop.poll();
  }
  helper.released.set();
  loop.poll();
  CHECK_FALSE(first.has_value());
  REQUIRE(second.has_value());
  CHECK(second->has_value());
  CHECK(helper.asked.size() == 1);
}

TEST_CASE_METHOD(Fixture, "a list says where each login is, as the existing implementation has it") {
  write("config.json", R"({"credHelpers": {"h.io": "h"}, "credsStore": "store",
                           "auths": {"i.io": )" +
                           auth("inline:pw") + R"(, "e.io": {}, "s.io": {}}})");
  write("auth.json",
        R"({"auths": {"p.io": )" + auth("podman:pw") + R"(, "i.io": )" + auth("other:pw") + "}}");
  helper.listed = {{"s.io", "stored"}};
  CHECK(*list() == std::map<std::string, std::string>{{"h.io", "(credential helper)"},
                                                      {"s.io", "stored"},
                                                      {"i.io", "inline"},
                                                      {"e.io", "(auth entry)"},
                                                      {"p.io", "podman"}});
}
