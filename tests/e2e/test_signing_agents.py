"""Agents that are not there, refuse, or answer the signing proxy wrongly, and clients that do not wait for them."""

import socket
import struct

import pytest

from support import agent_wire
from support.fake_agent import identities_answer
from support.signing_proxy import MESSAGE, says
from support.waiting import patience


def test_an_agent_that_is_missing_is_unavailable(start_signing_proxy, place, keys):
    for more in ({}, {"PUBKEY": keys["ed25519"].line}):
        proxy = start_signing_proxy(place.root / "nobody.sock", **more)
        assert says(proxy.sign(MESSAGE), 503, "signer unavailable\n")
        assert says(proxy.public_key(), 503, "signer unavailable\n")


def test_an_agent_that_comes_back_is_found_again(start_signing_proxy, empty_agent, keys):
    proxy = start_signing_proxy(empty_agent)
    empty_agent.add(keys["ed25519"].private)
    assert proxy.sign(MESSAGE).status == 200
    empty_agent.kill()
    assert proxy.sign(MESSAGE).status == 503
    empty_agent.start()
    empty_agent.add(keys["ed25519"].private)
    assert proxy.sign(MESSAGE).status == 200


def bad_signature(blob):
    return agent_wire.SIGN_RESPONSE, agent_wire.string(blob)


def good_form(algorithm, size=64):
    return agent_wire.string(algorithm) + agent_wire.string(bytes(size))


BAD_SIGNATURES = {
    "refuses": ((agent_wire.FAILURE, b""), 500),
    "answers another type": ((agent_wire.SUCCESS, b""), 500),
    "answers with a list": (identities_answer(), 500),
    "answers with another algorithm": (bad_signature(good_form("ecdsa-sha2-nistp256")), 500),
    "answers with an empty signature": (bad_signature(b""), 500),
    "answers with bytes behind it": (bad_signature(good_form("ssh-ed25519") + b"more"), 500),
    "answers with half of it": ((agent_wire.SIGN_RESPONSE, struct.pack(">I", 500) + b"half"), 500),
    "answers more than 256 KiB": ((agent_wire.SIGN_RESPONSE, bytes(300 * 1024)), 500),
    "closes in the middle": (None, 503),
}


@pytest.mark.parametrize("name", BAD_SIGNATURES)
def test_an_agent_that_answers_wrongly_gives_no_signature(start_signing_proxy, keys, played_agent, name):
    answer, status = BAD_SIGNATURES[name]
    key = keys["ed25519"]
    agent = played_agent(lambda kind, _: answer if kind == agent_wire.SIGN_REQUEST
                         else identities_answer((key.blob, b"key")))
    text = "sign failed\n" if status == 500 else "signer unavailable\n"
    assert says(start_signing_proxy(agent).sign(MESSAGE), status, text)


@pytest.mark.parametrize("algorithm", ["ssh-rsa", "rsa-sha2-256"])
def test_a_downgrade_of_rsa_is_refused(start_signing_proxy, keys, played_agent, algorithm):
    key = keys["rsa2048"]
    agent = played_agent(lambda kind, _: bad_signature(good_form(algorithm, 256)) if kind == agent_wire.SIGN_REQUEST
                         else identities_answer((key.blob, b"key")))
    assert says(start_signing_proxy(agent).sign(MESSAGE), 500, "sign failed\n")
    requests = [payload for kind, payload in agent.messages if kind == agent_wire.SIGN_REQUEST]
    assert requests[0].endswith(struct.pack(">I", 4))


BAD_LISTS = {
    "refuses": (agent_wire.FAILURE, b""),
    "answers another type": (agent_wire.SUCCESS, b""),
    "counts more than there are": (agent_wire.IDENTITIES_ANSWER, struct.pack(">I", 2000)),
    "answers more than 256 KiB": (agent_wire.IDENTITIES_ANSWER, bytes(300 * 1024)),
    "has a key of no known type": identities_answer((agent_wire.string("ssh-unknown") + b"x", b"key")),
    "closes in the middle": None,
}


@pytest.mark.parametrize("name", BAD_LISTS)
def test_an_agent_that_lists_wrongly_is_unavailable(start_signing_proxy, played_agent, name):
    proxy = start_signing_proxy(played_agent(lambda *_: BAD_LISTS[name]))
    assert says(proxy.sign(MESSAGE), 503, "signer unavailable\n")
    assert says(proxy.public_key(), 503, "signer unavailable\n")


def test_a_client_that_leaves_ends_its_request_at_the_agent(start_signing_proxy, place, keys):
    gone = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place.root / "patient.sock"))
        listener.listen()
        listener.settimeout(patience(10))
        proxy = start_signing_proxy(place.root / "patient.sock", PUBKEY=keys["ed25519"].line)
        client = proxy.connection()
        client.request("POST", "/sign", MESSAGE)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(patience(10))
            assert connection.recv(4096)
            client.close()
            gone.append(connection.recv(4096))
    assert gone == [b""]
