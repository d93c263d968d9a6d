"""`shed-ext approve` as a person sees it, in a real terminal, in front of a real host agent."""

import json
import os
import re
import signal
import termios

import pytest

from support import agent_wire
from support.approver import Approver
from support.asking import ASK, Asking, InBackground
from support.aws import aws_config
from support.docker import docker_config
from support.docker_fixtures import OWNER
from support.keys import KeyPair
from support.sts_fake import OWNER as AWS_OWNER
from support.sts_fake import ROLE
from support.terminal import Terminal
from support.waiting import Stopwatch, patience, wait_until

NOBODY = "Nothing is asked."
SIGNATURE = "asks for a signature"
# As a person's shell: it outlives the program, and says how that ended.
IN_SHELL = 'trap : INT QUIT HUP TERM; "$0" approve; echo "status $?"; stty -a; read -r _'


def steady(screen):
    """Without what changes from one second to the next."""
    return re.sub(r" +\d+ s left", " N s left", screen)


@pytest.fixture
def asking(broker, agent, place, closing):
    return Asking(broker, agent, place, closing)


@pytest.fixture
def start_approve(broker, programs, place):
    """start_approve(words on the first screen): the program in a terminal."""
    def start(first=NOBODY, command=None, env=None, **more):
        command = command or ["sh", "-c", IN_SHELL, broker.binary]
        terminal = Terminal(programs, place, command, place.env(USER="ada", **broker.host_env(env)), **more)
        terminal.wait_for(first)
        return terminal
    return start


@pytest.fixture
def login(sshd, keys, programs, place):
    """login(asking): ssh in the background."""
    command = sshd.ssh("echo in", more=sshd.only_with(keys["ed25519"]))
    return lambda asking: InBackground(lambda: programs.run(command, place.env(asking.sock)))


def test_the_person_sees_what_is_asked_and_says_yes_once(asking, start_approve, login, sshd, keys):
    terminal = start_approve()
    key = keys["ed25519"]
    first = login(asking)
    screen = terminal.answer(SIGNATURE, "o")
    [subject] = re.findall(r"^  for +(.*)", screen, re.MULTILINE)
    assert subject.startswith(f"login {sshd.user}@")
    assert steady(screen) == f"""\
shed-ext approve                                   connected to host agent 0.1.0

box asks for a signature N s left

  guest     box
  asks      sign (ssh-agent)
  for       {subject}
  host      verified: the host has proven its key for this login
  key       {key.comment} (ssh-ed25519)
            {key.fingerprint}
  asked     for the first time

o once   s this session   g this guest for a time   d deny   m deny and mute
l grants   e events   q quit   ? help"""
    assert first.value.stdout == "in\n", first.value.stderr
    terminal.wait_for("approved once: box: " + subject[:20])
    record = asking.signs()[-1]
    assert (record["result"], record["approval"], record["decided_by"]) == ("ok", "shed-desktop", "ada")
    second = login(asking)
    assert "  asked     2 times" in terminal.answer(SIGNATURE, "d")
    assert second.value.status == 255
    assert asking.signs()[-1]["reason"] == "ada said no"


def test_a_session_asks_no_more_until_it_is_revoked_in_the_list(asking, start_approve, login):
    terminal = start_approve()
    first = login(asking)
    terminal.answer(SIGNATURE, "s")
    assert first.value.stdout == "in\n", first.value.stderr
    assert login(asking).value.stdout == "in\n"
    terminal.press("l")
    screen = terminal.wait_for("Grants in force: 1")
    assert "1 box, session" in screen and "used once" in screen
    terminal.press("1")
    terminal.wait_for("No grants are in force.")
    third = login(asking)
    terminal.answer(SIGNATURE, "d")
    assert third.value.status == 255


