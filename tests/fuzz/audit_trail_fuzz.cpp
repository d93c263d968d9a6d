// Any change of the files of a trail by somebody without its key. Verify may only call it as written while
// the log is; and the next start and record must work whatever there is, and not make the change disappear.
//
// The input is a list of edits: which file, what to do, where, and the bytes.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>

#include "shed/base/log.h"
#include "shed/broker/audit_log.h"
#include "shed/broker/audit_reader.h"
#include "shed/broker/audit_verify.h"
#include "support/temporary_folder.h"

namespace {

using namespace shed;
using Files = std::map<std::string, std::string>;

broker::AuditLimits limits() {
  broker::AuditLimits limits;
  limits.most_lines = 4;
  limits.kept = 2;
  return limits;
}

broker::AuditRecord record(char shed) {
  broker::AuditRecord record;
  record.shed = std::string(1, shed);
  record.ns = "ssh-agent";
  record.op = "sign";
  record.result = "ok";
  return record;
}

// A folder that goes with its input: the fuzzer ends without destroying what is static.
class Folder {
 public:
  std::string log() const { return folder_ / "audit.log"; }
  void write(const Files& files) const {
    for (const auto& [name, text] : files) {
      const std::string file = folder_ / name;
      std::ofstream(file, std::ios::binary) << text;
      std::filesystem::permissions(file, std::filesystem::perms(0600));
    }
  }
  Files read() const {
    Files files;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      std::ifstream file(entry.path(), std::ios::binary);
      files[entry.path().filename().string()] = {std::istreambuf_iterator<char>(file), {}};
    }
    return files;
  }

 private:
  TemporaryFolder folder_;
};

// The files of a trail that nobody touched.
Files make_trail() {
  log::set_sink([](log::Level, std::string_view) {});
  const Folder folder;
  broker::AuditLog audit(folder.log(), system_clock(), limits());
  for (const char shed : std::string_view("abcdef")) {
    if (!audit.write(record(shed))) std::abort();
  }
  return folder.read();
}

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  bool more() const { return size_ > 0; }
  std::size_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::size_t number() { return byte() << 8 | byte(); }
  std::string bytes(std::size_t count) {
    std::string text;
    while (count-- > 0 && more()) text += static_cast<char>(byte());
    return text;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

void edit(Files& files, Input& input) {
  auto file = std::next(files.begin(), static_cast<std::ptrdiff_t>(input.byte() % files.size()));
  if (file->first == "audit-key") return;
  std::string& text = file->second;
  const std::size_t at = std::min(input.number(), text.size());
  switch (input.byte() % 6) {
    case 0:
      text.resize(at);
      break;
    case 1:
      text.erase(at, input.byte());
      break;
    case 2:
      text.insert(at, input.bytes(input.byte() % 64));
      break;
    case 3:
      for (std::size_t i = at; i < std::min(text.size(), at + 8); ++i)
        text[i] ^= static_cast<char>(input.byte());
      break;
    case 4: {  // one file's bytes in another's place
      const auto from = std::next(files.begin(), static_cast<std::ptrdiff_t>(input.byte() % files.size()));
      if (from->first != "audit-key") text = std::string(from->second);
      break;
    }
    default:
      if (files.size() > 2) files.erase(file);
  }
}

// The lines of the logs, in one text.
std::string lines_of(const Files& files) {
  std::string text;
  for (const auto& [name, bytes] : files) {
    if (name.find("chain") == name.npos && name.find("head") == name.npos && name != "audit-key")
      text += name + ":" + bytes;
  }
  return text;
}

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using Outcome = broker::AuditVerdict::Outcome;
  static const Files untouched = make_trail();
  Files files = untouched;
  Input input(data, size);
  for (int edits = 0; input.more() && edits < 8; ++edits) edit(files, input);
  const Folder folder;
  folder.write(files);
  const auto before = broker::verify_audit_log(folder.log(), limits());
  require(before.outcome != Outcome::kIntact || lines_of(files) == lines_of(untouched));
  static_cast<void>(broker::read_audit_lines(folder.log(), {}, [](std::string_view) {}));
  const auto written = broker::AuditLog(folder.log(), system_clock(), limits()).write(record('z'));
  require(written.has_value());
  const auto after = broker::verify_audit_log(folder.log(), limits());
  // Without chain, head and rotated files a trail begins anew, which nobody can tell from a first start.
  const bool begins_anew = !files.contains("audit.log.head") || files.at("audit.log.head").empty();
  require(before.outcome != Outcome::kChanged || after.outcome == Outcome::kChanged || begins_anew);
  require(before.outcome != Outcome::kIntact || after.outcome == Outcome::kIntact);
  return 0;
}
