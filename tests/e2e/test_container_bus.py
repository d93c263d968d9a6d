"""A container whose only way out is a socket in a folder that is mounted in it has the services of its host."""

import shutil

import pytest

from support import remote_guest
from support.container import FRAMES, Container
from support.remote_guest import wait_for_services

pytestmark = pytest.mark.release  # a container has no libraries for a dynamic binary


@pytest.fixture
def container(binary, programs, place, closing):
    return closing(Container(programs, place, binary, ["docker-credential-shed"]))


@pytest.fixture
def host_side(start_host_side, container):
    """That of the container, connected."""
    side = start_host_side(f"unix:{container.socket}")
    wait_for_services(container)
    return side


def test_the_keys_of_the_host_are_listed(host_side, container, keys):
    remote_guest.check_keys(container, keys)


def test_a_file_is_signed_by_the_host(host_side, container, keys, place, programs):
    key = keys["ed25519"]
    done = container.run(f"cd /tmp && echo words >file && echo '{key.line}' >key.pub && "
                         "ssh-keygen -q -Y sign -n file -f key.pub file && cat file.sig")
    assert done.status == 0, done
    signature, signers, file = (place.work / name for name in ("file.sig", "signers", "file"))
    signature.write_text(done.stdout)
    signers.write_text(f"guest {key.line}\n")
    file.write_text("words\n")
    with open(file, encoding="utf-8") as stdin:
        checked = programs.run([shutil.which("ssh-keygen"), "-Y", "verify", "-n", "file", "-I", "guest", "-f", signers,
                                "-s", signature], place.env(), stdin=stdin)
    assert checked.status == 0, checked.stderr


def test_a_registry_login_is_given(host_side, container):
    remote_guest.check_login_of_registry(container)


def test_a_registry_login_that_is_not_on_the_list_stays_on_the_host(host_side, container):
    remote_guest.check_kept_login(container)


def test_session_credentials_are_given(host_side, container):
    remote_guest.check_session_credentials(container)


def test_status_says_that_all_is_connected(host_side, container):
    remote_guest.check_status(container)


def test_nothing_else_of_the_host_is_in_reach(host_side, container, agent, place, sshd):
    (place.home / ".ssh").mkdir()
    (place.home / ".ssh/id_ed25519").write_text("private\n")
    # Its own two sockets are all, and no folder of the host is there.
    assert sorted(container.run("find / -type s").stdout.split()) == [FRAMES, "/run/shed-extensions/ssh-agent.sock"]
    for path in (agent.path, place.home, place.run, "/home", "/old", "/var"):
        assert container.run(f"ls {path}").status != 0
    assert container.run("find / -xdev -name 'id_*' -o -name .aws -o -name .docker").stdout == ""
    assert container.run("ls -A /root/.ssh").stdout == ""
    mounts = [line.split()[1] for line in container.run("cat /proc/mounts").stdout.splitlines()]
    assert sorted(mounts) == ["/", "/dev/null", "/proc", "/run/bus"]
    # No network but its own loopback, and no process of the host.
    assert container.run("ls /sys/class/net; ip -o link | wc -l").stdout == "1\n"
    assert container.run(f"nc -w 2 127.0.0.1 {sshd.port} </dev/null").status != 0
    assert container.run("pidof sshd ssh-agent").stdout == ""
