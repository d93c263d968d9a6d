"""The audit log: a record before every answer, nothing without a record."""

import os
import re
import resource
import signal
import stat

import pytest

from support import agent_wire
from support.broker import APPROVE_ALL, audit_records
from support.keys import KINDS
from support.waiting import wait_until

FIELDS = ["ts", "server", "shed", "ns", "op", "result", "detail", "code", "reason", "approval", "decided_by", "scope",
          "ttl"]
OUR_FIELDS = {"key", "subject", "proof", "rule", "request_id", "duration_us"}


def only_record(path, operation):
    (record,) = [record for record in audit_records(path) if dict(record)["op"] == operation]
    return record


def test_a_signature_is_recorded_with_its_key_before_it_is_returned(broker, agent, keys, place):
    up = broker.start_up(agent.path)
    assert agent_wire.sign(up.sock, keys["ed25519"].blob, b"data")
    record = dict(only_record(place.audit_log, "sign"))
    assert (record["ns"], record["result"], record["detail"]) == ("ssh-agent", "ok", "ssh-ed25519")
    assert record["key"] == keys["ed25519"].fingerprint
    assert record["approval"] in ("approve-all", "none")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", record["ts"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_detail_of_a_signature_is_the_type_of_the_key(broker, agent, keys, place, kind):
    up = broker.start_up(agent.path)
    agent_wire.sign(up.sock, keys[kind].blob, b"data")
    assert dict(only_record(place.audit_log, "sign"))["detail"] == keys[kind].type


def test_a_list_is_recorded_with_the_number_of_keys(broker, agent, keys, place):
    up = broker.start_up(agent.path)
    agent_wire.identities(up.sock)
    assert dict(audit_records(place.audit_log)[-1])["detail"] == f"{len(keys)} keys"


def test_fields_are_in_the_order_of_the_protocol_and_ours_come_after_them(broker, agent, keys, place):
    up = broker.start_up(agent.path)
    agent_wire.sign(up.sock, keys["ed25519"].blob, b"data")
    names = [name for name, _ in only_record(place.audit_log, "sign")]
    theirs = [name for name in names if name in FIELDS]
    assert theirs == sorted(theirs, key=FIELDS.index) and names[:len(theirs)] == theirs
    assert set(names[len(theirs):]) <= OUR_FIELDS
    assert {"ts", "shed", "ns", "op", "result"} <= set(theirs)


def test_empty_fields_are_absent(broker, agent, keys, place):
    up = broker.start_up(agent.path)
    agent_wire.sign(up.sock, keys["ed25519"].blob, b"data")
    assert "" not in [value for name, value in only_record(place.audit_log, "sign") if name != "shed"]


def test_file_and_folder_are_for_their_owner_only(broker, agent, place):
    agent_wire.identities(broker.start_up(agent.path).sock)
    assert stat.S_IMODE(place.audit_log.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.audit_log.parent.stat().st_mode) == 0o700


def test_a_second_run_appends(broker, agent, place):
    for _ in range(2):
        broker.run_up("ssh-add", "-l", agent=agent.path)
    operations = [dict(record)["op"] for record in audit_records(place.audit_log)]
    assert operations.count("list") == 2


def test_many_signatures_at_once_are_whole_records(broker, agent, keys, place, programs):
    up = broker.start_up(agent.path)
    runs = [programs.start(["ssh-add", "-T", keys["ed25519"].public], place.env(up.sock)) for _ in range(20)]
    assert [run.wait() for run in runs] == [0] * 20
    signed = [record for record in map(dict, audit_records(place.audit_log)) if record["op"] == "sign"]
    assert len(signed) == 20


def test_a_login_is_recorded_with_its_destination(broker, agent, sshd, place):
    assert broker.run_up(*sshd.ssh("true"), agent=agent.path).status == 0
    record = dict([record for record in audit_records(place.audit_log) if dict(record)["op"] == "sign"][-1])
    assert record["result"] == "ok"
    assert record["subject"].startswith(f"login {sshd.user}@") and record["proof"] == "verified"


def refuses(broker, agent, keys, config):
    """True when a signature is refused with this configuration and the operator is told."""
    up = broker.start_up(agent.path, config=config)
    refused = agent_wire.sign(up.sock, keys["ed25519"].blob, b"data") is None
    up.program.wait_for_stderr("audit")
    return refused


def test_a_log_below_a_regular_file_refuses_the_operation(broker, agent, keys, place):
    (place.work / "file").write_text("not a folder")
    assert refuses(broker, agent, keys, f"{APPROVE_ALL}logging: {{ path: {place.work}/file/audit.log }}\n")
    assert (place.work / "file").read_text() == "not a folder"


def test_a_log_that_is_a_folder_refuses_the_operation(broker, agent, keys, place):
    (place.work / "audit.log").mkdir()
    assert refuses(broker, agent, keys, f"{APPROVE_ALL}logging: {{ path: {place.work}/audit.log }}\n")


def test_a_full_disk_refuses_the_operation(broker, agent, keys):
    before = stat.S_IMODE(os.stat("/dev/full").st_mode)
    try:
        assert refuses(broker, agent, keys, f"{APPROVE_ALL}logging: {{ path: /dev/full }}\n")
        assert stat.S_IMODE(os.stat("/dev/full").st_mode) == before, "a device's mode is not ours to change"
    finally:
        if stat.S_IMODE(os.stat("/dev/full").st_mode) != before:
            os.chmod("/dev/full", before)


def test_a_disk_that_fills_up_later_refuses_from_then_on_and_works_again_with_room(broker, agent, keys, place):
    """A limit on the size of files is a disk that fills up: writes fail, in part or whole."""
    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16 * 1024, resource.RLIM_INFINITY))
    up = broker.start_up(agent.path, preexec_fn=small_files, restore_signals=False)

    def sign():
        return agent_wire.sign(up.sock, keys["ed25519"].blob, b"data") is not None
    signed = 0
    while sign():
        signed += 1
        assert signed < 1000, "the limit was never reached"
    assert signed > 0
    up.program.wait_for_stderr("audit")
    whole = place.audit_log.read_text()
    records = [line for line in whole.splitlines() if line.startswith("{") and line.endswith("}")]
    assert sum('"sign"' in line and '"ok"' in line for line in records) >= signed
    resource.prlimit(up.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_until(sign, 3, "signing works again")
    assert place.audit_log.read_text().endswith("}\n")


def test_a_guest_is_told_that_the_audit_log_is_the_reason(broker, agent, place):
    (place.work / "file").write_text("")
    up = broker.start_up(agent.path, config=f"{APPROVE_ALL}logging: {{ path: {place.work}/file/audit.log }}\n")
    answer = up.ask({"operation": "list"})
    assert answer["code"] and "audit" in answer["error"] + answer.get("reason_code", "").lower()


def test_no_log_is_an_explicit_choice_and_is_said(broker, agent, place):
    up = broker.start_up(agent.path, config=f"{APPROVE_ALL}logging: {{ enabled: false }}\n")
    up.program.wait_for_stderr("(audit|logging).*(off|disabled|enabled: false)")
    assert agent_wire.identities(up.sock) != []
    assert not place.audit_log.exists()
