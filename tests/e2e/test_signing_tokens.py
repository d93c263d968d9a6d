"""Who may sign: the bearer tokens of the signing proxy."""

import pytest

from support.signing_proxy import MESSAGE, MOST, fails_to_start, says


TOKEN = "0123456789abcdef-token"
OTHER = "fedcba9876543210-token"


def with_token(token):
    return {"Authorization": f"Bearer {token}"}


def test_a_bearer_token_is_demanded(start_signing_proxy, agent, token_file):
    proxy = start_signing_proxy(agent, TOKEN_FILE=token_file(TOKEN + "\n"))
    assert proxy.request("GET", "/healthz").status == 200
    for reply in (proxy.sign(MESSAGE), proxy.public_key(), proxy.sign(MESSAGE, headers={"Authorization": TOKEN})):
        assert says(reply, 401, "missing bearer token\n") and reply.headers["www-authenticate"] == "Bearer"
    for wrong in (TOKEN + "x", TOKEN[:-1], OTHER, TOKEN.upper()):
        assert says(proxy.sign(MESSAGE, headers=with_token(wrong)), 401, "wrong bearer token\n")
    assert proxy.sign(MESSAGE, headers=with_token(TOKEN)).status == 200
    assert proxy.sign(MESSAGE, headers={"authorization": f"bearer  {TOKEN}"}).status == 200
    assert TOKEN not in proxy.program.stderr


def test_tokens_name_containers_and_a_change_is_in_force_at_once(start_signing_proxy, agent, token_file):
    proxy = start_signing_proxy(agent, TOKEN_FILE=token_file(f"# containers\nweb {TOKEN}\n\nci\t{OTHER}\n"))
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


def test_who_sends_a_large_body_without_a_token_is_told_why_it_is_refused(start_signing_proxy, agent, token_file):
    proxy = start_signing_proxy(agent, TOKEN_FILE=token_file(TOKEN + "\n"))
    for size in (MOST, MOST + MOST // 2):  # sent to its end, without a look at the answer
        assert says(proxy.sign(bytes(size)), 401, "missing bearer token\n")
