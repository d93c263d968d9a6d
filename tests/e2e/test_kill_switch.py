"""`host pause`, `resume` and `revoke`: in force at once, whatever the guests do meanwhile."""

import base64
import json
import os
import stat
import threading

import pytest

from support import agent_wire
from support.agent_wire import AgentConnection
from support.approver import Approver
from support.aws import aws_config
from support.broker import APPROVE_ALL, UNLIMITED, answers_lists, audit_records
from support.docker import NOT_FOUND, docker_config
from support.docker_fixtures import OWNER
from support.fake_agent import FakeAgent, identities_answer
from support.sts_fake import OWNER as AWS_OWNER
from support.sts_fake import ROLE
from support.waiting import Stopwatch, patience, wait_until

ASK = "ssh: { approval: { policy: shed-desktop } }\n"


class Chain:
    """Bus, host agent and relay of the guest `box`."""

    def __init__(self, broker, agent, place, config=APPROVE_ALL):
        self._broker = broker
        self.place = place
        self.bus = broker.start_bus("unix")
        self.host = broker.start_host(self.bus.server, agent=agent.path, config=config)
        self.relay = broker.start_relay(self.bus.publish_url)
        self.sock = self.relay.sock
        wait_until(lambda: answers_lists(self.sock), 10, "the keys are listed")

    def control(self, *arguments, seconds=30):
        return self._broker.run("host", *arguments, env=self._broker.host_env(), seconds=seconds)

    def records(self, code="HOST_PAUSED"):
        return [dict(record) for record in audit_records(self.place.audit_log) if dict(record).get("code") == code]


@pytest.fixture
def chain(broker, agent, place):
    return Chain(broker, agent, place)


@pytest.fixture
def aws(start_chain, sts, aws_files):
    aws_files(f"[default]\n{AWS_OWNER.lines()}")
    return start_chain(sts.url, aws_config(ROLE))


def sign_payload(key):
    return {"operation": "sign", "public_key": base64.b64encode(key.blob).decode(),
            "data": base64.b64encode(b"data").decode(), "flags": 0}


def test_a_pause_is_in_force_at_once_and_a_resume_ends_it(chain, programs, place, keys):
    env = place.env(chain.sock)
    assert programs.run(["ssh-add", "-l"], env).status == 0
    done = chain.control("pause")
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith("paused: all guests; ended 0 requests under way and 0 grants\n")
    assert "a restart of the host agent" in done.stdout
    assert programs.run(["ssh-add", "-l"], env).status != 0
    assert agent_wire.sign(chain.sock, keys["ed25519"].blob, b"data") is None
    assert chain.records()[0]["result"] == "denied"
    chain.relay.wait_for_stderr("HOST_PAUSED.*shed-ext host resume")
    done = chain.control("resume")
    assert (done.status, done.stdout) == (0, "resumed: all guests\n")
    assert programs.run(["ssh-add", "-l"], env).status == 0


def test_git_can_not_sign_a_file_while_its_guest_is_paused(chain, programs, place, keys):
    file = place.work / "file"
    file.write_text("text")
    command = ["ssh-keygen", "-Y", "sign", "-n", "file", "-f", keys["ed25519"].public, file]
    chain.control("pause", "--shed", "box")
    assert programs.run(command, place.env(chain.sock)).status != 0
    chain.control("resume", "--shed", "box")
    assert programs.run(command, place.env(chain.sock)).status == 0


def test_a_pause_of_one_guest_leaves_the_others(start_host_bus, broker, agent, keys):
    bus = start_host_bus()
    broker.start_host(bus.url, agent.path)
    assert "blob" in bus.ask(sign_payload(keys["ed25519"]))["payload"]
    done = broker.run("host", "pause", "--shed", "box", "--server", "mini2", env=broker.host_env())
    assert done.stdout.startswith("paused: box on mini2;"), done.stderr
    refusal = bus.ask(sign_payload(keys["ed25519"]))["payload"]
    assert (refusal["code"], refusal["reason_code"]) == ("SIGN_FAILED", "HOST_PAUSED")
    other = {"name": "other", "backend": "vz", "server": "mini2"}
    assert "blob" in bus.ask(sign_payload(keys["ed25519"]), shed=other)["payload"]
    elsewhere = {"name": "box", "backend": "vz", "server": "mini3"}
    assert "blob" in bus.ask(sign_payload(keys["ed25519"]), shed=elsewhere)["payload"]


def test_a_kept_answer_does_not_get_out_while_its_guest_is_paused(start_host_bus, broker, agent, keys):
    bus = start_host_bus()
    broker.start_host(bus.url, agent.path)
    assert "blob" in bus.ask(sign_payload(keys["ed25519"]), id="one")["payload"]
    broker.run("host", "pause", env=broker.host_env())
    assert bus.ask(sign_payload(keys["ed25519"]), id="one")["payload"]["reason_code"] == "HOST_PAUSED"


