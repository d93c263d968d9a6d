"""Many clients: at most 1,024 at a time, and nothing is left of those that went."""

import contextlib
import resource
import select
import socket

import pytest

from support import agent_wire
from support.agent_wire import REQUEST_IDENTITIES, AgentConnection
from support.broker import UNLIMITED, descriptors, resident_bytes
from support.waiting import patience, wait_until

MAX_CLIENTS = 1024
CYCLES = 10_000
LIST = agent_wire.message(REQUEST_IDENTITIES)


@pytest.fixture
def many_descriptors():
    """Room for more clients than the usual limit of this process allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def relay(broker, honest_guest_bus):
    """Started with the limit of descriptors that a login shell has."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return broker.start_relay(honest_guest_bus.url, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (1024, hard)))


def test_1024_clients_are_served_and_the_next_one_waits_for_its_turn(relay, keys, many_descriptors):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(AgentConnection(relay.sock)) for _ in range(MAX_CLIENTS)]
        for client in (clients[0], clients[-1]):
            assert len(client.identities()) == len(keys)
        wait_until(lambda: descriptors(relay.pid) >= MAX_CLIENTS, 10, "all of them are accepted")
        late = stack.enter_context(AgentConnection(relay.sock))
        late.send(LIST)
        # Half a second of silence is what can be seen of waiting.
        silence = select.poll()
        silence.register(late.socket, select.POLLIN)
        assert silence.poll(500) == []
        assert len(clients[500].identities()) == len(keys), "those inside are served meanwhile"
        clients[7].close()
        assert late.receive()[0] == agent_wire.IDENTITIES_ANSWER
    assert len(agent_wire.identities(relay.sock)) == len(keys)


def test_all_of_1024_clients_get_their_answer(relay, many_descriptors):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(AgentConnection(relay.sock, seconds=30)) for _ in range(MAX_CLIENTS)]
        for client in clients[:256]:
            client.send(LIST)
        assert {client.receive()[0] for client in clients[:256]} == {agent_wire.IDENTITIES_ANSWER}


# Connections to the bus are kept alive for a while, both ends of each in `up`; how many there are depends on what
# happened at once. What leaks would leak with each of thousands.
IDLE_CONNECTIONS = 64


def connect_and_drop(path, number):
    """One of the ways in which a client can go: at once, in the middle of a message, before the answer, half."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)  # blocking: a full listen queue makes it wait, as it does with any client
        client.settimeout(patience(10))
        if number % 4 == 1:
            client.sendall(LIST[:3])
        elif number % 4 == 2 and number % 40 == 2:
            client.sendall(LIST)
        elif number % 4 == 3:
            client.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("start", ["relay", "up"])
def test_ten_thousand_connections_leave_nothing_behind(broker, agent, request, sanitized, start):
    if start == "relay":
        program = request.getfixturevalue("relay")
        pid, sock = program.pid, program.sock
    else:
        up = broker.start_up(agent.path)
        pid, sock = up.pid, up.sock
    for number in range(1000):
        connect_and_drop(sock, number)
    before = settled(pid, sock)
    for number in range(CYCLES):
        connect_and_drop(sock, number)
    wait_until(lambda: settled(pid, sock)[0] <= before[0] + IDLE_CONNECTIONS, 10, f"back to {before[0]} descriptors")
    if not sanitized:
        assert settled(pid, sock)[1] - before[1] <= 1024 * 1024


def settled(pid, sock):
    """Descriptors and memory once an honest client, which came last, was served."""
    agent_wire.identities(sock)
    return descriptors(pid), resident_bytes(pid)


@pytest.mark.release
def test_memory_of_the_relay_is_within_its_budget(relay, many_descriptors):
    """3 MiB idle, 8 KiB for a connection."""
    agent_wire.identities(relay.sock)
    idle = resident_bytes(relay.pid)
    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(AgentConnection(relay.sock))
        wait_until(lambda: descriptors(relay.pid) >= 1000, 10, "all of them are accepted")
        assert resident_bytes(relay.pid) - idle <= 1000 * 8 * 1024


def test_signatures_in_a_row_leave_nothing_behind(broker, agent, keys, sanitized):
    up = broker.start_up(agent.path, config=UNLIMITED)

    def sign(count):
        with AgentConnection(up.sock) as connection:
            for _ in range(count):
                assert connection.sign(keys["ed25519"].blob, b"data") is not None
        return descriptors(up.pid), resident_bytes(up.pid)
    sign(200)
    before = sign(100)
    after = sign(2000)
    assert after[0] <= before[0] + IDLE_CONNECTIONS
    if not sanitized:
        assert after[1] - before[1] <= 1024 * 1024
