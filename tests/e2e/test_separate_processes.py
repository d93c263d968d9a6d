"""bus, host and ssh-agent as processes of their own, over loopback HTTP and over unix sockets; each may be away."""

import base64
import json
import signal
import threading

import pytest

from support import agent_wire
from support.broker import answers_lists, audit_records, relay_status
from support.fake_agent import FakeAgent, identities_answer
from support.http_client import publish, request
from support.servers import accepts
from support.waiting import Stopwatch, patience, wait_until

# Two seconds are the promise; the third is for the start of what came back.
BACK_WITHIN_SECONDS = 3


@pytest.fixture(params=["tcp", "unix"])
def bus(request, broker):
    return broker.start_bus(request.param, shed="box", server="mini2")


@pytest.fixture
def chain(broker, bus, agent):
    """bus, host and relay, connected."""
    class Chain:
        def __init__(self):
            self.bus = bus
            self.host = broker.start_host(bus.server, agent.path)
            self.relay = broker.start_relay(bus.publish_url)
            self.sock = self.relay.sock
            wait_until(lambda: answers_lists(self.sock), 10, "the first list")
    return Chain()


def test_a_login_works_through_three_processes(chain, sshd, programs, place):
    login = programs.run(sshd.ssh("echo in"), place.env(chain.sock))
    assert (login.status, login.stdout) == (0, "in\n"), login.stderr


def test_the_audit_log_names_shed_and_server_of_the_bus(chain, keys, place):
    assert agent_wire.sign(chain.sock, keys["ed25519"].blob, b"data")
    record = dict(audit_records(place.audit_log)[-1])
    assert (record["server"], record["shed"], record["op"]) == ("mini2", "box", "sign")


def test_the_bus_names_its_listeners_and_its_shed(chain):
    status, body = request("GET", chain.bus.server, "/api/plugins/listeners")
    names = [listener["namespace"] for listener in json.loads(body)["listeners"]]
    assert status == 200 and "ssh-agent" in names
    status, body = request("GET", chain.bus.server, "/api/plugins/sheds")
    assert status == 200 and json.loads(body)["sheds"][0]["name"] == "box"


def test_a_second_host_agent_is_told_that_the_namespace_is_taken(broker, chain, agent, place):
    second = broker.start_host(chain.bus.server, agent.path, env={"SHED_HOST_AGENT_SOCKET_DIR": place.run / "second"})
    second.wait_for_stderr("ssh-agent.*(already|NAMESPACE_ALREADY_REGISTERED|409)")
    assert answers_lists(chain.sock)


def test_without_a_host_requests_fail_at_once_and_say_why(broker, bus):
    relay = broker.start_relay(bus.publish_url)
    watch = Stopwatch()
    assert not answers_lists(relay.sock)
    assert watch.seconds < patience(1)
    relay.wait_for_stderr("list.*: .+")
    wait_until(lambda: relay_status(relay)["state"] == "waiting" and relay_status(relay)["reason"], 5, "state waiting")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_host_that_went_and_came_back_is_used_again(broker, chain, agent, how):
    chain.host.signal(how)
    chain.host.wait()
    wait_until(lambda: not answers_lists(chain.sock), 5, "the bus notices")
    watch = Stopwatch()
    assert not answers_lists(chain.sock)
    assert watch.seconds < patience(1)
    broker.start_host(chain.bus.server, agent.path)
    wait_until(lambda: answers_lists(chain.sock), BACK_WITHIN_SECONDS, "the new host answers")


def test_a_host_that_dies_with_a_request_in_hand_fails_it_at_once(broker, bus, keys, closing, place):
    asked, release = threading.Event(), threading.Event()

    def answer(kind, _):
        if kind != agent_wire.SIGN_REQUEST:
            return identities_answer((keys["ed25519"].blob, "key"))
        asked.set()
        release.wait(30)
        return None
    host = broker.start_host(bus.server, closing(FakeAgent(place.root / "slow.sock", answer)).path)
    relay = broker.start_relay(bus.publish_url)
    wait_until(lambda: answers_lists(relay.sock), 10, "the first list")
    with agent_wire.AgentConnection(relay.sock) as connection:
        connection.send(agent_wire.message(agent_wire.SIGN_REQUEST,
                                           agent_wire.sign_request(keys["ed25519"].blob, b"data")))
        assert asked.wait(patience(5))
        watch = Stopwatch()
        host.kill()
        assert connection.receive() == (agent_wire.FAILURE, b"")
        # At the latest after the three seconds that any request has.
        assert watch.seconds < patience(3.2)
    release.set()


