// From argv to an applet.
#pragma once

#include <string_view>

namespace shed::applets {

// Runs the applet that argv names: by the base name of argv[0], else by the first argument. Returns
// the exit status; 2 with one line on stderr when there is no such applet.
int dispatch(int argc, char** argv);

}  // namespace shed::applets
