"""`shed-ext ssh-agent` on somebody else's guest bus (protocol.md section 2) that does its work."""

import base64

import pytest

from support import agent_wire
from support.broker import answers_lists, relay_status
from support.foreign_guest_bus import HostBehindIt, Reply, envelope, error
from support.keys import KINDS, algorithm_of, verifies
from support.servers import free_port
from support.waiting import wait_until


def test_a_request_has_the_three_fields_and_says_that_it_is_json(broker, honest_guest_bus):
    relay = broker.start_relay(honest_guest_bus.url)
    agent_wire.identities(relay.sock)
    headers, request = honest_guest_bus.requests[-1]
    assert request == {"namespace": "ssh-agent", "type": "request", "payload": {"operation": "list"}}
    assert headers["Content-Type"].startswith("application/json")


def test_a_sign_request_has_key_data_and_flags(broker, honest_guest_bus, keys):
    relay = broker.start_relay(honest_guest_bus.url)
    agent_wire.sign(relay.sock, keys["rsa2048"].blob, b"data", 4)
    payload = honest_guest_bus.requests[-1][1]["payload"]
    assert payload == {"operation": "sign", "public_key": base64.b64encode(keys["rsa2048"].blob).decode(),
                       "data": base64.b64encode(b"data").decode(), "flags": 4}


def test_it_pings_when_it_starts(broker, honest_guest_bus):
    broker.start_relay(honest_guest_bus.url)
    wait_until(lambda: "ping" in honest_guest_bus.operations(), 5, "a ping")


def test_the_publish_url_comes_from_the_environment_too(broker, honest_guest_bus, place):
    relay = broker.start("ssh-agent", "--sock", place.run / "env.sock", env={"SHED_PUBLISH_URL": honest_guest_bus.url})
    wait_until(lambda: "ping" in honest_guest_bus.operations(), 5, "a ping")
    assert relay.running


def test_the_option_outranks_the_environment(broker, honest_guest_bus):
    broker.start_relay(honest_guest_bus.url, env={"SHED_PUBLISH_URL": f"http://127.0.0.1:{free_port()}/v1/publish"})
    wait_until(lambda: "ping" in honest_guest_bus.operations(), 5, "a ping")


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_answer_is_a_good_signature(broker, honest_guest_bus, keys, kind):
    relay = broker.start_relay(honest_guest_bus.url)
    assert verifies(keys[kind], agent_wire.sign(relay.sock, keys[kind].blob, b"data"), b"data")


def test_a_real_login_works_on_a_foreign_bus(broker, honest_guest_bus, sshd, programs, place):
    relay = broker.start_relay(honest_guest_bus.url)
    login = programs.run(sshd.ssh("echo in"), place.env(relay.sock))
    assert (login.status, login.stdout) == (0, "in\n"), login.stderr


def test_no_keys_is_an_empty_list(broker, start_guest_bus, agent):
    bus = start_guest_bus(HostBehindIt(agent.path, list=lambda _: Reply(envelope({"keys": []}))))
    assert agent_wire.identities(broker.start_relay(bus.url).sock) == []


def test_an_answer_in_chunks_is_an_answer(broker, start_guest_bus, agent, keys):
    host = HostBehindIt(agent.path)
    bus = start_guest_bus(lambda request: Reply(envelope(host.payload(request["payload"])), chunked=True))
    assert len(agent_wire.identities(broker.start_relay(bus.url).sock)) == len(keys)


def test_an_answer_without_rest_is_accepted_for_a_plain_key(broker, start_guest_bus, agent, keys):
    """Existing hosts drop `rest`."""
    host = HostBehindIt(agent.path)

    def without_rest(request):
        payload = host.payload(request["payload"])
        del payload["rest"]
        return Reply(envelope(payload))
    bus = start_guest_bus(HostBehindIt(agent.path, sign=without_rest))
    signature = agent_wire.sign(broker.start_relay(bus.url).sock, keys["ed25519"].blob, b"data")
    assert verifies(keys["ed25519"], signature, b"data")


SK_BLOB = agent_wire.string("sk-ssh-ed25519@openssh.com") + agent_wire.string(b"k" * 32) + agent_wire.string("ssh:")


def sk_signature(rest):
    return Reply(envelope({"format": "sk-ssh-ed25519@openssh.com", "blob": base64.b64encode(b"s" * 64).decode(),
                           "rest": base64.b64encode(rest).decode()}))


def test_flags_and_counter_of_a_security_key_reach_the_client(broker, start_guest_bus, agent):
    bus = start_guest_bus(HostBehindIt(agent.path, sign=lambda _: sk_signature(b"\1\0\0\0\7")))
    signature = agent_wire.sign(broker.start_relay(bus.url).sock, SK_BLOB, b"data")
    assert signature == (agent_wire.string("sk-ssh-ed25519@openssh.com") + agent_wire.string(b"s" * 64)
                         + b"\1\0\0\0\7")


def test_a_security_key_signature_without_its_rest_is_refused_and_said(broker, start_guest_bus, agent):
    bus = start_guest_bus(HostBehindIt(agent.path, sign=lambda _: sk_signature(b"")))
    relay = broker.start_relay(bus.url)
    assert agent_wire.sign(relay.sock, SK_BLOB, b"data") is None
    relay.wait_for_stderr("sk-ssh-ed25519@openssh.com|security key")


def test_an_algorithm_that_was_not_asked_for_is_refused(broker, start_guest_bus, agent, keys):
    host = HostBehindIt(agent.path)
    bus = start_guest_bus(HostBehindIt(agent.path, sign=lambda request: Reply(envelope(
        host.payload({**request["payload"], "flags": 0})))))
    relay = broker.start_relay(bus.url)
    assert agent_wire.sign(relay.sock, keys["rsa2048"].blob, b"data", 4) is None
    assert algorithm_of(agent_wire.sign(relay.sock, keys["rsa2048"].blob, b"data", 0)) == "ssh-rsa"


def test_the_status_file_says_connected(broker, honest_guest_bus):
    relay = broker.start_relay(honest_guest_bus.url)
    wait_until(lambda: relay_status(relay)["state"] == "connected", 5, "state connected")


def test_the_status_file_says_waiting_and_why_and_later_connected(broker, start_guest_bus, agent):
    bus = start_guest_bus(lambda _: error(503, "NO_CONNECTION"))
    relay = broker.start_relay(bus.url)
    wait_until(lambda: relay_status(relay)["state"] == "waiting", 5, "state waiting")
    assert relay_status(relay)["reason"]
    bus.answer = HostBehindIt(agent.path)
    assert answers_lists(relay.sock)
    wait_until(lambda: relay_status(relay)["state"] == "connected", 5, "state connected")


def test_the_relay_ends_on_sigterm_and_takes_its_files_along(broker, honest_guest_bus, place):
    relay = broker.start_relay(honest_guest_bus.url)
    wait_until(lambda: relay_status(relay)["state"] == "connected", 5, "state connected")
    assert relay.terminate() == 0
    assert list(place.run.glob("agent.sock*")) == []


def test_the_relay_does_not_read_a_host_configuration(broker, honest_guest_bus, place):
    """It runs in the sandbox: what a guest wrote into its own home means nothing to it."""
    place.config("this is: [not a configuration\n")
    assert answers_lists(broker.start_relay(honest_guest_bus.url).sock)
