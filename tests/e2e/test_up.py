"""`shed-ext up`: what the command sees, what is printed, and how it ends."""

import contextlib
import os
import signal

import pytest

from support import agent_wire
from support.broker import audit_records
from support.waiting import Stopwatch, patience


def test_stdout_is_the_commands_alone(broker, agent):
    assert broker.run_up("printf", "hello", agent=agent.path).stdout == "hello"


def test_with_a_configuration_nothing_is_printed_beside_the_command(broker, agent):
    done = broker.run_up("sh", "-c", "ssh-add -l >/dev/null; echo out; echo err >&2", agent=agent.path)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_without_a_configuration_one_line_says_what_is_in_force(broker, agent):
    done = broker.run_up("ssh-add", "-l", agent=agent.path, config=None)
    assert done.status == 0
    assert done.stderr.count("\n") == 1 and "approve-all" in done.stderr


@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143),
                                            ("kill -KILL $$", 137)])
def test_the_exit_status_is_the_commands(broker, agent, script, status):
    assert broker.run_up("sh", "-c", script, agent=agent.path).status == status


def test_a_command_that_does_not_exist_is_127_and_one_line(broker, agent):
    done = broker.run_up("no-such-command-here", agent=agent.path)
    assert done.status == 127
    assert done.stderr.count("\n") == 1 and "no-such-command-here" in done.stderr


def test_a_command_that_may_not_be_run_is_126_and_one_line(broker, agent, place):
    (place.work / "text").write_text("no program")
    done = broker.run_up(place.work / "text", agent=agent.path)
    assert done.status == 126
    assert done.stderr.count("\n") == 1 and str(place.work / "text") in done.stderr


def test_arguments_reach_the_command_unchanged(broker, agent):
    words = ["a b", "", "--config", "-x", "$HOME", "*", "ü"]
    done = broker.run_up("printf", "%s\\n", *words, agent=agent.path)
    assert done.stdout == "".join(f"{word}\n" for word in words)


def test_stdin_reaches_the_command(broker, agent, place):
    (place.work / "input").write_bytes(b"line\n" * 100_000)
    with open(place.work / "input", "rb") as stdin:
        assert broker.run_up("wc", "-l", agent=agent.path, stdin=stdin).stdout.strip() == "100000"


def test_without_a_command_the_shell_is_run(broker, agent, place):
    (place.work / "script").write_text('echo "$SSH_AUTH_SOCK"\nexit 3\n')
    with open(place.work / "script", "rb") as stdin:
        done = broker.run("up", agent=agent.path, env={"SHELL": "/bin/sh"}, stdin=stdin)
    assert done.status == 3 and done.stdout.strip().endswith(".sock")


def test_the_command_runs_in_the_current_directory(broker, agent, place):
    assert broker.run_up("pwd", agent=agent.path, cwd=place.work).stdout.strip() == str(place.work)


def test_the_command_keeps_its_environment_but_for_ours(broker, agent):
    done = broker.run_up("env", agent=agent.path, env={"KEPT": "yes"})
    names = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert names["KEPT"] == "yes" and names["SSH_AUTH_SOCK"] != str(agent.path)
    assert names["SHED_PUBLISH_URL"].startswith("http+unix:///")


def test_the_command_has_the_callers_umask_and_no_descriptor_of_ours(broker, agent):
    done = broker.run_up("sh", "-c", "umask; exec ls /proc/self/fd", agent=agent.path,
                         preexec_fn=lambda: os.umask(0o027))
    umask, *descriptors = done.stdout.split()
    assert int(umask, 8) == 0o027
    # The last one is the folder that ls reads.
    assert descriptors == ["0", "1", "2", "3"]


def test_the_command_has_the_callers_signals(broker, agent):
    done = broker.run_up("grep", "^Sig[BI]", "/proc/self/status", agent=agent.path)
    assert [line.split()[1].strip("0") for line in done.stdout.splitlines()] == ["", ""]


def test_sockets_are_private_and_gone_afterwards(broker, agent, place):
    up = broker.start_up(agent.path)
    sock = up.sock
    folder = os.path.dirname(sock)
    assert os.stat(sock).st_mode & 0o777 == 0o600
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert up.stop() == 0
    assert not os.path.exists(sock) and not os.path.exists(folder)
    assert [path.name for path in place.run.iterdir()] in ([], ["shed"])


def test_no_tcp_port_is_opened(broker, agent):
    up = broker.start_up(agent.path)
    inodes = set()
    for descriptor in os.listdir(f"/proc/{up.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # one that is closed again listens to nobody
            inodes.add(os.readlink(f"/proc/{up.pid}/fd/{descriptor}"))
    assert any(inode.startswith("socket:") for inode in inodes)
    for table in ("tcp", "tcp6", "udp", "udp6"):
        with open(f"/proc/{up.pid}/net/{table}", encoding="ascii") as lines:
            assert not any(f"socket:[{line.split()[9]}]" in inodes for line in list(lines)[1:])


def test_two_of_them_do_not_disturb_each_other(broker, agent, place):
    first = broker.start_up(agent.path)
    second = broker.start_up(agent.path)
    assert first.sock != second.sock
    assert second.stop() == 0
    assert agent_wire.identities(first.sock) != []
    assert len(audit_records(place.audit_log)) == 1


def test_one_can_run_inside_another(broker, agent):
    config = broker.place.config("ssh: { approval: { policy: approve-all } }\n", broker.place.root / "up.yaml")
    done = broker.run_up(broker.binary, "up", "--config", config, "--", "ssh-add", "-l", agent=agent.path)
    assert done.status == 0 and done.stdout.count("\n") == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_command_and_leaves_nothing_behind(broker, agent, number):
    up = broker.start_up(agent.path)
    folder = os.path.dirname(up.sock)
    watch = Stopwatch()
    up.program.signal(number)
    up.program.wait(10)
    assert watch.seconds < patience(5)
    assert not os.path.exists(folder)


def test_a_command_that_left_something_running_ends_up(broker, agent):
    """A daemon that the command started keeps stdout open; `up` ends with the command all the same."""
    watch = Stopwatch()
    done = broker.run_up("sh", "-c", "sleep 30 & echo done", agent=agent.path)
    assert (done.status, done.stdout) == (0, "done\n")
    assert watch.seconds < 20


def test_without_an_agent_and_without_keys_the_command_runs_and_is_told(broker, place):
    done = broker.run_up("ssh-add", "-l", agent=None)
    assert done.status != 0 and done.stdout in ("", "The agent has no identities.\n")
    assert done.stderr != ""


def test_a_runtime_folder_with_a_long_path_is_no_obstacle(broker, agent, place):
    deep = place.root / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True, mode=0o700)
    done = broker.run_up("ssh-add", "-l", agent=agent.path, env={"XDG_RUNTIME_DIR": deep, "TMPDIR": deep})
    if done.status != 0:
        assert done.stderr.count("\n") <= 2 and str(deep) in done.stderr
    assert list(deep.iterdir()) in ([], [deep / "shed"])
