"""What the audit log says of each signature: what was signed, for which host, and how sure that is."""

import base64
import json
import shlex
import struct
import subprocess
from pathlib import Path

import pytest

from support import agent_wire
from support.agent_wire import fingerprint, string
from support.broker import APPROVE_ALL, audit_records
from support.keys import KeyPair, keygen

CAPTURED = Path(__file__).resolve().parent.parent / "data/ssh/signed_data.json"


def signed(place):
    """(subject, proof) of every signature in the log, in order."""
    records = map(dict, audit_records(place.audit_log))
    return [(record.get("subject"), record.get("proof")) for record in records if record["op"] == "sign"]


@pytest.fixture
def known_hosts(place):
    """The file of the person, as the host agent reads it."""
    folder = place.home / ".ssh"
    folder.mkdir(mode=0o700)
    return folder / "known_hosts"


@pytest.fixture
def servers(start_sshd, keys, known_hosts):
    """Two servers with different host keys, both known by name."""
    pair = [start_sshd(name, authorized=[keys["ed25519"]]) for name in ("one.example", "two.example")]
    known_hosts.write_text("".join(server.known_hosts.read_text() for server in pair))
    return pair


def logs_in(broker, agent, server, key, more=(), **options):
    login = broker.run_up(*server.ssh("echo in", more=[*more, *server.only_with(key)]), agent=agent.path, **options)
    assert (login.status, login.stdout) == (0, "in\n"), login.stderr


def test_logins_to_two_servers_are_told_apart_and_verified(broker, agent, servers, keys, place):
    for server in servers:
        logs_in(broker, agent, server, keys["ed25519"])
    user = servers[0].user
    assert signed(place) == [(f"login {user}@one.example", "verified"), (f"login {user}@two.example", "verified")]


def test_a_login_that_does_not_name_its_host_is_verified_by_the_bind(broker, agent, servers, keys, place):
    logs_in(broker, agent, servers[0], keys["ed25519"], more=["PubkeyAuthentication=unbound"])
    assert signed(place) == [(f"login {servers[0].user}@one.example", "verified")]


def test_a_login_through_a_forwarded_agent_is_told_with_its_last_host(broker, agent, servers, keys, place):
    one, two = servers
    inner = shlex.join(map(str, two.ssh("echo in", more=two.only_with(keys["ed25519"]))))
    login = broker.run_up(*one.ssh(inner, more=["ForwardAgent=yes", *one.only_with(keys["ed25519"])]),
                          agent=agent.path)
    assert (login.status, login.stdout) == (0, "in\n"), login.stderr
    assert signed(place) == [(f"login {one.user}@{host}", "verified") for host in ("one.example", "two.example")]


def test_a_host_without_a_name_is_told_by_its_fingerprint(broker, agent, servers, keys, place, known_hosts):
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known_hosts], check=True, capture_output=True)
    logs_in(broker, agent, servers[0], keys["ed25519"])
    known_hosts.unlink()
    logs_in(broker, agent, servers[0], keys["ed25519"])
    printed = fingerprint(base64.b64decode(servers[0].host_key[1]))
    assert signed(place) == [(f"login {servers[0].user}@{printed}", "verified")] * 2


def test_a_known_hosts_file_that_changes_counts_for_the_next_login(broker, agent, servers, keys, place, known_hosts,
                                                                   programs):
    up = broker.start_up(agent.path)
    one = servers[0]

    def login():
        command = one.ssh("true", more=one.only_with(keys["ed25519"]))
        assert programs.run(command, place.env(up.sock)).status == 0
        return signed(place)[-1][0]
    assert login() == f"login {one.user}@one.example"
    text = known_hosts.read_text()
    known_hosts.write_text("broken\n" + text.replace("one.example", "renamed.example"))
    assert login() == f"login {one.user}@renamed.example"
    up.program.wait_for_stderr(r"known_hosts: 1 line cannot be read and is passed over: 1")
    known_hosts.write_text(f"{text}@revoked * {' '.join(one.host_key)}\n")
    assert login().endswith(" (revoked)")


def test_a_host_certificate_is_told_by_its_authority_s_name(broker, agent, start_sshd, keys, place, known_hosts):
    authority = KeyPair(place.work, "ca", ["-t", "ed25519"])
    host = KeyPair(place.work, "host", ["-t", "ecdsa"])
    keygen("-s", authority.private, "-I", "host", "-h", "-n", "cert.example", f"{host.private}.pub")
    server = start_sshd("cert.example", authorized=[keys["ed25519"]],
                        options=[f"HostKey {host.private}", f"HostCertificate {host.private}-cert.pub"])
    server.known_hosts.write_text(f"@cert-authority *.example {authority.line}\n")
    known_hosts.write_text(server.known_hosts.read_text())
    logs_in(broker, agent, server, keys["ed25519"],
            more=["HostKeyAlgorithms=ecdsa-sha2-nistp256-cert-v01@openssh.com"])
    assert signed(place) == [(f"login {server.user}@cert.example", "verified")]


