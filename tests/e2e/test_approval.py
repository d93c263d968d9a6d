"""A person decides: real clients wait for an approver that the test plays."""

import json

import pytest

from support import agent_wire
from support.asking import ASK, Asking, InBackground
from support.waiting import Stopwatch, patience, wait_until


@pytest.fixture
def asking(broker, agent, place, closing):
    return Asking(broker, agent, place, closing)


def test_the_channel_says_hello_as_existing_approvers_expect(asking):
    ack = asking.approver().ack
    assert ack["accepted"] is True and ack["v"] == 2 and ack["request_timeout_ms"] == 25000
    assert ack["gate_namespaces"] == ["ssh-agent"]
    assert ack["namespaces"] == ["ssh-agent", "docker-credentials"]


def test_a_signature_waits_longer_than_a_guests_usual_patience_for_the_person(asking, keys):
    approver = asking.approver()
    watch = Stopwatch()
    signature = asking.sign(keys["ed25519"])
    question = approver.wait_for("approval_request")
    assert question["shed"] == "box" and question["namespace"] == "ssh-agent" and question["op"] == "sign"
    assert question["key"] == keys["ed25519"].fingerprint and question["key_type"] == "ssh-ed25519"
    assert question["key_comment"] == keys["ed25519"].comment and question["subject"] == "opaque"
    wait_until(lambda: watch.seconds > 4, 10, "four seconds, when a guest without a person gives up at three")
    assert not signature.ended
    approver.answer(question)
    assert signature.value is not None
    record = asking.signs()[-1]
    assert (record["result"], record["approval"], record["decided_by"]) == ("ok", "shed-desktop", "tests")
    assert record["duration_us"] > 3_000_000


def test_ssh_logs_in_after_a_yes_and_not_after_a_no(asking, sshd, keys, programs, place):
    approver = asking.approver()

    def login():
        command = sshd.ssh("echo in", more=sshd.only_with(keys["ed25519"]))
        return InBackground(lambda: programs.run(command, place.env(asking.sock)))

    first = login()
    question = approver.wait_for("approval_request")
    assert question["subject"].startswith(f"login {sshd.user}@") and question["proof"] == "verified"
    approver.answer(question)
    assert first.value.stdout == "in\n", first.value.stderr
    second = login()
    approver.answer(approver.wait_for("approval_request"), "deny")
    assert second.value.status == 255
    assert [record["result"] for record in asking.signs()] == ["ok", "denied"]


def test_a_session_is_for_the_same_login_and_ends_when_it_is_revoked(asking, broker, sshd, keys, programs, place):
    approver = asking.approver()
    command = sshd.ssh("echo in", more=sshd.only_with(keys["ed25519"]))
    first = InBackground(lambda: programs.run(command, place.env(asking.sock)))
    approver.answer(approver.wait_for("approval_request"), scope="per-session", ttl="30m")
    assert first.value.stdout == "in\n", first.value.stderr
    assert programs.run(command, place.env(asking.sock)).stdout == "in\n"
    record = asking.signs()[-1]
    assert (record["approval"], record["scope"], record["ttl"]) == ("cached", "per-session", "30m")
    other = asking.sign(keys["ed25519"])
    approver.answer(approver.wait_for("approval_request"), "deny")
    assert other.value is None, "other data with the same key is another question"
    [grant] = approver.grants()
    assert grant["shed"] == "box" and grant["uses"] == 1
    status = broker.run("host", "status", env=broker.host_env()).stdout
    assert f"granted              box: {record['subject']} with {keys['ed25519'].fingerprint} (per-session" in status
    approver.send({"type": "revoke", "id": grant["id"]})
    assert approver.wait_for("grants")["grants"] == []
    third = InBackground(lambda: programs.run(command, place.env(asking.sock)))
    approver.answer(approver.wait_for("approval_request"), "deny")
    assert third.value.status == 255


def test_nobody_there_denies_at_once_and_the_guest_is_told_what_to_do(asking, keys):
    watch = Stopwatch()
    assert asking.sign(keys["ed25519"]).value is None
    assert watch.seconds < patience(2)
    assert asking.signs()[-1]["reason"] == "no approver is connected; run shed-ext approve"
    asking.relay.wait_for_stderr("APPROVAL_DENIED")