def test_this_guest_for_a_time_covers_what_else_it_signs_with_the_key(asking, start_approve, keys):
    terminal = start_approve()
    first = asking.sign(keys["ed25519"])
    terminal.answer(SIGNATURE, "g")
    terminal.answer("Yes to whatever this guest signs with this key, for at most:", "1")
    assert first.value is not None
    assert asking.sign(keys["ed25519"], b"other data").value is not None
    record = asking.signs()[-1]
    assert (record["approval"], record["scope"], record["ttl"]) == ("cached", "per-shed", "15m")
    other = asking.sign(keys["rsa2048"])
    terminal.answer(SIGNATURE, "d")
    assert other.value is None


def test_data_that_nobody_can_read_is_a_warning_without_a_session(asking, start_approve, keys):
    terminal = start_approve()
    signature = asking.sign(keys["ed25519"])
    screen = terminal.answer("WARNING: nobody can read what is signed.", "s")
    assert "s this session" not in screen
    terminal.answer(SIGNATURE, "d")
    assert signature.value is None
    assert [record["result"] for record in asking.signs()] == ["denied"]


def test_a_muted_guest_is_denied_at_once(asking, start_approve, keys):
    terminal = start_approve()
    first = asking.sign(keys["ed25519"])
    terminal.answer(SIGNATURE, "m")
    assert first.value is None
    terminal.wait_for("muted: box")
    watch = Stopwatch()
    assert asking.sign(keys["ed25519"]).value is None
    assert watch.seconds < patience(2)
    terminal.press("u")
    wait_until(lambda: "muted" not in terminal.screen(), 5, "the guest is heard again")
    again = asking.sign(keys["ed25519"])
    terminal.answer(SIGNATURE, "o")
    assert again.value is not None


def test_what_was_typed_before_the_question_answers_nothing(asking, start_approve, keys):
    terminal = start_approve()
    terminal.press("oooossss")
    signature = asking.sign(keys["ed25519"])
    terminal.answer(SIGNATURE, "d")
    assert signature.value is None


def test_arrows_and_pasted_text_answer_nothing(asking, start_approve, keys):
    terminal = start_approve()
    signature = asking.sign(keys["ed25519"])
    terminal.answer(SIGNATURE, "\x1bOo\x1b[A\x1b[200~go on, so\x1b[201~")
    terminal.answer(SIGNATURE, "d")
    assert signature.value is None


def test_more_questions_wait_behind_the_first(asking, start_approve, keys):
    terminal = start_approve()
    first = asking.sign(keys["ed25519"])
    terminal.wait_for(keys["ed25519"].fingerprint)
    second = asking.sign(keys["rsa2048"])
    third = asking.sign(keys["ecdsa256"])
    terminal.answer("2 more wait", "o")
    assert first.value is not None
    terminal.answer("1 more waits", "d")
    terminal.answer(SIGNATURE, "d")
    assert second.value is None and third.value is None
    terminal.wait_for(NOBODY)


def test_a_question_whose_time_is_over_leaves_the_screen(broker, agent, place, closing, start_approve, keys):
    asking = Asking(broker, agent, place, closing, "approval_timeout: 5s\n" + ASK)
    terminal = start_approve()
    signature = asking.sign(keys["ed25519"])
    terminal.wait_for(SIGNATURE)
    terminal.wait_for(NOBODY)
    assert signature.value is None
    assert asking.signs()[-1]["reason"] == "nobody answered within 5s"


def test_the_screen_follows_the_size_of_the_window(asking, start_approve, keys):
    terminal = start_approve()
    signature = asking.sign(keys["ed25519"])
    terminal.wait_for(SIGNATURE)
    terminal.resize(40, 24)
    screen = terminal.wait_for("any host.")
    assert max(map(len, screen.splitlines())) <= 40
    assert keys["ed25519"].fingerprint in re.sub(r"\s+", "", screen)
    terminal.resize(40, 6)
    terminal.answer("The window is too small", "o")
    terminal.resize(80, 24)
    terminal.answer("WARNING: nobody can read", "d")
    assert signature.value is None
    assert [record["reason"] for record in asking.signs()] == ["ada said no"]


