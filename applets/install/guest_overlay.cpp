#include "guest_overlay.h"

#include <unistd.h>

#include <optional>

#include "applet.h"
#include "docker_config.h"
#include "image_tree.h"
#include "overlay_files.h"
#include "shed/base/log.h"
#include "shed/docker/config_file.h"

namespace shed::applets {
namespace {

using Kind = ImageTree::Kind;

constexpr std::string_view kPrograms = "usr/local/bin/";
constexpr std::string_view kBinaryName = "shed-ext";
// The host agent and what belongs to it have no business in a guest.
constexpr const Applet* kGuestApplets[] = {
    &kGuest, &kSshAgent, &kAwsCredentials, &kAwsCredentialProcess, &kDockerCredential, &kBus, &kStatus};
constexpr std::string_view kEnablingLink =
    "etc/systemd/system/multi-user.target.wants/shed-ext-guest.service";
constexpr std::string_view kUnit = "/etc/systemd/system/shed-ext-guest.service";
// Of root, and of each user that is made from now on.
constexpr std::string_view kDockerConfigs[] = {"root/.docker/config.json", "etc/skel/.docker/config.json"};
constexpr ImageTree::Access kPrivate{0600, 0700};

struct Owner {
  uid_t user;
  gid_t group;
};

// One file or link, looked at and not yet made.
struct Step {
  std::string path;
  std::string what;           // behind the path in the report
  bool to_do = true;          // false: it is there already
  std::string target;         // of a link; empty for a file
  std::string_view bytes;     // of a file
  std::string made_of;        // owns the bytes, where nobody else does
  ImageTree::Access access;   // of a file
  std::optional<Owner> keep;  // the owner of a file that is changed, not made
};

class Plan {
 public:
  Plan(const ImageTree& tree, bool force) : tree_(tree), force_(force) {}

  void add(Result<Step> step) {
    if (step) {
      steps_.push_back(std::move(*step));
    } else {
      errors_.push_back(step.error());
    }
  }

  Result<Step> file(std::string_view path, std::string_view bytes, unsigned mode) const;
  Result<Step> link(std::string_view path, std::string target, std::string_view same = {}) const;
  Result<Step> docker(std::string_view path) const;

  const std::vector<Step>& steps() const { return steps_; }
  std::vector<Error> take_errors() { return std::move(errors_); }

 private:
  std::unexpected<Error> in_the_way(std::string_view path, std::string_view what) const {
    return fail(Errc::kExists, "{}: {}; remove it or use --force", tree_.name(path), what);
  }
  Result<std::string> said_of(std::string_view path, const ImageTree::Entry& there) const;

