"""policy: prompt: real clients wait for a program that asks the person, which the tests play."""

import os

import pytest

from support import agent_wire
from support.asking import InBackground
from support.broker import answers_lists, audit_records
from support.terminal import Terminal
from support.waiting import Stopwatch, wait_until

# An askpass program that notes that it was asked, and waits for the test to decide.
ASKPASS = """#!/bin/sh
printf '%s\\n' "$1" >>'{folder}/asked'
env >'{folder}/environment'
echo $$ >'{folder}/process'
until [ -e '{folder}/decision' ]; do sleep 0.05; done
. '{folder}/decision'
"""


class Prompting:
    """A host agent that prompts, with the program of the test, on a bus with a relay."""

    def __init__(self, broker, agent, place, approval="policy: prompt", timeout="20s"):
        self.folder = place.root / "prompt"
        self.folder.mkdir()
        self.place = place
        askpass = self.folder / "askpass"
        askpass.write_text(ASKPASS.format(folder=self.folder))
        askpass.chmod(0o755)
        bus = broker.start_bus("unix")
        config = f"approval_timeout: {timeout}\nssh: {{ approval: {{ {approval} }} }}\n"
        self.host = broker.start_host(bus.server, agent=agent.path, config=config,
                                      env={"SSH_ASKPASS": str(askpass), "AWS_SECRET_ACCESS_KEY": "not-for-programs"})
        self.sock = broker.start_relay(bus.publish_url).sock
        wait_until(lambda: answers_lists(self.sock), 10, "the keys are listed")

    def decide(self, script):
        temporary = self.folder / "decision.new"
        temporary.write_text(script + "\n")
        temporary.rename(self.folder / "decision")

    @property
    def asked(self):
        path = self.folder / "asked"
        return path.read_text() if path.exists() else ""

    def record(self):
        records = [dict(record) for record in audit_records(self.place.audit_log)]
        return [record for record in records if record["op"] == "sign"][-1]


@pytest.fixture
def prompting(broker, agent, place):
    return Prompting(broker, agent, place)


def login(prompting, sshd, keys, programs):
    command = sshd.ssh("echo in", more=sshd.only_with(keys["ed25519"]))
    return programs.run(command, prompting.place.env(prompting.sock))


def test_ssh_logs_in_after_a_yes_at_the_prompt_and_its_session_goes_on(prompting, sshd, keys, programs):
    prompting.decide("exit 0")
    assert login(prompting, sshd, keys, programs).stdout == "in\n"
    key = keys["ed25519"]
    assert "Guest box wants to sign: login " in prompting.asked
    assert "The host is proven.\n" in prompting.asked
    assert f"Key: {key.comment}, ssh-ed25519 {key.fingerprint}\n" in prompting.asked
    record = prompting.record()
    assert (record["result"], record["approval"], record["scope"]) == ("ok", "prompt", "per-session")
    assert login(prompting, sshd, keys, programs).stdout == "in\n"
    assert prompting.record()["approval"] == "cached"
    assert prompting.asked.count("Guest box") == 1


def test_the_prompt_has_a_clean_environment(prompting, keys):
    prompting.decide("exit 0")
    assert agent_wire.sign(prompting.sock, keys["ed25519"].blob, b"data")
    environment = (prompting.folder / "environment").read_text()
    assert "SSH_ASKPASS_PROMPT=confirm\n" in environment
    assert "not-for-programs" not in environment and "SSH_AUTH_SOCK" not in environment


@pytest.mark.parametrize("script, reason", [
    ("exit 1", "the person at the prompt said no"),
    ("exit 2", "exit code 2"),
    ("echo 'no display' >&2; exit 77", "exit code 77: no display"),
    ("kill -9 $$", "ended by signal 9"),
    ("echo hunter2", "what it says is no answer"),
    ("head -c 100000 /dev/zero", "it printed more than 16384 bytes"),
])
def test_everything_but_a_yes_denies_with_its_reason(prompting, sshd, keys, programs, script, reason):
    prompting.decide(script)
    assert login(prompting, sshd, keys, programs).status == 255
    record = prompting.record()
    assert (record["result"], record["approval"]) == ("denied", "prompt")
    assert reason in record["reason"]


def test_a_prompt_that_hangs_is_killed_and_denies(broker, agent, place, keys):
    prompting = Prompting(broker, agent, place, timeout="2s")
    watch = Stopwatch()
    assert agent_wire.sign(prompting.sock, keys["ed25519"].blob, b"data") is None
    assert watch.seconds >= 2
    assert "nobody answered within" in prompting.record()["reason"]
    process = int((prompting.folder / "process").read_text())
    wait_until(lambda: not os.path.exists(f"/proc/{process}"), 5, "the program is gone")


def test_a_program_that_is_missing_is_said_at_start_and_denies(broker, agent, place, keys):
    bus = broker.start_bus("unix")
    host = broker.start_host(bus.server, agent=agent.path, config="ssh: { approval: { policy: prompt } }\n",
                             env={"SSH_ASKPASS": "/nowhere/askpass"})
    host.wait_for_stderr("ssh.approval.policy is prompt, so everything is denied: nobody can be prompted: "
                         "SSH_ASKPASS is /nowhere/askpass, which is no program; correct it or unset it")
    sock = broker.start_relay(bus.publish_url).sock
    wait_until(lambda: answers_lists(sock), 10, "the keys are listed")
    assert agent_wire.sign(sock, keys["ed25519"].blob, b"data") is None


def test_biometrics_says_what_is_missing_and_denies(broker, agent, place, keys):
    bus = broker.start_bus("unix")
    host = broker.start_host(bus.server, agent=agent.path, config="ssh: { approval: { policy: biometrics } }\n")
    host.wait_for_stderr("ssh.approval.policy is biometrics, so everything is denied: ")
    sock = broker.start_relay(bus.publish_url).sock
    wait_until(lambda: answers_lists(sock), 10, "the keys are listed")
    assert agent_wire.sign(sock, keys["ed25519"].blob, b"data") is None


def test_pinentry_asks_on_the_terminal_that_gpg_tty_names(broker, agent, place, keys, programs):
    name = place.run / "tty"
    terminal = Terminal(programs, place, ["sh", "-c", f"tty >{name}; exec sleep 1000"], place.env(TERM="screen"))
    wait_until(lambda: name.exists() and name.read_text().endswith("\n"), 10, "a terminal")
    bus = broker.start_bus("unix")
    broker.start_host(bus.server, agent=agent.path, config="ssh: { approval: { policy: prompt } }\n",
                      env={"GPG_TTY": name.read_text().strip(), "TERM": "screen"})
    sock = broker.start_relay(bus.publish_url).sock
    wait_until(lambda: answers_lists(sock), 10, "the keys are listed")
    for presses, signs in ((["Enter"], True), (["Tab", "Enter"], False)):
        signature = InBackground(lambda: agent_wire.sign(sock, keys["ed25519"].blob, b"data"))
        terminal.wait_for("Guest box wants to sign: opaque")
        terminal.wait_for("<Deny>")
        for press in presses:
            terminal.press_special(press)
        assert (signature.value is not None) == signs