def test_quitting_denies_what_is_open(asking, start_approve, keys):
    terminal = start_approve()
    signature = asking.sign(keys["ed25519"])
    terminal.wait_for(SIGNATURE)
    terminal.press("q")
    terminal.wait_for("status 0")
    assert signature.value is None
    assert asking.signs()[-1]["reason"] == "the approver left before it answered; run shed-ext approve"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_a_signal_denies_what_is_open_and_gives_the_terminal_back(asking, start_approve, keys, name):
    terminal = start_approve()
    signature = asking.sign(keys["ed25519"])
    terminal.wait_for(SIGNATURE)
    number = getattr(signal, name)
    if name == "SIGINT":
        terminal.press_special("C-c")
    else:
        [child] = children(terminal.pid)
        os.kill(child, number)
    screen = terminal.wait_for(f"status {128 + number}")
    assert signature.value is None
    screen = terminal.wait_for(" echo ")
    assert " icanon" in screen and "-icanon" not in screen and SIGNATURE not in screen


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def test_a_terminal_that_takes_nothing_does_not_keep_it_from_ending(asking, programs, broker, place):
    person, side = os.openpty()
    env = place.env(USER="ada", TERM="xterm", **broker.host_env())
    script = 'exec "$0" approve <"$1" >"$1"'
    program = programs.start(["sh", "-c", script, broker.binary, os.ttyname(side)], env)
    try:
        wait_until(lambda: "approver connected" in asking.host.stderr, 10, "the approver")
        termios.tcflow(side, termios.TCOOFF)
        termios.tcsetwinsize(side, (24, 100))
        program.signal(signal.SIGWINCH)
        assert program.terminate() == 128 + signal.SIGTERM
    finally:
        os.close(person)
        os.close(side)


def test_a_stopped_program_gives_the_terminal_back_and_takes_it_again(asking, start_approve, broker, keys):
    terminal = start_approve("$", command=["bash", "--norc", "--noprofile", "-i"], env={"PS1": "$ "})
    terminal.press(f"{broker.binary} approve\n")
    terminal.wait_for(NOBODY)
    signature = asking.sign(keys["ed25519"])
    terminal.wait_for(SIGNATURE)
    terminal.press_special("C-z")
    terminal.wait_for("Stopped")
    terminal.press("stty -a\n")
    terminal.wait_for(" icanon")
    terminal.press("fg\n")
    terminal.answer(SIGNATURE, "d")
    assert signature.value is None
    terminal.press("q")
    terminal.wait_for("Stopped")


def test_a_host_agent_that_dies_under_a_question_is_found_again(asking, start_approve, broker, agent, keys):
    terminal = start_approve()
    asking.sign(keys["ed25519"])
    terminal.wait_for(SIGNATURE)
    asking.host.kill()
    screen = terminal.wait_for("No host agent answers")
    assert SIGNATURE not in screen
    asking.host = broker.start_host(asking.bus.server, agent=agent.path, config=ASK)
    terminal.wait_for(NOBODY, 20)
    wait_until(lambda: agent_wire.identities(asking.sock), 10, "the keys are listed")
    signature = asking.sign(keys["ed25519"])
    terminal.answer(SIGNATURE, "o")
    assert signature.value is not None


def test_it_waits_for_a_host_agent_that_is_not_there_yet(start_approve, broker, agent, place, closing):
    terminal = start_approve("No host agent answers at")
    Asking(broker, agent, place, closing)
    terminal.wait_for(NOBODY, 20)


def test_a_newer_approver_ends_the_older_one(asking, start_approve, closing, keys):
    terminal = start_approve()
    signature = asking.sign(keys["ed25519"])
    terminal.wait_for(SIGNATURE)
    closing(Approver(asking.socket))
    terminal.wait_for("shed-ext approve: another approver has taken over\nstatus 1")
    assert signature.value is None


def test_the_host_agent_of_up_is_approved_at_the_socket_that_it_names(broker, agent, start_approve, keys):
    up = broker.start_up(agent.path, config=ASK)
    [socket] = re.findall("^shed-ext up: to approve what is asked: shed-ext approve --socket (.*)$", up.stderr,
                          re.MULTILINE)
    terminal = start_approve(command=[broker.binary, "approve", "--socket", socket])
    signature = InBackground(lambda: agent_wire.sign(up.sock, keys["ed25519"].blob, b"data"))
    terminal.answer(SIGNATURE, "o")
    assert signature.value is not None