def test_what_waits_for_a_person_is_denied_at_once(broker, agent, place, keys, closing):
    chain = Chain(broker, agent, place, ASK)
    approver = closing(Approver(place.run / "host" / "host-agent.sock"))
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(agent_wire.sign(chain.sock, keys["ed25519"].blob, b"d")))
    waiting.start()
    question = approver.wait_for("approval_request")
    watch = Stopwatch()
    done = chain.control("pause", "--shed", "box")
    assert "ended 1 request under way" in done.stdout
    waiting.join(patience(5))
    assert answers == [None] and watch.seconds < patience(3)
    approver.answer(question)  # too late
    assert [record["op"] for record in chain.records()] == ["sign"]
    assert chain.records("APPROVAL_DENIED") == [], "one record for one request"


def test_what_is_in_work_at_a_back_end_is_dropped(broker, place, keys, closing):
    release = threading.Event()
    key = keys["ed25519"]

    def answer(kind, _):
        if kind == agent_wire.REQUEST_IDENTITIES:
            return identities_answer((key.blob, "key"))
        release.wait(patience(20))
        return None
    upstream = closing(FakeAgent(place.run / "fake.sock", answer))
    chain = Chain(broker, upstream, place)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(agent_wire.sign(chain.sock, key.blob, b"d")))
    waiting.start()
    wait_until(lambda: any(kind == agent_wire.SIGN_REQUEST for kind, _ in upstream.messages), 10, "the agent is asked")
    watch = Stopwatch()
    assert "ended 1 request under way" in chain.control("pause").stdout
    waiting.join(patience(5))
    release.set()
    assert answers == [None] and watch.seconds < patience(2.5)
    assert "while this was under way" in chain.records()[0]["reason"]


def test_a_pause_gets_through_a_flood(broker, agent, place, keys):
    chain = Chain(broker, agent, place, UNLIMITED)
    stop = threading.Event()
    # (whether it was asked after the pause, whether it was signed)
    paused = threading.Event()
    signed = []

    def flood():
        with AgentConnection(chain.sock, seconds=60) as connection:
            while not stop.is_set():
                later = paused.is_set()
                signed.append((later, connection.sign(keys["ed25519"].blob, b"data") is not None))
    threads = [threading.Thread(target=flood) for _ in range(16)]
    try:
        for thread in threads:
            thread.start()
        wait_until(lambda: len([True for _, good in signed.copy() if good]) > 200, 20, "the flood")
        watch = Stopwatch()
        done = chain.control("pause")
        assert done.status == 0, done.stderr
        assert watch.seconds < patience(5)
        paused.set()
        wait_until(lambda: len([True for later, _ in signed.copy() if later]) > 200, 20, "the flood goes on")
        assert not any(good for later, good in signed.copy() if later)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert len(chain.records()) < 60, "a record a second, not one a request"


def test_a_restart_resumes(broker, agent, place):
    chain = Chain(broker, agent, place)
    chain.control("pause")
    assert not answers_lists(chain.sock)
    chain.host.terminate()
    broker.start_host(chain.bus.server, agent=agent.path)
    wait_until(lambda: answers_lists(chain.sock), 10, "the keys are listed again")


def test_resume_of_what_is_not_paused_says_so(chain):
    done = chain.control("resume", "--shed", "box")
    assert (done.status, done.stdout) == (0, "box: not paused, nothing to resume\n")
    chain.control("pause")
    done = chain.control("resume", "--shed", "box")
    assert done.status == 0 and "still paused by the pause of all guests" in done.stdout


def test_a_guest_that_nobody_has_seen_is_paused_with_a_word(chain):
    done = chain.control("pause", "--shed", "bxo")
    assert done.status == 0
    assert "no guest bxo has asked for anything yet; is the name right?\n" in done.stdout


def test_the_status_shows_who_is_paused(chain, broker):
    chain.control("pause", "--shed", "box")
    assert "paused               box\n" in chain.control("status").stdout
    document = json.loads(chain.control("status", "--json").stdout)
    assert document["paused"] == [{"shed": "box"}]
    assert "paused: box" in broker.run("status", env=broker.host_env()).stdout
    chain.control("resume")
    assert "paused" not in json.loads(chain.control("status", "--json").stdout)


def test_pause_resume_and_revoke_are_in_the_audit_log(chain, broker, place):
    chain.control("pause", "--shed", "box")
    chain.control("revoke", "--shed", "box", "--server", "mini2")
    chain.control("resume")
    records = [record for record in map(dict, audit_records(place.audit_log)) if record["ns"] == "host"]
    assert [(record["op"], record.get("server"), record["shed"]) for record in records] == [
        ("pause", None, "box"), ("revoke", "mini2", "box"), ("resume", None, "*")]
    assert all(record["result"] == "ok" for record in records)
    assert [record["detail"] for record in records] == [
        "paused: box; ended 0 requests under way and 0 grants",
        "revoked: box on mini2; ended 0 grants, forgot 0 AWS sessions", "resumed: all guests"]
    assert broker.run("audit", "verify", "--log", place.audit_log, env=broker.host_env()).status == 0
    shown = broker.run("audit", "show", "--ns", "host", "--log", place.audit_log, env=broker.host_env())
    assert [line.split()[1:4] for line in shown.stdout.splitlines()[1:]] == [
        ["box", "pause", "ok"], ["mini2/box", "revoke", "ok"], ["*", "resume", "ok"]]


