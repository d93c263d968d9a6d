"""Mode local-keys: the keys of ~/.ssh without any agent."""

import shutil

import pytest

from support import agent_wire
from support.keys import KINDS, KeyPair, keygen, verifies

FILES = {"id_ed25519": "ed25519", "id_ecdsa": "ecdsa256", "id_rsa": "rsa2048"}
LOCAL = "ssh: { mode: local-keys, approval: { policy: approve-all } }\n"


@pytest.fixture
def dot_ssh(place):
    folder = place.home / ".ssh"
    folder.mkdir(mode=0o700)
    return folder


def put(key, path):
    shutil.copy(key.private, path)
    shutil.copy(f"{key.private}.pub", f"{path}.pub")
    path.chmod(0o600)
    return path


@pytest.fixture
def all_files(dot_ssh, keys):
    for name, kind in FILES.items():
        put(keys[kind], dot_ssh / name)


def blobs(up):
    return [blob for blob, _ in agent_wire.identities(up.sock)]


def test_the_three_files_are_listed(broker, all_files, keys):
    up = broker.start_up(config=LOCAL)
    assert set(blobs(up)) == {keys[kind].blob for kind in FILES.values()}


@pytest.mark.parametrize("file, kind", [*FILES.items(), ("id_ecdsa", "ecdsa384"), ("id_ecdsa", "ecdsa521")])
def test_each_kind_of_key_signs(broker, dot_ssh, keys, file, kind):
    put(keys[kind], dot_ssh / file)
    up = broker.start_up(config=LOCAL)
    assert verifies(keys[kind], agent_wire.sign(up.sock, keys[kind].blob, b"data"), b"data")


@pytest.mark.parametrize("flags, algorithm", [(0, "ssh-rsa"), (2, "rsa-sha2-256"), (4, "rsa-sha2-512")])
def test_rsa_flags_choose_the_algorithm(broker, all_files, keys, flags, algorithm):
    up = broker.start_up(config=LOCAL)
    signature = agent_wire.sign(up.sock, keys["rsa2048"].blob, b"data", flags)
    assert agent_wire.take_string(signature)[0].decode() == algorithm
    assert verifies(keys["rsa2048"], signature, b"data")


@pytest.mark.parametrize("form", ["PEM", "PKCS8"])
@pytest.mark.parametrize("file, kind", [("id_ecdsa", "ecdsa256"), ("id_rsa", "rsa2048")])
def test_pem_files_sign(broker, dot_ssh, file, kind, form):
    key = KeyPair(dot_ssh, file, [*KINDS[kind], "-m", form])
    up = broker.start_up(config=LOCAL)
    assert verifies(key, agent_wire.sign(up.sock, key.blob, b"data", 4), b"data")


def test_a_login_works_with_a_local_key(broker, all_files, sshd):
    login = broker.run_up(*sshd.ssh("echo in"), agent=None, config=LOCAL)
    assert (login.status, login.stdout) == (0, "in\n"), login.stderr


def test_without_a_mode_and_without_an_agent_local_keys_are_used(broker, all_files, keys):
    assert len(blobs(broker.start_up())) == len(FILES)


def test_without_a_mode_a_dead_agent_is_no_agent(broker, all_files, place):
    assert len(blobs(broker.start_up(place.root / "dead.sock"))) == len(FILES)


def test_without_a_mode_an_agent_outranks_local_keys(broker, all_files, empty_agent, keys):
    empty_agent.add(keys["ecdsa521"].private)
    assert blobs(broker.start_up(empty_agent.path)) == [keys["ecdsa521"].blob]


def test_an_encrypted_key_is_skipped_with_what_to_do(broker, all_files, dot_ssh, keys):
    keygen("-p", "-P", "", "-N", "a passphrase", "-f", dot_ssh / "id_ed25519")
    up = broker.start_up(config=LOCAL)
    up.program.wait_for_stderr(f"{dot_ssh}/id_ed25519.*ssh-add|~/.ssh/id_ed25519.*ssh-add")
    assert set(blobs(up)) == {keys["ecdsa256"].blob, keys["rsa2048"].blob}


def test_an_encrypted_pem_key_is_skipped_with_what_to_do(broker, all_files, dot_ssh, keys):
    keygen("-p", "-m", "PEM", "-P", "", "-N", "a passphrase", "-f", dot_ssh / "id_rsa")
    up = broker.start_up(config=LOCAL)
    up.program.wait_for_stderr("id_rsa.*ssh-add")
    assert set(blobs(up)) == {keys["ecdsa256"].blob, keys["ed25519"].blob}


def test_a_key_that_others_may_read_is_skipped_with_what_to_do(broker, all_files, dot_ssh, keys):
    (dot_ssh / "id_rsa").chmod(0o644)
    up = broker.start_up(config=LOCAL)
    up.program.wait_for_stderr("id_rsa.*chmod")
    assert keys["rsa2048"].blob not in blobs(up)


@pytest.mark.parametrize("content", [
    b"", b"not a key\n", b"\0" * 1000,
    b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", b"x" * (2 * 1024 * 1024),
], ids=["empty", "text", "zeros", "cut", "huge"])
def test_a_corrupt_key_is_skipped_and_named(broker, all_files, dot_ssh, keys, content):
    (dot_ssh / "id_ecdsa").write_bytes(content)
    up = broker.start_up(config=LOCAL)
    up.program.wait_for_stderr("id_ecdsa")
    assert set(blobs(up)) == {keys["ed25519"].blob, keys["rsa2048"].blob}


def test_an_rsa_key_below_2048_bits_is_skipped_and_named(broker, dot_ssh, all_files, keys):
    for name in ("id_rsa", "id_rsa.pub"):
        (dot_ssh / name).unlink()
    keygen("-t", "rsa", "-b", "1024", "-N", "", "-f", dot_ssh / "id_rsa")
    up = broker.start_up(config=LOCAL)
    up.program.wait_for_stderr("id_rsa.*2048")
    assert len(blobs(up)) == 2


def test_a_folder_in_place_of_a_key_is_skipped(broker, all_files, dot_ssh):
    (dot_ssh / "id_ecdsa").unlink()
    (dot_ssh / "id_ecdsa").mkdir()
    assert len(blobs(broker.start_up(config=LOCAL))) == 2


def test_the_status_says_local_keys(broker, all_files):
    answer = broker.start_up(config=LOCAL).ask({"operation": "status"})
    assert (answer["connected"], answer["mode"], answer["key_count"]) == (True, "local-keys", 3)


def test_the_private_key_never_crosses_the_bus_or_the_log(broker, all_files, dot_ssh, place):
    up = broker.start_up(config=LOCAL)
    said = str(up.ask({"operation": "list"})) + up.stderr + place.audit_log.read_text()
    for file in FILES:
        for line in (dot_ssh / file).read_text().splitlines()[1:-1]:
            if len(line) > 40 and line not in (dot_ssh / f"{file}.pub").read_text():
                assert line not in said
