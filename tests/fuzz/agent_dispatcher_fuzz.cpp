// Any bytes as what one client sends: split into frames as the server splits them, each handled by
// the dispatcher of one connection, whose state they build up.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "shed/async/loop.h"
#include "shed/base/log.h"
#include "shed/ssh/agent_session.h"

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

}  // namespace

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
