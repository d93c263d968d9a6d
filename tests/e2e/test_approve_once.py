"""`shed-ext approve --once`, for scripts; and what is typed wrongly at `approve`."""

import json
import subprocess

import pytest

from support.approver import Approver
from support.asking import Asking
from support.terminal import Terminal
from support.waiting import wait_until


@pytest.fixture
def asking(broker, agent, place, closing):
    return Asking(broker, agent, place, closing)


@pytest.fixture
def once(broker):
    return lambda *arguments, **more: broker.start("approve", "--once", *arguments, env=broker.host_env(), **more)


def ask(asking, keys):
    """A signature, once somebody is there to be asked."""
    wait_until(lambda: "approver connected" in asking.host.stderr, 10, "an approver")
    return asking.sign(keys["ed25519"])


def test_an_answer_that_is_given_ends_it_with_zero(asking, once, keys):
    program = once("--answer", "once")
    assert ask(asking, keys).value is not None
    assert program.wait() == 0
    line = program.stdout
    assert line.startswith("box: sign (ssh-agent): opaque, key ") and line.count("\n") == 1
    assert keys["ed25519"].fingerprint in line and "WARNING: nobody can read what is signed." in line


def test_a_denial_ends_it_with_one(asking, once, keys):
    program = once("--answer", "deny", "--json")
    assert ask(asking, keys).value is None
    assert program.wait() == 1
    question = json.loads(program.stdout)
    assert (question["shed"], question["op"], question["subject"]) == ("box", "sign", "opaque")
    assert question["key"] == keys["ed25519"].fingerprint


@pytest.mark.parametrize("text, status", [("once\n", 0), ("guest", 0), ("deny\n", 1), ("", 1), ("\n", 1),
                                          ("yes\n", 1), ("x" * 500, 1)])
def test_the_answer_is_a_line_of_standard_input(asking, once, keys, place, text, status):
    file = place.work / "answer"
    file.write_text(text)
    with open(file, "rb") as stdin:
        program = once(stdin=stdin)
    signature = ask(asking, keys)
    assert program.wait() == status, program.stderr
    assert (signature.value is not None) == (status == 0)


def test_a_guest_for_a_time(asking, once, keys):
    program = once("--answer", "guest", "--ttl", "20m")
    assert ask(asking, keys).value is not None
    assert program.wait() == 0
    assert asking.sign(keys["ed25519"], b"other").value is not None
    assert asking.signs()[-1]["ttl"] == "20m"


def test_nothing_asked_ends_it_with_three(asking, once):
    program = once("--wait", "2s")
    assert program.wait() == 3
    assert program.stdout == ""
    assert program.stderr == "shed-ext approve: nothing was asked within 2s\n"


def test_a_host_agent_that_dies_before_the_answer_ends_it_with_one(asking, once, keys, closing):
    program = once(stdin=subprocess.PIPE)
    ask(asking, keys)
    program.wait_for_stdout("box: sign")
    asking.host.kill()
    assert program.wait() == 1
    assert "the question is over" in program.stderr


def test_a_newer_approver_ends_it_with_one(asking, once, closing):
    program = once()
    wait_until(lambda: "approver connected" in asking.host.stderr, 10, "an approver")
    closing(Approver(asking.socket))
    assert program.wait() == 1
    assert program.stderr == "shed-ext approve: another approver has taken over\n"


def test_what_was_typed_before_the_question_is_no_answer_to_it(asking, broker, place, programs, keys):
    command = ["sh", "-c", '"$0" approve --once; echo "status $?"; read -r _', broker.binary]
    terminal = Terminal(programs, place, command, place.env(USER="ada", **broker.host_env()))
    wait_until(lambda: "approver connected" in asking.host.stderr, 10, "an approver")
    terminal.press("once\n")
    terminal.wait_for("once")
    signature = asking.sign(keys["ed25519"])
    terminal.wait_for("box: sign")
    terminal.press("deny\n")
    terminal.wait_for("status 1")
    assert signature.value is None
    assert asking.signs()[-1]["reason"] == "ada said no"


@pytest.mark.parametrize("arguments, words", [
    ([], "standard input and output are no terminal; for scripts there is --once"),
    (["--answer", "once"], "--json, --answer and --ttl are for --once"),
    (["--once", "--answer", "yes"], "--answer: 'yes' is none of once, session, guest, deny"),
    (["--once", "--wait", "soon"], "--wait: "),
    (["--once", "--wait", "-1s"], "--wait: not a duration"),
    (["--once", "--ttl", "0"], "--ttl: '0' is no time to wait"),
])
def test_what_is_typed_wrongly_ends_with_two_and_one_line(broker, arguments, words):
    done = broker.run("approve", *arguments, env=broker.host_env())
    assert done.status == 2 and done.stdout == ""
    assert done.stderr.startswith("shed-ext approve: ") and words in done.stderr and done.stderr.count("\n") == 1
