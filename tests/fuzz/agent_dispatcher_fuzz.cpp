// Any bytes as what one client sends: split into frames as the server splits them, each handled by
// the dispatcher of one connection, whose state they build up. The mutator adds well-formed frames
// to the stream, since nobody guesses a session bind.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "shed/async/loop.h"
#include "shed/base/log.h"
#include "shed/ssh/agent_session.h"
#include "shed/ssh/wire.h"

namespace {

using namespace shed;
using namespace shed::ssh;

void require(bool holds) {
  if (!holds) std::abort();
}

// Fails for every other key, by its last byte.
class FuzzService : public AgentService {
 public:
  async::Task<Result<std::vector<Identity>>> list(const std::vector<SessionBind>& binds) override {
    require(binds.size() <= kMaxSessionBinds);
    std::vector<Identity> identities;
    for (const SessionBind& bind : binds) identities.push_back({bind.host_key, bind.session_id});
    co_return identities;
  }
  async::Task<Result<Signature>> sign(SignRequest request) override {
    require(request.binds.size() <= kMaxSessionBinds);
    for (const SessionBind& bind : request.binds) require(check_session_bind(bind).has_value());
    const bool refused = !request.key_blob.empty() && (request.key_blob.back() & 1) != 0;
    if (refused) co_return fail(Errc::kRefused, "no {}", request.flags);
    co_return Signature{"ssh-ed25519", request.data.substr(0, 64), ""};
  }
};

void check_answer(const std::string& frame) {
  const auto length = frame_length(frame);
  require(length && frame.size() == kFrameHeaderSize + *length);
  switch (frame[kFrameHeaderSize]) {
    case SSH_AGENT_FAILURE:
    case SSH_AGENT_SUCCESS:
    case SSH_AGENT_EXTENSION_FAILURE:
      return require(*length == 1);
    case SSH_AGENT_IDENTITIES_ANSWER:
    case SSH_AGENT_SIGN_RESPONSE:
    case SSH_AGENT_EXTENSION_RESPONSE:
      return;
    default:
      require(false);
  }
}

SessionBind make_bind(unsigned seed) {
  std::string key;
  WireWriter(key).string("ssh-ed25519").string(std::string(32, static_cast<char>(seed & 3)));
  const std::string signature = encode_signature({"ssh-ed25519", std::string(64, 's'), ""});
  return {key, "session " + std::to_string(seed >> 2 & 31), signature, (seed & 128) == 0};
}

std::string make_frame(unsigned seed) {
  const unsigned kind = seed % 4;
  seed /= 4;
  if (kind == 0) return encode_request_identities();
  if (kind == 1) return encode_query();
  if (kind == 2) return encode_session_bind(make_bind(seed)).value();
  return encode_sign_request({make_bind(seed).host_key, "data", seed & 7, {}}).value();
}

// Where the frames of the stream start, and its end.
std::vector<std::size_t> boundaries(std::string_view stream) {
  std::vector<std::size_t> result = {0};
  while (const auto length = frame_length(stream.substr(result.back()))) {
    const std::size_t next = result.back() + kFrameHeaderSize + *length;
    if (next > stream.size()) break;
    result.push_back(next);
  }
  return result;
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t room);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t room,
                                               unsigned seed) {
  const std::string frame = make_frame(seed / 4);
  if (seed % 4 != 0 || frame.size() > room - size) return LLVMFuzzerMutate(data, size, room);
  const auto starts = boundaries({reinterpret_cast<const char*>(data), size});
  std::uint8_t* at = data + starts[seed / 64 % starts.size()];
  std::memmove(at + frame.size(), at, size - static_cast<std::size_t>(at - data));
  std::memcpy(at, frame.data(), frame.size());
  return size + frame.size();
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  log::set_sink([](log::Level, std::string_view) {});
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static async::Loop loop;
  static FuzzService service;
  log::Limiter limiter(loop.clock());
  AgentSession session(service, limiter);
  std::string_view stream(reinterpret_cast<const char*>(data), size);
  while (stream.size() >= kFrameHeaderSize) {
    const auto length = frame_length(stream);
    if (!length || stream.size() - kFrameHeaderSize < *length) break;
    check_answer(loop.block_on(session.handle(stream.substr(kFrameHeaderSize, *length))));
    require(session.binds().size() <= kMaxSessionBinds);
    stream.remove_prefix(kFrameHeaderSize + *length);
  }
  return 0;
}
