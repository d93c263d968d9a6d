"""`shed-ext approve --once` at a terminal: a word that was typed before the question is no answer to it."""

from support.asking import Asking
from support.terminal import Terminal
from support.waiting import wait_until


def test_what_was_typed_before_the_question_is_no_answer(broker, agent, place, closing, programs, keys):
    asking = Asking(broker, agent, place, closing)
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
