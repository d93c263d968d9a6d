"""scripts/quickstart, as README has it: from a checkout, in any folder, with and without an agent."""

import os
import re
import signal
from pathlib import Path

import pytest

from support.broker import shell_words
from support.waiting import wait_until

pytestmark = pytest.mark.release
SCRIPTS = Path(__file__).resolve().parent.parent.parent / "scripts"


@pytest.fixture
def quickstart(programs, place, binary):
    """Runs quickstart in `cwd` (not the checkout) to its end."""
    assert binary == SCRIPTS.parent / "build/release/applets/shed-ext", "quickstart builds and runs the release binary"
    (place.root / "tmp").mkdir()

    def run(*command, agent=None, start=programs.run, **more):
        env = place.env(agent, TMPDIR=place.root / "tmp", **more.pop("env", {}))
        return start([SCRIPTS / "quickstart", *command], env, cwd=more.pop("cwd", place.work), **more)
    run.temporary = place.root / "tmp"
    return run


def test_it_lists_the_keys_of_the_hosts_agent(quickstart, agent, keys):
    done = quickstart("ssh-add", "-l", agent=agent.path, seconds=300)
    assert done.status == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines()] == [key.fingerprint for key in keys.values()]


def test_with_an_agent_and_a_build_it_says_only_what_is_in_force(quickstart, agent):
    done = quickstart("true", agent=agent.path)
    assert done.status == 0 and done.stderr.count("\n") == 1 and "approve-all" in done.stderr


@pytest.mark.parametrize("dead", [False, True], ids=["no agent", "a dead agent"])
def test_without_an_agent_it_makes_one_and_removes_it(quickstart, place, dead):
    done = quickstart("sh", "-c", "ssh-add -l; ls -d $TMPDIR/*", agent=place.root / "dead.sock" if dead else None)
    assert done.status == 0, done.stderr
    listed, folder = done.stdout.splitlines()
    assert re.fullmatch(r"256 SHA256:\S+ .*\(ED25519\)", listed)
    assert len([line for line in done.stderr.splitlines() if "throwaway" in line]) == 1
    assert not os.path.exists(folder) and list(quickstart.temporary.iterdir()) == []


def test_the_exit_status_is_the_commands(quickstart, agent):
    assert quickstart("sh", "-c", "exit 7").status == 7
    assert quickstart("sh", "-c", "exit 7", agent=agent.path).status == 7


def test_a_signal_ends_it_and_the_throwaway_agent(quickstart, programs):
    script = quickstart("sh", "-c", "echo ready; sleep 60", start=programs.start)
    script.wait_for_stdout("ready", 30)
    script.signal(signal.SIGTERM)
    assert script.wait(10) != 0
    wait_until(lambda: list(quickstart.temporary.iterdir()) == [], 5, "the throwaway agent's folder is gone")


def test_git_push_pushes_the_repository_of_the_current_folder(quickstart, agent, sshd, place, programs):
    env = {"GIT_SSH_COMMAND": shell_words(["ssh", *sshd.options()])}

    def git(*arguments, cwd=place.work):
        done = programs.run(["git", *arguments], place.env(), cwd=cwd)
        assert done.status == 0, done.stderr
        return done.stdout
    git("init", "-q", "--bare", "-b", "main", "remote.git")
    git("init", "-q", "-b", "main", "mine")
    mine = place.work / "mine"
    git("-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-q", "--allow-empty", "-m", "one", cwd=mine)
    git("remote", "add", "origin", f"ssh://{sshd.user}@{sshd.name}{place.work}/remote.git", cwd=mine)
    done = quickstart("git", "push", "-q", "origin", "main", agent=agent.path, env=env, cwd=mine)
    assert done.status == 0, done.stderr
    assert git("rev-parse", "main", cwd=place.work / "remote.git") == git("rev-parse", "main", cwd=mine)
