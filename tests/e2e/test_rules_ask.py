"""Rules with `action: ask`, real clients, and the person at `shed-ext approve` who answers."""

import pytest

from support.asking import Asking, InBackground
from support.terminal import Terminal

SIGNATURE = "asks for a signature"
# Behind the line that names the bus.
RULE = "1 (line 2)"


def ask_rule(*criteria, policy="deny-all"):
    return f"ssh: {{ approval: {{ policy: {policy} }}, rules: [{{ {', '.join([*criteria, 'action: ask'])} }}] }}\n"


@pytest.fixture
def start(broker, agent, place, closing, programs):
    """start(config): a host agent, and the terminal of the person that it asks."""
    def start(config):
        asking = Asking(broker, agent, place, closing, config)
        terminal = Terminal(programs, place, [broker.binary, "approve"],
                            place.env(USER="ada", **broker.host_env()))
        terminal.wait_for("Nothing is asked.")
        return asking, terminal
    return start


@pytest.fixture
def sign_file(programs, place, keys):
    """sign_file(asking, namespace): `ssh-keygen -Y sign` in the background, and the file that it makes."""
    def sign(asking, namespace, name="letter"):
        file = place.work / name
        file.write_text("hello\n")
        command = ["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", keys["ed25519"].public, file]
        return InBackground(lambda: programs.run(command, place.env(asking.sock))), file.with_name(name + ".sig")
    return sign


def test_a_person_allows_once_what_a_rule_asks_for_and_denies_it_the_next_time(start, sign_file, keys):
    asking, terminal = start(ask_rule("sshsig_namespace: file"))
    first, signature = sign_file(asking, "file")
    screen = terminal.answer(SIGNATURE, "o")
    assert "  for       " in screen and keys["ed25519"].fingerprint in screen
    assert first.value.status == 0, first.value.stderr
    assert signature.read_text().startswith("-----BEGIN SSH SIGNATURE-----\n")
    record = asking.signs()[-1]
    assert (record["result"], record["approval"], record["decided_by"]) == ("ok", "shed-desktop", "ada")
    assert record["rule"] == RULE
    second, none = sign_file(asking, "file", "other")
    assert "  asked     2 times" in terminal.answer(SIGNATURE, "d")
    assert second.value.status != 0
    assert not none.exists()
    record = asking.signs()[-1]
    assert (record["result"], record["code"], record["rule"]) == ("denied", "APPROVAL_DENIED", RULE)
    assert record["reason"] == "ada said no"


def test_what_the_rule_that_asks_does_not_fit_is_the_policys(start, sign_file):
    asking, terminal = start(ask_rule("sshsig_namespace: file"))
    refused, none = sign_file(asking, "mail")
    assert refused.value.status != 0
    assert not none.exists()
    assert asking.signs()[-1]["reason"] == "ssh.approval.policy is deny-all"
    assert SIGNATURE not in terminal.screen()


def test_a_login_that_a_rule_asks_for_waits_although_the_policy_allows_all(start, sshd, keys, programs, place):
    asking, terminal = start(ask_rule(f"user: {sshd.user}", policy="approve-all"))
    command = sshd.ssh("echo in", more=sshd.only_with(keys["ed25519"]))
    for key, status in (("o", 0), ("d", 255)):
        login = InBackground(lambda: programs.run(command, place.env(asking.sock)))
        assert f"login {sshd.user}@" in terminal.answer(SIGNATURE, key)
        assert login.value.status == status, login.value.stderr
    assert [record["result"] for record in asking.signs()] == ["ok", "denied"]
