"""`shed-ext bus --guest` with a played host half: greeting, takeover, bad input, restarts, tokens, TLS."""

import contextlib
import json
import os
import re
import socket
import stat

import pytest

from support import agent_wire
from support.broker import descriptors
from support.foreign_frame_host import ForeignFrameHost, frame, greeting, response
from support.foreign_guest_bus import HostBehindIt
from support.guest_half import answer_of, refusal_of
from support.servers import free_port
from support.waiting import Stopwatch, patience, wait_until

PING = {"namespace": "ssh-agent", "type": "request", "payload": {"operation": "ping"}}


@pytest.fixture
def guest(start_guest_half):
    return start_guest_half()


def test_a_greeting_is_answered_and_requests_travel(guest):
    host = guest.connect()
    answer, beat = host.greet()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", beat["payload"]["started_at"])
    assert "shed" not in answer and "shed" not in beat
    future = guest.ask({"operation": "list", "n": 1.0})
    request = host.read_request()
    assert request["type"] == "request" and request["namespace"] == "ssh-agent"
    assert request["payload"] == {"operation": "list", "n": 1.0} and "shed" not in request
    host.send(response(request, {"keys": []}))
    assert answer_of(future) == {"keys": []}


def test_a_real_relay_signs_through_it(broker, guest, agent, keys):
    honest = HostBehindIt(agent.path)
    host = guest.connect_and_greet()
    with host.answering(lambda request: response(request, honest.payload(request["payload"]))):
        relay = broker.start_relay(guest.url)
        assert len(agent_wire.identities(relay.sock)) == len(keys)
        assert agent_wire.sign(relay.sock, keys["ed25519"].blob, b"data") is not None


def test_the_sockets_are_their_owners_alone(guest):
    for path in (guest.path, guest.publish_path):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_without_a_host_a_request_fails_at_once(guest):
    watch = Stopwatch()
    assert refusal_of(guest.ask()) == (503, "NO_CONNECTION")
    host = guest.connect()  # has not greeted
    assert refusal_of(guest.ask()) == (503, "NO_CONNECTION")
    host.greet()
    host.close()
    wait_until(lambda: refusal_of(guest.ask()) == (503, "NO_CONNECTION"), 5, "the host is gone")
    assert watch.seconds < patience(3)


def test_a_newer_host_takes_over_and_the_older_ones_end_disturbs_nobody(guest):
    older = guest.connect_and_greet()
    newer = guest.connect_and_greet()
    assert older.is_ended()
    older.close()
    future = guest.ask()
    newer.send(response(newer.read_request(), "new"))
    assert answer_of(future) == "new"


def test_requests_in_flight_survive_hosts_that_come_and_go(guest):
    host = guest.connect_and_greet()
    futures = {}
    for number in range(20):
        futures[number] = guest.ask(number)
    before = [host.read_request() for _ in range(20)]
    for _ in range(3):
        host.close()
        host = guest.connect_and_greet()
        again = [host.read_request() for _ in range(20)]
        assert again == before, "the same requests under the same ids, in their order"
    for request in reversed(again):
        host.send(response(request, request["payload"] * 2))
    assert [answer_of(futures[number]) for number in range(20)] == [number * 2 for number in range(20)]


def test_a_host_that_greets_again_on_the_same_connection_gets_what_waits(guest):
    host = guest.connect_and_greet()
    future = guest.ask()
    request = host.read_request()
    host.greet()
    assert host.read_request() == request
    host.send(response(request, "once"))
    assert answer_of(future) == "once"