def test_a_denied_login_is_recorded_with_what_it_was_for(broker, agent, servers, keys, place):
    login = broker.run_up(*servers[0].ssh("true", more=servers[0].only_with(keys["ed25519"])), agent=agent.path,
                          config="ssh: { approval: { policy: deny-all } }\n")
    assert login.status == 255
    record = dict(audit_records(place.audit_log)[-1])
    assert (record["op"], record["result"]) == ("sign", "denied")
    assert (record["subject"], record["proof"]) == (f"login {servers[0].user}@one.example", "verified")


def test_a_signed_commit_is_told_from_a_login_and_from_a_file(broker, agent, keys, place):
    repository, key = place.work / "repository", keys["ed25519"].public
    env = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "A",
           "GIT_COMMITTER_EMAIL": "a@example.org"}
    script = (f"git init -q {repository} && cd {repository} && git -c gpg.format=ssh -c user.signingkey={key} "
              f"commit -q --allow-empty -S -m signed && echo text > file && "
              f"ssh-keygen -q -Y sign -n file -f {key} file && ssh-add -T {key}")
    done = broker.run_up("sh", "-c", script, agent=agent.path, env=env)
    assert done.status == 0, done.stderr
    assert signed(place) == [("git commit", None), ("file signature (namespace file)", None),
                             ("opaque (1,024 bytes, as ssh-add -T asks for)", None)]


def login_bytes(key, user, host_key=b"", trailing=b""):
    method = b"publickey-hostbound-v00@openssh.com" if host_key else b"publickey"
    return (string(b"s" * 32) + b"\x32" + string(user) + string(b"ssh-connection") + string(method) + b"\x01"
            + string(key.type.encode()) + string(key.blob) + (string(host_key) if host_key else b"") + trailing)


def test_without_a_bind_a_host_is_claimed_or_unknown(broker, agent, servers, keys, place):
    up, key = broker.start_up(agent.path), keys["ed25519"]
    host_key = base64.b64decode(servers[0].host_key[1])
    assert agent_wire.sign(up.sock, key.blob, login_bytes(key, b"git", host_key))
    assert agent_wire.sign(up.sock, key.blob, login_bytes(key, b"git"))
    assert signed(place) == [("login git@one.example", "claimed"), ("login git", None)]


def test_data_crafted_to_look_like_a_login_is_opaque_or_quoted(broker, agent, keys, place):
    up, key = broker.start_up(agent.path), keys["ed25519"]
    for data in (login_bytes(key, b"git", trailing=b"\x00"), login_bytes(keys["ecdsa256"], b"git"),
                 login_bytes(key, b"git@github.com"), login_bytes(key, b"a\x1b[2J"),
                 struct.pack(">I", 1 << 31) + b"s" * 60):
        assert agent_wire.sign(up.sock, key.blob, data)
    assert "\x1b" not in place.audit_log.read_text() and "\\u001b" not in place.audit_log.read_text()
    subjects = [subject for subject, _ in signed(place)]
    assert subjects == ["opaque (a malformed login)", "opaque (a login with another key)",
                        'login "git@github.com"', r'login "a\x1b[2J"', "opaque"]


def test_a_bind_of_another_session_or_connection_proves_nothing(broker, agent, place):
    """Requests of real clients for a key that the agent does not have: refused, and recorded all the same."""
    captured = {record["name"]: record for record in json.loads(CAPTURED.read_text())["records"]}
    up = broker.start_up(agent.path, config=APPROVE_ALL)

    def proof(name, binds_of):
        record = captured[name]
        answer = up.ask({"operation": "sign", "public_key": record["key"], "data": record["data"],
                         "session_binds": captured[binds_of]["binds"]})
        assert answer["code"] == "KEY_NOT_FOUND", answer
        return signed(place)[-1]
    one = fingerprint(base64.b64decode(captured["hostbound"]["binds"][0]["host_key"]))
    assert proof("hostbound", "hostbound") == (f"login root@{one}", "verified")
    assert proof("hostbound", "hostbound again") == (f"login root@{one}", "claimed")
    assert proof("hostbound", "hostbound to two") == (f"login root@{one}", "claimed")
    assert proof("plain", "hostbound to two") == ("login root", None)
