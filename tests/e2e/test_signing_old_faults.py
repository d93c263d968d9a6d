"""What the existing program gets wrong, as signing-proxy.md has it line by line, and the signing proxy does not."""

import ctypes
import os
import platform
import re
import socket
import struct
import time

import pytest

from support import agent_wire
from support.fake_agent import identities_answer
from support.keys import KINDS, KeyPair, keygen
from support.security_key import SecurityKey
from support.signing_proxy import MESSAGE, keygen_accepts, signed_by_keygen
from support.waiting import Stopwatch, patience, wait_until


def test_one_slow_agent_prompt_stalls_no_request_nor_healthz_nor_sigterm(start_signing_proxy, keys, place, played_agent,
                                                                         agent):
    stuck = []

    def answer(kind, payload):
        if kind == agent_wire.SIGN_REQUEST and not stuck:
            stuck.append(True)
            time.sleep(patience(30))  # the prompt that nobody answers
            return None
        with agent_wire.AgentConnection(agent.path) as connection:
            return connection.ask(kind, payload)
    proxy = start_signing_proxy(played_agent(answer))
    waiting = proxy.connection()
    waiting.request("POST", "/sign", MESSAGE)
    wait_until(lambda: stuck, 10, "a request waits at the prompt")
    watch = Stopwatch()
    for _ in range(20):
        assert proxy.request("GET", "/healthz").status == 200
        assert proxy.public_key().status == 200
        assert proxy.sign(MESSAGE).body == signed_by_keygen(keys["ed25519"].private, MESSAGE, place.work)
    assert watch.seconds < patience(20)
    watch = Stopwatch()
    assert proxy.program.terminate(5) == 0
    assert watch.seconds < patience(5)


@pytest.mark.parametrize("kind", ["sk-ed25519", "sk-ecdsa"])
def test_security_keys_keep_flags_and_counter_and_sign_validly(start_signing_proxy, place, played_agent, kind):
    key = SecurityKey(kind)

    def answer(number, payload):
        if number == agent_wire.REQUEST_IDENTITIES:
            return identities_answer((key.blob, b"token"))
        _, rest = agent_wire.take_string(payload)
        data, _ = agent_wire.take_string(rest)
        return agent_wire.SIGN_RESPONSE, agent_wire.string(key.sign(data))
    proxy = start_signing_proxy(played_agent(answer))
    assert proxy.public_key().text == key.line + "\n"
    for _ in range(2):
        reply = proxy.sign(MESSAGE)
        assert reply.status == 200 and keygen_accepts(reply.body, MESSAGE, key.line, place.work)


class Certified:
    """An agent with a key and its certificate, and the authority that made it."""

    def __init__(self, agent, place, kind):
        self.key = KeyPair(place.work, "certified", KINDS[kind])
        self.authority = KeyPair(place.work, "authority", KINDS["ed25519"])
        keygen("-s", self.authority.private, "-I", "jane", "-n", "jane", f"{self.key.private}.pub")
        agent.add(self.key.private)
        self.plain, self.certificate = [blob for blob, _ in agent.identities()]
        self.line = (place.work / "certified-cert.pub").read_text().strip()
        self.trust = f"cert-authority {self.authority.line}"


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa256", "rsa2048"])
def test_certificates_sign(start_signing_proxy, empty_agent, place, kind):
    it = Certified(empty_agent, place, kind)
    proxy = start_signing_proxy(empty_agent, PUBKEY=it.line)
    assert proxy.public_key().text.split() == it.line.split()[:2]
    reply = proxy.sign(MESSAGE)
    assert reply.status == 200, reply
    assert keygen_accepts(reply.body, MESSAGE, it.trust, place.work)
    if kind != "ecdsa256":
        assert reply.body == signed_by_keygen(place.work / "certified-cert.pub", MESSAGE, place.work)


def test_a_configured_certificate_signs_with_its_key_where_the_agent_has_that_alone(start_signing_proxy, empty_agent,
                                                                                    place):
    it = Certified(empty_agent, place, "ed25519")
    empty_agent.add("-D")
    (place.work / "certified-cert.pub").unlink()
    empty_agent.add(it.key.private)
    assert len(empty_agent.identities()) == 1
    reply = start_signing_proxy(empty_agent, PUBKEY=it.line).sign(MESSAGE)
    assert reply.status == 200 and keygen_accepts(reply.body, MESSAGE, it.trust, place.work)


def test_a_certificate_listed_first_does_not_break_signing(start_signing_proxy, empty_agent, place, played_agent):
    it = Certified(empty_agent, place, "ed25519")

    def answer(kind, payload):
        if kind == agent_wire.REQUEST_IDENTITIES:
            return identities_answer((it.certificate, b"certificate"), (it.plain, b"key"))
        with agent_wire.AgentConnection(empty_agent.path) as connection:
            return connection.ask(kind, payload)
    proxy = start_signing_proxy(played_agent(answer))
    reply = proxy.sign(MESSAGE)
    assert reply.status == 200 and keygen_accepts(reply.body, MESSAGE, it.trust, place.work)
    assert proxy.public_key().text.split() == it.line.split()[:2]


