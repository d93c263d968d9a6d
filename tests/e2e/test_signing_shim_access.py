"""Where `ssh-agent-proxy-sign` goes with which token, and the key that it fetches there."""

import stat

import pytest

from support.signing import PlayedProxy
from support.signing_shim import assert_fails, assert_signed


def authorizations(played_proxy):
    return [{name.lower(): value for name, value in headers.items()}.get("authorization")
            for _, _, headers, _ in played_proxy.requests]


def test_a_token_is_sent_with_every_request(shim, played_proxy):
    assert_signed(shim.sign("signing.pub", SSH_AGENT_PROXY_TOKEN="0123456789abcdef"))
    assert authorizations(played_proxy) == ["Bearer 0123456789abcdef"] * 2


@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=repr)
def test_a_token_comes_from_a_file(shim, tcp_proxy, keys, end):
    (shim.folder.parent / "token").write_text("0123456789abcdef" + end)
    assert_signed(shim.sign(keys["ed25519"].public, SSH_AGENT_PROXY_TOKEN="",
                            SSH_AGENT_PROXY_TOKEN_FILE=shim.folder.parent / "token"))
    assert authorizations(tcp_proxy) == ["Bearer 0123456789abcdef"]


@pytest.mark.parametrize("text", ["", "\n", "two words", "two\nlines", "x" * 2000, "\0"], ids=lambda text: repr(text[:10]))
def test_a_file_without_a_usable_token_is_an_error(shim, tcp_proxy, keys, text):
    (shim.folder.parent / "token").write_text(text)
    assert_fails(shim.sign(keys["ed25519"].public, SSH_AGENT_PROXY_TOKEN_FILE=shim.folder.parent / "token"),
                 "SSH_AGENT_PROXY_TOKEN_FILE")
    assert tcp_proxy.requests == []


def test_a_token_that_would_end_its_header_line_is_refused_and_not_shown(shim, tcp_proxy, keys):
    done = shim.sign(keys["ed25519"].public, SSH_AGENT_PROXY_TOKEN="secret\r\nx: y")
    assert_fails(done, "SSH_AGENT_PROXY_TOKEN")
    assert "secret" not in done.stderr
    assert tcp_proxy.requests == []


@pytest.mark.parametrize("url, key_path", [
    ("{}/sign", "/publickey"), ("{}", "/publickey"), ("{}/", "/publickey"), ("{}/a/sign?x=1", "/a/publickey?x=1"),
])
def test_where_the_key_is_follows_from_where_is_signed(shim, tcp_proxy, url, key_path):
    base = tcp_proxy.url.removesuffix("/sign")
    shim.run("pubkey", SSH_AGENT_PROXY_URL=url.format(base))
    assert tcp_proxy.requests[0][:2] == ("GET", key_path)


def test_the_key_can_come_from_elsewhere(shim, tcp_proxy, closing, keys):
    other = closing(PlayedProxy(keys["ed25519"].private))
    key_url = other.url.replace("/sign", "/publickey")
    assert_signed(shim.sign("signing.pub", SSH_AGENT_PROXY_PUBKEY_URL=key_url))
    assert [request[0] for request in other.requests] == ["GET"]
    assert [request[0] for request in tcp_proxy.requests] == ["POST"]


def test_pubkey_prints_the_key(shim, played_proxy, keys):
    done = shim.run("pubkey")
    assert (done.status, done.stdout, done.stderr) == (0, " ".join(keys["ed25519"].line.split()[:2]) + "\n", "")


def test_pubkey_with_a_path_writes_it_for_its_owner_alone(shim, played_proxy, keys):
    (shim.folder / "there.pub").write_text("older")
    for path in ("there.pub", "new/folder/key.pub"):
        assert_signed(shim.run("pubkey", path))
        assert (shim.folder / path).read_text() == " ".join(keys["ed25519"].line.split()[:2]) + "\n"
        assert stat.S_IMODE((shim.folder / path).stat().st_mode) == 0o600


def test_pubkey_takes_one_path(shim, tcp_proxy):
    assert_fails(shim.run("pubkey", "a", "b"), "one path")
