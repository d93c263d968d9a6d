"""`ssh-agent-proxy-sign`: what it signs, byte for byte, and with which key."""

import os
import stat
import subprocess

import pytest

from support.keys import KeyPair
from support.signing_shim import LARGEST_MESSAGE, MESSAGE, assert_fails, assert_signed, keygen_signature


@pytest.mark.parametrize("form", [
    "-Y sign -n git -f KEY message", "-Ysign -ngit -fKEY message", "-Y sign -n git -f KEY -U message",
    "-Y sign -n git -f KEY -q -v message", "-Y sign -O x -n git -Oy -f KEY message", "-Y sign -n git -f KEY -- message",
    "-qvUYsign -ngit -f KEY ./message", "-f KEY -n git -O hashalg=sha512 -Y sign message", "-n x -n git -f KEY -Y sign message",
])
def test_every_form_of_the_command_line_signs_as_ssh_keygen_does(shim, played_proxy, keys, form):
    key = keys["ed25519"]
    assert_signed(shim.run(*form.replace("KEY", str(key.public)).split()))
    assert shim.signature.read_text() == keygen_signature(key, MESSAGE)
    assert shim.leftovers() == ["message.sig"]


@pytest.mark.parametrize("operands", [[], ["-"], ["--"], ["--", "-"]], ids=str)
def test_without_a_file_standard_input_is_signed_to_standard_output(shim, played_proxy, keys, operands):
    done = shim.run("-Y", "sign", "-n", "git", "-f", keys["ed25519"].public, *operands, message=MESSAGE)
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout == keygen_signature(keys["ed25519"], MESSAGE)
    assert shim.leftovers() == []


def test_several_files_are_all_signed(shim, played_proxy, keys):
    for name in ("one", "two", "-three"):
        (shim.folder / name).write_text(name)
    assert_signed(shim.sign(keys["ed25519"].public, "--", "one", "two", "-three"))
    for name in ("one", "two", "-three"):
        assert (shim.folder / f"{name}.sig").read_text() == keygen_signature(keys["ed25519"], name.encode())


@pytest.mark.parametrize("kind", ["rsa2048", "ecdsa256", "ecdsa384", "ecdsa521"])
def test_signatures_of_every_key_type_are_taken(shim, tcp_proxy, keys, kind):
    tcp_proxy.key = keys[kind].private
    assert_signed(shim.sign(keys[kind].public))
    checked = subprocess.run(["ssh-keygen", "-Y", "check-novalidate", "-n", "git", "-s", shim.signature], input=MESSAGE,
                             capture_output=True, timeout=30, check=False)
    assert checked.returncode == 0, checked.stderr


def test_an_rsa_signature_is_the_one_of_ssh_keygen_to_the_byte(shim, tcp_proxy, keys):
    tcp_proxy.key = keys["rsa2048"].private
    assert_signed(shim.sign(keys["rsa2048"].public))
    assert shim.signature.read_text() == keygen_signature(keys["rsa2048"], MESSAGE)


def test_sixteen_mebibytes_are_signed(shim, played_proxy, keys):
    shim.message.write_bytes(b"m" * LARGEST_MESSAGE)
    assert_signed(shim.sign(keys["ed25519"].public))


def test_a_signature_has_the_mode_that_ssh_keygen_gives_it(shim, tcp_proxy, keys):
    for mask, mode in ((0o022, 0o644), (0o077, 0o600)):
        before = os.umask(mask)
        try:
            assert_signed(shim.sign(keys["ed25519"].public))
        finally:
            os.umask(before)
        assert stat.S_IMODE(shim.signature.stat().st_mode) == mode


def test_an_older_signature_is_replaced_without_a_question(shim, tcp_proxy, keys):
    shim.signature.write_text("older")
    assert_signed(shim.sign(keys["ed25519"].public))
    assert shim.signature.read_text() == keygen_signature(keys["ed25519"], MESSAGE)


def test_another_namespace_is_asked_for_and_checked(shim, tcp_proxy, keys):
    tcp_proxy.sign = lambda handler: tcp_proxy.sign_with_key(handler, "a b/ü")
    done = shim.run("-Y", "sign", "-n", "a b/ü", "-f", keys["ed25519"].public, "message")
    assert_signed(done)
    assert tcp_proxy.requests[0][1] == "/sign?namespace=a%20b%2F%C3%BC"
    assert shim.signature.read_text() == keygen_signature(keys["ed25519"], MESSAGE, "a b/ü")


