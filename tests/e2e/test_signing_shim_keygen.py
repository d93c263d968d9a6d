"""What `ssh-agent-proxy-sign` leaves to ssh-keygen, and what it needs of other programs."""

import pytest

from support.signing_shim import assert_fails, assert_signed


PLAYED_KEYGEN = """#!/bin/sh
for word in "$@"; do echo "[$word]"; done
cat
echo "from ssh-keygen" >&2
exit 42
"""


@pytest.mark.parametrize("arguments", [
    ["-Y", "verify", "-n", "git", "-f", "a b", "-I", "", "-s", "x"], ["-Y", "find-principals", "-f", "a", "-s", "b"],
    ["-Y", "match-principals", "-I", "x"], ["-l", "-f", "key"], [], ["-h"], ["--version"], ["-Y"],
], ids=str)
def test_what_is_not_signing_goes_to_ssh_keygen_unchanged(shim, arguments):
    folder = shim.folder.parent / "bin"
    folder.mkdir()
    (folder / "ssh-keygen").write_text(PLAYED_KEYGEN)
    (folder / "ssh-keygen").chmod(0o755)
    done = shim.run(*arguments, message=b"stdin\n", PATH=f"{folder}:/usr/bin:/bin")
    assert done.status == 42
    assert done.stdout == "".join(f"[{word}]\n" for word in arguments) + "stdin\n"
    assert done.stderr == "from ssh-keygen\n"


@pytest.mark.parametrize("operation", ["match-principals", "sign2", "x"])
def test_without_ssh_keygen_what_needs_it_says_so(shim, operation):
    assert_fails(shim.run("-Y", operation, PATH="/nonexistent"),
                 f"operation '-Y {operation}' requires ssh-keygen, which is not installed")


def test_a_link_of_that_name_to_the_shim_is_not_ssh_keygen(shim, binary):
    folder = shim.folder.parent / "bin"
    folder.mkdir()
    (folder / "ssh-keygen").symlink_to(binary)
    assert_fails(shim.run("-l", PATH=folder), "operation '-l' requires ssh-keygen")


def test_a_program_of_that_name_in_the_current_folder_is_not_run(shim):
    (shim.folder / "ssh-keygen").write_text("#!/bin/sh\necho hijacked\n")
    (shim.folder / "ssh-keygen").chmod(0o755)
    assert_fails(shim.run("-l", PATH=":.:/nonexistent"), "requires ssh-keygen")


def test_signing_needs_neither_path_nor_other_programs(shim, played_proxy, keys):
    assert_signed(shim.sign(keys["ed25519"].public, PATH="/nonexistent", SSH_AGENT_PROXY_CURL="/nonexistent/curl"))


def test_help_is_on_stdout(shim):
    done = shim.run("--help")
    assert (done.status, done.stderr) == (0, "")
    assert "SSH_AGENT_PROXY_URL" in done.stdout
