"""`shed-ext ssh-agent` on a guest bus that answers wrongly, late or not at all: it fails in time and says why."""

import threading

import pytest

from support import agent_wire
from support.broker import answers_lists, relay_status
from support.foreign_guest_bus import HostBehindIt, Reply, envelope, error
from support.keys import verifies
from support.servers import free_port
from support.waiting import Stopwatch, patience, wait_until

BAD_ANSWERS = {
    "not JSON": Reply(b"<html>it works</html>", content_type="text/html"),
    "half of an object": Reply(b'{"payload": {"keys": ['),
    "empty": Reply(b""),
    "an array": Reply([1, 2, 3]),
    "no payload": Reply(envelope(None)),
    "a payload that is no object": Reply(envelope("keys")),
    "keys that are no list": Reply(envelope({"keys": 7, "format": 1, "blob": {}})),
    "base64 that is none": Reply(envelope({"keys": [{"format": "ssh-ed25519", "blob": "*!*", "comment": ""}],
                                           "format": "ssh-ed25519", "blob": "*!*"})),
    "not UTF-8": Reply(b'{"payload": {"keys": [], "x": "\xff\xfe"}}'),
    "deeply nested": Reply(b'{"payload":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "another namespace": Reply(envelope({"keys": [], "format": "ssh-ed25519", "blob": "AA=="}, "aws-credentials")),
    "a request instead of a response": Reply(envelope({"keys": [], "format": "ssh-ed25519", "blob": "AA=="},
                                                      type="request")),
    "larger than 1 MiB": Reply(envelope({"keys": [], "padding": "x" * (1100 * 1024)})),
    "without end": Reply(b'{"payload": {"keys": [], "padding": "' + b"x" * (40 * 1024 * 1024)),
    "an error": Reply(envelope({"error": "the host says no", "code": "INTERNAL_ERROR"})),
    "400": error(400, "INVALID_BODY"),
    "404": error(404, "NOT_FOUND"),
    "500 with text": Reply(b"oops", 500, content_type="text/plain"),
    "503": error(503, "NO_CONNECTION"),
    "504": error(504, "TIMEOUT"),
    "a closed connection": Reply(b"", hang_up=True),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_a_bad_answer_is_a_failure_in_time_and_is_logged(broker, start_guest_bus, agent, keys, name):
    bad = BAD_ANSWERS[name]
    bus = start_guest_bus(HostBehindIt(agent.path, list=lambda _: bad, sign=lambda _: bad))
    relay = broker.start_relay(bus.url)
    watch = Stopwatch()
    with agent_wire.AgentConnection(relay.sock) as connection:
        assert connection.ask(agent_wire.REQUEST_IDENTITIES) == (agent_wire.FAILURE, b"")
        assert connection.sign(keys["ed25519"].blob, b"data") is None, "the connection goes on"
    assert watch.seconds < patience(2)
    relay.wait_for_stderr("list.*: .+")
    relay.wait_for_stderr("sign.*: .+")
    # The next request to an honest host works.
    bus.answer = HostBehindIt(agent.path)
    assert len(agent_wire.identities(relay.sock)) == len(keys)


def test_the_hosts_error_text_is_in_the_log(broker, start_guest_bus, agent, keys):
    bus = start_guest_bus(HostBehindIt(agent.path, sign=lambda _: Reply(envelope(
        {"error": "approval denied", "code": "SIGN_FAILED"}))))
    relay = broker.start_relay(bus.url)
    assert agent_wire.sign(relay.sock, keys["ed25519"].blob, b"data") is None
    relay.wait_for_stderr("approval denied")


def test_control_characters_of_an_error_text_do_not_reach_the_terminal(broker, start_guest_bus, agent, keys):
    bus = start_guest_bus(HostBehindIt(agent.path, sign=lambda _: Reply(envelope(
        {"error": "evil\n\x1b[31mred\rover", "code": "SIGN_FAILED"}))))
    relay = broker.start_relay(bus.url)
    assert agent_wire.sign(relay.sock, keys["ed25519"].blob, b"data") is None
    relay.wait_for_stderr("evil")
    assert "\x1b" not in relay.stderr and "\r" not in relay.stderr and "\nred" not in relay.stderr


def test_a_late_answer_is_a_failure_after_three_seconds(broker, start_guest_bus, agent, keys):
    release = threading.Event()
    late = HostBehindIt(agent.path)
    bus = start_guest_bus(HostBehindIt(agent.path, sign=lambda request: Reply(
        envelope(late.payload(request["payload"])), release=release)))
    relay = broker.start_relay(bus.url)
    watch = Stopwatch()
    with agent_wire.AgentConnection(relay.sock) as connection:
        assert connection.sign(keys["ed25519"].blob, b"data") is None
        assert 2.8 < watch.seconds < 3 + patience(2)
        relay.wait_for_stderr("ssh-agent sign request timed out — shed-host-agent may not be running")
        release.set()
        assert len(connection.identities()) == len(keys), "the late answer is not taken for the next one"


def test_a_late_answer_delays_nobody_else(broker, start_guest_bus, agent, keys):
    release = threading.Event()
    bus = start_guest_bus(HostBehindIt(agent.path, sign=lambda _: Reply(envelope({}), release=release)))
    relay = broker.start_relay(bus.url)
    with agent_wire.AgentConnection(relay.sock) as waiting:
        waiting.send(agent_wire.message(agent_wire.SIGN_REQUEST,
                                        agent_wire.sign_request(keys["ed25519"].blob, b"data")))
        wait_until(lambda: "sign" in bus.operations(), 5, "the sign request on the bus")
        watch = Stopwatch()
        assert len(agent_wire.identities(relay.sock)) == len(keys)
        assert watch.seconds < patience(1)
        release.set()


def test_a_host_that_asks_a_person_gets_the_time_that_its_ping_names(broker, start_guest_bus, agent, keys):
    release = threading.Event()
    host = HostBehindIt(agent.path)
    bus = start_guest_bus(HostBehindIt(
        agent.path, ping=lambda _: Reply(envelope({"status": "ok", "request_timeout_ms": 20000})),
        sign=lambda request: Reply(envelope(host.payload(request["payload"])), release=release)))
    relay = broker.start_relay(bus.url)
    wait_until(lambda: relay_status(relay)["state"] == "connected", 10, "the ping is answered")
    timer = threading.Timer(3.5, release.set)
    timer.start()
    signature = agent_wire.sign(relay.sock, keys["ed25519"].blob, b"data")
    timer.join()
    assert signature is not None and verifies(keys["ed25519"], signature, b"data")


def test_a_client_that_leaves_while_it_waits_is_forgotten(broker, start_guest_bus, agent, keys):
    release = threading.Event()
    bus = start_guest_bus(HostBehindIt(agent.path, sign=lambda _: Reply(envelope({}), release=release)))
    relay = broker.start_relay(bus.url)
    with agent_wire.AgentConnection(relay.sock) as leaving:
        leaving.send(agent_wire.message(agent_wire.SIGN_REQUEST,
                                        agent_wire.sign_request(keys["ed25519"].blob, b"data")))
        wait_until(lambda: "sign" in bus.operations(), 5, "the sign request on the bus")
    assert len(agent_wire.identities(relay.sock)) == len(keys)
    release.set()
    assert len(agent_wire.identities(relay.sock)) == len(keys)


def test_without_a_bus_it_starts_warns_and_fails_at_once(broker):
    relay = broker.start_relay(f"http://127.0.0.1:{free_port()}/v1/publish")
    watch = Stopwatch()
    assert not answers_lists(relay.sock)
    assert watch.seconds < patience(1)
    relay.wait_for_stderr("shed-host-agent|shed-ext host", 5)


def test_503_is_a_failure_at_once_and_the_start_names_the_command_to_run(broker, start_guest_bus):
    bus = start_guest_bus(lambda _: error(503, "NO_CONNECTION"))
    relay = broker.start_relay(bus.url)
    watch = Stopwatch()
    assert not answers_lists(relay.sock)
    assert watch.seconds < patience(1)
    relay.wait_for_stderr("shed-host-agent|shed-ext host", 5)


def test_a_ping_without_an_answer_holds_the_start_for_two_seconds_at_most(broker, start_guest_bus, agent, keys):
    release = threading.Event()
    bus = start_guest_bus(HostBehindIt(agent.path, ping=lambda _: Reply(envelope({"status": "ok"}), release=release)))
    watch = Stopwatch()
    relay = broker.start_relay(bus.url)
    assert len(agent_wire.identities(relay.sock)) == len(keys)
    assert watch.seconds < 2 + patience(2)
    relay.wait_for_stderr("shed-host-agent|shed-ext host", 5)
    release.set()
