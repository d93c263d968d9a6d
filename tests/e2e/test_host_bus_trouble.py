"""`shed-ext host` whose bus closes, refuses or lies: it comes back by itself and says what is wrong."""

import json
import signal
import socket

import pytest

from support.foreign_host_bus import ForeignHostBus, request_envelope
from support.servers import free_port
from support.waiting import Stopwatch, patience, wait_until


def host_status(broker):
    """`shed-ext host status --json`, or None while there is no status socket."""
    status = broker.run("host", "status", "--json", env=broker.host_env())
    return json.loads(status.stdout) if status.status == 0 else None


def namespace_states(broker):
    """Namespace to its entry, over all servers."""
    status = host_status(broker)
    servers = status["servers"] if status else []
    return {entry["namespace"]: entry for server in servers for entry in server["namespaces"]}


def test_a_stream_that_ends_is_opened_again(start_host_bus, broker, agent):
    bus = start_host_bus()
    broker.start_host(bus.url, agent.path)
    stream = bus.stream()
    stream.end()
    bus.next_stream(stream, seconds=3)
    assert bus.ask({"operation": "ping"})["payload"] == {"status": "ok"}


def test_a_stream_that_breaks_in_the_middle_of_an_event_is_opened_again(start_host_bus, broker, agent):
    bus = start_host_bus()
    broker.start_host(bus.url, agent.path)
    stream = bus.stream()
    stream.send(b"event: message\ndata: " + json.dumps(request_envelope({"operation": "ping"})).encode()[:60])
    stream.end()
    bus.next_stream(stream, seconds=3)
    assert bus.ask({"operation": "ping"})["payload"] == {"status": "ok"}
    assert bus.responses.empty(), "half of an event is no event"


def test_a_server_error_is_tried_again(start_host_bus, broker, agent):
    answers = iter([503, 500])
    bus = start_host_bus(status_of=lambda namespace: next(answers, 200) if namespace == "ssh-agent" else 200)
    broker.start_host(bus.url, agent.path)
    bus.stream(seconds=8)
    assert bus.ask({"operation": "ping"})["payload"] == {"status": "ok"}


def test_a_bus_that_starts_after_the_host_is_found(broker, agent, closing):
    port = free_port()
    host = broker.start_host(f"http://127.0.0.1:{port}", agent.path)
    host.wait_for_stderr(f"127.0.0.1:{port}")
    bus = closing(ForeignHostBus(port=port))
    bus.stream(seconds=4)
    assert bus.ask({"operation": "ping"})["payload"] == {"status": "ok"}


def test_a_namespace_that_is_taken_is_said_and_shown(start_host_bus, broker, agent):
    bus = start_host_bus(status_of=lambda _: 409)
    host = broker.start_host(bus.url, agent.path)
    host.wait_for_stderr("ssh-agent.*(already|NAMESPACE_ALREADY_REGISTERED|409)")
    assert host.running
    wait_until(lambda: namespace_states(broker).get("ssh-agent", {}).get("state") in ("rejected", "reconnecting"),
               5, "the status shows it")
    assert namespace_states(broker)["ssh-agent"]["last_error"]


def test_the_status_says_connected(start_host_bus, broker, agent):
    bus = start_host_bus()
    host = broker.start_host(bus.url, agent.path)
    bus.stream()
    wait_until(lambda: namespace_states(broker).get("ssh-agent", {}).get("state") == "connected", 5, "connected")
    status = host_status(broker)
    assert status["schema"] == 1 and status["pid"] == host.pid
    assert status["policies"]["ssh-agent"] == "approve-all"
    assert [server["url"] for server in status["servers"]] == [bus.url]


def test_a_bus_that_accepts_and_says_nothing_does_not_hold_the_end(broker, agent, closing):
    silent = closing(socket.create_server(("127.0.0.1", 0)))
    host = broker.start_host(f"http://127.0.0.1:{silent.getsockname()[1]}", agent.path)
    silent.settimeout(patience(10))
    closing(silent.accept()[0])
    watch = Stopwatch()
    assert host.terminate(5) == 0
    assert watch.seconds < patience(5)


@pytest.mark.parametrize("answer", [
    b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n",
], ids=["no HTTP", "another content type", "endless headers", "a redirect"])
def test_an_answer_that_is_no_event_stream_is_said_and_tried_again(broker, agent, closing, answer):
    server = closing(socket.create_server(("127.0.0.1", 0)))
    server.settimeout(patience(10))
    host = broker.start_host(f"http://127.0.0.1:{server.getsockname()[1]}", agent.path)
    for _ in range(4):  # perhaps two namespaces, each a second time
        connection, _ = server.accept()
        with connection:
            connection.settimeout(patience(5))
            connection.recv(4096)
            try:
                connection.sendall(answer)
            except OSError:
                pass
    assert host.running
    host.wait_for_stderr("ssh-agent")


def test_sigterm_stops_the_host_within_five_seconds_and_its_sockets_go(start_host_bus, broker, agent, place):
    bus = start_host_bus()
    host = broker.start_host(bus.url, agent.path)
    stream = bus.stream()
    wait_until(lambda: (place.run / "host/host-agent-status.sock").exists(), 5, "the status socket")
    watch = Stopwatch()
    assert host.terminate(5) == 0
    assert watch.seconds < patience(5)
    assert list((place.run / "host").glob("*.sock")) == []
    stream.end()


def test_sigint_stops_the_host_as_well(start_host_bus, broker, agent):
    bus = start_host_bus()
    host = broker.start_host(bus.url, agent.path)
    bus.stream()
    host.signal(signal.SIGINT)
    assert host.wait(5) == 0
