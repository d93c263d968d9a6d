"""What the policies of this version do: approve-all approves, everything else denies and says why."""

import base64

import pytest

from support import agent_wire
from support.broker import audit_records
from support.waiting import Stopwatch, patience


def sign_payload(key):
    return {"operation": "sign", "public_key": base64.b64encode(key.blob).decode(),
            "data": base64.b64encode(b"data").decode(), "flags": 0}


def test_deny_all_refuses_signatures_and_records_it(broker, agent, keys, place):
    up = broker.start_up(agent.path, config="ssh: { approval: { policy: deny-all } }\n")
    assert agent_wire.sign(up.sock, keys["ed25519"].blob, b"data") is None
    record = dict(audit_records(place.audit_log)[-1])
    assert (record["op"], record["result"], record["approval"]) == ("sign", "denied", "deny-all")


def test_a_denial_has_the_text_and_code_that_existing_guests_know(broker, agent, keys):
    up = broker.start_up(agent.path, config="ssh: { approval: { policy: deny-all } }\n")
    answer = up.ask(sign_payload(keys["ed25519"]))
    assert answer["error"].startswith("approval denied") and answer["code"] == "SIGN_FAILED"


def test_the_client_of_a_denied_signature_fails(broker, agent, keys):
    tried = broker.run_up("ssh-add", "-T", keys["ed25519"].public, agent=agent.path,
                          config="ssh: { approval: { policy: deny-all } }\n")
    assert tried.status != 0


@pytest.mark.parametrize("policy", ["shed-desktop", "biometrics", "biometrics-or-password"])
def test_a_policy_that_nobody_can_answer_denies_at_once_with_the_reason(broker, agent, keys, place, policy):
    up = broker.start_up(agent.path, config=f"ssh: {{ approval: {{ policy: {policy} }} }}\n")
    watch = Stopwatch()
    answer = up.ask(sign_payload(keys["ed25519"]))
    assert watch.seconds < patience(2)
    assert answer["code"] == "SIGN_FAILED"
    record = dict(audit_records(place.audit_log)[-1])
    assert record["result"] == "denied" and record["reason"]


def test_an_omitted_policy_denies_and_names_the_line_to_add(broker, agent, keys):
    up = broker.start_up(agent.path, config="ssh: { mode: agent-forward }\n")
    line = "ssh: { approval: { policy: approve-all } }"
    up.program.wait_for_stderr("ssh.approval.policy is not set")
    assert line in up.stderr
    answer = up.ask(sign_payload(keys["ed25519"]))
    assert answer["code"] == "SIGN_FAILED" and line in answer["error"] + answer.get("reason", "")


def test_the_older_form_without_approval_approves(broker, agent, keys):
    up = broker.start_up(agent.path, config="ssh: { approval: { enabled: false } }\n")
    assert agent_wire.sign(up.sock, keys["ed25519"].blob, b"data") is not None


def test_the_default_configuration_file_is_used_without_being_named(broker, agent, keys, place):
    place.config("ssh: { approval: { policy: deny-all } }\n")
    up = broker.start_up(agent.path, config=None)
    assert agent_wire.sign(up.sock, keys["ed25519"].blob, b"data") is None