def test_a_bus_that_was_killed_and_came_back_is_used_again(chain):
    for _ in range(2):
        chain.bus.program.kill()
        watch = Stopwatch()
        assert not answers_lists(chain.sock)
        assert watch.seconds < patience(1)
        chain.bus.start()
        wait_until(lambda: answers_lists(chain.sock), BACK_WITHIN_SECONDS, "the new bus carries a list")


def test_a_bus_that_was_away_for_long_is_used_again_at_once(chain):
    """Long enough for a doubling back-off to have grown past what a person waits."""
    chain.bus.program.kill()
    away = Stopwatch()
    wait_until(lambda: away.seconds > 6, 10, "six seconds without a bus")
    chain.bus.start()
    wait_until(lambda: answers_lists(chain.sock), BACK_WITHIN_SECONDS, "the new bus carries a list")


def test_a_relay_that_was_killed_is_replaced_at_the_same_path(broker, chain):
    chain.relay.kill()
    relay = broker.start_relay(chain.bus.publish_url, chain.sock)
    assert answers_lists(relay.sock)


def test_the_order_in_which_they_start_does_not_matter(broker, agent, place):
    relay = broker.start_relay(f"http+unix://{place.run}/guest.sock:/v1/publish")
    host = broker.start_host(f"unix://{place.run}/bus.sock", agent.path)
    assert not answers_lists(relay.sock)
    assert host.running, host.stderr
    broker.start_bus("unix")
    wait_until(lambda: answers_lists(relay.sock), BACK_WITHIN_SECONDS, "the list through the late bus")


@pytest.mark.parametrize("body, status, code", [
    (b"not json", 400, "INVALID_BODY"),
    (b"[]", 400, "INVALID_BODY"),
    (b'{"type":"request","payload":{}}', 400, "MISSING_NAMESPACE"),
    (b'{"namespace":"ssh-agent","type":"letter","payload":{}}', 400, "INVALID_TYPE"),
    (b'{"namespace":"ssh-agent","payload":"' + b"x" * (1024 * 1024 + 1) + b'"}', 413, "BODY_TOO_LARGE"),
], ids=["not JSON", "an array", "no namespace", "another type", "too large"])
def test_the_guest_bus_refuses_a_bad_request_with_its_code(bus, body, status, code):
    got, answer = publish(bus.publish_url, body)
    assert (got, json.loads(answer)["error"]["code"]) == (status, code)


def test_the_guest_bus_says_at_once_that_no_host_listens(bus):
    watch = Stopwatch()
    status, answer = publish(bus.publish_url, {"namespace": "ssh-agent", "payload": {"operation": "ping"}})
    assert (status, json.loads(answer)["error"]["code"]) == (503, "NO_CONNECTION")
    assert watch.seconds < patience(1)


def test_an_event_is_accepted_without_a_body(chain):
    status, answer = publish(chain.bus.publish_url, {"namespace": "ssh-agent", "type": "event", "payload": {"x": 1}})
    assert (status, answer) == (202, b"")


def test_a_request_without_a_type_is_a_request(chain):
    status, answer = publish(chain.bus.publish_url, {"namespace": "ssh-agent", "payload": {"operation": "ping"}})
    envelope = json.loads(answer)
    assert status == 200 and envelope["payload"]["status"] == "ok" and envelope["type"] == "response"


def test_a_guest_cannot_claim_to_be_another_shed(chain, keys, place):
    payload = {"operation": "sign", "public_key": base64.b64encode(keys["ed25519"].blob).decode(),
               "data": base64.b64encode(b"data").decode(), "flags": 0}
    status, _ = publish(chain.bus.publish_url, {
        "namespace": "ssh-agent", "payload": payload, "shed": {"name": "admin", "backend": "x", "server": "other"}})
    assert status == 200
    record = dict(audit_records(place.audit_log)[-1])
    assert (record["server"], record["shed"]) == ("mini2", "box")


def test_the_bus_ends_on_sigterm_and_removes_its_sockets(broker):
    bus = broker.start_bus("unix")
    assert bus.program.terminate() == 0
    assert not any(path.exists() for path in bus.addresses)


def test_bus_sockets_are_for_their_owner_only(broker):
    for path in broker.start_bus("unix").addresses:
        assert path.stat().st_mode & 0o777 == 0o600
        assert accepts(path)
