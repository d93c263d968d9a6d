"""git over ssh: clone, fetch and push to a repository behind a real sshd, and signed commits."""

import subprocess

import pytest

from support.broker import shell_words


@pytest.fixture
def git(broker, agent, sshd, place):
    """git(...) runs one git command through `up`, with keys only from there."""
    env = {
        "GIT_SSH_COMMAND": shell_words(["ssh", *sshd.options()]),
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
    }

    def run(*arguments, cwd=place.work, expect=0):
        done = broker.run_up("git", *arguments, agent=agent.path, env=env, cwd=cwd)
        assert done.status == expect, done.stderr
        return done.stdout
    return run


@pytest.fixture
def remote(place, sshd, git):
    """A bare repository with one commit on `main`; the value is its ssh URL."""
    bare = place.work / "remote.git"
    git("init", "-q", "--bare", "-b", "main", bare)
    seed = place.work / "seed"
    git("init", "-q", "-b", "main", seed)
    commit(git, seed, "one")
    git("push", "-q", bare, "main", cwd=seed)
    return f"ssh://{sshd.user}@{sshd.name}{bare}"


def commit(git, repository, text, *options):
    (repository / "file").write_text(text)
    git("add", "file", cwd=repository)
    git("commit", "-q", "-m", text, *options, cwd=repository)
    return git("rev-parse", "HEAD", cwd=repository).strip()


def test_git_clones_over_ssh(git, remote, place):
    git("clone", "-q", remote, "clone")
    assert (place.work / "clone/file").read_text() == "one"


def test_git_pushes_and_another_clone_fetches(git, remote, place):
    git("clone", "-q", remote, "first")
    git("clone", "-q", remote, "second")
    pushed = commit(git, place.work / "first", "two")
    git("push", "-q", "origin", "main", cwd=place.work / "first")
    git("fetch", "-q", "origin", cwd=place.work / "second")
    assert git("rev-parse", "origin/main", cwd=place.work / "second").strip() == pushed


def test_git_push_without_the_broker_fails(git, remote, place, sshd):
    git("clone", "-q", remote, "clone")
    commit(git, place.work / "clone", "two")
    done = subprocess.run(["git", "push", "-q", "origin", "main"], cwd=place.work / "clone", timeout=30, check=False,
                          env=place.env(GIT_SSH_COMMAND=shell_words(["ssh", *sshd.options()])), capture_output=True)
    assert done.returncode != 0


@pytest.fixture
def signing_repository(git, place, keys):
    """signing_repository(kind): a repository that signs with that key, of which it has only the public half."""
    def make(kind):
        repository = place.work / f"signed-{kind}"
        git("init", "-q", "-b", "main", repository)
        signers = place.work / "allowed_signers"
        signers.write_text(f"a@example.org {keys[kind].line}\n")
        for name, value in {"gpg.format": "ssh", "user.signingkey": keys[kind].public,
                            "gpg.ssh.allowedSignersFile": signers}.items():
            git("config", name, value, cwd=repository)
        return repository
    return make


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa2048"])
def test_a_commit_signed_through_the_broker_verifies(git, signing_repository, kind):
    repository = signing_repository(kind)
    commit(git, repository, "signed", "-S")
    git("verify-commit", "HEAD", cwd=repository)
    assert git("log", "-1", "--format=%G? %GS", cwd=repository) == "G a@example.org\n"


def test_a_tag_signed_through_the_broker_verifies(git, signing_repository):
    repository = signing_repository("ed25519")
    commit(git, repository, "plain")
    git("tag", "-s", "-m", "tag", "v1", cwd=repository)
    git("verify-tag", "v1", cwd=repository)


def test_an_unsigned_commit_does_not_verify(git, signing_repository):
    repository = signing_repository("ed25519")
    commit(git, repository, "plain")
    git("verify-commit", "HEAD", cwd=repository, expect=1)
