"""Where the relay cannot have its socket: one line with the path and the reason, exit 1, nothing removed."""

import os
import socket
import stat

import pytest

from support.broker import answers_lists
from support.servers import accepts, free_port


def refused(broker, sock, *words):
    """Starts a relay on `sock`, which must fail with one line that has the path and the words."""
    done = broker.run("ssh-agent", "--sock", sock, "--publish-url", f"http://127.0.0.1:{free_port()}/v1/publish")
    assert done.status == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert str(sock) in done.stderr
    for word in words:
        assert word in done.stderr.lower()


def test_a_path_that_is_too_long_is_said_and_never_cut(broker, place):
    sock = place.run / ("s" * 120)
    refused(broker, sock, "107")
    assert list(place.run.iterdir()) == []


def test_the_longest_path_works(broker, honest_guest_bus, place):
    sock = str(place.run) + "/" + "s" * (107 - len(str(place.run)) - 1)
    assert len(sock) == 107
    assert answers_lists(broker.start_relay(honest_guest_bus.url, sock).sock)


def test_a_folder_that_is_missing_is_said(broker, place):
    refused(broker, place.run / "missing/agent.sock", "does not exist")
    assert not (place.run / "missing").exists()


def test_a_regular_file_in_the_way_is_left_alone(broker, place):
    file = place.run / "agent.sock"
    file.write_text("precious")
    refused(broker, file)
    assert file.read_text() == "precious"


def test_a_folder_in_the_way_is_left_alone(broker, place):
    (place.run / "agent.sock").mkdir()
    refused(broker, place.run / "agent.sock")
    assert (place.run / "agent.sock").is_dir()


def test_a_link_in_the_way_is_left_alone(broker, place):
    (place.run / "target").write_text("precious")
    (place.run / "agent.sock").symlink_to(place.run / "target")
    refused(broker, place.run / "agent.sock")
    assert (place.run / "target").read_text() == "precious"
    assert (place.run / "agent.sock").is_symlink()


def test_a_live_socket_is_not_replaced(broker, honest_guest_bus, place):
    relay = broker.start_relay(honest_guest_bus.url)
    inode = os.stat(relay.sock).st_ino
    refused(broker, relay.sock)
    assert os.stat(relay.sock).st_ino == inode
    assert answers_lists(relay.sock)


def test_a_stale_socket_is_replaced(broker, honest_guest_bus, place):
    sock = place.run / "agent.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(sock))
    assert sock.is_socket() and not accepts(sock)
    assert answers_lists(broker.start_relay(honest_guest_bus.url, sock).sock)


def test_a_killed_relay_leaves_a_stale_socket_which_the_next_one_replaces(broker, honest_guest_bus):
    first = broker.start_relay(honest_guest_bus.url)
    first.kill()
    assert answers_lists(broker.start_relay(honest_guest_bus.url, first.sock).sock)


def test_the_socket_is_for_its_owner_only_whatever_the_umask(broker, honest_guest_bus):
    relay = broker.start_relay(honest_guest_bus.url, preexec_fn=lambda: os.umask(0))
    assert stat.S_IMODE(os.stat(relay.sock).st_mode) == 0o600


def test_a_folder_that_one_may_not_write_is_said(broker, place):
    if os.geteuid() == 0:
        # Root writes everywhere but in /proc.
        refused(broker, "/proc/agent.sock")
    else:
        closed = place.root / "closed"
        closed.mkdir(mode=0o500)
        refused(broker, closed / "agent.sock", "permission denied")


def test_the_relay_does_not_remove_a_socket_that_took_its_place(broker, honest_guest_bus):
    relay = broker.start_relay(honest_guest_bus.url)
    os.unlink(relay.sock)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(relay.sock)
        other.listen()
        assert relay.terminate() == 0
        assert accepts(relay.sock)


@pytest.mark.parametrize("option", ["--guest-listen", "--host-listen"])
def test_the_bus_says_which_socket_it_cannot_have(broker, place, option):
    file = place.run / "taken.sock"
    file.write_text("precious")
    other = {"--guest-listen": "--host-listen", "--host-listen": "--guest-listen"}[option]
    done = broker.run("bus", option, f"unix:{file}", other, f"unix:{place.run}/other.sock", "--shed", "box")
    assert done.status == 1 and done.stderr.count("\n") == 1 and str(file) in done.stderr
    assert file.read_text() == "precious" and not (place.run / "other.sock").exists()


def test_the_bus_says_which_port_is_taken(broker):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = broker.run("bus", "--guest-listen", f"127.0.0.1:{port}", "--host-listen", f"127.0.0.1:{free_port()}",
                          "--shed", "box")
    assert done.status == 1 and done.stderr.count("\n") == 1 and f"127.0.0.1:{port}" in done.stderr
