"""The signing proxy with a configuration: rules and a person decide, and every signature is recorded."""

import pytest

from support import agent_wire
from support.approver import Approver
from support.asking import ASK, InBackground
from support.broker import APPROVE_ALL, audit_records
from support.fake_agent import FakeAgent, identities_answer
from support.signing_proxy import SigningProxy, signed_by_keygen
from support.waiting import Stopwatch, patience, wait_until

MESSAGE = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nA commit\n"
TOKENS = {"web": "0123456789abcdef-web", "ci": "0123456789abcdef-ci"}


@pytest.fixture
def start_proxy(broker, agent, place):
    """start_proxy(configuration): with a token for each of two containers."""
    def start(config, **variables):
        tokens = place.work / "tokens"
        tokens.write_text("".join(f"{name} {token}\n" for name, token in TOKENS.items()))
        tokens.chmod(0o600)
        path = place.config(config, place.root / "proxy.yaml")
        return SigningProxy(broker, agent.path, arguments=["--config", path], TOKEN_FILE=tokens, **variables)
    return start


def sign(proxy, container="web", message=MESSAGE, name_space=None):
    return proxy.sign(message, name_space, headers={"Authorization": f"Bearer {TOKENS[container]}"})


def approver_of(place, closing):
    return closing(Approver(place.run / "host" / "signing-proxy.sock"))


def records(place):
    return [dict(record) for record in audit_records(place.audit_log)]


def test_what_is_approved_is_signed_and_recorded(start_proxy, keys, place):
    proxy = start_proxy(APPROVE_ALL)
    assert sign(proxy).body == signed_by_keygen(keys["ed25519"].private, MESSAGE, place.work)
    (record,) = records(place)
    assert record.pop("ts") and record.pop("request_id") and record.pop("duration_us") >= 0
    assert record == {"shed": "web", "ns": "ssh-agent", "op": "sign", "result": "ok", "detail": "ssh-ed25519",
                      "approval": "approve-all", "key": keys["ed25519"].fingerprint, "subject": "git commit"}


def test_without_a_policy_everything_is_denied(start_proxy, place):
    proxy = start_proxy("logging: { enabled: true }\n")
    reply = sign(proxy)
    assert reply.status == 403 and reply.text.startswith("denied: ssh.approval.policy is not set")
    assert reply.text.count("\n") == 1
    (record,) = records(place)
    assert (record["result"], record["code"]) == ("denied", "POLICY_DENIED")


def test_rules_know_containers_namespaces_and_keys(start_proxy, keys, place):
    proxy = start_proxy(
        "ssh:\n  approval: { policy: deny-all }\n  rules:\n"
        "    - { shed: ci, action: deny }\n"
        f"    - {{ sshsig_namespace: git, key: '{keys['ed25519'].fingerprint}', action: allow }}\n",
        NAMESPACE="git,file")
    assert sign(proxy).status == 200
    denied = sign(proxy, "ci")
    assert denied.status == 403 and "rule 1 of ssh.rules (proxy.yaml:4)" in denied.text
    assert sign(proxy, name_space="file").status == 403
    assert [(record["shed"], record["result"], record.get("rule"), record["subject"]) for record in records(place)] == [
        ("web", "ok", "2 (line 5)", "git commit"), ("ci", "denied", "1 (line 4)", "git commit"),
        ("web", "denied", None, "file signature (namespace file)")]


def test_only_offered_keys_are_used(start_proxy, keys, place):
    proxy = start_proxy("ssh:\n  approval: { policy: approve-all }\n"
                        f"  offer: ['{keys['rsa2048'].fingerprint}']\n")
    assert sign(proxy).body == signed_by_keygen(keys["rsa2048"].private, MESSAGE, place.work)
    withheld = start_proxy("ssh:\n  approval: { policy: approve-all }\n"
                           f"  offer: ['{keys['rsa2048'].fingerprint}']\n", PUBKEY=keys["ed25519"].line)
    assert sign(withheld).status == 503


def test_a_person_is_asked_and_sees_who_asks_for_what(start_proxy, keys, place, closing):
    proxy = start_proxy(ASK)
    approver = approver_of(place, closing)
    assert approver.ack["gate_namespaces"] == ["ssh-agent"]
    waiting = InBackground(lambda: sign(proxy))
    question = approver.wait_for("approval_request")
    assert (question["namespace"], question["op"], question["shed"]) == ("ssh-agent", "sign", "web")
    assert question["subject"] == "git commit" and question["key"] == keys["ed25519"].fingerprint
    assert question["key_comment"] == keys["ed25519"].comment
    approver.answer(question)
    assert waiting.value.body == signed_by_keygen(keys["ed25519"].private, MESSAGE, place.work)
    (record,) = records(place)
    assert (record["approval"], record["decided_by"], record["result"]) == ("shed-desktop", "tests", "ok")


def test_shed_ext_approve_answers_for_the_proxy(start_proxy, broker, place):
    proxy = start_proxy(ASK)
    socket = place.run / "host" / "signing-proxy.sock"
    assert f"approvals are asked for at {socket}: shed-ext approve --socket {socket}" in proxy.program.stderr
    approve = broker.start("approve", "--once", "--answer", "once", "--socket", socket)
    wait_until(lambda: sign(proxy).status == 200 or not approve.running, 10, "the approver is connected")
    assert approve.wait() == 0, approve.stderr
    assert [record["approval"] for record in records(place) if record["result"] == "ok"] == ["shed-desktop"]


