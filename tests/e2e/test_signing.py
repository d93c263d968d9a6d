"""ssh-keygen and ssh-add sign through the broker, and the signatures are right."""

import pytest

from support import agent_wire
from support.keys import KINDS, algorithm_of, verifies


def sign_file(broker, agent, key, file):
    return broker.run_up("ssh-keygen", "-Y", "sign", "-n", "file", "-f", key.public, file, agent=agent.path)


@pytest.mark.parametrize("kind", KINDS)
def test_ssh_keygen_signs_a_file_and_the_signature_verifies(broker, agent, keys, place, programs, kind):
    key = keys[kind]
    file = place.work / "text"
    file.write_text("what is signed\n")
    signed = sign_file(broker, agent, key, file)
    assert signed.status == 0, signed.stderr
    (place.work / "signers").write_text(f"me {key.line}\n")
    verify = ["ssh-keygen", "-Y", "verify", "-n", "file", "-f", place.work / "signers", "-I", "me",
              "-s", f"{file}.sig"]
    with open(file, "rb") as text:
        assert programs.run(verify, place.env(), stdin=text).status == 0
    file.write_text("what was not signed\n")
    with open(file, "rb") as text:
        assert programs.run(verify, place.env(), stdin=text).status != 0


def test_ssh_add_lists_what_the_agent_has(broker, agent, keys, programs, place):
    direct = programs.run(["ssh-add", "-l"], place.env(agent.path))
    brokered = broker.run_up("ssh-add", "-l", agent=agent.path)
    assert brokered.status == 0 and brokered.stdout == direct.stdout
    assert brokered.stdout.count("\n") == len(keys)


def test_ssh_add_prints_the_public_keys(broker, agent, keys):
    brokered = broker.run_up("ssh-add", "-L", agent=agent.path)
    assert brokered.stdout == "".join(f"{key.line}\n" for key in keys.values())


@pytest.mark.parametrize("kind", KINDS)
def test_ssh_add_proves_that_a_key_works(broker, agent, keys, kind):
    tried = broker.run_up("ssh-add", "-T", keys[kind].public, agent=agent.path)
    assert tried.status == 0, tried.stderr


def test_ssh_add_says_that_an_agent_without_keys_has_none(broker, empty_agent):
    brokered = broker.run_up("ssh-add", "-l", agent=empty_agent.path)
    assert (brokered.status, brokered.stdout) == (1, "The agent has no identities.\n")


@pytest.mark.parametrize("flags, algorithm", [(0, "ssh-rsa"), (2, "rsa-sha2-256"), (4, "rsa-sha2-512")])
def test_rsa_flags_reach_the_agent(broker, agent, keys, flags, algorithm):
    up = broker.start_up(agent.path)
    key = keys["rsa2048"]
    signature = agent_wire.sign(up.sock, key.blob, b"data", flags)
    assert algorithm_of(signature) == algorithm
    assert verifies(key, signature, b"data")


def test_one_connection_serves_request_after_request(broker, agent, keys):
    up = broker.start_up(agent.path)
    with agent_wire.AgentConnection(up.sock) as connection:
        for number in range(50):
            data = f"data {number}".encode()
            assert verifies(keys["ed25519"], connection.sign(keys["ed25519"].blob, data), data)
            assert len(connection.identities()) == len(keys)


def test_requests_that_were_sent_together_are_answered_in_their_order(broker, agent, keys):
    up = broker.start_up(agent.path)
    with agent_wire.AgentConnection(up.sock) as connection:
        sign = agent_wire.message(agent_wire.SIGN_REQUEST, agent_wire.sign_request(keys["ed25519"].blob, b"data"))
        connection.send((agent_wire.message(agent_wire.REQUEST_IDENTITIES) + sign) * 5)
        kinds = [connection.receive()[0] for _ in range(10)]
    assert kinds == [agent_wire.IDENTITIES_ANSWER, agent_wire.SIGN_RESPONSE] * 5


@pytest.mark.parametrize("size", [0, 1, 1024, 100_000])
def test_data_of_any_size_is_signed_unchanged(broker, agent, keys, size):
    up = broker.start_up(agent.path)
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert verifies(keys["ed25519"], agent_wire.sign(up.sock, keys["ed25519"].blob, data), data)


def test_a_key_that_the_agent_does_not_have_is_refused(broker, empty_agent, keys):
    empty_agent.add(keys["ed25519"].private)
    up = broker.start_up(empty_agent.path)
    assert agent_wire.sign(up.sock, keys["ecdsa256"].blob, b"data") is None
    assert agent_wire.sign(up.sock, keys["ed25519"].blob, b"data") is not None
