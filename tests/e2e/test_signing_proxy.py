"""The signing proxy: the existing program's routes, texts and codes, signatures of every key, and bad input."""

import ctypes
import os
import platform
import re
import signal
import socket
import stat
import struct
import time

import pytest

from support import agent_wire
from support.fake_agent import FakeAgent, identities_answer
from support.keys import KINDS, KeyPair, keygen
from support.security_key import SecurityKey
from support.servers import accepts, free_port
from support.signing_proxy import SigningProxy, keygen_accepts, signed_by_keygen
from support.waiting import Stopwatch, patience, wait_until

MESSAGE = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nA commit\n"
MOST = 16 * 1024 * 1024
TEXT = "text/plain; charset=utf-8"


@pytest.fixture
def start_proxy(broker):
    return lambda agent=None, **more: SigningProxy(broker, getattr(agent, "path", agent), **more)


@pytest.fixture
def proxy(start_proxy, agent):
    """In front of an agent with a key of each kind; the Ed25519 one is first."""
    return start_proxy(agent)


@pytest.fixture
def played_agent(place, closing):
    return lambda answer: closing(FakeAgent(place.root / "played.sock", answer))


def says(reply, status, text):
    return (reply.status, reply.text, reply.headers["content-type"]) == (status, text, TEXT)


def fails_to_start(broker, agent, arguments=(), **variables):
    """The one line of a proxy that ends with 1."""
    env = {f"SSH_AGENT_PROXY_{name}": str(value) for name, value in variables.items()}
    program = broker.run("signing-proxy", *arguments, agent=agent and agent.path,
                         env={"SSH_AGENT_PROXY_ADDR": "127.0.0.1:0", **env})
    assert program.status == 1 and program.stdout == "", program.stderr
    lines = program.stderr.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


# What the existing program does.

@pytest.mark.parametrize("name", ["ed25519", "rsa2048"])
def test_a_signature_is_byte_for_byte_that_of_ssh_keygen(start_proxy, agent, keys, place, name):
    proxy = start_proxy(agent, PUBKEY=keys[name].line)
    for message in (MESSAGE, b"x", os.urandom(100_000)):
        reply = proxy.sign(message)
        assert reply.status == 200 and reply.headers["content-type"] == "application/x-ssh-signature"
        assert reply.body == signed_by_keygen(keys[name].private, message, place.work)


@pytest.mark.parametrize("name", KINDS)
def test_ssh_keygen_accepts_signatures_of_every_kind_of_key(start_proxy, agent, keys, place, name):
    reply = start_proxy(agent, PUBKEY=keys[name].line).sign(MESSAGE)
    assert reply.status == 200, reply
    assert keygen_accepts(reply.body, MESSAGE, keys[name].line, place.work)


def test_without_a_configured_key_the_agents_first_one_signs(proxy, keys, place):
    assert proxy.sign(MESSAGE).body == signed_by_keygen(keys["ed25519"].private, MESSAGE, place.work)


def test_the_public_key_is_told_without_its_comment(proxy, keys):
    for method in ("GET", "HEAD"):
        reply = proxy.request(method, "/publickey")
        text = " ".join(keys["ed25519"].line.split()[:2]) + "\n"
        assert says(reply, 200, text if method == "GET" else "")
        assert reply.headers["cache-control"] == "no-cache" and int(reply.headers["content-length"]) == len(text)


def test_health_is_told_without_an_agent(start_proxy, place):
    proxy = start_proxy(place.root / "nobody.sock")
    assert says(proxy.request("GET", "/healthz"), 200, "ok\n")
    assert says(proxy.request("HEAD", "/healthz"), 200, "")


def test_a_key_that_is_rotated_signs_from_the_next_request_on(start_proxy, empty_agent, keys, place):
    proxy = start_proxy(empty_agent)
    assert says(proxy.sign(MESSAGE), 503, "signer unavailable\n")
    assert says(proxy.public_key(), 503, "signer unavailable\n")
    for name in ("ed25519", "rsa2048"):
        empty_agent.add("-D")
        empty_agent.add(keys[name].private)
        assert proxy.sign(MESSAGE).body == signed_by_keygen(keys[name].private, MESSAGE, place.work)


