"""A container without an agent signs commits and tags through the real proxy: git, with the set-up of the existing
program's README, over TCP and over a unix socket."""

import os
import shutil
import stat
import subprocess

import pytest

from support.servers import accepts
from support.signing import SHIM, Container, PlayedProxy
from support.waiting import wait_until

PORT = 7221  # the default of both sides, in a network namespace of the test's own
SIGNER = "a@example.org"
AUTHOR = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": SIGNER, "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": SIGNER}


class Work:
    """A repository in a container, and the proxy outside of it."""

    def __init__(self, container, place, shim, proxy, url):
        self.container = container
        self.repository = place.work
        self.cache = place.home / ".cache/ssh-agent-proxy-sign/signing.pub"
        self.proxy = proxy
        self._shim = shim
        self.env = {**AUTHOR, **({"SSH_AGENT_PROXY_URL": url} if url else {})}

    def git(self, *arguments, expect=0, **env):
        done = self.container.run("git", *arguments, cwd=self.repository, **{**self.env, **env})
        assert done.status == expect, done.stderr
        return done

    def set_up(self, **more):
        """The snippet of the existing program's README, word for word but for where the shim lies."""
        self.git("init", "-q", "-b", "main")
        for name, value in {
            "gpg.format": "ssh", "gpg.ssh.program": self._shim, "user.signingkey": "~/.cache/ssh-agent-proxy-sign/signing.pub",
            "commit.gpgsign": "true", "tag.gpgsign": "true", **more,
        }.items():
            self.git("config", "--global", name, value)

    def trust(self, key):
        signers = self.repository.parent / "allowed_signers"
        signers.write_text(f"{SIGNER} {key.line}\n")
        self.git("config", "--global", "gpg.ssh.allowedSignersFile", signers)

    def commit(self, text, *options, **more):
        (self.repository / "file").write_text(text)
        self.git("add", "file")
        return self.git("commit", "-q", "-m", text, *options, **more)


@pytest.fixture
def start(binary, programs, place, agent, keys, closing):
    """start(transport, hidden=..., **env of the proxy): the container, in which neither agent nor private keys are."""
    def start(transport, hidden=(), **env):
        shim = place.root / SHIM
        shim.symlink_to(binary)
        private = keys["ed25519"].private.parent
        inside = place.env(SSH_AUTH_SOCK=agent.path)  # named, but not there
        container = closing(Container(programs, inside, [agent.path, private, *hidden]))
        path = place.root / "proxy.sock"
        if transport == "unix":
            env["SSH_AGENT_PROXY_ADDR"] = f"unix:{path}"
        proxy = container.start_beside(binary, "signing-proxy", env=place.env(agent.path, **env))
        if transport == "unix":
            wait_until(lambda: accepts(path), 10, "the proxy's socket")
        else:
            container.listens(PORT)
        return Work(container, place, shim, proxy, f"http+unix://{path}:/sign" if transport == "unix" else "")
    return start


@pytest.fixture(params=["tcp", "unix"])
def work(request, start):
    work = start(request.param)
    work.set_up()
    return work


def first_key(agent, keys):
    blob = agent.identities()[0][0]
    return next(key for key in keys.values() if key.blob == blob)


def test_the_container_has_no_agent_and_no_private_key(work, keys):
    for command in (["ssh-add", "-l"], ["cat", keys["ed25519"].private]):
        assert work.container.run(*command, cwd=work.repository).status != 0


def test_a_container_of_the_existing_program_signs_commits_and_tags(work, agent, keys):
    key = first_key(agent, keys)
    work.trust(key)
    work.commit("one")
    work.git("tag", "-m", "tag", "v1")
    work.git("verify-commit", "HEAD")
    work.git("verify-tag", "v1")
    shown = work.git("log", "--show-signature", "-1").stdout
    assert f'Good "git" signature for {SIGNER} with {key.type.removeprefix("ssh-").upper()} key {key.fingerprint}' in shown
    assert work.git("log", "-1", "--format=%G? %GS").stdout == f"G {SIGNER}\n"
    assert stat.S_IMODE(work.cache.stat().st_mode) == 0o600


def test_options_of_git_sign_too(work, agent, keys):
    work.git("config", "--global", "--unset", "commit.gpgsign")
    work.git("config", "--global", "--unset", "tag.gpgsign")
    work.trust(first_key(agent, keys))
    work.commit("one", "-S")
    work.git("tag", "-s", "-m", "tag", "v1")
    work.git("verify-commit", "HEAD")
    work.git("verify-tag", "v1")


@pytest.mark.parametrize("literal", ["key::{}", "{}"])
def test_a_literal_key_in_the_configuration_signs(start, keys, literal):
    key = keys["ecdsa256"]
    work = start("tcp", SSH_AGENT_PROXY_PUBKEY=key.line)
    work.set_up(**{"user.signingkey": literal.format(key.line)} if literal != "{}" else
                {"user.signingkey": f"key::{' '.join(key.line.split()[:2])}"})
    work.trust(key)
    work.commit("one")
    work.git("verify-commit", "HEAD")


