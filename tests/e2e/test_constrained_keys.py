"""Keys added with `ssh-add -h` sign for their destination and for nothing else, through the broker as without it."""

import pytest

from support import agent_wire
from support.broker import answers_lists
from support.waiting import wait_until


@pytest.fixture
def servers(start_sshd, keys):
    """Two servers that both know the key; only the first is its destination."""
    return (start_sshd("right", authorized=[keys["ed25519"]]), start_sshd("wrong", authorized=[keys["ed25519"]]))


@pytest.fixture
def constrained_agent(empty_agent, servers, place, keys):
    known_hosts = place.work / "known_hosts"
    known_hosts.write_text("".join(server.known_hosts.read_text() for server in servers))
    empty_agent.add("-h", "right", "-H", known_hosts, keys["ed25519"].private)
    return empty_agent


def test_without_the_broker_the_constraint_works(constrained_agent, servers, programs, place):
    right, wrong = servers
    assert programs.run(right.ssh("echo in"), place.env(constrained_agent.path)).stdout == "in\n"
    assert programs.run(wrong.ssh("echo in"), place.env(constrained_agent.path)).status == 255


def test_a_constrained_key_logs_in_at_its_destination(broker, constrained_agent, servers):
    login = broker.run_up(*servers[0].ssh("echo in"), agent=constrained_agent.path)
    assert (login.status, login.stdout) == (0, "in\n"), login.stderr


def test_a_constrained_key_is_refused_at_another_destination(broker, constrained_agent, servers):
    login = broker.run_up(*servers[1].ssh("echo in"), agent=constrained_agent.path)
    assert (login.status, login.stdout) == (255, ""), login.stderr


def test_a_constrained_key_does_not_sign_a_file(broker, constrained_agent, keys, place):
    file = place.work / "text"
    file.write_text("text\n")
    signed = broker.run_up("ssh-keygen", "-Y", "sign", "-n", "file", "-f", keys["ed25519"].public, file,
                           agent=constrained_agent.path)
    assert signed.status != 0
    assert not (place.work / "text.sig").exists()


def test_an_unbound_connection_gets_no_signature_of_a_constrained_key(broker, constrained_agent, keys):
    up = broker.start_up(constrained_agent.path)
    assert agent_wire.sign(up.sock, keys["ed25519"].blob, b"data") is None


def test_a_key_for_one_user_is_refused_for_another(broker, empty_agent, servers, keys):
    right = servers[0]
    empty_agent.add("-h", "somebody-else@right", "-H", right.known_hosts, keys["ed25519"].private)
    assert broker.run_up(*right.ssh("echo in"), agent=empty_agent.path).status == 255


def test_one_bound_connection_does_not_bind_another(broker, constrained_agent, servers, keys, programs, place):
    up = broker.start_up(constrained_agent.path)
    right, wrong = servers
    env = place.env(up.sock)
    assert programs.run(right.ssh("echo in"), env).stdout == "in\n"
    assert programs.run(wrong.ssh("echo in"), env).status == 255
    assert agent_wire.sign(up.sock, keys["ed25519"].blob, b"data") is None
    assert programs.run(right.ssh("echo in"), env).stdout == "in\n"


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_binds_cross_the_bus_between_separate_processes(broker, constrained_agent, servers, programs, place, kind):
    bus = broker.start_bus(kind)
    broker.start_host(bus.server, constrained_agent.path)
    relay = broker.start_relay(bus.publish_url)
    wait_until(lambda: answers_lists(relay.sock), 10, "the relay lists")
    right, wrong = servers
    assert programs.run(right.ssh("echo in"), place.env(relay.sock)).stdout == "in\n"
    assert programs.run(wrong.ssh("echo in"), place.env(relay.sock)).status == 255
