// What the files of this room share about libuv handles and descriptors.
#pragma once

struct uv_handle_s;

namespace shed::async {

// Closes the handle of a child that nobody owns any more; the child runs on.
void close_process(uv_handle_s* handle);

// Makes the descriptor non-blocking, close-on-exec and, where the system can, free of SIGPIPE.
void make_pollable(int fd);

// Reads that are answered at once, and connections that are there at once, before everybody else
// gets a turn: a peer that never pauses must not own the loop.
inline constexpr unsigned kInARow = 16;

}  // namespace shed::async
