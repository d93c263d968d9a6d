"""The harness without the broker: when one of these fails, the tests around the broker say nothing about it."""

import base64
import json
import subprocess

import pytest

from support import agent_wire
from support.foreign_guest_bus import ForeignGuestBus, HostBehindIt
from support.foreign_host_bus import ForeignHostBus
from support.http_client import connect, publish, request
from support.keys import KINDS, algorithm_of, verifies
from support.servers import accepts
from support.waiting import wait_until


def state_of(pid):
    """The letter that ps shows, or None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(") ", 1)[1][0]
    except (FileNotFoundError, ProcessLookupError):  # the latter where it is gone between the opening and the reading
        return None


def test_the_agent_lists_every_key(agent, keys):
    assert [blob for blob, _ in agent.identities()] == [key.blob for key in keys.values()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_of_the_agent_verifies_and_a_changed_one_does_not(agent, keys, kind):
    signature = agent_wire.sign(agent.path, keys[kind].blob, b"data", 4)
    assert verifies(keys[kind], signature, b"data")
    assert not verifies(keys[kind], signature, b"other data")


def test_rsa_flags_choose_the_algorithm(agent, keys):
    blob = keys["rsa2048"].blob
    assert [algorithm_of(agent_wire.sign(agent.path, blob, b"data", flags)) for flags in (2, 4)] == [
        "rsa-sha2-256", "rsa-sha2-512"]


@pytest.mark.parametrize("kind", KINDS)
def test_sshd_lets_each_kind_of_key_in(agent, sshd, keys, programs, place, kind):
    login = programs.run(sshd.ssh("echo in", more=sshd.only_with(keys[kind])), place.env(agent.path))
    assert (login.status, login.stdout) == (0, "in\n")
    assert keys[kind].fingerprint in sshd.log


def test_sshd_keeps_a_key_out_that_is_not_authorized(agent, start_sshd, keys, programs, place):
    sshd = start_sshd(authorized=[keys["ed25519"]])
    login = programs.run(sshd.ssh("echo in", more=sshd.only_with(keys["rsa2048"])), place.env(agent.path))
    assert login.status == 255 and login.stdout == ""


def test_ssh_needs_an_agent_since_it_has_no_key_file(sshd, programs, place):
    assert programs.run(sshd.ssh("echo in"), place.env()).status == 255


def test_ssh_add_changes_an_agent_that_lets_it(agent, keys, programs, place):
    ask = place.work / "askpass"
    ask.write_text("#!/bin/sh\necho secret\n")
    ask.chmod(0o700)
    env = place.env(agent.path, SSH_ASKPASS=ask, SSH_ASKPASS_REQUIRE="force")
    assert programs.run(["ssh-add", "-x"], env).status == 0 and agent.identities() == []
    assert programs.run(["ssh-add", "-X"], env).status == 0 and agent.identities() != []
    assert programs.run(["ssh-add", "-d", keys["ed25519"].public], env).status == 0
    assert programs.run(["ssh-add", "-D"], env).status == 0 and agent.identities() == []
    assert programs.run(["ssh-add", "-q", keys["ed25519"].private], env).status == 0


def test_a_killed_agent_comes_back_at_the_same_path(empty_agent, keys):
    empty_agent.add(keys["ed25519"].private)
    empty_agent.kill()
    assert not accepts(empty_agent.path)
    empty_agent.start()
    assert empty_agent.identities() == []


def test_programs_end_with_their_test(programs, place):
    child = programs.start(["sh", "-c", "sleep 1000 & echo $!; wait"], place.env())
    child.wait_for_stdout(r"^\d+$")
    grandchild = int(child.stdout)
    programs.stop_all()
    wait_until(lambda: state_of(grandchild) in (None, "Z"), 5, "the grandchild is gone")


def test_socket_paths_are_short_enough(place):
    assert len(str(place.run / "shed-ext-123456/host-agent-status.sock")) < 100


def test_the_environment_has_nothing_of_the_caller(place, monkeypatch):
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nowhere")
    done = subprocess.run(["env"], env=place.env(), capture_output=True, text=True, check=True)
    assert "SSH_AUTH_SOCK" not in done.stdout and f"HOME={place.home}\n" in done.stdout


def test_a_foreign_guest_bus_answers_with_the_agents_signature(agent, keys, closing):
    bus = closing(ForeignGuestBus(HostBehindIt(agent.path)))
    status, body = publish(bus.url, {"namespace": "ssh-agent", "type": "request", "payload": {
        "operation": "sign", "public_key": base64.b64encode(keys["ed25519"].blob).decode(),
        "data": base64.b64encode(b"data").decode(), "flags": 0}})
    payload = json.loads(body)["payload"]
    assert status == 200 and payload["format"] == "ssh-ed25519"
    signature = agent_wire.string(payload["format"]) + agent_wire.string(base64.b64decode(payload["blob"]))
    assert verifies(keys["ed25519"], signature, b"data")


def test_a_foreign_host_bus_streams_events_and_takes_responses(closing):
    bus = closing(ForeignHostBus())
    connection, _ = connect(bus.url)
    connection.request("GET", "/api/plugins/listeners/ssh-agent/messages")
    answer = connection.getresponse()
    bus.stream().event({"id": "1"})
    assert answer.status == 200 and answer.readline() == b"event: message\n"
    assert json.loads(answer.readline().removeprefix(b"data: ")) == {"id": "1"}
    status, _ = request("POST", bus.url, "/api/plugins/listeners/ssh-agent/respond", b'{"in_reply_to":"1"}')
    assert status == 204 and bus.response() == {"in_reply_to": "1"}
    connection.close()
