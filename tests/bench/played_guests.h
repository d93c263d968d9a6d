// Guests that a measuring program plays for a `bus --host` that it starts.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "measure.h"

namespace shed::bench {

constexpr std::chrono::seconds kHeartbeat{10};  // the bus takes 45 s of silence for the end
constexpr std::size_t kFrameHeader = 5;
constexpr char kEnvelopeFrame = 0x20;

// A program whose log goes nowhere; ended with this object, and with this process.
class Child {
 public:
  explicit Child(std::vector<std::string> command) : pid_(::fork()) {
    if (pid_ < 0) die_of_errno("fork");
    if (pid_ > 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(::open("/dev/null", O_RDWR), STDERR_FILENO);
    std::vector<char*> words;
    for (std::string& word : command) words.push_back(word.data());
    words.push_back(nullptr);
    ::execv(words[0], words.data());
    ::_exit(127);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

inline void write_file(const std::string& path, std::string_view text) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    die_of_errno(path);
  }
}

inline std::string frame(std::string_view payload) {
  std::string bytes(1, kEnvelopeFrame);
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(payload.size() >> shift);
  return bytes.append(payload);
}

// The text behind `before`, up to the quote.
inline std::string_view text_behind(std::string_view json, std::string_view before) {
  const auto at = json.find(before);
  if (at == json.npos) die(fmt::format("no {} in {}", before, json));
  json.remove_prefix(at + before.size());
  return json.substr(0, json.find('"'));
}

// A guest half: it listens, takes the one connection that comes, and says what it has to.
class Guest {
 public:
  explicit Guest(const std::string& path) : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) die(path + ": the path is too long");
    path.copy(address.sun_path, path.size());
    if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_.get(), 1) != 0) {
      die_of_errno(path);
    }
    limit_waiting(listener_.get());
  }

  void greet() {
    connection_ = UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection_) die_of_errno("no bus has connected to a guest");
    limit_waiting(connection_.get());
    const std::string health = read();
    write(fmt::format(R"({{"id":"{0}","namespace":"system:health","type":"response","in_reply_to":"{0}",)"
                      R"("final":true,"timestamp":"2026-01-01T00:00:00Z","payload":null}})",
                      text_behind(health, R"("id":")")));
    beat();
  }
  void beat() {
    write(
        R"({"id":"01890a5d-ac96-774b-bcce-b302099a8057","namespace":"system:health","type":"event",)"
        R"("final":true,"timestamp":"2026-01-01T00:00:00Z","payload":{"started_at":"2026-01-01T00:00:00Z"}})");
  }
  void write(std::string_view envelope) {
    const std::string bytes = frame(envelope);
    if (::send(connection_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(bytes.size())) {
      die_of_errno("the bus does not take a guest's frame");
    }
  }
  // The payload of the next frame.
  std::string read() {
    std::array<char, kFrameHeader> header;
    fill(header);
    std::size_t length = 0;
    for (const char byte : std::span(header).subspan(1))
      length = length << 8 | static_cast<unsigned char>(byte);
    if (header[0] != kEnvelopeFrame || length > 65536) die("the bus sent another frame than an envelope's");
    std::string payload(length, '\0');
    fill(payload);
    return payload;
  }

 private:
  void fill(std::span<char> into) {
    const ssize_t count = ::recv(connection_.get(), into.data(), into.size(), MSG_WAITALL);
    if (count < 0) die_of_errno("a guest waits for the bus");
    if (count != static_cast<ssize_t>(into.size())) die("the bus closed the connection to a guest");
  }

  UniqueFd listener_, connection_;
};

// `bus --host` with that many guests, all of them greeted.
class Bus {
 public:
  Bus(const char* binary, const std::string& folder, std::size_t guests) : folder_(folder) {
    if (::mkdir(folder_.c_str(), 0700) != 0) die_of_errno(folder_);
    std::string list;
    for (std::size_t i = 0; i < guests; ++i) {
      const std::string path = fmt::format("{}/{}", folder_, i);
      guests_.push_back(std::make_unique<Guest>(path));
      list += fmt::format("guest-{}=unix:{}\n", i, path);
    }
    write_file(folder_ + "/guests", list);
    child_.emplace(std::vector<std::string>{binary, "bus", "--host", "--listen", "unix:" + socket(),
                                            "--sheds", folder_ + "/guests", "--server", "bench"});
    for (const auto& guest : guests_) guest->greet();
  }
  std::string socket() const { return folder_ + "/host.sock"; }
  std::size_t size() const { return guests_.size(); }
  Guest& guest(std::size_t number) { return *guests_[number % guests_.size()]; }

  void beat() {
    if (Clock::now() - last_beat_ < kHeartbeat) return;
    last_beat_ = Clock::now();
    for (const auto& guest : guests_) guest->beat();
  }

  double resident_bytes() const {
    std::FILE* file = std::fopen(fmt::format("/proc/{}/status", child_->pid()).c_str(), "r");
    if (file == nullptr) die_of_errno("/proc: status");
    char line[256];
    long kib = 0;
    while (std::fgets(line, sizeof line, file) != nullptr && std::sscanf(line, "VmRSS: %ld", &kib) != 1) {
    }
    std::fclose(file);
    if (kib == 0) die("the bus has ended");
    return static_cast<double>(kib) * 1024;
  }

 private:
  std::string folder_;
  std::vector<std::unique_ptr<Guest>> guests_;
  std::optional<Child> child_;
  Clock::time_point last_beat_ = Clock::now();
};

}  // namespace shed::bench
