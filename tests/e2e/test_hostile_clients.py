"""Clients of the agent socket that mean harm or are broken: the next client is served as if they had not been."""

import os
import socket
import struct
import time

import pytest

from support import agent_wire
from support.agent_wire import FAILURE, MAX_MESSAGE, REQUEST_IDENTITIES, SIGN_REQUEST, AgentConnection, string
from support.broker import relay_status, resident_bytes
from support.waiting import Stopwatch, patience, wait_until


@pytest.fixture
def relay(broker, honest_guest_bus):
    relay = broker.start_relay(honest_guest_bus.url)
    yield relay
    # Whatever the test did: an honest client is served.
    assert agent_wire.identities(relay.sock) != []
    assert relay.running


def test_a_message_of_length_zero_is_hung_up_on(relay):
    with AgentConnection(relay.sock) as connection:
        connection.send(b"\0\0\0\0")
        assert connection.receive() in (None, (FAILURE, b""))


@pytest.mark.parametrize("length", [MAX_MESSAGE + 1, 1 << 24, 1 << 31, (1 << 32) - 1])
def test_a_message_that_is_too_long_is_hung_up_on_before_it_was_sent(relay, length):
    with AgentConnection(relay.sock) as connection:
        connection.send(struct.pack(">I", length) + b"\x0d" * 100)
        answer = connection.receive()
        assert answer in (None, (FAILURE, b""))
        if answer is not None:
            assert connection.closed_by_peer()


def test_the_longest_message_is_read(relay):
    with AgentConnection(relay.sock) as connection:
        connection.send(agent_wire.message(99, b"x" * (MAX_MESSAGE - 1)))
        assert connection.receive() in ((FAILURE, b""), None)


@pytest.mark.parametrize("payload", [
    b"", b"\0", b"\0\0\0\5ab", b"\xff\xff\xff\xff", string(b"key"), string(b"key") + b"\xff\xff\xff\xff",
    string(b"key") + string(b"data"), string(b"key") + string(b"data") + b"\0\0", string(b"") + string(b"") + b"\0" * 4,
    string(b"key") + string(b"data") + b"\0" * 4 + b"more", string(b"\0" * 1000) + string(b"x") + b"\xff" * 4,
], ids=range(11))
def test_a_broken_sign_request_is_a_failure(relay, payload):
    with AgentConnection(relay.sock) as connection:
        connection.send(agent_wire.message(SIGN_REQUEST, payload))
        assert connection.receive() in ((FAILURE, b""), None)


def test_a_list_with_bytes_behind_it_is_answered_or_refused(relay):
    with AgentConnection(relay.sock) as connection:
        connection.send(agent_wire.message(REQUEST_IDENTITIES, b"extra"))
        connection.receive()


def test_random_bytes_are_no_trouble(relay):
    for _ in range(200):
        with AgentConnection(relay.sock) as connection:
            try:
                connection.send(os.urandom(300))
                connection.socket.shutdown(socket.SHUT_WR)
                while connection.socket.recv(4096):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass


def test_another_protocol_is_no_trouble(relay):
    with AgentConnection(relay.sock) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.receive() in (None, (FAILURE, b""))


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 20])
def test_a_message_that_ends_early_is_forgotten(relay, keys, cut):
    whole = agent_wire.message(SIGN_REQUEST, agent_wire.sign_request(keys["ed25519"].blob, b"data"))
    with AgentConnection(relay.sock) as connection:
        connection.send(whole[:cut])
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.closed_by_peer()


def test_a_client_that_half_closes_still_gets_its_answer(relay, keys):
    with AgentConnection(relay.sock) as connection:
        connection.send(agent_wire.message(SIGN_REQUEST, agent_wire.sign_request(keys["ed25519"].blob, b"data")))
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.receive()[0] == agent_wire.SIGN_RESPONSE
        assert connection.closed_by_peer()


def test_a_message_that_arrives_byte_by_byte_is_one_message(relay, keys):
    with AgentConnection(relay.sock) as connection:
        for byte in agent_wire.message(SIGN_REQUEST, agent_wire.sign_request(keys["ed25519"].blob, b"data")):
            connection.send(bytes([byte]))
        assert connection.receive()[0] == agent_wire.SIGN_RESPONSE


def test_a_client_that_never_reads_is_held_at_a_bound_and_delays_nobody(relay, keys):
    flood = agent_wire.message(REQUEST_IDENTITIES) * 1000
    with AgentConnection(relay.sock) as connection:
        connection.socket.setblocking(False)
        before = resident_bytes(relay.pid)
        sent, quiet = 0, Stopwatch()
        # Until nothing more is taken for a moment.
        while quiet.seconds < patience(0.5) and sent < 64 * 1024 * 1024:
            try:
                sent += connection.socket.send(flood)
                quiet = Stopwatch()
            except BlockingIOError:
                time.sleep(0.005)
        assert sent < 16 * 1024 * 1024, "requests are taken without end although no answer is read"
        watch = Stopwatch()
        assert len(agent_wire.identities(relay.sock)) == len(keys)
        assert watch.seconds < patience(1)
        assert resident_bytes(relay.pid) - before < 16 * 1024 * 1024


def test_a_client_that_connects_and_says_nothing_delays_nobody(relay, keys):
    silent = [AgentConnection(relay.sock) for _ in range(50)]
    watch = Stopwatch()
    assert len(agent_wire.identities(relay.sock)) == len(keys)
    assert watch.seconds < patience(1)
    for connection in silent:
        connection.close()


def test_garbage_is_logged_once_and_not_for_every_byte(relay):
    wait_until(lambda: relay_status(relay)["state"] == "connected", 5, "all is said that is said at the start")
    before = relay.stderr.count("\n")
    with AgentConnection(relay.sock) as connection:
        connection.send(b"\xff" * 5000)
        connection.closed_by_peer()
    wait_until(lambda: relay.stderr.count("\n") > before, 5, "a line about it")
    agent_wire.identities(relay.sock)
    assert relay.stderr.count("\n") - before <= 2


def test_another_user_is_refused(relay):
    if os.geteuid() != 0:
        # Only root can become somebody else; the socket's mode keeps others out before that.
        assert os.stat(relay.sock).st_mode & 0o077 == 0
        return
    folder = os.path.dirname(relay.sock)
    for path in (os.path.dirname(folder), folder):
        os.chmod(path, 0o755)
    os.chmod(relay.sock, 0o666)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            with AgentConnection(relay.sock) as connection:
                connection.send(agent_wire.message(REQUEST_IDENTITIES))
                answer = connection.receive()
                os.write(writer, b"refused" if answer in (None, (FAILURE, b"")) else b"served")
        except BaseException as error:  # the child must not run the rest of the tests
            os.write(writer, b"refused" if isinstance(error, ConnectionError) else repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    assert os.read(reader, 1000) == b"refused"
    os.close(reader)
