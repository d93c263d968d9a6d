#include "shed/docker/credential_helper.h"

#include <algorithm>

#include "shed/async/captured_process.h"
#include "shed/async/scope.h"
#include "shed/base/file.h"
#include "shed/base/log.h"
#include "shed/base/redact.h"

namespace shed::docker {
namespace {

constexpr std::string_view kNotFound = "credentials not found in native keychain";
// Sessions of a desktop start programs without these.
constexpr std::string_view kFurtherPath = "/usr/local/bin:/opt/homebrew/bin";
constexpr std::string_view kDefaultPath = "/usr/bin:/bin";
constexpr std::size_t kMaxListed = 4096;

// What a helper needs to reach the owner's keychain, or, where this host is a guest itself, its bus. No
// GPG_TTY and no terminal: it may ask in a window of its own, or not at all.
constexpr const char* kPassedOn[] = {"HOME",
                                     "USER",
                                     "LOGNAME",
                                     "LANG",
                                     "TMPDIR",
                                     "XDG_RUNTIME_DIR",
                                     "XDG_CONFIG_HOME",
                                     "XDG_DATA_HOME",
                                     "DBUS_SESSION_BUS_ADDRESS",
                                     "DISPLAY",
                                     "WAYLAND_DISPLAY",
                                     "XAUTHORITY",
                                     "GNUPGHOME",
                                     "PASSWORD_STORE_DIR",
                                     "SSH_AUTH_SOCK",
                                     "SHED_PUBLISH_URL"};

using Variable = std::function<std::string(const char*)>;

std::vector<std::string> helper_environment(const Variable& variable) {
  const std::string path = variable("PATH");
  std::vector<std::string> result{
      fmt::format("PATH={}:{}", path.empty() ? kDefaultPath : std::string_view(path), kFurtherPath)};
  for (const char* name : kPassedOn) {
    if (const std::string value = variable(name); !value.empty()) result.push_back(name + ("=" + value));
  }
  return result;
}

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}

// What a helper says when it fails, for whoever looks for the cause. What it says when it works is the login.
void tell_what_it_said(const std::string& program, const async::CapturedRun& run) {
  for (const auto& [stream, said] : {std::pair("stdout", &run.output), std::pair("stderr", &run.errors)}) {
    const std::string words = last_words(said->reveal());
    if (!words.empty()) log::debug("{}: status {}, {}: {}", program, run.status.shell_code(), stream, words);
  }
}

class ProcessHelper : public CredentialHelper {
 public:
  ProcessHelper(async::Loop& loop, Variable variable)
      : loop_(loop), variable_(std::move(variable)), released_(loop) {}

  async::Task<Result<Login>> get(std::string name, std::string key) override {
    const auto output = co_await ask("docker-credential-" + name, "get", std::move(key));
    if (!output) co_return propagate(output);
    auto login = parse_helper_login(output->reveal());
    if (!login)
      co_return fail(Errc::kUnavailable, "docker-credential-{} get: {}", name, login.error().text());
    co_return login;
  }

  async::Task<Result<std::map<std::string, std::string>>> list(std::string name) override {
    const auto output = co_await ask("docker-credential-" + name, "list", "");
    if (!output) co_return propagate(output);
    auto listed = parse_helper_list(output->reveal());
    if (!listed)
      co_return fail(Errc::kUnavailable, "docker-credential-{} list: {}", name, listed.error().text());
    co_return listed;
  }

 private:
  // Gives the place back, whichever way it ends.
  class Place {
   public:
    explicit Place(ProcessHelper& owner) : owner_(owner) { ++owner_.running_; }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() {
      --owner_.running_;
      owner_.released_.wake_all();
    }

   private:
    ProcessHelper& owner_;
  };

  // The wait for a place counts as the helper's time: whoever asked waits no longer.
  async::Task<Result<Secret>> ask(std::string program, std::string verb, std::string key) {
    auto asked = run(program, verb, std::move(key));
    auto output = co_await async::with_timeout(loop_, kLimit, std::move(asked));
    if (!output && output.error().code() == Errc::kTimeout) co_return propagate(output, program + " " + verb);
    co_return output;
  }

  async::Task<Result<Secret>> run(std::string program, std::string verb, std::string key) {
    while (running_ >= kMaxAtATime) {
      auto wait = released_.wait();
      co_await wait;
    }
    const Place place(*this);
    async::CaptureOptions options;
    options.command = {program, verb};
    options.environment = helper_environment(variable_);
    options.input = std::move(key);
    options.max_output = kMaxOutput;
    options.limit = kLimit;
    auto ran = co_await async::run_captured(loop_, std::move(options));
    if (!ran) co_return std::unexpected(failure(ran.error(), program, verb));
    if (ran->status.shell_code() == 0) co_return std::move(ran->output);
    tell_what_it_said(program, *ran);
    if (trimmed(ran->output.reveal()) == kNotFound) {
      co_return fail(Errc::kNotFound, "{} knows no login for it", program);
    }
    co_return fail(Errc::kUnavailable, "{} {} ended with status {}", program, verb, ran->status.shell_code());
  }

  static Error failure(const Error& error, const std::string& program, const std::string& verb) {
    if (error.code() == Errc::kNotFound) {
      return {Errc::kUnavailable, fmt::format("{} is not installed, or not in PATH", program)};
    }
    return {Errc::kUnavailable, fmt::format("{} {}: {}", program, verb, error.text())};
  }

  async::Loop& loop_;
  Variable variable_;
  std::size_t running_ = 0;
  async::Event released_;
};

}  // namespace

std::unique_ptr<CredentialHelper> make_credential_helper(async::Loop& loop, Variable variable) {
  return std::make_unique<ProcessHelper>(loop, std::move(variable));
}

Result<Login> parse_helper_login(std::string_view json) {
  JsonDocument document;
  const auto root = document.parse(json);
  Result<Login> login = fail(Errc::kInvalid, "it printed no login");
  if (root && (*root)["Username"].is_string() && (*root)["Secret"].is_string()) {
    const JsonValue& value = *root;
    login = Login{std::string(value["ServerURL"].string_or("")), Secret(*value["Username"].string()),
                  Secret(*value["Secret"].string())};
  }
  document.wipe();
  return login;
}

Result<std::map<std::string, std::string>> parse_helper_list(std::string_view json) {
  JsonDocument document;
  const auto root = document.parse(json);
  // Some print null where nothing is stored.
  if (root && root->is_null()) return std::map<std::string, std::string>();
  if (!root || !root->is_object()) return fail(Errc::kInvalid, "it printed no list");
  std::map<std::string, std::string> listed;
  for (const auto& [registry, user] : root->members()) {
    if (!user.is_string()) return fail(Errc::kInvalid, "it printed no list");
    if (listed.size() == kMaxListed) return fail(Errc::kLimit, "it listed over {} registries", kMaxListed);
    listed.emplace(registry, *user.string());
  }
  return listed;
}

}  // namespace shed::docker
