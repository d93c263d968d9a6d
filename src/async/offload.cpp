#include "shed/async/offload.h"

#include <uv.h>

namespace shed::async::detail {

// Shared between the owner and libuv, which reports the end when it comes.
struct PoolWork::State {
  State(Loop& loop, std::function<void()> f) : function(std::move(f)), done(loop) {}
  uv_work_t request{};
  std::function<void()> function;
  Event done;
  std::shared_ptr<State> until_done;  // libuv's share
};

PoolWork::PoolWork(Loop& loop, std::function<void()> function)
    : state_(std::make_shared<State>(loop, std::move(function))) {
  state_->until_done = state_;
  state_->request.data = state_.get();
  uv_queue_work(
      loop.native(), &state_->request,
      [](uv_work_t* request) { static_cast<State*>(request->data)->function(); },
      [](uv_work_t* request, int) {
        auto* self = static_cast<State*>(request->data);
        self->done.set();
        self->until_done.reset();
      });
}

PoolWork::~PoolWork() {
  if (!state_->done.is_set()) uv_cancel(reinterpret_cast<uv_req_t*>(&state_->request));
}

Event& PoolWork::done() { return state_->done; }

}  // namespace shed::async::detail
