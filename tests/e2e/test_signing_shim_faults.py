"""`ssh-agent-proxy-sign` says in one line why it cannot sign, and leaves nothing behind."""

import pytest

from support.signing import Answer
from support.signing_shim import ANSWER_BOUND, LARGEST_MESSAGE, assert_fails
from support.waiting import Stopwatch


def sign_something_else(proxy, _keys):
    def sign(handler):
        handler.message += b"!"
        return proxy.sign_with_key(handler)
    return sign


def with_body(body, status=200):
    return lambda _proxy, _keys: lambda _handler: Answer(status, body)


def close_in_the_middle(_proxy, _keys):
    def sign(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\n-----BEGIN SSH SIGNATURE-----\n")
        return None
    return sign


def is_no_http(_proxy, _keys):
    def sign(handler):
        handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        return None
    return sign


def endless_header(_proxy, _keys):
    def sign(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 10000)
        return None
    return sign


FAULTS = {
    "no agent": (with_body("signer unavailable\n", 503), ["503 signer unavailable", "agent"]),
    "refused by the agent": (with_body("sign failed\n", 500), ["500 sign failed"]),
    "refused by policy": (with_body("denied: ssh.approval is deny-all\n", 403), ["403 denied: ssh.approval is deny-all"]),
    "no token": (with_body("missing bearer token\n", 401), ["401 missing bearer token", "SSH_AGENT_PROXY_TOKEN"]),
    "too large for it": (with_body("", 413), ["413"]),
    "another service": (with_body("<html>\nnot found", 404), ["404", "SSH_AGENT_PROXY_URL"]),
    "a redirection": (with_body("", 302), ["302"]),
    "an answer that is empty": (with_body(""), ["no signature", "missing header"]),
    "an answer that is something else": (with_body("x" * 4000), ["no signature"]),
    "an answer that is cut": (with_body("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n"), ["no signature", "missing footer"]),
    "an answer that is too long": (with_body("-" * (ANSWER_BOUND + 1)), [f"longer than {ANSWER_BOUND}"]),
    "a usage: text": (with_body("usage: \x1b[31mssh-keygen\n", 500), ["500 usage"]),
    "another message": (sign_something_else, ["Signature verification failed"]),
    "closed in the middle": (close_in_the_middle, []),
    "closed at once": (lambda _proxy, _keys: lambda _handler: None, []),
    "no HTTP": (is_no_http, []),
    "a header without end": (endless_header, []),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_proxy_is_one_line_and_leaves_no_signature(shim, tcp_proxy, keys, fault):
    make, words = FAULTS[fault]
    tcp_proxy.sign = make(tcp_proxy, keys)
    done = shim.sign(keys["ed25519"].public)
    assert_fails(done, *words)
    assert "\x1b" not in done.stderr
    assert shim.leftovers() == []


def test_a_signature_for_another_namespace_is_refused(shim, tcp_proxy, keys):
    assert_fails(shim.run("-Y", "sign", "-n", "file", "-f", keys["ed25519"].public, "message"),
                 "has signed for namespace 'git', not for 'file'", "SSH_AGENT_PROXY_NAMESPACE")
    assert shim.leftovers() == []


@pytest.mark.parametrize("url, words", [
    ("http://127.0.0.1:1/sign", ["127.0.0.1:1", "connection refused", "is ssh-agent-proxy running there?"]),
    ("http+unix:///nonexistent/proxy.sock:/sign", ["/nonexistent/proxy.sock", "is ssh-agent-proxy running there?"]),
    ("http://no-such-host.invalid/sign", ["no-such-host.invalid"]),
    ("ftp://127.0.0.1/sign", ["SSH_AGENT_PROXY_URL", "not a URL"]),
    ("127.0.0.1:7221", ["SSH_AGENT_PROXY_URL", "not a URL"]),
    ("http://127.0.0.1:99999/sign", ["SSH_AGENT_PROXY_URL"]),
    ("http://127.0.0.1:1/sign\r\nx: y", ["SSH_AGENT_PROXY_URL"]),
])
def test_a_proxy_that_is_not_there_is_one_line_and_leaves_no_signature(shim, keys, url, words):
    watch = Stopwatch()
    assert_fails(shim.sign(keys["ed25519"].public, SSH_AGENT_PROXY_URL=url), *words)
    assert watch.seconds < 15
    assert shim.leftovers() == []


def test_a_failure_leaves_an_older_signature_as_it_was(shim, tcp_proxy, keys):
    shim.signature.write_text("older")
    tcp_proxy.sign = lambda _: Answer(503, "signer unavailable\n")
    assert_fails(shim.sign(keys["ed25519"].public))
    assert shim.signature.read_text() == "older"


@pytest.mark.parametrize("last", ["missing", "empty", "huge", "folder"])
def test_one_file_that_cannot_be_signed_leaves_no_signature_of_the_others(shim, tcp_proxy, keys, last):
    (shim.folder / "empty").write_bytes(b"")
    (shim.folder / "huge").write_bytes(b"h" * (LARGEST_MESSAGE + 1))
    (shim.folder / "folder").mkdir()
    before = shim.leftovers()
    assert_fails(shim.sign(keys["ed25519"].public, "message", last), f"{last}: ")
    assert shim.leftovers() == before


def test_a_signature_that_cannot_be_written_leaves_none_of_the_others(shim, tcp_proxy, keys):
    (shim.folder / "other").write_text("other")
    (shim.folder / "other.sig").mkdir()
    assert_fails(shim.sign(keys["ed25519"].public, "message", "other"), "other.sig: ")
    assert shim.leftovers() == ["other", "other.sig"]


@pytest.mark.parametrize("answer, word", [
    (Answer(503, "signer unavailable\n"), "503 signer unavailable"), (Answer(200, ""), "no public key"),
    (Answer(200, "ssh-ed25519 AAAA\n"), "no public key"), (Answer(200, "x" * (ANSWER_BOUND + 1)), "longer than"),
], ids=["503", "empty", "broken", "long"])
def test_a_key_that_cannot_be_fetched_is_an_error_and_no_file(shim, tcp_proxy, answer, word):
    tcp_proxy.public_key = lambda _: answer
    assert_fails(shim.sign("signing.pub"), word)
    assert_fails(shim.run("pubkey"), word)
    assert_fails(shim.run("pubkey", "kept.pub"), word)
    assert shim.leftovers() == []


@pytest.mark.parametrize("arguments, word", [
    ("-Y sign -f key message", "missing namespace"), ("-Y sign -n git message", "missing key"),
    ("-Y sign -f key message -n", "missing namespace"), ("-Y sign -n git -f", "option -f"),
    ("-Y sign -n git -f key -E md5 message", "option -E"), ("-Y sign -n git -f key -O hashalg=sha256 message", "sha512"),
    ("-Y sign -n git -f key -x message", "option -x"),
])
def test_a_wrong_command_line_is_one_line_and_asks_nobody(shim, tcp_proxy, arguments, word):
    assert_fails(shim.run(*arguments.split()), word)
    assert tcp_proxy.requests == []


def test_a_namespace_with_a_control_character_is_refused(shim, tcp_proxy, keys):
    assert_fails(shim.run("-Y", "sign", "-n", "a\nb", "-f", keys["ed25519"].public, "message"), "control character")
