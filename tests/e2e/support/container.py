"""A container without an engine: namespaces of its own, a root of its own with no file of the host, no network. One
folder of the host is mounted in it, in which its half of the bus makes its socket."""

import os
import signal

from support.initramfs import Tree, add_userland, static_busybox
from support.remote_guest import Done
from support.servers import accepts
from support.waiting import wait_until

FRAMES = "/run/bus/frames.sock"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/root", "SSH_AUTH_SOCK": "/run/shed-extensions/ssh-agent.sock"}
NAMESPACES = ["mount", "pid", "net", "ipc", "uts"]

# Runs outside of the root that it makes, and ends as the container's first process.
SETUP = """set -eu
mount --bind "$1" "$1"
mount --bind "$2" "$1/run/bus"
mount -t proc proc "$1/proc"
mount --bind /dev/null "$1/dev/null"
cd "$1"
$3 pivot_root . old
cd /
umount -l /old
rmdir /old
ip link set lo up
exec shed-ext guest --frames unix:{frames}
"""


class Container:
    """Ends with `programs`."""

    def __init__(self, programs, place, binary, links=()):
        self._programs = programs
        self._user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        root = place.root / "container"
        shared = place.root / "shared"
        shared.mkdir(mode=0o700)
        tree = Tree(root)
        add_userland(tree, binary, links)
        for folder in ("old", "run/bus", "run/shed-extensions"):
            tree.folder(folder)
        tree.file("dev/null", b"")
        self.socket = shared / "frames.sock"
        # PATH is the one of the new root from the moment it is the root.
        self._program = programs.start(
            ["unshare", *self._user, *(f"--{name}" for name in NAMESPACES), "--propagation", "private",
             "--kill-child", "--fork", "/bin/sh", "-c", SETUP.format(frames=FRAMES), "sh", root, shared,
             static_busybox()],
            ENVIRONMENT)
        wait_until(lambda: accepts(self.socket) or not self._program.running, 20, "the container's half of the bus")
        assert self._program.running, self._program.stderr

    def run(self, command, seconds=30):
        """A shell's command line in the container, to its end."""
        user = ["--user", "--preserve-credentials"] if self._user else []
        done = self._programs.run(
            ["nsenter", "--target", self._first_process(), *user, *(f"--{name}" for name in NAMESPACES), "--root",
             "--wd", "/bin/sh", "-c", command], ENVIRONMENT, seconds=seconds)
        return Done(done.status, done.stdout, done.stderr)

    def close(self):
        """As an engine stops it. `unshare` itself takes no signal while its child runs."""
        if self._program.running:
            os.kill(int(self._first_process()), signal.SIGTERM)
            self._program.wait(10)

    def _first_process(self):
        pid = self._program.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            (first,) = children.read().split()
        return first
