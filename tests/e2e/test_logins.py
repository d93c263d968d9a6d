"""OpenSSH logs in to a real sshd with keys that it reaches only through the broker."""

import pytest

from support import agent_wire
from support.keys import KINDS, KeyPair, keygen


@pytest.mark.parametrize("kind", KINDS)
def test_ssh_logs_in_with_each_kind_of_key(broker, agent, sshd, keys, kind):
    login = broker.run_up(*sshd.ssh("echo in", more=sshd.only_with(keys[kind])), agent=agent.path)
    assert (login.status, login.stdout) == (0, "in\n"), login.stderr
    assert keys[kind].fingerprint in sshd.log


@pytest.mark.parametrize("algorithm", ["rsa-sha2-256", "rsa-sha2-512"])
def test_an_rsa_login_uses_the_hash_that_the_client_wants(broker, agent, sshd, keys, algorithm):
    more = [f"PubkeyAcceptedAlgorithms={algorithm}", "LogLevel=DEBUG3", *sshd.only_with(keys["rsa2048"])]
    login = broker.run_up(*sshd.ssh("echo in", more=more), agent=agent.path)
    assert (login.status, login.stdout) == (0, "in\n"), login.stderr
    assert f"signing using {algorithm} " in login.stderr


def test_ssh_finds_the_right_key_among_all_of_the_agent(broker, agent, start_sshd, keys):
    sshd = start_sshd(authorized=[keys["rsa2048"]])
    login = broker.run_up(*sshd.ssh("echo in"), agent=agent.path)
    assert (login.status, login.stdout) == (0, "in\n"), login.stderr


def test_a_server_that_does_not_know_the_key_refuses_the_login(broker, agent, start_sshd, keys):
    sshd = start_sshd(authorized=[keys["ed25519"]])
    login = broker.run_up(*sshd.ssh("echo in", more=sshd.only_with(keys["ecdsa256"])), agent=agent.path)
    assert (login.status, login.stdout) == (255, "")
    assert "Permission denied" in login.stderr


@pytest.fixture
def authority(place):
    return KeyPair(place.work, "ca", ["-t", "ed25519"])


def certified(place, authority, user, kind, *options):
    """A fresh key with a certificate for `user`; the agent gets both from the private key's path."""
    key = KeyPair(place.work, f"cert-{kind}", KINDS[kind])
    keygen("-s", authority.private, "-I", f"tests of {kind}", "-n", user, *options, f"{key.private}.pub")
    return key


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa256", "rsa2048"])
def test_ssh_logs_in_with_a_certificate(broker, empty_agent, start_sshd, authority, place, kind):
    sshd = start_sshd(options=[f"TrustedUserCAKeys {authority.private}.pub"])
    key = certified(place, authority, sshd.user, kind)
    empty_agent.add(key.private)
    login = broker.run_up(*sshd.ssh("echo in"), agent=empty_agent.path)
    assert (login.status, login.stdout) == (0, "in\n"), login.stderr
    assert f"ID tests of {kind}" in sshd.log


def test_a_certificate_for_another_user_does_not_log_in(broker, empty_agent, start_sshd, authority, place):
    sshd = start_sshd(options=[f"TrustedUserCAKeys {authority.private}.pub"])
    empty_agent.add(certified(place, authority, "somebody-else", "ed25519").private)
    assert broker.run_up(*sshd.ssh("echo in"), agent=empty_agent.path).status == 255


def test_certificates_are_listed_beside_their_keys(broker, empty_agent, authority, place):
    empty_agent.add(certified(place, authority, "anybody", "ed25519").private)
    up = broker.start_up(empty_agent.path)
    types = [agent_wire.key_type(blob) for blob, _ in agent_wire.identities(up.sock)]
    assert types == ["ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"]


def test_many_logins_at_once_all_get_in(broker, agent, sshd, programs, place):
    up = broker.start_up(agent.path)
    env = place.env(up.sock)
    logins = [programs.start(sshd.ssh(f"echo {number}"), env) for number in range(8)]
    assert [(login.wait(30), login.stdout) for login in logins] == [(0, f"{number}\n") for number in range(8)]
