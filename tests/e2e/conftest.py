"""Fixtures: the binary under test, and the real programs around it. Everything ends and goes with its test."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from support.broker import Broker
from support.foreign_guest_bus import ForeignGuestBus, HostBehindIt
from support.foreign_host_bus import ForeignHostBus
from support.keys import make_keys
from support.place import PREFIX, Place
from support.programs import ProgramSet
from support.servers import PrivilegeSeparation, Sshd, UpstreamAgent
from support.waiting import PATIENCE

NEEDED_PROGRAMS = ["ssh", "ssh-agent", "ssh-add", "ssh-keygen", "git", "sh", "sleep", "docker-registry", "skopeo",
                   "podman", "pass", "gpg", "tmux", "bash"]
TEST_LIMIT_SECONDS = 180
pytest_plugins = ["support.aws_fixtures", "support.bus_fixtures", "support.docker_fixtures",
                  "support.microvm_fixtures", "support.signing_fixtures"]


@pytest.fixture(scope="session", autouse=True)
def every_program_is_there():
    missing = [name for name in NEEDED_PROGRAMS if not shutil.which(name)]
    if missing:
        pytest.exit(f"missing {', '.join(missing)}: run scripts/install-deps --test", returncode=1)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """A test that hangs fails, with the line it hangs at."""
    def too_long(*_):
        raise AssertionError(f"the test takes longer than {TEST_LIMIT_SECONDS * PATIENCE:g} s")
    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, TEST_LIMIT_SECONDS * PATIENCE)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    for name in ("programs", "microvm") if report.failed and hasattr(item, "funcargs") else ():
        if name in item.funcargs:
            report.sections.append((f"{name} of the test", item.funcargs[name].log()))


@pytest.fixture
def place():
    place = Place()
    yield place
    place.remove()


@pytest.fixture
def programs(place):
    programs = ProgramSet(place.logs)
    yield programs
    findings = programs.stop_all()
    assert not findings, "a sanitizer found something:\n" + "\n".join(findings)


@pytest.fixture(scope="session")
def keys():
    """One key pair of each kind, by name."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir="/tmp") as folder:
        yield make_keys(folder)


@pytest.fixture
def agent(programs, place, keys):
    """The agent of the host, with every key in it."""
    agent = UpstreamAgent(programs, place.env(), place.root / "upstream.sock")
    agent.add(*(key.private for key in keys.values()))
    return agent


@pytest.fixture
def empty_agent(programs, place):
    return UpstreamAgent(programs, place.env(), place.root / "upstream.sock")


@pytest.fixture(scope="session")
def privilege_separation():
    separation = PrivilegeSeparation()
    yield
    separation.close()


@pytest.fixture
def start_sshd(programs, place, privilege_separation):
    """start_sshd(name=..., authorized=[keys], options=[lines of sshd_config])"""
    def start(name="server", **more):
        return Sshd(programs, place.env(), place.root / f"sshd-{name}", name=name, **more)
    return start


@pytest.fixture
def sshd(start_sshd, keys):
    """An sshd that lets every key in."""
    return start_sshd(authorized=keys.values())


@pytest.fixture(scope="session")
def binary():
    """The executable under test."""
    path = os.environ.get("SHED_EXT_BINARY")
    if not path:
        pytest.fail("SHED_EXT_BINARY is not set: name the shed-ext to test, or run scripts/test")
    path = Path(path).resolve()
    assert os.access(path, os.X_OK), f"{path} is not an executable"
    return path


@pytest.fixture(scope="session")
def sanitized(binary):
    """True for a binary with AddressSanitizer: its memory figures mean nothing."""
    return b"__asan_init" in binary.read_bytes()


@pytest.fixture
def broker(binary, programs, place):
    """Starts applets of the binary under test."""
    return Broker(binary, programs, place)


@pytest.fixture
def closing():
    """Calls close() of everything given to it, after the test."""
    opened = []

    def later(thing):
        opened.append(thing)
        return thing
    yield later
    for thing in reversed(opened):
        thing.close()


@pytest.fixture
def start_guest_bus(closing):
    """start_guest_bus(answer): somebody else's guest bus."""
    return lambda answer: closing(ForeignGuestBus(answer))


@pytest.fixture
def honest_guest_bus(start_guest_bus, agent):
    """One that answers as a host agent with the keys of `agent` does."""
    return start_guest_bus(HostBehindIt(agent.path))


@pytest.fixture
def start_host_bus(closing):
    """start_host_bus(...): somebody else's host bus."""
    return lambda **options: closing(ForeignHostBus(**options))
