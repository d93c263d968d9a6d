"""paramiko and asyncssh: agent clients that are not OpenSSH's."""

import asyncio

import asyncssh
import paramiko
import pytest

from support.keys import KINDS
from support.waiting import patience


@pytest.fixture
def up(broker, agent, place, monkeypatch):
    up = broker.start_up(agent.path)
    monkeypatch.setenv("HOME", str(place.home))
    monkeypatch.setenv("SSH_AUTH_SOCK", up.sock)
    return up


@pytest.fixture
def paramiko_keys(up, closing):
    """paramiko's agent keys, by blob."""
    return {key.blob: key for key in closing(paramiko.Agent()).get_keys()}


PARAMIKO_CLASSES = {"ed25519": paramiko.Ed25519Key, "rsa2048": paramiko.RSAKey}


def paramiko_verifies(kind, key, signature, data):
    public = PARAMIKO_CLASSES.get(kind, paramiko.ECDSAKey)(data=key.blob)
    return public.verify_ssh_sig(data, paramiko.Message(signature))


def test_paramiko_lists_every_key(paramiko_keys, keys):
    assert set(paramiko_keys) == {key.blob for key in keys.values()}


@pytest.mark.parametrize("kind", KINDS)
def test_paramiko_signs_with_each_kind_of_key(paramiko_keys, keys, kind):
    signature = paramiko_keys[keys[kind].blob].sign_ssh_data(b"data")
    assert paramiko_verifies(kind, keys[kind], signature, b"data")
    assert not paramiko_verifies(kind, keys[kind], signature, b"other data")


@pytest.mark.parametrize("algorithm", ["rsa-sha2-256", "rsa-sha2-512"])
def test_paramiko_gets_the_rsa_algorithm_that_it_asks_for(paramiko_keys, keys, algorithm):
    signature = paramiko_keys[keys["rsa2048"].blob].sign_ssh_data(b"data", algorithm)
    assert paramiko.Message(signature).get_text() == algorithm
    assert paramiko_verifies("rsa2048", keys["rsa2048"], signature, b"data")


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa256", "rsa2048"])
def test_paramiko_logs_in(up, start_sshd, keys, kind):
    sshd = start_sshd(authorized=[keys[kind]])
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect("127.0.0.1", sshd.port, sshd.user, allow_agent=True, look_for_keys=False,
                       timeout=patience(10), auth_timeout=patience(10))
        _, stdout, _ = client.exec_command("echo in")
        assert stdout.read() == b"in\n"


def test_asyncssh_lists_every_key(up, keys):
    async def blobs():
        async with asyncssh.connect_agent(up.sock) as agent:
            return {key.public_data for key in await agent.get_keys()}
    assert asyncio.run(blobs()) == {key.blob for key in keys.values()}


@pytest.mark.parametrize("kind", KINDS)
def test_asyncssh_signs_with_each_kind_of_key(up, keys, kind):
    async def sign():
        async with asyncssh.connect_agent(up.sock) as agent:
            (key,) = [key for key in await agent.get_keys() if key.public_data == keys[kind].blob]
            return await key.sign_async(b"data")
    signature = asyncio.run(sign())
    public = asyncssh.import_public_key(keys[kind].line)
    assert public.verify(b"data", signature)
    assert not public.verify(b"other data", signature)


@pytest.mark.parametrize("algorithm", ["ssh-rsa", "rsa-sha2-256", "rsa-sha2-512"])
def test_asyncssh_gets_the_rsa_algorithm_that_it_asks_for(up, keys, algorithm):
    async def sign():
        async with asyncssh.connect_agent(up.sock) as agent:
            (key,) = [key for key in await agent.get_keys() if key.public_data == keys["rsa2048"].blob]
            key.set_sig_algorithm(algorithm.encode())
            return await key.sign_async(b"data")
    signature = asyncio.run(sign())
    assert signature[4:].startswith(algorithm.encode())
    assert asyncssh.import_public_key(keys["rsa2048"].line).verify(b"data", signature)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa384", "rsa2048"])
def test_asyncssh_logs_in(up, start_sshd, keys, kind):
    sshd = start_sshd(authorized=[keys[kind]])

    async def login():
        async with asyncssh.connect("127.0.0.1", sshd.port, username=sshd.user, known_hosts=None, config=None,
                                    agent_path=up.sock) as connection:
            return (await connection.run("echo in", check=True)).stdout
    assert asyncio.run(asyncio.wait_for(login(), patience(20))) == "in\n"


def test_many_asyncssh_signatures_at_once_are_all_right(up, keys):
    async def one(number):
        async with asyncssh.connect_agent(up.sock) as agent:
            (key,) = [key for key in await agent.get_keys() if key.public_data == keys["ed25519"].blob]
            return await key.sign_async(b"data %d" % number)

    async def all_of_them():
        return await asyncio.gather(*map(one, range(40)))
    public = asyncssh.import_public_key(keys["ed25519"].line)
    for number, signature in enumerate(asyncio.run(all_of_them())):
        assert public.verify(b"data %d" % number, signature)