def test_a_configured_key_that_the_agent_lacks_is_unavailable(start_proxy, empty_agent, keys):
    empty_agent.add(keys["rsa2048"].private)
    proxy = start_proxy(empty_agent, PUBKEY=keys["ed25519"].line)
    assert says(proxy.sign(MESSAGE), 503, "signer unavailable\n")
    assert says(proxy.public_key(), 503, "signer unavailable\n")


def test_without_an_agents_path_it_does_not_start(broker):
    assert fails_to_start(broker, None).endswith("no agent path: set SSH_AGENT_PROXY_UPSTREAM or SSH_AUTH_SOCK")


def test_empty_variables_count_as_unset(start_proxy, agent, keys):
    proxy = start_proxy(agent, UPSTREAM="", NAMESPACE="", PUBKEY="", PUBKEY_FILE="", TOKEN_FILE="", HOSTS="")
    assert proxy.sign(MESSAGE).status == 200


def test_the_upstream_comes_before_the_agent_of_the_session(start_proxy, agent, place):
    assert start_proxy(place.root / "nobody.sock", UPSTREAM=agent.path).sign(MESSAGE).status == 200


def test_several_keys_are_a_choice_of_the_first_that_is_there(start_proxy, empty_agent, keys, place):
    lines = f"# both\n{keys['ed25519'].line}\n\n{keys['rsa2048'].line}\n"
    proxy = start_proxy(empty_agent, PUBKEY=lines)
    for name in ("rsa2048", "ed25519"):
        empty_agent.add(keys[name].private)
        assert proxy.sign(MESSAGE).body == signed_by_keygen(keys[name].private, MESSAGE, place.work)


def test_a_public_key_file_that_changes_is_in_force_at_once(start_proxy, agent, keys, place):
    file = place.work / "signing.pub"
    file.write_text(keys["ed25519"].line + "\n")
    proxy = start_proxy(agent, PUBKEY_FILE=file)
    assert proxy.public_key().text.split()[0] == "ssh-ed25519"
    file.write_text(keys["rsa2048"].line + "\n")
    assert proxy.public_key().text.split()[0] == "ssh-rsa"
    file.write_text("nonsense\n")
    assert says(proxy.sign(MESSAGE), 503, "signer unavailable\n")
    assert "line 1: no public key" in proxy.program.stderr
    file.unlink()
    assert proxy.sign(MESSAGE).status == 503
    file.write_text(keys["ed25519"].line + "\n")
    assert proxy.sign(MESSAGE).status == 200


def test_each_request_has_a_line_in_the_log(proxy, keys):
    proxy.sign(MESSAGE)
    proxy.program.wait_for_stderr(
        r"POST /sign 200 container=container namespace=git key=" + keys["ed25519"].fingerprint.replace("+", r"\+") +
        r" duration=\d+\.\d{3}ms outcome=signed$")


# What signing-proxy.md says the existing program gets wrong, line by line.

def test_one_slow_agent_prompt_stalls_no_request_nor_healthz_nor_sigterm(start_proxy, keys, place, played_agent,
                                                                         agent):
    stuck = []

    def answer(kind, payload):
        if kind == agent_wire.SIGN_REQUEST and not stuck:
            stuck.append(True)
            time.sleep(patience(30))  # the prompt that nobody answers
            return None
        with agent_wire.AgentConnection(agent.path) as connection:
            return connection.ask(kind, payload)
    proxy = start_proxy(played_agent(answer))
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
def test_security_keys_keep_flags_and_counter_and_sign_validly(start_proxy, place, played_agent, kind):
    key = SecurityKey(kind)

    def answer(number, payload):
        if number == agent_wire.REQUEST_IDENTITIES:
            return identities_answer((key.blob, b"token"))
        _, rest = agent_wire.take_string(payload)
        data, _ = agent_wire.take_string(rest)
        return agent_wire.SIGN_RESPONSE, agent_wire.string(key.sign(data))
    proxy = start_proxy(played_agent(answer))
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
def test_certificates_sign(start_proxy, empty_agent, place, kind):
    it = Certified(empty_agent, place, kind)
    proxy = start_proxy(empty_agent, PUBKEY=it.line)
    assert proxy.public_key().text.split() == it.line.split()[:2]
    reply = proxy.sign(MESSAGE)
    assert reply.status == 200, reply
    assert keygen_accepts(reply.body, MESSAGE, it.trust, place.work)
    if kind != "ecdsa256":
        assert reply.body == signed_by_keygen(place.work / "certified-cert.pub", MESSAGE, place.work)


