"""The agent on the host goes away, comes back, is slow or lies."""

import os
import socket
import threading

import pytest

from support import agent_wire
from support.agent_wire import FAILURE, IDENTITIES_ANSWER, SIGN_REQUEST, SIGN_RESPONSE, string
from support.broker import answers_lists, audit_records
from support.fake_agent import FakeAgent, identities_answer
from support.keys import verifies
from support.servers import UpstreamAgent
from support.waiting import Stopwatch, patience


def test_an_agent_that_was_restarted_is_used_again(broker, agent, keys):
    up = broker.start_up(agent.path)
    agent.kill()
    agent.start()
    agent.add(keys["ed25519"].private)
    assert verifies(keys["ed25519"], agent_wire.sign(up.sock, keys["ed25519"].blob, b"data"), b"data")


@pytest.mark.parametrize("socket_left", [False, True], ids=["socket missing", "socket refuses"])
def test_an_agent_that_is_away_for_a_moment_is_waited_for(broker, agent, keys, programs, place, socket_left):
    """Three attempts, 200 ms and 400 ms apart: an agent that is back after 300 ms is found by the last one."""
    up = broker.start_up(agent.path)
    if socket_left:
        agent.program.kill()
    else:
        agent.kill()
    # It listens already, under another name: to start it would take a part of the 300 ms that a busy machine has not.
    ready = UpstreamAgent(programs, place.env(), place.root / "ready.sock")
    ready.add(keys["ed25519"].private)
    timer = threading.Timer(0.3, lambda: os.rename(ready.path, agent.path))
    timer.start()
    answered = answers_lists(up.sock)
    timer.join()
    assert answered


def test_an_agent_that_stays_away_is_a_failure_in_time_and_said(broker, agent, keys, place):
    up = broker.start_up(agent.path)
    agent.kill()
    watch = Stopwatch()
    assert agent_wire.sign(up.sock, keys["ed25519"].blob, b"data") is None
    assert 0.55 < watch.seconds < 0.6 + patience(2), "after three attempts, 600 ms"
    up.program.wait_for_stderr(str(agent.path))
    record = dict(audit_records(place.audit_log)[-1])
    assert (record["op"], record["result"]) == ("sign", "error")


def test_a_slow_agent_does_not_hang_the_client(broker, place, closing, keys):
    release = threading.Event()

    def answer(kind, _):
        if kind == SIGN_REQUEST:
            release.wait(30)
        return identities_answer((keys["ed25519"].blob, "key"))
    up = broker.start_up(closing(FakeAgent(place.root / "slow.sock", answer)).path)
    watch = Stopwatch()
    assert agent_wire.sign(up.sock, keys["ed25519"].blob, b"data") is None
    assert watch.seconds < 10 + patience(2)
    release.set()


def test_an_agent_that_accepts_and_says_nothing_does_not_hold_the_start(broker, place, closing):
    silent = closing(socket.socket(socket.AF_UNIX))
    silent.bind(str(place.root / "silent.sock"))
    silent.listen()
    watch = Stopwatch()
    broker.start_up(place.root / "silent.sock")
    assert watch.seconds < 2.5 + patience(2)


def signature(algorithm, blob=b"x" * 64):
    return SIGN_RESPONSE, string(string(algorithm) + string(blob))


def lying_agent(place, closing, key, sign_answer):
    def answer(kind, _):
        if kind == SIGN_REQUEST:
            return sign_answer
        return identities_answer((key.blob, "key"))
    return closing(FakeAgent(place.root / "lying.sock", answer))


@pytest.mark.parametrize("flags, algorithm", [(2, "ssh-rsa"), (4, "ssh-rsa"), (4, "rsa-sha2-256"), (2, "rsa-sha2-512"),
                                              (0, "ssh-ed25519"), (4, "")])
def test_a_signature_of_another_algorithm_than_was_asked_for_is_refused(broker, place, closing, keys, flags, algorithm):
    key = keys["rsa2048"]
    up = broker.start_up(lying_agent(place, closing, key, signature(algorithm, b"x" * 256)).path)
    assert agent_wire.sign(up.sock, key.blob, b"data", flags) is None
    up.program.wait_for_stderr("sign")


@pytest.mark.parametrize("sign_answer", [
    (SIGN_RESPONSE, b""), (SIGN_RESPONSE, b"\xff\xff\xff\xff"), (SIGN_RESPONSE, string(b"\0\0\0\7ssh")),
    (IDENTITIES_ANSWER, b"\0\0\0\0"), (FAILURE, b""), (200, b"what"), None,
], ids=["empty", "length too large", "cut", "another message", "failure", "unknown message", "closed"])
def test_a_broken_answer_of_the_agent_is_a_failure_and_nothing_more(broker, place, closing, keys, sign_answer):
    key = keys["ed25519"]
    up = broker.start_up(lying_agent(place, closing, key, sign_answer).path)
    with agent_wire.AgentConnection(up.sock) as connection:
        assert connection.sign(key.blob, b"data") is None
        assert len(connection.identities()) == 1


@pytest.mark.parametrize("payload", [
    b"", b"\xff\xff\xff\xff", b"\0\0\0\2" + string(b"x") * 2, b"\0\0\0\1" + string(b"blob"),
    b"\0\0\x10\0" + (string(b"b") + string(b"c")) * 4096,
], ids=["empty", "too many", "too few", "without comment", "4096 of them"])
def test_a_broken_list_of_the_agent_is_a_failure_and_nothing_more(broker, place, closing, payload):
    fake = closing(FakeAgent(place.root / "lying.sock", lambda *_: (IDENTITIES_ANSWER, payload)))
    up = broker.start_up(fake.path)
    with agent_wire.AgentConnection(up.sock) as connection:
        connection.ask(agent_wire.REQUEST_IDENTITIES)
        assert connection.ask(agent_wire.REMOVE_ALL_IDENTITIES)[0] == FAILURE
    assert up.program.running


def test_the_agent_is_asked_for_nothing_but_lists_signatures_and_binds(broker, place, closing, keys):
    fake = lying_agent(place, closing, keys["ed25519"], signature("ssh-ed25519"))
    up = broker.start_up(fake.path)
    with agent_wire.AgentConnection(up.sock) as connection:
        for kind in range(1, 30):
            connection.send(agent_wire.message(kind, b""))
            if connection.receive() is None:
                break
    assert {kind for kind, _ in fake.messages} <= {agent_wire.REQUEST_IDENTITIES, SIGN_REQUEST, agent_wire.EXTENSION}


def test_comments_of_keys_reach_the_client_unchanged(broker, place, closing, keys):
    comment = "schlüssel \"quoted\" \\ back/slash \t tab 😀"
    fake = closing(FakeAgent(place.root / "x.sock", lambda *_: identities_answer((keys["ed25519"].blob, comment))))
    up = broker.start_up(fake.path)
    assert agent_wire.identities(up.sock) == [(keys["ed25519"].blob, comment)]
