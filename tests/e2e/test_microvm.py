"""A real microVM with a real kernel signs, logs in and gets its credentials through virtio-serial, and has no key."""

import json
import secrets

import pytest

from support import remote_guest
from support.broker import audit_records
from support.docker_fixtures import OWNER as LOGIN
from support.microvm import SSH_ADDRESS
from support.remote_guest import ASK_FOR_CREDENTIALS, ASK_FOR_LOGIN, KEPT_LOGIN
from support.secrets import halves, secret_bytes_of_key, spellings, which_are_in, without_empty_pages
from support.sts_fake import GUEST, OWNERS_SECRETS
from support.waiting import wait_until

pytestmark = pytest.mark.release  # a guest has no libraries for a dynamic binary

# Two seconds are the promise; the third is for the start of what came back.
BACK_WITHIN_SECONDS = 3


def log_in(microvm, sshd, command):
    """ssh in the guest, with the keys of the agent and nothing else; the quickest exchange, for an emulated machine."""
    known = f"{SSH_ADDRESS} {' '.join(sshd.host_key)}"
    settings = ["StrictHostKeyChecking=yes", "UserKnownHostsFile=/run/known_hosts", "IdentityFile=none",
                "BatchMode=yes", "KexAlgorithms=curve25519-sha256", "ConnectTimeout=20"]
    options = " ".join(f"-o {setting}" for setting in settings)
    return microvm.run(f"echo '{known}' >/run/known_hosts; "
                       f"ssh -F none {options} {sshd.user}@{SSH_ADDRESS} '{command}'")


def test_the_keys_of_the_host_are_listed(host_side, microvm, keys):
    remote_guest.check_keys(microvm, keys)


def test_a_login_to_a_real_sshd_is_signed_by_the_host(host_side, microvm, sshd, place):
    done = log_in(microvm, sshd, "echo in")
    assert (done.status, done.stdout) == (0, "in\n"), done
    signed = [record for record in map(dict, audit_records(place.audit_log)) if record["op"] == "sign"]
    # The name is the connector's: the guest does not know it.
    assert [(record["shed"], record["result"]) for record in signed] == [("web", "ok")]


def test_a_registry_login_is_given(host_side, microvm):
    remote_guest.check_login_of_registry(microvm)


def test_a_registry_login_that_is_not_on_the_list_stays_on_the_host(host_side, microvm):
    remote_guest.check_kept_login(microvm)


def test_session_credentials_are_given(host_side, microvm):
    remote_guest.check_session_credentials(microvm)


def test_status_says_that_all_is_connected(host_side, microvm):
    remote_guest.check_status(microvm)


def test_nothing_else_of_the_host_is_in_reach(host_side, microvm, sshd):
    """What these tests prove would mean little if the guest could go another way."""
    assert microvm.run(f"nc -w 5 {SSH_ADDRESS} 22 </dev/null").stdout.startswith("SSH-")
    # Where QEMU puts the host when nothing is restricted.
    assert microvm.run(f"nc -w 5 10.0.2.2 {sshd.port} </dev/null").status != 0
    assert microvm.run("ls -A /root /root/.ssh").stdout.split() == ["/root:", ".ssh", "/root/.ssh:"]


# AF_VSOCK, inside the guest.

@pytest.fixture
def vsock(microvm):
    """vsock(option of the guest's half): both halves, over vsock's loopback; the publish URL of the guest's one."""
    def start(option=""):
        microvm.run("mkdir -p /run/vsock")
        microvm.start(f"exec shed-ext bus --guest --listen 127.0.0.1:1498 --frames vsock:1026 {option}")
        microvm.start("exec shed-ext bus --host --listen unix:/run/vsock/host.sock --shed inner=vsock:1:1026")
        return "http://127.0.0.1:1498/v1/publish"
    yield start
    microvm.end("bus|host|ssh-agent")
    microvm.run("rm -rf /run/vsock")


def test_both_halves_meet_over_vsock(host_side, microvm, vsock, keys):
    """A second bus, whose host agent has the keys of the first: the guest's agent, which asks the real host."""
    url = vsock("--allow-loopback")
    config = "server: unix:///run/vsock/host.sock\nssh: { approval: { policy: approve-all } }\n"
    microvm.run(f"echo '{config}' >/run/vsock/yaml")
    microvm.start("export SHED_HOST_AGENT_SOCKET_DIR=/run/vsock/agent; exec shed-ext host --config /run/vsock/yaml")
    microvm.start(f"exec shed-ext ssh-agent --sock /run/vsock/agent.sock --publish-url {url}")
    list_keys = "SSH_AUTH_SOCK=/run/vsock/agent.sock ssh-add -l"
    wait_until(lambda: microvm.run(list_keys).status == 0, 15, "a list over vsock")
    listed = microvm.run(list_keys).stdout
    assert all(key.fingerprint in listed for key in keys.values())