def test_without_ssh_keygen_the_shim_verifies_by_itself(start, agent, keys):
    work = start("tcp", hidden=[shutil.which("ssh-keygen")])
    work.set_up()
    key = first_key(agent, keys)
    work.trust(key)
    work.commit("one")
    work.git("verify-commit", "HEAD")
    assert work.git("log", "-1", "--format=%G? %GS").stdout == f"G {SIGNER}\n"
    work.trust(next(other for other in keys.values() if other is not key))
    assert "No principal matched." in work.git("verify-commit", "HEAD", expect=1).stderr
    assert work.git("log", "-1", "--format=%G?").stdout == "U\n"


def test_a_changed_commit_does_not_verify(work, agent, keys):
    work.trust(first_key(agent, keys))
    work.commit("one")
    raw = work.git("cat-file", "commit", "HEAD").stdout.replace("one", "two")
    written = subprocess.run(["git", "hash-object", "-t", "commit", "-w", "--stdin"], input=raw, text=True, check=True,
                             capture_output=True, cwd=work.repository, timeout=30).stdout.strip()
    assert "Could not verify signature" in work.git("verify-commit", written, expect=1).stderr


def test_a_rotated_key_takes_one_removed_file(start, agent, keys):
    work = start("unix", SSH_AGENT_PROXY_PUBKEY=keys["ed25519"].line)
    work.set_up()
    work.commit("one")
    work.cache.write_text(keys["ecdsa256"].line + "\n")
    failed = work.commit("two", expect=128)
    assert "if its key was rotated, remove that file" in failed.stderr
    assert "ssh-keygen -Y sign is needed" not in failed.stderr  # git's hint about an OpenSSH that is too old
    work.cache.unlink()
    work.commit("two")
    assert work.cache.read_text().split()[1] == keys["ed25519"].line.split()[1]


def test_a_commit_without_the_proxy_fails_with_the_reason(work):
    work.proxy.terminate()
    failed = work.commit("one", expect=128)
    assert f"{SHIM}: " in failed.stderr and "is ssh-agent-proxy running there?" in failed.stderr
    assert "ssh-keygen -Y sign is needed" not in failed.stderr
    assert work.git("rev-parse", "--verify", "-q", "HEAD", expect=1).stdout == ""


def test_a_container_with_a_token_signs_and_one_without_does_not(start, place, agent, keys):
    tokens, token = place.root / "tokens", place.root / "token"
    tokens.write_text("web 0123456789abcdef0123456789abcdef\n")
    token.write_text("0123456789abcdef0123456789abcdef\n")
    tokens.chmod(0o600)
    work = start("tcp", SSH_AGENT_PROXY_TOKEN_FILE=tokens)
    work.set_up()
    refused = work.commit("one", expect=128)
    assert "401" in refused.stderr and "SSH_AGENT_PROXY_TOKEN" in refused.stderr
    work.commit("one", SSH_AGENT_PROXY_TOKEN_FILE=str(token))
    work.trust(first_key(agent, keys))
    work.git("verify-commit", "HEAD")


@pytest.mark.release
def test_a_root_with_nothing_but_the_shim_signs_and_verifies(binary, programs, place, keys, closing):
    """No shell, no library, no other program; the host's name as a container engine writes it."""
    proxy = closing(PlayedProxy(keys["ed25519"].private))
    root = place.root / "bare"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hosts").write_text("127.0.0.1 host.docker.internal\n")
    (root / "message").write_text("message\n")
    (root / "allowed").write_text(f"{SIGNER} {keys['ed25519'].line}\n")
    shutil.copy(binary, root / SHIM)
    enter = [*([] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user"]), "chroot", root, f"/{SHIM}"]
    env = {"SSH_AGENT_PROXY_URL": proxy.url.replace("127.0.0.1", "host.docker.internal"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = programs.run([*enter, "-Y", "sign", "-n", "git", "-f", "/cache/signing.pub", "/message"], env)
    assert (done.status, done.stdout, done.stderr) == (0, "", "")
    with open(root / "message", "rb") as message:
        done = programs.run([*enter, "-Y", "verify", "-n", "git", "-f", "/allowed", "-I", SIGNER, "-s", "/message.sig"], env,
                            stdin=message)
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith(f'Good "git" signature for {SIGNER}')


def test_files_are_signed_in_their_own_namespace(start, keys):
    work = start("unix", SSH_AGENT_PROXY_NAMESPACE="git,file", SSH_AGENT_PROXY_PUBKEY=keys["ed25519"].line)
    work.set_up()
    (work.repository / "release.tar").write_bytes(b"release")
    for name_space, status in (("file", 0), ("other", 1)):
        done = work.container.run(work._shim, "-Y", "sign", "-n", name_space, "-f", work.cache, "release.tar",  # pylint: disable=protected-access
                                  cwd=work.repository, **work.env)
        assert done.status == status, done.stderr
    checked = subprocess.run(["ssh-keygen", "-Y", "check-novalidate", "-n", "file", "-s", work.repository / "release.tar.sig"],
                             input=b"release", capture_output=True, check=False, timeout=30)
    assert checked.returncode == 0, checked.stderr
