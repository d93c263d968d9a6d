// What the files of this room tell each other about libuv handles.
#pragma once

struct uv_handle_s;

namespace shed::async {

// Closes the handle of a child that nobody owns any more; the child runs on.
void close_process(uv_handle_s* handle);

}  // namespace shed::async