def test_while_one_request_waits_for_a_person_all_others_go_on(start_proxy, place, closing):
    proxy = start_proxy("ssh:\n  approval: { policy: approve-all }\n  rules: [{ shed: ci, action: ask }]\n")
    approver = approver_of(place, closing)
    waiting = InBackground(lambda: sign(proxy, "ci"))
    question = approver.wait_for("approval_request")
    watch = Stopwatch()
    for _ in range(30):
        assert sign(proxy).status == 200
        assert proxy.request("GET", "/healthz").status == 200
    assert watch.seconds < patience(15) and not waiting.ended
    approver.answer(question, "deny")
    assert waiting.value.status == 403


def test_a_client_that_leaves_while_a_person_is_asked_is_on_record(start_proxy, place, closing):
    proxy = start_proxy(ASK)
    approver = approver_of(place, closing)
    client = proxy.connection()
    client.request("POST", "/sign", MESSAGE, {"Authorization": f"Bearer {TOKENS['web']}"})
    approver.wait_for("approval_request")
    client.close()
    wait_until(lambda: records(place), 10, "a record")
    (record,) = records(place)
    assert (record["shed"], record["result"], record["code"]) == ("web", "error", "CLIENT_LEFT")


def test_a_no_is_told_and_recorded(start_proxy, place, closing):
    proxy = start_proxy(ASK)
    approver = approver_of(place, closing)
    waiting = InBackground(lambda: sign(proxy))
    approver.answer(approver.wait_for("approval_request"), "deny")
    assert waiting.value.status == 403 and waiting.value.text.startswith("denied: ")
    assert [record["result"] for record in records(place)] == ["denied"]


def test_nobody_to_ask_is_a_no_at_once(start_proxy):
    proxy = start_proxy(ASK)
    watch = Stopwatch()
    reply = sign(proxy)
    assert reply.status == 403 and watch.seconds < patience(5), reply
    assert "shed-ext approve" in reply.text or "approver" in reply.text


def test_sigterm_ends_it_while_a_person_is_asked(start_proxy, place, closing):
    proxy = start_proxy(ASK)
    approver = approver_of(place, closing)
    InBackground(lambda: pytest.raises(Exception, sign, proxy))
    approver.wait_for("approval_request")
    watch = Stopwatch()
    assert proxy.program.terminate(5) == 0
    assert watch.seconds < patience(5)


def test_a_yes_for_a_session_is_not_asked_again(start_proxy, place, closing):
    proxy = start_proxy(ASK)
    approver = approver_of(place, closing)
    waiting = InBackground(lambda: sign(proxy))
    approver.answer(approver.wait_for("approval_request"), scope="per-session")
    assert waiting.value.status == 200
    assert sign(proxy, message=b"another commit").status == 200
    assert [record["approval"] for record in records(place)] == ["shed-desktop", "cached"]
    other = InBackground(lambda: sign(proxy, "ci"))
    approver.answer(approver.wait_for("approval_request"), "deny")
    assert other.value.status == 403


def test_a_container_that_asks_too_often_is_refused_and_others_are_not(start_proxy, place):
    proxy = start_proxy(APPROVE_ALL + "limits: { ssh: { burst: 2, per_minute: 1 } }\n")
    assert [sign(proxy).status for _ in range(4)] == [200, 200, 429, 429]
    reply = sign(proxy)
    assert reply.text.startswith("denied: too many requests of this container, again in ")
    assert sign(proxy, "ci").status == 200
    proxy.program.terminate()
    refused = [record for record in records(place) if record["result"] == "denied"]
    assert refused[0]["code"] == "RATE_LIMITED" and refused[0]["shed"] == "web"


def test_without_a_token_file_the_guest_is_called_container(broker, agent, place):
    path = place.config(APPROVE_ALL, place.root / "proxy.yaml")
    assert SigningProxy(broker, agent.path, arguments=["--config", path]).sign(MESSAGE).status == 200
    assert [record["shed"] for record in records(place)] == ["container"]


def test_what_cannot_be_recorded_is_not_given_away(start_proxy, place):
    blocked = place.root / "no-folder"
    blocked.write_text("")
    proxy = start_proxy(f"{APPROVE_ALL}logging: {{ path: {blocked}/audit.log }}\n")
    reply = sign(proxy)
    assert (reply.status, reply.text) == (503, "the host's audit log cannot be written\n")
    assert "every request is refused until it can be written" in proxy.program.stderr


def test_a_signature_that_fails_is_recorded(start_proxy, agent, keys, place, closing):
    key = keys["ed25519"]
    refusing = closing(FakeAgent(place.root / "refusing.sock", lambda kind, _: (agent_wire.FAILURE, b"")
                                 if kind == agent_wire.SIGN_REQUEST else identities_answer((key.blob, b"key"))))
    proxy = start_proxy(APPROVE_ALL, UPSTREAM=refusing.path)
    assert (sign(proxy).status, sign(proxy).text) == (500, "sign failed\n")
    assert [(record["result"], record["code"]) for record in records(place)] == [("error", "SIGN_FAILED")] * 2


def test_a_wrong_configuration_is_an_error_at_start(broker, agent, place):
    path = place.config("ssh: { approval: { polcy: approve-all } }\n", place.root / "proxy.yaml")
    program = broker.run("signing-proxy", "--config", path, agent=agent.path,
                         env={"SSH_AGENT_PROXY_ADDR": "127.0.0.1:0"})
    assert program.status == 1 and "'polcy' is not a key of ssh.approval, did you mean 'policy'?" in program.stderr


def test_an_approval_socket_that_is_taken_is_an_error_at_start(start_proxy, broker, agent, place):
    start_proxy(ASK)
    program = broker.run("signing-proxy", "--config", place.root / "proxy.yaml", agent=agent.path,
                         env={"SSH_AGENT_PROXY_ADDR": "127.0.0.1:0", **broker.host_env()})
    assert program.status == 1 and "approval socket: " in program.stderr
