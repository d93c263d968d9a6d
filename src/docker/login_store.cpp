#include "shed/docker/login_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "shed/docker/registry_name.h"

namespace shed::docker {
namespace {

using SharedConfig = std::shared_ptr<const ConfigFile>;
using SharedLogin = std::shared_ptr<const Login>;

// A file as it was when it was read last.
class WatchedFile {
 public:
  explicit WatchedFile(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  Result<SharedConfig> read() {
    const std::optional<Mark> mark = look();
    if (mark && mark == mark_ && content_) return content_;
    mark_ = mark;
    content_ = nullptr;
    auto loaded = ConfigFile::load(path_);
    if (!loaded) return propagate(loaded);
    content_ = std::make_shared<const ConfigFile>(std::move(*loaded));
    return content_;
  }

 private:
  struct Mark {
    dev_t device;
    ino_t inode;
    off_t size;
    time_t seconds;
    long nanoseconds;
    bool operator==(const Mark&) const = default;
  };

  std::optional<Mark> look() const {
    struct stat found{};
    if (::stat(path_.c_str(), &found) != 0) return std::nullopt;
#ifdef __APPLE__
    const timespec& changed = found.st_mtimespec;
#else
    const timespec& changed = found.st_mtim;
#endif
    return Mark{found.st_dev, found.st_ino, found.st_size, changed.tv_sec, changed.tv_nsec};
  }

  std::string path_;
  std::optional<Mark> mark_;
  SharedConfig content_;
};

// The keys under which a store may have the login, the likeliest first.
std::vector<std::string> store_keys(const ConfigFile& file, const std::string& server_url) {
  // Docker leaves an empty entry beside what its store holds: spelled as the store has it.
  if (const auto entry = file.login_for(server_url)) return {entry->key};
  std::vector<std::string> keys{server_url};
  const auto name = parse_registry(server_url);
  if (!name) return keys;
  const std::string other = name->host == kDockerHub ? std::string(kDockerHubKey) : name->host;
  if (other == server_url) return keys;
  if (name->host == kDockerHub) {
    keys.insert(keys.begin(), other);
  } else {
    keys.push_back(other);
  }
  return keys;
}

std::string user_of(const std::string& key, const InlineLogin& entry) {
  const auto login = read_inline_login(key, entry);
  return login ? std::string(login->username.reveal()) : "(auth entry)";
}

bool is_missing(const Result<Login>& login) { return !login && login.error().code() == Errc::kNotFound; }

}  // namespace

struct LoginStore::State {
  // A question that is being asked, and all who wait for its answer.
  struct Pending {
    explicit Pending(async::Loop& loop) : done(loop) {}
    async::Event done;
    std::optional<Result<SharedLogin>> answer;
  };

  State(async::Loop& loop, CredentialHelper& credential_helper, LoginStoreOptions options)
      : helper(credential_helper), tasks(loop) {
    files.emplace_back(std::move(options.config_path));
    if (!options.auth_path.empty()) files.emplace_back(std::move(options.auth_path));
  }

  async::Task<Result<Login>> ask_store(SharedConfig file, std::string server_url) {
    for (const std::string& key : store_keys(*file, server_url)) {
      auto login = co_await helper.get(file->creds_store(), key);
      if (!is_missing(login)) co_return login;
    }
    co_return fail(Errc::kNotFound, "{} knows no login for {}", file->creds_store(), server_url);
  }

  async::Task<Result<Login>> find_in(SharedConfig file, std::string server_url) {
    // A registry with a helper of its own is nobody else's.
    if (const auto own = file->helper_for(server_url)) co_return co_await helper.get(own->helper, own->key);
    if (!file->creds_store().empty()) {
      auto login = co_await ask_store(file, server_url);
      if (!is_missing(login)) co_return login;
    }
    if (const auto entry = file->login_for(server_url))
      co_return read_inline_login(server_url, *entry->login);
    co_return fail(Errc::kNotFound, "no login is stored for {}", server_url);
  }

  async::Task<Result<Login>> find(std::string server_url) {
    for (WatchedFile& watched : files) {
      const auto file = watched.read();
      if (!file) co_return propagate(file);
      auto login = co_await find_in(*file, server_url);
      if (is_missing(login)) continue;
      // Of the file's own content.
      if (!login && login.error().code() == Errc::kInvalid) co_return propagate(login, watched.path());
      if (login) login->server_url = server_url;
      co_return login;
    }
    co_return fail(Errc::kNotFound, "no login is stored for {}", server_url);
  }

  async::Task<> answer(std::string server_url, std::shared_ptr<Pending> question) {
    auto login = co_await find(server_url);
    pending.erase(server_url);
    if (login) {
      question->answer = std::make_shared<const Login>(std::move(*login));
    } else {
      question->answer = propagate(login);
    }
    question->done.set();
  }

  std::shared_ptr<Pending> ask(const std::string& server_url) {
    auto& question = pending[server_url];
    if (!question) {
      question = std::make_shared<Pending>(tasks.loop());
      tasks.spawn(answer(server_url, question));
    }
    return question;
  }

  CredentialHelper& helper;
  std::vector<WatchedFile> files;
  std::map<std::string, std::shared_ptr<Pending>> pending;
  async::Scope tasks;
};

LoginStore::LoginStore(async::Loop& loop, CredentialHelper& helper, LoginStoreOptions options)
    : state_(std::make_unique<State>(loop, helper, std::move(options))) {}
LoginStore::~LoginStore() = default;

async::Task<Result<SharedLogin>> LoginStore::get(std::string server_url) {
  const auto question = state_->ask(server_url);
  auto wait = question->done.wait();
  co_await wait;
  co_return *question->answer;
}

async::Task<Result<std::map<std::string, std::string>>> LoginStore::list() {
  std::map<std::string, std::string> known;
  for (WatchedFile& watched : state_->files) {
    const auto file = watched.read();
    if (!file) co_return propagate(file);
    for (const auto& [key, name] : (*file)->helpers()) known.emplace(key, "(credential helper)");
    if (!(*file)->creds_store().empty()) {
      auto stored = co_await state_->helper.list((*file)->creds_store());
      if (!stored) co_return propagate(stored);
      known.merge(*stored);
    }
    for (const auto& [key, entry] : (*file)->logins()) known.emplace(key, user_of(key, entry));
  }
  co_return known;
}

}  // namespace shed::docker