BEFORE_GREETING = {
    "not JSON": frame(b"hello"),
    "no id": frame({"namespace": "system:health", "type": "request"}),
    "another namespace": frame({**greeting(), "namespace": "ssh-agent"}),
    "a response": frame({**greeting(), "type": "response"}),
    "an event": frame({**greeting(), "type": "event"}),
    "too long": b"\x20\x01\x00\x00\x01",
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("name", BEFORE_GREETING)
def test_what_does_not_begin_with_a_greeting_is_dropped_and_the_host_stays(guest, name):
    host = guest.connect_and_greet()
    other = guest.connect()
    other.send_bytes(BEFORE_GREETING[name])
    if name == "HTTP":  # a frame of unknown type that never ends
        other.close()
    else:
        assert other.is_ended()
    guest.program.wait_for_stderr("a connection was dropped: ")
    future = guest.ask()
    host.send(response(host.read_request(), "still here"))
    assert answer_of(future) == "still here"


def test_a_connection_that_says_nothing_is_dropped_after_five_seconds(guest):
    watch = Stopwatch()
    silent = guest.connect()
    half = guest.connect()
    half.send_bytes(frame(greeting())[:30])
    assert silent.is_ended() and half.is_ended()
    assert 4.5 < watch.seconds < 5 + patience(2)


UNUSABLE = {
    "not JSON": (lambda _: frame(b"}{"), "no envelope"),
    "no id": (lambda request: frame(response(request, 1, id=None)), "no envelope"),
    "a request": (lambda request: frame(response(request, 1, type="request")), "a request from the host"),
    "an event": (lambda request: frame(response(request, 1, type="event")), "event from the host"),
    "another namespace": (lambda request: frame(response(request, 1, namespace="aws-credentials")), "does not fit"),
    "the bus's namespace": (lambda request: frame(response(request, 1, namespace="system:health")), "of the bus"),
    "an answer to nothing": (lambda request: frame(response(request, 1, in_reply_to="0192b3a4-0000-7000-8000-0")),
                             "nobody asked"),
    "no in_reply_to": (lambda request: frame(response(request, 1, in_reply_to=None)), "nobody asked"),
    "another frame type": (lambda request: frame(b"anything", kind=0x21), "unknown type 0x21"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_is_not_usable_is_dropped_said_once_and_the_link_goes_on(guest, name):
    make, said = UNUSABLE[name]
    host = guest.connect_and_greet()
    future = guest.ask()
    request = host.read_request()
    for _ in range(50):
        host.send_bytes(make(request))
    host.send(response(request, "the real one"))
    assert answer_of(future) == "the real one"
    guest.program.wait_for_stderr(said)
    assert len(re.findall(said, guest.program.stderr)) == 1


def test_a_second_answer_goes_to_nobody(guest):
    host = guest.connect_and_greet()
    future = guest.ask(1)
    request = host.read_request()
    host.send(response(request, "first"), response(request, "second"))
    assert answer_of(future) == "first"
    guest.program.wait_for_stderr("a second answer")
    future = guest.ask(2)
    host.send(response(request, "third"), response(host.read_request(), "right"))
    assert answer_of(future) == "right"


def test_an_answer_after_the_guest_has_given_up_goes_to_nobody(broker, guest, agent, keys):
    honest = HostBehindIt(agent.path)
    late = []

    def answer(request):
        if request["payload"]["operation"] == "sign" and not late:
            late.append(request)
            return None
        return response(request, honest.payload(request["payload"]))

    host = guest.connect_and_greet()
    with host.answering(answer):
        relay = broker.start_relay(guest.url)
        watch = Stopwatch()
        assert agent_wire.sign(relay.sock, keys["ed25519"].blob, b"data") is None
        assert 2.5 < watch.seconds < 3 + patience(2)
        relay.wait_for_stderr("sign request timed out")
        host.send(response(late[0], honest.payload(late[0]["payload"])))
        assert agent_wire.sign(relay.sock, keys["ed25519"].blob, b"other") is not None


def test_half_a_frame_and_the_end_loses_no_request(guest):
    host = guest.connect_and_greet()
    future = guest.ask()
    request = host.read_request()
    host.send_bytes(frame(response(request, "cut"))[:-3])
    host.close()
    host = guest.connect_and_greet()
    assert host.read_request() == request
    host.send(response(request, "whole"))
    assert answer_of(future) == "whole"


def test_a_frame_over_the_limit_ends_the_link_and_loses_no_request(guest):
    host = guest.connect_and_greet()
    future = guest.ask()
    request = host.read_request()
    host.send_bytes(b"\x20\xff\xff\xff\xff")
    assert host.is_ended()
    host = guest.connect_and_greet()
    host.send(response(host.read_request(), "later"))
    assert answer_of(future) == "later"


@pytest.mark.parametrize("word, refusal", [("unavailable", (503, "NO_CONNECTION")), ("limit", (429, "TOO_MANY_REQUESTS")),
                                           ("closed", (503, "CONNECTION_LOST"))])
def test_what_the_host_half_refuses_is_refused_at_once(guest, word, refusal):
    host = guest.connect_and_greet()
    future = guest.ask()
    request = host.read_request()
    host.send(response(request, {"error": "because", "code": "INTERNAL_ERROR"}, refusal=word))
    assert refusal_of(future) == refusal


def test_more_requests_than_may_wait_are_refused_at_once(guest):
    host = guest.connect_and_greet()
    waiting = [guest.ask(number) for number in range(256)]
    requests = [host.read_request() for _ in waiting]
    watch = Stopwatch()
    assert refusal_of(guest.ask()) == (429, "TOO_MANY_REQUESTS")
    assert watch.seconds < patience(2)
    host.send(*(response(request, request["payload"]) for request in requests))
    assert [answer_of(future) for future in waiting] == list(range(256))
    future = guest.ask("again")
    host.send(response(host.read_request(), "served"))
    assert answer_of(future) == "served"


def test_more_bytes_than_may_wait_are_refused_at_once(guest):
    host = guest.connect_and_greet()
    waiting = guest.ask("x" * 900_000)
    request = host.read_request()
    assert refusal_of(guest.ask("x" * 200_000)) == (429, "TOO_MANY_REQUESTS")
    host.send(response(request, "x" * 1_000_000))
    assert answer_of(waiting) == "x" * 1_000_000


def test_a_flood_of_connections_neither_locks_the_host_out_nor_stays(guest):
    host = guest.connect_and_greet()
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            flood = stack.enter_context(contextlib.closing(socket.socket(socket.AF_UNIX)))
            flood.connect(str(guest.path))
        wait_until(lambda: descriptors(guest.program.pid) < 60, 5, "only some of them stay open")
        future = guest.ask()
        host.send(response(host.read_request(), "served"))
        assert answer_of(future) == "served"
        newer = guest.connect_and_greet()
        assert host.is_ended()
    future = guest.ask()
    newer.send(response(newer.read_request(), "served"))
    assert answer_of(future) == "served"
    assert len(re.findall("have not greeted", guest.program.stderr)) == 1


def test_who_waits_when_it_stops_is_told(guest):
    host = guest.connect_and_greet()
    waiting = [guest.ask(number) for number in range(10)]
    for _ in waiting:
        host.read_request()
    watch = Stopwatch()
    assert guest.program.terminate() == 0
    assert watch.seconds < patience(1)
    assert {refusal_of(future) for future in waiting} == {(503, "SHUTTING_DOWN")}
    assert not guest.path.exists() and not guest.publish_path.exists()


def test_a_guest_that_leaves_frees_its_place(guest):
    """A client that has given up is not asked for again when another host comes."""
    host = guest.connect_and_greet()
    with socket.socket(socket.AF_UNIX) as leaving:
        leaving.connect(str(guest.publish_path))
        body = json.dumps(PING).encode()
        leaving.sendall(b"POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s"
                        % (len(body), body))
        left = host.read_request()
    future = guest.ask("stays")
    stays = host.read_request()
    host.send(response(left, "nobody"))
    guest.program.wait_for_stderr("came too late")
    host.close()
    host = guest.connect_and_greet()
    assert host.read_request() == stays
    host.send(response(stays, "here"))
    assert answer_of(future) == "here"


def test_with_a_token_file_only_who_knows_the_token_is_let_in(broker, start_guest_half):
    token_file = broker.place.root / "token"
    guest = start_guest_half(None, "--token-file", token_file)
    assert stat.S_IMODE(os.stat(token_file).st_mode) == 0o600
    guest.program.wait_for_stderr(f"{token_file} is new")
    token = token_file.read_text().strip()
    for wrong in (None, "", token[:-1], token + "0", token.swapcase() + "x"):
        host = guest.connect()
        host.send(greeting(wrong))
        assert host.is_ended()
    assert refusal_of(guest.ask()) == (503, "NO_CONNECTION")
    host = guest.connect_and_greet(token)
    future = guest.ask()
    host.send(response(host.read_request(), "in"))
    assert answer_of(future) == "in"
    assert token not in guest.program.stderr
    assert len(re.findall("token", guest.program.stderr)) <= 4, "once a minute, not for each attempt"


def test_over_tls_the_certificate_is_the_pinned_one_and_the_token_is_demanded(broker, start_guest_half):
    port = free_port()
    token_file, tls_file = broker.place.root / "token", broker.place.root / "tls.pem"
    options = (f"tcp+tls://127.0.0.1:{port}", "--token-file", token_file, "--tls-file", tls_file)
    guest = start_guest_half(*options)
    line = guest.program.wait_for_stderr(r"NAME=(tcp\+tls://127\.0\.0\.1:\d+),pin=(sha256:[0-9a-f]{64}),token-file=FILE")
    assert line[1] == f"tcp+tls://127.0.0.1:{port}"
    assert stat.S_IMODE(os.stat(tls_file).st_mode) == 0o600
    host = ForeignFrameHost.on_tls(port, line[2])
    host.send(greeting("a-token-of-somebody-else"))
    assert host.is_ended()
    host = ForeignFrameHost.on_tls(port, line[2])
    host.greet(token_file.read_text().strip())
    future = guest.ask("x" * 500_000)
    request = host.read_request()
    host.send(response(request, request["payload"] + "y"))
    assert answer_of(future) == "x" * 500_000 + "y"
    # Without TLS, with half a handshake, and with nothing.
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.sendall(frame(greeting()))
        plain.settimeout(patience(10))
        with contextlib.suppress(ConnectionResetError):
            while plain.recv(4096):
                pass
    future = guest.ask()
    host.send(response(host.read_request(), "still here"))
    assert answer_of(future) == "still here"
    # The same certificate and token after a restart.
    guest.program.terminate()
    again = start_guest_half(*options)
    again.program.wait_for_stderr(line[2])
    assert "is new" not in again.program.stderr


WRONG_OPTIONS = {
    "an address of another machine": (["--listen", "192.0.2.1:498"], "--listen"),
    "every address": (["--listen", "0.0.0.0:498"], "--listen"),
    "no address": (["--listen", "nonsense"], "--listen"),
    "frames of the host's side": (["--frames", "vsock:3:1026"], "--frames"),
    "frames in the clear": (["--frames", "tcp://127.0.0.1:1"], "--frames"),
    "TLS without a token": (["--frames", "tcp+tls://127.0.0.1:1", "--tls-file", "/nowhere"], "--token-file"),
    "TLS without a certificate": (["--frames", "tcp+tls://127.0.0.1:1", "--token-file", "/nowhere"], "--tls-file"),
    "a certificate without TLS": (["--frames", "unix:/nowhere", "--tls-file", "/nowhere"], "--tls-file"),
    "loopback without vsock": (["--frames", "unix:/nowhere", "--allow-loopback"], "--allow-loopback"),
    "both halves": (["--host"], "--guest and --host"),
    "an option of both halves in one": (["--guest-listen", "127.0.0.1:1"], "--guest-listen"),
}


@pytest.mark.parametrize("name", WRONG_OPTIONS)
def test_options_that_do_not_go_together_are_refused(broker, name):
    options, said = WRONG_OPTIONS[name]
    refused = broker.run("bus", "--guest", *options)
    assert refused.status == 2
    assert refused.stderr.count("\n") == 1 and said in refused.stderr
