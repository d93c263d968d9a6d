// Counts what this program takes from the heap, to show what does not allocate.
#pragma once

#include <cstddef>

namespace shed {

// Calls of operator new so far.
std::size_t allocations();

}  // namespace shed
