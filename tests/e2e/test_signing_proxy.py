"""The signing proxy: the existing program's routes, texts and codes, and signatures of every key."""

import os
import signal
import socket
import stat

import pytest

from support.keys import KINDS
from support.servers import accepts, free_port
from support.signing_proxy import MESSAGE, MOST, fails_to_start, keygen_accepts, says, signed_by_keygen
from support.waiting import patience, wait_until


@pytest.mark.parametrize("name", ["ed25519", "rsa2048"])
def test_a_signature_is_byte_for_byte_that_of_ssh_keygen(start_signing_proxy, agent, keys, place, name):
    proxy = start_signing_proxy(agent, PUBKEY=keys[name].line)
    for message in (MESSAGE, b"x", os.urandom(100_000)):
        reply = proxy.sign(message)
        assert reply.status == 200 and reply.headers["content-type"] == "application/x-ssh-signature"
        assert reply.body == signed_by_keygen(keys[name].private, message, place.work)


@pytest.mark.parametrize("name", KINDS)
def test_ssh_keygen_accepts_signatures_of_every_kind_of_key(start_signing_proxy, agent, keys, place, name):
    reply = start_signing_proxy(agent, PUBKEY=keys[name].line).sign(MESSAGE)
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


def test_health_is_told_without_an_agent(start_signing_proxy, place):
    proxy = start_signing_proxy(place.root / "nobody.sock")
    assert says(proxy.request("GET", "/healthz"), 200, "ok\n")
    assert says(proxy.request("HEAD", "/healthz"), 200, "")


def test_a_key_that_is_rotated_signs_from_the_next_request_on(start_signing_proxy, empty_agent, keys, place):
    proxy = start_signing_proxy(empty_agent)
    assert says(proxy.sign(MESSAGE), 503, "signer unavailable\n")
    assert says(proxy.public_key(), 503, "signer unavailable\n")
    for name in ("ed25519", "rsa2048"):
        empty_agent.add("-D")
        empty_agent.add(keys[name].private)
        assert proxy.sign(MESSAGE).body == signed_by_keygen(keys[name].private, MESSAGE, place.work)


def test_a_configured_key_that_the_agent_lacks_is_unavailable(start_signing_proxy, empty_agent, keys):
    empty_agent.add(keys["rsa2048"].private)
    proxy = start_signing_proxy(empty_agent, PUBKEY=keys["ed25519"].line)
    assert says(proxy.sign(MESSAGE), 503, "signer unavailable\n")
    assert says(proxy.public_key(), 503, "signer unavailable\n")


def test_without_an_agents_path_it_does_not_start(broker):
    assert fails_to_start(broker, None).endswith("no agent path: set SSH_AGENT_PROXY_UPSTREAM or SSH_AUTH_SOCK")


def test_empty_variables_count_as_unset(start_signing_proxy, agent, keys):
    proxy = start_signing_proxy(agent, UPSTREAM="", NAMESPACE="", PUBKEY="", PUBKEY_FILE="", TOKEN_FILE="", HOSTS="")
    assert proxy.sign(MESSAGE).status == 200


def test_the_upstream_comes_before_the_agent_of_the_session(start_signing_proxy, agent, place):
    assert start_signing_proxy(place.root / "nobody.sock", UPSTREAM=agent.path).sign(MESSAGE).status == 200


def test_several_keys_are_a_choice_of_the_first_that_is_there(start_signing_proxy, empty_agent, keys, place):
    lines = f"# both\n{keys['ed25519'].line}\n\n{keys['rsa2048'].line}\n"
    proxy = start_signing_proxy(empty_agent, PUBKEY=lines)
    for name in ("rsa2048", "ed25519"):
        empty_agent.add(keys[name].private)
        assert proxy.sign(MESSAGE).body == signed_by_keygen(keys[name].private, MESSAGE, place.work)


def test_a_public_key_file_that_changes_is_in_force_at_once(start_signing_proxy, agent, keys, place):
    file = place.work / "signing.pub"
    file.write_text(keys["ed25519"].line + "\n")
    proxy = start_signing_proxy(agent, PUBKEY_FILE=file)
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


def test_several_namespaces_are_served_and_no_others(start_signing_proxy, agent, keys, place):
    proxy = start_signing_proxy(agent, NAMESPACE="file, git")
    for asked, used in ((None, "file"), ("file", "file"), ("git", "git"), ("gi%74", "git")):
        reply = proxy.sign(MESSAGE, asked)
        assert reply.body == signed_by_keygen(keys["ed25519"].private, MESSAGE, place.work, used)
    for wrong in ("other", "%", "%zz", "git%00"):
        assert proxy.sign(MESSAGE, wrong).status == 403
    assert proxy.request("POST", "/sign?namespace=", MESSAGE).status == 403
    assert proxy.request("POST", "/sign?x=1&namespace=git", MESSAGE).status == 200


@pytest.mark.parametrize("suffix,mode", [("", 0o600), (":mode=0660", 0o660), (":mode=666", 0o666)])
def test_it_listens_on_a_unix_socket(start_signing_proxy, agent, place, suffix, mode):
    path = place.run / "sign.sock"
    proxy = start_signing_proxy(agent, address=f"unix:{path}{suffix}")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert proxy.sign(MESSAGE, headers={"Host": "anything"}).status == 200
    assert proxy.sign(MESSAGE, headers={"Origin": "http://localhost"}).status == 403
    assert proxy.program.terminate() == 0 and not path.exists()


def test_each_request_has_a_line_in_the_log(proxy, keys):
    proxy.sign(MESSAGE)
    proxy.program.wait_for_stderr(
        r"POST /sign 200 container=container namespace=git key=" + keys["ed25519"].fingerprint.replace("+", r"\+") +
        r" duration=\d+\.\d{3}ms outcome=signed$")


def test_an_empty_body_is_refused(proxy):
    assert says(proxy.sign(b""), 400, "empty request body\n")


def test_sixteen_mebibytes_are_signed_and_one_byte_more_is_not(proxy, keys, place):
    message = bytes(MOST)
    assert proxy.sign(message).body == signed_by_keygen(keys["ed25519"].private, message, place.work)
    assert says(proxy.sign(message + b"x"), 413, "request body too large\n")
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


def test_a_port_that_is_free_again_can_be_taken(start_signing_proxy, agent):
    address = f"127.0.0.1:{free_port()}"
    for _ in range(2):
        proxy = start_signing_proxy(agent, address=address)
        assert proxy.sign(MESSAGE).status == 200
        assert proxy.program.terminate() == 0
