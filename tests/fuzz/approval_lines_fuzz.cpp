// The approval channel under approvers that the input rules: two of them, answers to anything, garbage, and
// time. Whatever they do, a request is approved only when the approver of that moment said so to its own
// question, or by a grant for the same thing; each request ends within its time; nothing stays behind.
//
// The input is a list of steps, each a letter and its arguments (one byte each; a text has its length first):
//   c N        approver N connects, with a hello      d N          it goes
//   h N        it connects, and is silent             b N TEXT     it sends these bytes
//   q N        guest N asks                           x N          the oldest request of guest N is given up
//   a N M S    approver N answers question M: approve, with a scope   n N M   with a no
//   r N        it wants the grants                    t N          N tenths of a second pass
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/approval_lines.h"
#include "shed/async/scope.h"
#include "shed/base/json.h"
#include "shed/base/log.h"
#include "shed/broker/approval_channel.h"
#include "shed/broker/asking_gate.h"
#include "steps.h"
#include "support/fake_clock.h"
#include "support/temporary_folder.h"

namespace shed::broker {
namespace {

constexpr std::size_t kMaxSteps = 100;
constexpr Millis kLimit{25'000};
constexpr std::size_t kApprovers = 3;

Approval asking() {
  Approval approval;
  approval.policy = Policy::kShedDesktop;
  approval.omitted = false;
  return approval;
}

class Stage {
 public:
  Stage()
      : channel_(loop_, grants_, {}),
        gate_(loop_, {channel_}, grants_, {asking(), asking(), asking()}, kLimit) {
    require(channel_.listen(folder_ / "s").has_value());
    tasks_.spawn(channel_.run());
    loop_.poll();
  }
  ~Stage() { tasks_.cancel(); }

  void step(Steps& steps) {
    const std::uint8_t letter = steps.number();
    const std::size_t number = steps.number();
    UniqueFd& approver = approvers_[number % kApprovers];
    switch (letter) {
      case 'c':
        connect(approver);
        say(approver, R"({"type":"hello","client":{"name":"f"},"replay_events":9})");
        break;
      case 'h':
        connect(approver);
        break;
      case 'd':
        approver.reset();
        break;
      case 'b':
        send(approver, steps.text());
        break;
      case 'q':
        ask(number);
        break;
      case 'x':
        give_up(number);
        break;
      case 'a':
        answer(number % kApprovers, steps.number(), true, steps.number());
        break;
      case 'n':
        answer(number % kApprovers, steps.number(), false, 0);
        break;
      case 'r':
        say(approver, R"({"type":"list_grants"})");
        break;
      case 't':
        clock_.advance(Millis(100) * static_cast<int>(number));
        break;
      default:
        break;
    }
    settle();
  }

  void finish() {
    for (UniqueFd& approver : approvers_) approver.reset();
    settle();
    clock_.advance(kLimit);
    settle();
    require(waiting_ == 0 && channel_.open_questions() == 0);
  }

 private:
  void settle() {
    loop_.poll();
    for (std::size_t i = 0; i < kApprovers; ++i) collect(i);
    loop_.poll();
  }

  void connect(UniqueFd& approver) {
    approver = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (folder_ / "s").copy(address.sun_path, sizeof address.sun_path - 1);
    require(::connect(approver.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    const auto index = static_cast<std::size_t>(&approver - approvers_.data());
    input_[index].clear();
    questions_[index].clear();
  }
  static void send(const UniqueFd& approver, std::string_view bytes) {
    if (approver) (void)!::send(approver.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  static void say(const UniqueFd& approver, std::string_view line) {
    send(approver, std::string(line) + "\n");
  }

  // What it was asked: line after line, and every line is JSON.
  void collect(std::size_t index) {
    if (!approvers_[index]) return;
    char part[65536];
    for (ssize_t count; (count = ::recv(approvers_[index].get(), part, sizeof part, MSG_DONTWAIT)) > 0;) {
      input_[index].append(part, static_cast<std::size_t>(count));
    }
    std::string& text = input_[index];
    for (std::size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
      JsonDocument document;
      const auto root = document.parse(std::string_view(text).substr(0, end));
      require(root && (*root)["v"].integer() == 2);
      if ((*root)["type"].string_or("") != "approval_request") continue;
      questions_[index].push_back(
          {std::string((*root)["id"].string_or("")), std::string((*root)["shed"].string_or(""))});
    }
  }

  void ask(std::size_t guest) {
    if (requests_.size() >= 100) return;
    const std::string shed = std::to_string(guest % 4);
    auto scope = std::make_unique<async::Scope>(loop_);
    scope->spawn(wait(shed, guest % 3 == 0));
    requests_.push_back({shed, std::move(scope)});
  }
  async::Task<> wait(std::string shed, bool commit) {
    const Waiting counted(waiting_);
    const SteadyTime start = clock_.now();
    ApprovalQuestion question;
    question.op = "sign";
    question.shed = shed;
    question.key = "SHA256:k";
    question.subject = commit ? "git commit" : "opaque";
    auto deciding = gate_.decide(std::move(question));
    const Decision decision = co_await std::move(deciding);
    require(clock_.now() - start <= kLimit + Millis(25'500));
    if (decision.approved) {
      // Somebody has said yes to this guest.
      require(approved_.contains(shed));
      require(decision.method == "shed-desktop" || decision.method == "cached");
    } else {
      require(!decision.reason.empty() && decision.reason_code == "APPROVAL_DENIED");
    }
  }
  void give_up(std::size_t guest) {
    const std::string shed = std::to_string(guest % 4);
    for (auto request = requests_.begin(); request != requests_.end(); ++request) {
      if (request->shed != shed) continue;
      requests_.erase(request);
      return;
    }
  }

  void answer(std::size_t index, std::size_t number, bool approve, std::size_t scope) {
    const auto& asked = questions_[index];
    if (asked.empty()) return;
    const Question& question = asked[number % asked.size()];
    constexpr std::array<std::string_view, 4> kScopes = {"", "per-request", "per-session", "per-shed"};
    if (approve) approved_.insert(question.shed);
    say(approvers_[index],
        fmt::format(
            R"({{"type":"approval_response","request_id":"{}","decision":"{}","scope":"{}","ttl":"{}"}})",
            question.id, approve ? "approve" : "deny", kScopes[scope % 4], scope > 128 ? "1m" : ""));
  }

  class Waiting {
   public:
    explicit Waiting(std::size_t& count) : count_(count) { ++count_; }
    Waiting(const Waiting&) = delete;
    ~Waiting() { --count_; }

   private:
    std::size_t& count_;
  };
  struct Question {
    std::string id, shed;
  };
  struct Request {
    std::string shed;
    std::unique_ptr<async::Scope> task;
  };

  TemporaryFolder folder_;
  FakeClock clock_;
  async::Loop loop_{clock_};
  Grants grants_{clock_};
  ApprovalChannel channel_;
  AskingGate gate_;
  async::Scope tasks_{loop_};
  std::array<UniqueFd, kApprovers> approvers_;
  std::array<std::string, kApprovers> input_;
  std::array<std::vector<Question>, kApprovers> questions_;
  std::size_t waiting_ = 0;
  std::set<std::string> approved_;
  std::vector<Request> requests_;
};

// A line by itself: what is read of it is bounded, and nothing but "approve" approves.
void read_line(std::string_view line) {
  const auto read = read_approver_line(line);
  if (!read) {
    require(read.error().code() == Errc::kProtocol);
    return;
  }
  require(read->hello.name.size() <= 128 && read->answer.decided_by.size() <= 128);
  require(!read->answer.approved || line.find("appr") != std::string_view::npos ||
          line.find('\\') != std::string_view::npos);
  require(!read->answer.ttl || *read->answer.ttl >= Millis(0));
}

}  // namespace
}  // namespace shed::broker

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  shed::log::set_sink([](shed::log::Level, std::string_view) {});
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shed::broker;
  read_line({reinterpret_cast<const char*>(data), size});
  Stage stage;
  shed::Steps steps(data, size);
  for (std::size_t count = 0; !steps.done() && count < kMaxSteps; ++count) stage.step(steps);
  stage.finish();
  return 0;
}