def test_a_pause_needs_no_audit_log(broker, agent, place):
    (place.work / "file").write_text("not a folder")
    host = broker.start_host(broker.start_bus("unix").server, agent=agent.path,
                             config=f"{APPROVE_ALL}logging: {{ path: {place.work}/file/audit.log }}\n")
    host.wait_for_stderr("ssh-agent: connected")
    done = broker.run("host", "pause", env=broker.host_env())
    assert done.status == 0 and done.stdout.startswith("paused: all guests;")
    assert "\nthe audit log cannot be written, and does not have this: " in done.stdout
    assert "all guests" in broker.run("host", "status", env=broker.host_env()).stdout


def test_without_a_host_agent_it_says_so(broker):
    for command in ("pause", "resume", "revoke"):
        done = broker.run("host", command, env=broker.host_env())
        assert done.status == 1 and "the host agent is not running" in done.stderr and done.stdout == ""


def test_a_server_without_a_guest_is_refused(broker):
    done = broker.run("host", "pause", "--server", "mini2", env=broker.host_env())
    assert done.status == 2 and "--server needs --shed" in done.stderr


@pytest.mark.parametrize("command", ["pause", "resume", "revoke"])
def test_a_guest_without_a_name_is_refused_and_means_nobody(chain, command):
    chain.control("pause", "--shed", "box")
    done = chain.control(command, "--shed", "")
    assert done.status == 2 and "--shed: the value is empty" in done.stderr and done.stdout == ""
    assert json.loads(chain.control("status", "--json").stdout)["paused"] == [{"shed": "box"}]


def test_the_control_socket_is_the_owners_alone(chain, place):
    path = place.run / "host" / "host-agent-control.sock"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(path.parent).st_mode) == 0o700
    chain.host.terminate()
    assert not path.exists()


def test_revoke_ends_grants_and_aws_sessions(aws, sts, broker):
    chain = aws
    assert chain.get().status == 200
    calls = len(sts.requests)
    done = broker.run("host", "revoke", "--shed", "web", env=broker.host_env())
    assert done.stdout.startswith("revoked: web; ended 0 grants, forgot 1 AWS session\n"), done.stderr
    assert "good until it expires" in done.stdout
    assert chain.get().status == 200
    assert len(sts.requests) == calls + 1, "a new session"


def test_revoke_leaves_other_guests_sessions(aws, sts, broker):
    chain = aws
    assert chain.get().status == 200
    calls = len(sts.requests)
    done = broker.run("host", "revoke", "--shed", "other", env=broker.host_env())
    assert "forgot 0 AWS sessions" in done.stdout
    assert chain.get().status == 200 and len(sts.requests) == calls


def test_revoke_ends_what_a_person_granted(broker, agent, place, keys, closing):
    chain = Chain(broker, agent, place, ASK)
    approver = closing(Approver(place.run / "host" / "host-agent.sock"))

    def sign():
        answers = []
        thread = threading.Thread(target=lambda: answers.append(agent_wire.sign(chain.sock, keys["ed25519"].blob, b"d")))
        thread.start()
        return thread, answers
    thread, answers = sign()
    approver.answer(approver.wait_for("approval_request"), scope="per-shed", ttl="30m")
    thread.join()
    assert answers[0] is not None and agent_wire.sign(chain.sock, keys["ed25519"].blob, b"d") is not None
    assert "ended 1 grant," in chain.control("revoke", "--shed", "box").stdout
    thread, answers = sign()
    approver.answer(approver.wait_for("approval_request"), "deny")
    thread.join()
    assert answers == [None]


def test_aws_clients_are_told_of_the_pause(aws, broker):
    chain = aws
    broker.run("host", "pause", env=broker.host_env())
    refused = chain.get()
    assert refused.status == 403
    assert refused.json["Code"] == "HOST_PAUSED" and "shed-ext host resume" in refused.json["Message"]
    done = broker.run("aws-credential-process", env={"SHED_PUBLISH_URL": chain.bus.publish_url})
    assert done.status == 1 and done.stdout == "" and done.stderr.count("\n") == 1
    assert "HOST_PAUSED" in done.stderr and "shed-ext host resume" in done.stderr


def test_a_pull_without_a_login_goes_on_in_a_pause(start_docker, start_guest, store, broker):
    store.write({"auths": {"ghcr.io": {"auth": OWNER.auth}}})
    guest = start_guest(start_docker(docker_config("ghcr.io")))
    assert guest.helper("get", "ghcr.io").status == 0
    broker.run("host", "pause", env=broker.host_env())
    done = guest.helper("get", "ghcr.io")
    assert (done.status, done.stdout) == (1, NOT_FOUND)
    assert done.stderr.count("\n") == 1 and "HOST_PAUSED" in done.stderr and "shed-ext host resume" in done.stderr