def test_a_configured_certificate_signs_with_its_key_where_the_agent_has_that_alone(start_proxy, empty_agent, place):
    it = Certified(empty_agent, place, "ed25519")
    empty_agent.add("-D")
    (place.work / "certified-cert.pub").unlink()
    empty_agent.add(it.key.private)
    assert len(empty_agent.identities()) == 1
    reply = start_proxy(empty_agent, PUBKEY=it.line).sign(MESSAGE)
    assert reply.status == 200 and keygen_accepts(reply.body, MESSAGE, it.trust, place.work)


def test_a_certificate_listed_first_does_not_break_signing(start_proxy, empty_agent, place, played_agent):
    it = Certified(empty_agent, place, "ed25519")

    def answer(kind, payload):
        if kind == agent_wire.REQUEST_IDENTITIES:
            return identities_answer((it.certificate, b"certificate"), (it.plain, b"key"))
        with agent_wire.AgentConnection(empty_agent.path) as connection:
            return connection.ask(kind, payload)
    proxy = start_proxy(played_agent(answer))
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


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:7221", "web.localhost", "127.0.0.1", "[::1]:7221", "172.17.0.1",
                                  "host.docker.internal:7221", "host.containers.internal", "builder.example:80"])
def test_names_of_the_machine_as_containers_call_it_are_served(start_proxy, agent, host):
    proxy = start_proxy(agent, HOSTS="other.example, builder.example")
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


def test_what_it_listens_on_is_said_by_default(start_proxy, agent):
    proxy = start_proxy(agent, NAMESPACE="git,file")
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
def test_every_warning_of_hardening_is_said_by_default(start_proxy, agent):
    proxy = start_proxy(agent, before=forbid_limits)
    assert re.search(r"^shed-ext signing-proxy: warning: hardening: .*core files", proxy.program.stderr, re.MULTILINE)
    assert proxy.sign(MESSAGE).status == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "7221", ":7221", "127.0.0.1:99999", "127.0.0.1:http", "nonsense:1:2",
                                     "unix:relative", "unix:/tmp/x:mode=0999", "unix:/tmp/x:mode=0111"])
def test_a_wrong_address_falls_back_to_no_other_one(broker, agent, address):
    assert "SSH_AGENT_PROXY_ADDR: " in fails_to_start(broker, agent, ADDR=address)


def test_an_address_that_is_taken_is_an_error(broker, agent, proxy):
    line = fails_to_start(broker, agent, ADDR=f"127.0.0.1:{proxy.port}")
    assert f"SSH_AGENT_PROXY_ADDR: 127.0.0.1:{proxy.port}: " in line


