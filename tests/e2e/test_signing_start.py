"""The signing proxy ends at once where what it is told cannot be: it falls back to nothing."""

import pytest

from support.signing_proxy import MESSAGE, fails_to_start


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
def test_authorized_keys_options_tabs_and_double_spaces_are_understood(start_signing_proxy, agent, keys, form):
    kind, base64, comment = keys["rsa2048"].line.split(maxsplit=2)
    for line in (f"{kind} {base64}", f"{kind}\t{base64}\t{comment}", f"{kind}  {base64}   {comment} and more"):
        proxy = start_signing_proxy(agent, PUBKEY=form.format(line))
        assert proxy.public_key().text == f"{kind} {base64}\n"
        assert proxy.program.terminate() == 0


@pytest.mark.parametrize("names", ["git,", ",", "a\x01b", "x" * 300, ",".join("n" + str(i) for i in range(17))])
def test_wrong_namespaces_are_an_error_at_start(broker, agent, names):
    assert "SSH_AGENT_PROXY_NAMESPACE: " in fails_to_start(broker, agent, NAMESPACE=names)


@pytest.mark.parametrize("hosts", ["*.example", "a.example:80", ",", "a b"])
def test_wrong_host_names_are_an_error_at_start(broker, agent, hosts):
    assert "SSH_AGENT_PROXY_HOSTS: " in fails_to_start(broker, agent, HOSTS=hosts)


@pytest.mark.parametrize("address, who", [("127.0.0.1:0", "every user of this machine"),
                                          ("[::1]:0", "every user of this machine"),
                                          ("0.0.0.0:0", r"whoever reaches 0\.0\.0\.0:\d+")])
def test_who_can_sign_without_a_token_is_said(start_signing_proxy, agent, address, who):
    proxy = start_signing_proxy(agent, address=address)
    proxy.program.wait_for_stderr(rf"warning: {who} can sign: demand tokens with SSH_AGENT_PROXY_TOKEN_FILE$")


def test_nobody_is_warned_of_where_tokens_are_demanded_or_a_sockets_mode_decides(start_signing_proxy, agent, place,
                                                                                token_file):
    for proxy in (start_signing_proxy(agent, TOKEN_FILE=token_file("0123456789abcdef\n")),
                  start_signing_proxy(agent, address=f"unix:{place.run}/sign.sock")):
        assert proxy.sign(MESSAGE, headers={"Authorization": "Bearer 0123456789abcdef"}).status == 200
        assert "can sign" not in proxy.program.stderr