def test_events_are_seen_as_they_happen(asking, start_approve, keys):
    terminal = start_approve()
    terminal.press("e")
    terminal.wait_for("TIME")
    signature = asking.sign(keys["ed25519"])
    terminal.answer(SIGNATURE, "d")
    assert signature.value is None
    terminal.press("e")
    screen = terminal.wait_for("APPROVAL_DENIED")
    assert re.search(r"^\S+Z box +ssh sign +denied", screen, re.MULTILINE)


def test_a_key_with_a_hostile_comment_shows_it_and_does_nothing(asking, agent, start_approve, place):
    comment = "\x1b[2J\x1b[31mo once\r\x07" + "w" * 200
    key = KeyPair(place.work, "evil", ["-t", "ed25519"], comment)
    agent.add(key.private)
    wait_until(lambda: key.blob in [blob for blob, _ in agent_wire.identities(asking.sock)], 10, "the key is listed")
    terminal = start_approve()
    signature = asking.sign(key)
    screen = terminal.answer(SIGNATURE, "d")
    assert "  key       \\x1b[2J\\x1b[31mo once\\r\\x07www" in screen
    assert max(map(len, screen.splitlines())) <= 80
    assert signature.value is None


def test_no_colour_is_no_colour(asking, start_approve, keys):
    plain = start_approve(env={"NO_COLOR": "1"})
    first = asking.sign(keys["ed25519"])
    plain.wait_for(SIGNATURE)
    assert "\x1b[" not in plain.screen(colours=True)
    plain.press("q")
    assert first.value is None
    coloured = start_approve(name="coloured")
    second = asking.sign(keys["ed25519"])
    coloured.wait_for(SIGNATURE)
    assert "\x1b[1m" in coloured.screen(colours=True)
    coloured.press("q")
    assert second.value is None


def test_a_terminal_that_knows_only_lines_gets_lines(asking, start_approve, broker, keys):
    terminal = start_approve(command=["env", "TERM=dumb", "sh", "-c", IN_SHELL, broker.binary])
    signature = asking.sign(keys["ed25519"])
    terminal.answer(SIGNATURE, "o")
    assert signature.value is not None
    terminal.wait_for("approved once: box")
    terminal.press("q")
    terminal.wait_for("status 0")


def test_aws_credentials_wait_for_the_person(start_chain, sts, aws_files, start_approve):
    aws_files(f"[default]\n{AWS_OWNER.lines()}")
    terminal = start_approve("No host agent answers")
    chain = start_chain(sts.url, aws_config(ROLE, approval="shed-desktop"))
    terminal.wait_for("Asked here: aws-credentials", 20)
    answer = InBackground(chain.get)
    assert f"  role      {ROLE}" in terminal.answer("web asks for AWS credentials", "o")
    assert answer.value.status == 200
    refused = InBackground(chain.get)
    terminal.answer("  asked     2 times", "d")
    assert refused.value.status != 200
    assert [record["result"] for record in chain.records()][-2:] == ["ok", "denied"]


def test_a_registry_login_waits_for_the_person(start_docker, start_guest, store, start_approve):
    store.write({"auths": {"ghcr.io": {"auth": OWNER.auth}}})
    terminal = start_approve("No host agent answers")
    chain = start_docker(docker_config("ghcr.io", approval="shed-desktop"))
    guest = start_guest(chain)
    terminal.wait_for("Asked here: docker-credentials", 20)
    got = InBackground(lambda: guest.helper("get", "ghcr.io"))
    assert "  registry  ghcr.io" in terminal.answer("web asks for a registry login", "o")
    assert json.loads(got.value.stdout)["Secret"] == OWNER.password
    refused = InBackground(lambda: guest.helper("get", "ghcr.io"))
    terminal.answer("web asks for a registry login", "d")
    assert refused.value.status == 1
    assert "ada said no" in chain.records()[-1]["reason"]