def test_over_vsock_only_the_host_may_come(microvm, vsock):
    url = vsock()
    wait_until(lambda: "inner" in microvm.console and "1026" in microvm.console, 10, "the host's half has tried")
    done = microvm.run(f"wget -q -O - --post-data '{{\"namespace\":\"ssh-agent\"}}' {url}")
    assert done.status != 0 and "503" in done.stderr, done


# One half is killed while the guest asks.

ASK_FOR_LONG = f"""
cd /run/load
ask() {{
  while [ ! -e stop ]; do
    echo asked >>$1.asked
    answer=$({ASK_FOR_LOGIN})
    echo "$? $answer" >>$1.answers
  done
  echo ended >>ended
}}
ask 1 & ask 2 &
"""


@pytest.fixture
def load(host_side, microvm):
    """Programs in the guest that ask for a login all the time."""
    microvm.run("rm -rf /run/load; mkdir /run/load")
    microvm.start(ASK_FOR_LONG)
    wait_until(lambda: host_side.logins_given() >= 2, 20, "the first answers")
    yield
    microvm.run("touch /run/load/stop")


def answers(microvm):
    """(exit status, what was said) of each, after the last one."""
    microvm.run("touch /run/load/stop")
    wait_until(lambda: microvm.run("cat /run/load/ended").stdout.count("ended") == 2, 40, "the last answers")
    asked = microvm.run("cat /run/load/*.asked").stdout.splitlines()
    lines = microvm.run("cat /run/load/*.answers").stdout.splitlines()
    assert len(lines) == len(asked) > 0
    return [line.split(" ", 1) for line in lines]


def check_answers(microvm):
    """Each was answered, or told why not."""
    given = answers(microvm)
    for status, text in given:
        if status == "0":
            assert json.loads(text)["Secret"] == LOGIN.password
        else:
            assert status == "1" and text.startswith("docker-credential-shed: ") and len(text) > 40
    assert any(status == "0" for status, _ in given)


def check_that_it_comes_back(host_side):
    before = host_side.logins_given()
    wait_until(lambda: host_side.logins_given() > before, BACK_WITHIN_SECONDS, "an answer after the restart")


def test_a_host_half_that_is_killed_under_load_loses_nothing_silently(host_side, microvm, load):
    for _ in range(3):
        host_side.bus.kill()
        before = microvm.run("cat /run/load/*.answers | wc -l").stdout
        wait_until(lambda: microvm.run("cat /run/load/*.answers | wc -l").stdout != before, 20, "one was told why not")
        host_side.start_bus()
        check_that_it_comes_back(host_side)
    check_answers(microvm)


def test_a_guest_half_that_is_killed_under_load_loses_nothing_silently(host_side, microvm, load):
    for _ in range(3):
        microvm.end("guest", "KILL")
        check_that_it_comes_back(host_side)
    check_answers(microvm)


# What the guest's memory holds after all of that.

def everything_that_stays_on_the_host(keys):
    wanted = {}
    for key in keys.values():
        wanted.update(secret_bytes_of_key(key))
    for secret in OWNERS_SECRETS:
        wanted.update(spellings(f"AWS secret '{secret[:8]}...'", secret))
    wanted.update(spellings("password of a registry that was not asked for", KEPT_LOGIN.password))
    wanted.update(spellings("auth of a registry that was not asked for", KEPT_LOGIN.auth))
    return wanted


def test_no_byte_of_a_private_key_is_in_the_memory_of_the_guest(host_side, microvm, sshd, keys):
    marker = secrets.token_hex(32)
    # What the guest may have and keeps, so that the search is seen to find: text, and raw bytes.
    microvm.run(f"echo {marker} >/run/marker; {ASK_FOR_CREDENTIALS} >/run/credentials; "
                "ssh-add -L | while read -r type blob comment; do echo $blob | base64 -d; done >/run/blobs")
    remote_guest.check_keys(microvm, keys)
    assert log_in(microvm, sshd, "true").status == 0
    remote_guest.check_login_of_registry(microvm)
    remote_guest.check_kept_login(microvm)
    memory = without_empty_pages(microvm.memory().read_bytes())
    has = {f"{key.name}: public key": key.blob for key in keys.values()}
    has.update({"marker": marker.encode(), "session credentials": GUEST.secret_access_key.encode()})
    assert which_are_in(memory, has) == list(has)
    assert which_are_in(memory, halves(everything_that_stays_on_the_host(keys))) == []
