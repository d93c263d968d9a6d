"""What every long-running applet does to itself at start, as the kernel shows it."""

import os
import re
import shutil
import stat
import subprocess

import pytest

from support.broker import process_status
from support.foreign_guest_bus import ForeignGuestBus, Reply, envelope
from support.signing_proxy import SigningProxy
from support.waiting import wait_until

NOBODY = 65534


@pytest.fixture(params=["ssh-agent", "host", "bus", "up", "signing-proxy"])
def running(request, broker, agent, honest_guest_bus, start_host_bus):
    """A long-running applet, in full swing."""
    if request.param == "ssh-agent":
        return broker.start_relay(honest_guest_bus.url)
    if request.param == "bus":
        return broker.start_bus("unix").program
    if request.param == "signing-proxy":
        return SigningProxy(broker, agent.path).program
    if request.param == "up":
        return broker.start_up(agent.path).program
    bus = start_host_bus()
    host = broker.start_host(bus.url, agent.path)
    bus.stream()
    return host


def limits(pid):
    """Name to soft limit, from /proc/PID/limits."""
    with open(f"/proc/{pid}/limits", encoding="ascii") as lines:
        found = (re.match(r"(Max .*?)  +(\S+)", line) for line in lines)
        return {match[1]: match[2] for match in found if match}


def test_it_gains_no_privileges(running):
    # `up` gives it up once its command runs, which may be one that gains some.
    wait_until(lambda: process_status(running.pid)["NoNewPrivs"] == "1", 10, "the flag")


def test_it_leaves_no_core(running):
    assert limits(running.pid)["Max core file size"] == "0"


def test_what_it_makes_is_for_its_owner_only(running):
    # For the moment in which `up` starts its command it has the person's own mask.
    wait_until(lambda: process_status(running.pid)["Umask"] == "0077", 5, "umask 0077")


@pytest.mark.release  # a sanitizer needs the process open
def test_its_memory_is_locked_or_it_says_that_it_is_not(running):
    locked = int(process_status(running.pid)["VmLck"].split()[0])
    assert locked > 0 or re.search("lock|mlock", running.stderr)


@pytest.mark.release  # a sanitizer needs the process open
def test_its_descriptors_close_on_exec(running):
    """The three standard ones are for whoever started it. One that is gone again before it is looked at (a connection
    that ended, a file that was read) says nothing."""
    looked_at = 0
    for descriptor in os.listdir(f"/proc/{running.pid}/fdinfo"):
        if int(descriptor) <= 2:
            continue
        try:
            with open(f"/proc/{running.pid}/fdinfo/{descriptor}", encoding="ascii") as info:
                flags = int(re.search(r"flags:\s*(\d+)", info.read())[1], 8)
            target = os.readlink(f"/proc/{running.pid}/fd/{descriptor}")
        except FileNotFoundError:
            continue
        assert flags & os.O_CLOEXEC, target
        looked_at += 1
    assert looked_at >= 3  # at least the loop's own: epoll, its wake-up, the listening socket


@pytest.mark.release  # a sanitizer needs the process open
def test_it_is_undumpable(binary, place, closing, programs):
    """The kernel gives /proc/PID of an undumpable process to root. Of root's own processes it cannot be seen, so as
    root the relay is run as nobody."""
    bus = closing(ForeignGuestBus(lambda _: Reply(envelope({"status": "ok"}))))
    folder = place.root / "nobody"
    folder.mkdir()
    copy = shutil.copy(binary, folder / "shed-ext")
    identity = {}
    if os.geteuid() == 0:
        for path in (folder, copy):
            os.chown(path, NOBODY, NOBODY)
        os.chmod(place.root, 0o711)
        identity = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    ordinary = programs.start(["sleep", "60"], place.env(), **identity)
    relay = programs.start([copy, "ssh-agent", "--sock", folder / "a.sock", "--publish-url", bus.url], place.env(),
                           **identity)
    wait_until(lambda: (folder / "a.sock").exists() or not relay.running, 10, "the relay's socket")
    assert relay.running, relay.stderr
    owner = os.getuid() or NOBODY
    assert os.stat(f"/proc/{ordinary.pid}/mem").st_uid == owner
    assert os.stat(f"/proc/{relay.pid}/mem").st_uid == 0


def test_the_release_binary_is_static_and_hardened(binary, sanitized):
    """Static: it starts in any guest. Full RELRO and no executable stack: the loader's tables cannot be rewritten."""
    headers = subprocess.run(["readelf", "-lW", str(binary)], capture_output=True, text=True, check=True).stdout
    assert re.search(r"GNU_STACK.* RW ", headers)
    if not sanitized:
        assert "INTERP" not in headers
        assert "GNU_RELRO" in headers
        assert binary.stat().st_size <= 8 * 1024 * 1024
        assert stat.S_IMODE(binary.stat().st_mode) & 0o111