BAD_LINES = {
    "broken base64": ("ssh-ed25519 AAAA!!!!", "line 1: key is damaged"),
    "cut": ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA", "line 1: key is damaged"),
    "no key": ("nonsense", "line 1: no public key"),
    "empty": ("# nothing\n\n", "no public key in it"),
    "of another type": ("ssh-dss AAAAB3NzaC1kc3M=", "line 1: key type ssh-dss"),
    "a private key": ("-----BEGIN OPENSSH PRIVATE KEY-----", "line 1: a private key"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_wrong_public_key_lines_are_an_error_at_start(broker, agent, keys, place, name):
    line, why = BAD_LINES[name]
    said = fails_to_start(broker, agent, PUBKEY=line)
    assert "SSH_AGENT_PROXY_PUBKEY: " in said and why in said
    file = place.work / "key.pub"
    file.write_text(line)
    said = fails_to_start(broker, agent, PUBKEY_FILE=file)
    assert f"SSH_AGENT_PROXY_PUBKEY_FILE: {file}: " in said and why in said
    if name != "empty":
        file.write_text(f"{keys['ed25519'].line}\n\n{line}\n")
        assert why.replace("line 1", "line 3") in fails_to_start(broker, agent, PUBKEY_FILE=file)


def test_a_missing_public_key_file_is_an_error_at_start(broker, agent, place):
    assert str(place.work / "none.pub") in fails_to_start(broker, agent, PUBKEY_FILE=place.work / "none.pub")


@pytest.mark.parametrize("form", ["{}", "  {}  ", "{0}\r\n", "no-pty,command=\"echo a, b\" {}", "\trestrict\t{}"])
def test_authorized_keys_options_tabs_and_double_spaces_are_understood(start_proxy, agent, keys, form):
    kind, base64, comment = keys["rsa2048"].line.split(maxsplit=2)
    for line in (f"{kind} {base64}", f"{kind}\t{base64}\t{comment}", f"{kind}  {base64}   {comment} and more"):
        proxy = start_proxy(agent, PUBKEY=form.format(line))
        assert proxy.public_key().text == f"{kind} {base64}\n"
        assert proxy.program.terminate() == 0


def test_the_systemd_unit_hides_no_agent_under_tmp(binary):
    unit = (os.path.dirname(__file__) + "/../../applets/signing-proxy/ssh-agent-proxy.service")
    with open(unit, encoding="utf-8") as file:
        directives = [line for line in file if line.strip() and not line.startswith("#")]
    assert not any(line.startswith(("PrivateTmp", "ProtectHome=yes", "ProtectHome=tmpfs")) for line in directives)


def test_a_percent_h_of_the_environment_file_is_the_home(start_proxy, agent, keys, place):
    os.symlink(agent.path, place.home / "agent.sock")
    (place.home / "key.pub").write_text(keys["rsa2048"].line)
    for home in ("%h", "~"):
        proxy = start_proxy(place.root / "nobody", UPSTREAM=f"{home}/agent.sock", PUBKEY_FILE=f"{home}/key.pub")
        assert proxy.public_key().text.startswith("ssh-rsa ")
        assert proxy.program.terminate() == 0


# What its README asks for.

@pytest.mark.parametrize("suffix,mode", [("", 0o600), (":mode=0660", 0o660), (":mode=666", 0o666)])
def test_it_listens_on_a_unix_socket(start_proxy, agent, place, suffix, mode):
    path = place.run / "sign.sock"
    proxy = start_proxy(agent, address=f"unix:{path}{suffix}")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert proxy.sign(MESSAGE, headers={"Host": "anything"}).status == 200
    assert proxy.sign(MESSAGE, headers={"Origin": "http://localhost"}).status == 403
    assert proxy.program.terminate() == 0 and not path.exists()


TOKEN = "0123456789abcdef-token"
OTHER = "fedcba9876543210-token"


def with_token(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def token_file(place):
    def write(text, mode=0o600):
        file = place.work / "token"
        file.write_text(text)
        file.chmod(mode)
        return file
    return write


def test_a_bearer_token_is_demanded(start_proxy, agent, token_file):
    proxy = start_proxy(agent, TOKEN_FILE=token_file(TOKEN + "\n"))
    assert proxy.request("GET", "/healthz").status == 200
    for reply in (proxy.sign(MESSAGE), proxy.public_key(), proxy.sign(MESSAGE, headers={"Authorization": TOKEN})):
        assert says(reply, 401, "missing bearer token\n") and reply.headers["www-authenticate"] == "Bearer"
    for wrong in (TOKEN + "x", TOKEN[:-1], OTHER, TOKEN.upper()):
        assert says(proxy.sign(MESSAGE, headers=with_token(wrong)), 401, "wrong bearer token\n")
    assert proxy.sign(MESSAGE, headers=with_token(TOKEN)).status == 200
    assert proxy.sign(MESSAGE, headers={"authorization": f"bearer  {TOKEN}"}).status == 200
    assert TOKEN not in proxy.program.stderr


def test_tokens_name_containers_and_a_change_is_in_force_at_once(start_proxy, agent, token_file):
    proxy = start_proxy(agent, TOKEN_FILE=token_file(f"# containers\nweb {TOKEN}\n\nci\t{OTHER}\n"))
    assert proxy.sign(MESSAGE, headers=with_token(TOKEN)).status == 200
    assert proxy.sign(MESSAGE, headers=with_token(OTHER)).status == 200
    assert " container=web " in proxy.program.stderr and " container=ci " in proxy.program.stderr
    file = token_file(f"ci {OTHER}\n")
    assert proxy.sign(MESSAGE, headers=with_token(TOKEN)).status == 401
    assert proxy.sign(MESSAGE, headers=with_token(OTHER)).status == 200
    file.chmod(0o644)
    assert says(proxy.sign(MESSAGE, headers=with_token(OTHER)), 503, "signer unavailable\n")
    assert "chmod 600" in proxy.program.stderr


@pytest.mark.parametrize("text,mode,why", [
    (TOKEN, 0o644, "chmod 600"), ("short", 0o600, "line 1: not a token"), ("", 0o600, "no token"),
    (f"web {TOKEN}\nweb/2 {OTHER}", 0o600, "line 2: the name"), (f"{TOKEN}\n{OTHER}", 0o600, "without a name"),
    (f"web {TOKEN}\nci {TOKEN}", 0o600, "line 2: the token stands there twice"), (f"web {TOKEN} x", 0o600, "line 1"),
])
def test_a_wrong_token_file_is_an_error_at_start(broker, agent, token_file, text, mode, why):
    said = fails_to_start(broker, agent, TOKEN_FILE=token_file(text, mode))
    assert "SSH_AGENT_PROXY_TOKEN_FILE: " in said and why in said and TOKEN not in said


def test_several_namespaces_are_served_and_no_others(start_proxy, agent, keys, place):
    proxy = start_proxy(agent, NAMESPACE="file, git")
    for asked, used in ((None, "file"), ("file", "file"), ("git", "git"), ("gi%74", "git")):
        reply = proxy.sign(MESSAGE, asked)
        assert reply.body == signed_by_keygen(keys["ed25519"].private, MESSAGE, place.work, used)
    for wrong in ("other", "%", "%zz", "git%00"):
        assert proxy.sign(MESSAGE, wrong).status == 403
    assert proxy.request("POST", "/sign?namespace=", MESSAGE).status == 403
    assert proxy.request("POST", "/sign?x=1&namespace=git", MESSAGE).status == 200


@pytest.mark.parametrize("names", ["git,", ",", "a\x01b", "x" * 300, ",".join("n" + str(i) for i in range(17))])
def test_wrong_namespaces_are_an_error_at_start(broker, agent, names):
    assert "SSH_AGENT_PROXY_NAMESPACE: " in fails_to_start(broker, agent, NAMESPACE=names)


@pytest.mark.parametrize("hosts", ["*.example", "a.example:80", ",", "a b"])
def test_wrong_host_names_are_an_error_at_start(broker, agent, hosts):
    assert "SSH_AGENT_PROXY_HOSTS: " in fails_to_start(broker, agent, HOSTS=hosts)


# Bad requests.

def test_an_empty_body_is_refused(proxy):
    assert says(proxy.sign(b""), 400, "empty request body\n")


def test_sixteen_mebibytes_are_signed_and_one_byte_more_is_not(proxy, keys, place):
    message = bytes(MOST)
    assert proxy.sign(message).body == signed_by_keygen(keys["ed25519"].private, message, place.work)
    try:
        reply = proxy.sign(message + b"x")
        assert says(reply, 413, "request body too large\n")
    except (ConnectionResetError, BrokenPipeError):
        # The answer may come while the client still sends: what counts is that nothing was signed.
        pass
    proxy.program.wait_for_stderr("POST /sign 413 ")
    assert proxy.program.stderr.count("outcome=signed") == 1


def test_a_cut_body_is_not_signed(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port)) as cut:
        cut.sendall(b"POST /sign HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
        cut.shutdown(socket.SHUT_WR)
        cut.settimeout(patience(10))
        assert cut.recv(100) == b""
    assert "outcome=signed" not in proxy.program.stderr


@pytest.mark.parametrize("method,path,status,allow", [
    ("GET", "/sign", 405, "POST"), ("PUT", "/sign", 405, "POST"), ("OPTIONS", "/sign", 405, "POST"),
    ("POST", "/publickey", 405, "GET,HEAD"), ("DELETE", "/publickey", 405, "GET,HEAD"),
    ("POST", "/healthz", 405, "GET,HEAD"), ("GET", "/", 404, None), ("POST", "/sign/", 404, None),
    ("POST", "//sign", 404, None), ("GET", "/publickey/x", 404, None), ("POST", "/Sign", 404, None),
])
def test_other_methods_and_paths_are_refused_without_a_body(proxy, method, path, status, allow):
    reply = proxy.request(method, path)
    assert (reply.status, reply.body, reply.headers["allow"]) == (status, b"", allow)


# Bad agents.

def test_an_agent_that_is_missing_is_unavailable(start_proxy, place, keys):
    for more in ({}, {"PUBKEY": keys["ed25519"].line}):
        proxy = start_proxy(place.root / "nobody.sock", **more)
        assert says(proxy.sign(MESSAGE), 503, "signer unavailable\n")
        assert says(proxy.public_key(), 503, "signer unavailable\n")


def test_an_agent_that_comes_back_is_found_again(start_proxy, empty_agent, keys):
    proxy = start_proxy(empty_agent)
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
def test_an_agent_that_answers_wrongly_gives_no_signature(start_proxy, keys, played_agent, name):
    answer, status = BAD_SIGNATURES[name]
    key = keys["ed25519"]
    agent = played_agent(lambda kind, _: answer if kind == agent_wire.SIGN_REQUEST
                         else identities_answer((key.blob, b"key")))
    text = "sign failed\n" if status == 500 else "signer unavailable\n"
    assert says(start_proxy(agent).sign(MESSAGE), status, text)


@pytest.mark.parametrize("algorithm", ["ssh-rsa", "rsa-sha2-256"])
def test_a_downgrade_of_rsa_is_refused(start_proxy, keys, played_agent, algorithm):
    key = keys["rsa2048"]
    agent = played_agent(lambda kind, _: bad_signature(good_form(algorithm, 256)) if kind == agent_wire.SIGN_REQUEST
                         else identities_answer((key.blob, b"key")))
    assert says(start_proxy(agent).sign(MESSAGE), 500, "sign failed\n")
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
def test_an_agent_that_lists_wrongly_is_unavailable(start_proxy, played_agent, name):
    proxy = start_proxy(played_agent(lambda *_: BAD_LISTS[name]))
    assert says(proxy.sign(MESSAGE), 503, "signer unavailable\n")
    assert says(proxy.public_key(), 503, "signer unavailable\n")


def test_a_client_that_leaves_ends_its_request_at_the_agent(start_proxy, place, keys):
    gone = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place.root / "patient.sock"))
        listener.listen()
        listener.settimeout(patience(10))
        proxy = start_proxy(place.root / "patient.sock", PUBKEY=keys["ed25519"].line)
        client = proxy.connection()
        client.request("POST", "/sign", MESSAGE)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(patience(10))
            assert connection.recv(4096)
            client.close()
            gone.append(connection.recv(4096))
    assert gone == [b""]


def test_memory_and_descriptors_stay_as_they_were(proxy):
    def descriptors():
        return len(os.listdir(f"/proc/{proxy.program.pid}/fd"))
    proxy.sign(MESSAGE)
    wait_until(lambda: descriptors() < 20, 5, "the first connection is gone")
    before = descriptors()
    for _ in range(50):
        assert proxy.sign(MESSAGE).status == 200
    wait_until(lambda: descriptors() <= before, 5, "no descriptor is left over")


def test_sigint_ends_it_too(proxy):
    proxy.program.signal(signal.SIGINT)
    assert proxy.program.wait(5) == 0
    assert not accepts(("127.0.0.1", proxy.port))


def test_a_port_that_is_free_again_can_be_taken(start_proxy, agent):
    address = f"127.0.0.1:{free_port()}"
    for _ in range(2):
        proxy = start_proxy(agent, address=address)
        assert proxy.sign(MESSAGE).status == 200
        assert proxy.program.terminate() == 0