  const ImageTree& tree_;
  bool force_;
  std::vector<Step> steps_;
  std::vector<Error> errors_;
};

// What is said of something that takes the place of what is there; the error where it may not.
Result<std::string> Plan::said_of(std::string_view path, const ImageTree::Entry& there) const {
  if (there.kind == Kind::kMissing) return "is new";
  if (there.kind == Kind::kFolder) return fail(Errc::kExists, "{}: a folder; remove it", tree_.name(path));
  if (force_) return "is new, in place of something else";
  if (there.kind == Kind::kLink) {
    return in_the_way(path, fmt::format("a link to '{}' is there", log::printable(there.target)));
  }
  return in_the_way(path, "something else is there");
}

bool is_roots(const ImageTree::Entry& there) {
  return ::geteuid() != 0 || (there.owner == 0 && there.group == 0);
}

Result<Step> Plan::file(std::string_view path, std::string_view bytes, unsigned mode) const {
  const auto there = tree_.look(path);
  if (!there) return propagate(there);
  Step step;
  step.path = path;
  step.bytes = bytes;
  step.access.mode = mode;
  bool same = false;
  if (there->kind == Kind::kFile) {
    const auto holds = tree_.holds(path, bytes);
    if (!holds) return propagate(holds);
    same = *holds;
  }
  if (!same) {
    auto said = said_of(path, *there);
    if (!said) return propagate(said);
    step.what = std::move(*said);
    return step;
  }
  // A unit or a program that a user of the guest may write to would be root's undoing.
  step.to_do = there->mode != mode || !is_roots(*there);
  step.what = step.to_do ? "was there; owner and mode are set now" : "is there already";
  return step;
}

Result<Step> Plan::link(std::string_view path, std::string target, std::string_view same) const {
  const auto there = tree_.look(path);
  if (!there) return propagate(there);
  Step step;
  step.path = path;
  step.target = std::move(target);
  if (there->kind == Kind::kLink && (there->target == step.target || there->target == same)) {
    step.to_do = false;
    step.what = "is there already";
    return step;
  }
  auto said = said_of(path, *there);
  if (!said) return propagate(said);
  step.what = fmt::format("-> {} {}", step.target, *said);
  return step;
}

Result<Step> Plan::docker(std::string_view path) const {
  const auto there = tree_.look(path);
  if (!there) return propagate(there);
  Step step;
  step.path = path;
  step.access = kPrivate;
  std::string text;
  if (there->kind == Kind::kFile) {
    auto before = tree_.read(path, docker::kMaxConfigFile);
    if (!before) return propagate(before);
    text = std::move(*before);
    step.access.mode = there->mode & 0777U;
    step.keep = Owner{there->owner, there->group};
  } else if (there->kind != Kind::kMissing) {
    const auto said = said_of(path, *there);
    if (!said) return propagate(said);
  }
  auto store = with_credentials_store(tree_.name(path), text);
  if (!store) return propagate(store);
  step.to_do = store->text != text;
  step.what = step.to_do ? "has credsStore shed now" : "has credsStore shed already";
  if (!store->before.empty() && step.to_do && !force_) {
    return fail(Errc::kExists, "{}: credsStore is '{}'; remove that line or use --force", tree_.name(path),
                log::printable(store->before));
  }
  step.made_of = std::move(store->text);
  return step;
}

void plan_all(Plan& plan, std::string_view binary) {
  plan.add(plan.file(fmt::format("{}{}", kPrograms, kBinaryName), binary, 0755));
  for (const Applet* applet : kGuestApplets) {
    plan.add(plan.link(fmt::format("{}{}", kPrograms, applet->link), std::string(kBinaryName)));
  }
  for (const OverlayFile& file : overlay_files()) plan.add(plan.file(file.path, file.text, 0644));
  // Relative, so that it means the image's own unit wherever the image is mounted; `systemctl enable` writes
  // the whole path.
  plan.add(plan.link(kEnablingLink, "../shed-ext-guest.service", kUnit));
  for (const std::string_view path : kDockerConfigs) plan.add(plan.docker(path));
}

Status take(const ImageTree& tree, const Step& step) {
  if (!step.to_do) return {};
  if (!step.target.empty()) return tree.link(step.path, step.target);
  const std::string_view bytes = step.made_of.empty() ? step.bytes : std::string_view(step.made_of);
  const Status written = tree.write(step.path, bytes, step.access);
  if (!written || !step.keep || ::geteuid() != 0) return written;
  return tree.set_owner(step.path, step.keep->user, step.keep->group);
}

}  // namespace

OverlayReport install_overlay(const std::string& root, std::string_view binary, bool force) {
  OverlayReport report;
  const auto tree = ImageTree::open(root);
  if (!tree) {
    report.errors.push_back(tree.error());
    return report;
  }
  Plan plan(*tree, force);
  plan_all(plan, binary);
  report.errors = plan.take_errors();
  if (!report.errors.empty()) return report;
  for (const Step& step : plan.steps()) {
    const Status taken = take(*tree, step);
    if (!taken) {
      report.errors.push_back(taken.error());
      break;
    }
    report.lines.push_back(fmt::format("{} {}", tree->name(step.path), step.what));
  }
  return report;
}

}  // namespace shed::applets