def test_an_approver_that_vanishes_denies_at_once(asking, keys):
    approver = asking.approver()
    signature = asking.sign(keys["ed25519"])
    approver.wait_for("approval_request")
    watch = Stopwatch()
    approver.close()
    assert signature.value is None
    assert watch.seconds < patience(2)
    assert asking.signs()[-1]["reason"].startswith("the approver left")


def test_a_newer_approver_takes_over_and_the_older_ones_questions_are_denied(asking, keys):
    older = asking.approver()
    signature = asking.sign(keys["ed25519"])
    question = older.wait_for("approval_request")
    newer = asking.approver()
    last = older.wait_for("hello_ack")
    assert last["accepted"] is False and last["reason"] == "superseded" and last["request_timeout_ms"] == 0
    assert last["agent"] == {"version": "", "approval_method": ""}
    assert last["namespaces"] is None and last["gate_namespaces"] is None
    assert older.line() is None
    assert signature.value is None
    newer.answer(question)
    again = asking.sign(keys["ed25519"])
    newer.answer(newer.wait_for("approval_request"))
    assert again.value is not None


def test_an_answer_in_time_or_a_denial(broker, agent, place, closing, keys):
    asking = Asking(broker, agent, place, closing, "approval_timeout: 1s\n" + ASK)
    approver = asking.approver()
    signature = asking.sign(keys["ed25519"])
    question = approver.wait_for("approval_request")
    assert signature.value is None
    assert asking.signs()[-1]["reason"] == "nobody answered within 1s"
    approver.answer(question)
    asking.host.wait_for_stderr("an answer to a question that is not open is dropped")


def test_a_question_that_waits_holds_up_no_list_and_no_other_request(asking, keys):
    approver = asking.approver()
    slow = asking.sign(keys["ed25519"])
    unanswered = approver.wait_for("approval_request")
    watch = Stopwatch()
    assert agent_wire.identities(asking.sock)
    quick = asking.sign(keys["rsa2048"])
    approver.answer(approver.wait_for("approval_request"))
    assert quick.value is not None and watch.seconds < patience(2)
    assert not slow.ended
    approver.answer(unanswered, "deny")
    assert slow.value is None


@pytest.mark.parametrize("data", [b"garbage\n", b"\xff\n", b"x" * (2 << 20)], ids=["garbage", "no text", "2 MiB"])
def test_garbage_ends_the_approver_and_nothing_else(asking, keys, data):
    approver = asking.approver()
    signature = asking.sign(keys["ed25519"])
    approver.wait_for("approval_request")
    try:
        approver.send_bytes(data)
    except OSError:
        pass  # it was hung up on before the end
    assert signature.value is None
    again = asking.approver()
    signature = asking.sign(keys["ed25519"])
    again.answer(again.wait_for("approval_request"))
    assert signature.value is not None


def test_a_flood_of_answers_to_anything_approves_nothing(asking, keys):
    approver = asking.approver()
    signature = asking.sign(keys["ed25519"])
    question = approver.wait_for("approval_request")
    stray = json.dumps({"type": "approval_response", "request_id": "0", "decision": "approve"}).encode() + b"\n"
    approver.send_bytes(stray * 20_000)
    assert not signature.ended
    approver.answer(question, "deny")
    assert signature.value is None


def test_events_are_told_as_they_happen_and_earlier_ones_to_who_asks(asking, keys):
    assert asking.sign(keys["ed25519"]).value is None
    approver = asking.approver(replay_events=100)
    while (event := approver.wait_for("event"))["op"] != "sign":
        pass
    assert event["kind"] == "audit" and event["result"] == "denied"
    record = asking.signs()[-1]
    assert {name: event[name] for name in record} == record


def test_the_status_says_who_approves(asking, broker):
    env = broker.host_env()
    approver = asking.approver()
    status = broker.run("host", "status", env=env)
    assert "approver tests 1.0 is connected" in status.stdout
    approver.close()

    def nobody():
        return "no approver is connected" in broker.run("host", "status", env=env).stdout
    wait_until(nobody, 10, "the status without an approver")
    document = json.loads(broker.run("host", "status", "--json", env=env).stdout)
    assert document["approval_channel"] == {"socket_path": str(asking.socket), "consumer_connected": False,
                                            "client_name": "", "client_version": "", "grants": 0}