def test_a_missing_key_file_is_fetched_once_and_kept(shim, played_proxy, keys):
    key = shim.folder.parent / "home/.cache/ssh-agent-proxy-sign/signing.pub"
    assert_signed(shim.sign(key))
    assert key.read_text() == " ".join(keys["ed25519"].line.split()[:2]) + "\n"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert_signed(shim.sign(key))
    assert [request[1].split("?")[0] for request in played_proxy.requests] == ["/publickey", "/sign", "/sign"]


def test_the_file_of_a_literal_key_without_an_end_of_line_counts(shim, tcp_proxy, keys):
    (shim.folder / ".git_signing_key_tmpX").write_text(keys["ed25519"].line)
    assert_signed(shim.run("-Y", "sign", "-n", "git", "-f", ".git_signing_key_tmpX", "-U", "message"))


@pytest.mark.parametrize("user", [[], ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]], ids=["", "another user"])
def test_a_key_may_come_from_a_pipe(shim, tcp_proxy, keys, programs, user):
    """Also for who may not look into the folder of descriptors of a process that nobody may trace."""
    if user and os.geteuid() != 0:
        user = []  # is another user already
    for folder in (shim.folder.parent, shim.folder):
        folder.chmod(0o777)
    script = f'"$1" -Y sign -n git -f <(echo "{keys["ed25519"].line}") message'
    assert_signed(programs.run([*user, "bash", "-c", script, "bash", shim.link], shim.env, cwd=shim.folder))
    assert shim.signature.read_text() == keygen_signature(keys["ed25519"], MESSAGE)


def test_beside_a_private_key_the_public_one_counts(shim, tcp_proxy, keys):
    assert_signed(shim.sign(keys["ed25519"].private))
    assert_fails(shim.sign(keys["rsa2048"].private), "the proxy signs with", keys["rsa2048"].fingerprint)


def test_a_rotated_key_is_noticed_and_said_with_the_remedy(shim, played_proxy, keys):
    key = shim.folder / "signing.pub"
    assert_signed(shim.sign(key))
    shim.signature.unlink()
    played_proxy.key = keys["ecdsa256"].private
    assert_fails(shim.sign(key), f"the proxy signs with {keys['ecdsa256'].fingerprint}",
                 f"signing.pub has {keys['ed25519'].fingerprint}", "remove that file and it is fetched again")
    assert shim.leftovers() == ["signing.pub"]
    key.unlink()
    assert_signed(shim.sign(key))


def test_a_rotated_key_that_stands_in_the_configuration_of_git_is_to_be_replaced_there(shim, tcp_proxy, keys):
    (shim.folder / ".git_signing_key_tmpX").write_text(keys["ecdsa256"].line)
    assert_fails(shim.sign(".git_signing_key_tmpX"), "replace it in git's user.signingkey")


@pytest.mark.parametrize("text, word", [
    ("", "no public key"), ("# nothing\n", "no public key"), ("ssh-ed25519 AAAA\n", "line 1"), ("nonsense\n", "line 1"),
    ("ssh-dss AAAAB3NzaC1kc3M=\n", "line 1"), ("\0" * 100, "no public key"), ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "a private key"),
], ids=repr)
def test_a_key_file_without_a_usable_key_is_an_error(shim, tcp_proxy, text, word):
    (shim.folder / "key.pub").write_text(text)
    assert_fails(shim.sign("key.pub"), "key.pub: ", word)
    assert tcp_proxy.requests == []


def test_a_key_that_cannot_be_kept_is_an_error(shim, tcp_proxy):
    (shim.folder / "file").write_text("")
    assert_fails(shim.sign("file/signing.pub"), "file/signing.pub")
    assert shim.leftovers() == ["file"]


@pytest.fixture
def certified(shim, tcp_proxy, tmp_path):
    """A key and its certificate, with which the proxy signs."""
    authority, key = KeyPair(tmp_path, "authority", ["-t", "ed25519"]), KeyPair(tmp_path, "key", ["-t", "ed25519"])
    subprocess.run(["ssh-keygen", "-q", "-s", authority.private, "-I", "id", "-n", "a@example.org", f"{key.private}.pub"],
                   check=True, timeout=30)
    return key


def test_the_file_of_a_certificate_wants_the_certificate(shim, tcp_proxy, certified):
    tcp_proxy.key = certified.private
    assert_fails(shim.sign(f"{certified.private}-cert.pub"), "the proxy signs with")