@pytest.mark.parametrize("headers", [
    {"Host": "evil.example"}, {"Host": "evil.example:7221"}, {"Host": "127.0.0.1.evil.example"},
    {"Host": "localhost@evil.example"}, {"Host": "[::1"}, {"Host": "localhost."},
    {"Origin": "https://evil.example"}, {"Origin": "http://localhost:7221"}, {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
], ids=str)
def test_a_web_page_can_neither_post_to_sign_nor_rebind_a_name(proxy, headers):
    for method, path in (("POST", "/sign"), ("GET", "/publickey"), ("GET", "/healthz")):
        reply = proxy.request(method, path, MESSAGE if method == "POST" else None, headers)
        assert reply.status == 403 and reply.text.startswith("forbidden: "), reply
    assert "outcome=signed" not in proxy.program.stderr


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:7221", "web.localhost", "127.0.0.1", "[::1]:7221",
                                  "172.17.0.1", "host.docker.internal:7221", "host.containers.internal",
                                  "builder.example:80"])
def test_names_of_the_machine_as_containers_call_it_are_served(start_signing_proxy, agent, host):
    proxy = start_signing_proxy(agent, HOSTS="other.example, builder.example")
    assert proxy.sign(MESSAGE, headers={"Host": host}).status == 200


def test_time_outs_end_a_client_that_sends_too_slowly(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port)) as slow:
        slow.settimeout(patience(25))
        watch = Stopwatch()
        slow.sendall(b"POST /sign HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")
        assert 9 < watch.seconds < 9 + patience(10)


def test_a_connection_limit_lets_the_next_ones_wait_in_the_listen_queue(proxy):
    held = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(64)]
    for connection in held:  # they are asked for their bodies, and busy from here on
        connection.settimeout(patience(10))
        connection.sendall(b"POST /sign HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
                           b"Expect: 100-continue\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
    waiting = socket.create_connection(("127.0.0.1", proxy.port))
    waiting.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    waiting.settimeout(0.3)
    with pytest.raises(TimeoutError):
        waiting.recv(1)
    held[0].close()
    waiting.settimeout(patience(10))
    assert waiting.recv(1000).startswith(b"HTTP/1.1 200 ")
    for connection in [waiting, *held]:
        connection.close()


def test_clients_with_nothing_to_say_keep_nobody_out(proxy):
    held = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(65)]
    watch = Stopwatch()
    assert proxy.request("GET", "/healthz").status == 200
    assert watch.seconds < 1 + patience(5)
    for connection in held:
        connection.close()


def test_shutdown_waits_for_no_client(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port)) as idle:
        idle.sendall(b"POST /sign HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
        watch = Stopwatch()
        assert proxy.program.terminate(5) == 0
        assert watch.seconds < patience(5)


def test_what_it_listens_on_is_said_by_default(start_signing_proxy, agent):
    proxy = start_signing_proxy(agent, NAMESPACE="git,file")
    assert f'listening on 127.0.0.1:{proxy.port} (namespaces "git", "file"), agent {agent.path}' in proxy.program.stderr


def forbid_limits():
    """From here on the kernel refuses prlimit64(2), and nothing else: a filter of seccomp(2)."""
    number = {"x86_64": 302, "aarch64": 261}[platform.machine()]
    # Load the system call's number; skip one where it is another; EPERM; allow.
    code = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, number, 0x06, 0, 0, 0x00050001, 0x06, 0, 0, 0x7fff0000)
    text = ctypes.create_string_buffer(code)
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(text)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(38, 1, 0, 0, 0) != 0 or prctl(22, 2, program, 0, 0) != 0:  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
        raise OSError(ctypes.get_errno(), "seccomp")


@pytest.mark.release  # a sanitizer asks for limits, too
def test_every_warning_of_hardening_is_said_by_default(start_signing_proxy, agent):
    proxy = start_signing_proxy(agent, before=forbid_limits)
    assert re.search(r"^shed-ext signing-proxy: warning: hardening: .*core files", proxy.program.stderr, re.MULTILINE)
    assert proxy.sign(MESSAGE).status == 200


def test_a_percent_h_of_the_environment_file_is_the_home(start_signing_proxy, agent, keys, place):
    os.symlink(agent.path, place.home / "agent.sock")
    (place.home / "key.pub").write_text(keys["rsa2048"].line)
    for home in ("%h", "~"):
        proxy = start_signing_proxy(place.root / "nobody", UPSTREAM=f"{home}/agent.sock", PUBKEY_FILE=f"{home}/key.pub")
        assert proxy.public_key().text.startswith("ssh-rsa ")
        assert proxy.program.terminate() == 0
