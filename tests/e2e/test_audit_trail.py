"""`shed-ext audit`: whether the log is as the host agent wrote it, and what it says."""

import json
import os
import signal
import stat

import pytest

from support import agent_wire
from support.broker import APPROVE_ALL, audit_records
from support.waiting import keep_away_from_midnight, wait_until


@pytest.fixture
def sign(broker, agent, keys):
    """sign(count): so many signatures through a new host agent, each one a line of the log."""
    def run(count=1, config=APPROVE_ALL):
        up = broker.start_up(agent.path, config=config)
        for _ in range(count):
            agent_wire.sign(up.sock, keys["ed25519"].blob, b"data")
        assert up.stop() == 0
        return up
    return run


def verify(broker, *arguments):
    return broker.run("audit", "verify", *arguments)


def assert_intact(broker, lines):
    done = verify(broker)
    assert (done.status, done.stderr) == (0, ""), done.stderr
    assert done.stdout.startswith(f"ok: {broker.place.audit_log}: as written since ")
    assert f": {lines} line" in done.stdout and done.stdout.count("\n") == 1


def assert_found(broker, sign, line, what):
    """Verify names the line, and still fails after the host agent has run again."""
    done = verify(broker)
    assert (done.status, done.stdout) == (1, "")
    assert done.stderr == f"shed-ext audit: {broker.place.audit_log}:{line}: {what}\n"
    sign()
    done = verify(broker)
    assert done.status == 1 and done.stderr.startswith(f"shed-ext audit: {broker.place.audit_log}")


def lines_of(log):
    return log.read_bytes().splitlines(keepends=True)


def test_a_log_that_nobody_touched_verifies(broker, sign):
    sign(3)
    assert_intact(broker, 3)
    sign(2)
    assert_intact(broker, 5)


def test_verify_works_while_the_host_agent_runs(broker, agent, keys):
    up = broker.start_up(agent.path)
    for count in range(1, 4):
        agent_wire.sign(up.sock, keys["ed25519"].blob, b"data")
        assert_intact(broker, count)


def test_the_log_itself_is_as_it_always_was(sign, place):
    sign(3)
    assert [dict(record)["op"] for record in audit_records(place.audit_log)] == ["sign"] * 3


def test_a_changed_byte_is_found(broker, sign, place):
    sign(4)
    lines = lines_of(place.audit_log)
    lines[1] = lines[1].replace(b'"result":"ok"', b'"result":"oK"')
    place.audit_log.write_bytes(b"".join(lines))
    assert_found(broker, sign, 2, "the line was changed")


def test_a_removed_line_is_found(broker, sign, place):
    sign(4)
    lines = lines_of(place.audit_log)
    place.audit_log.write_bytes(b"".join(lines[:2] + lines[3:]))
    assert_found(broker, sign, 3, "the line was removed")


def test_a_removed_tail_is_found(broker, sign, place):
    sign(4)
    place.audit_log.write_bytes(b"".join(lines_of(place.audit_log)[:2]))
    assert_found(broker, sign, 3, "lines 3 to 4 were removed from the end")


def test_an_inserted_line_is_found(broker, sign, place):
    sign(4)
    lines = lines_of(place.audit_log)
    place.audit_log.write_bytes(b"".join([*lines[:2], lines[0].replace(b"ok", b"denied"), *lines[2:]]))
    assert_found(broker, sign, 3, "the line was added")


def test_a_swapped_pair_is_found(broker, sign, place):
    sign(4)
    lines = lines_of(place.audit_log)
    lines[1], lines[2] = lines[2], lines[1]
    place.audit_log.write_bytes(b"".join(lines))
    assert_found(broker, sign, 2, "the line has changed places with line 3")


def test_a_replaced_file_is_found(broker, sign, place):
    sign(4)
    other = b"".join(line.replace(b"request_id", b"request-id") for line in lines_of(place.audit_log))
    place.audit_log.unlink()
    place.audit_log.write_bytes(other)
    assert_found(broker, sign, 1, "the file was replaced: nothing in it is what was written")


def test_what_was_found_is_kept_and_said(broker, sign, place):
    sign(3)
    changed = b"".join(lines_of(place.audit_log)[:1])
    place.audit_log.write_bytes(changed)
    up = sign()
    assert "the log was shorter than its chain" in up.stderr and "audit verify" in up.stderr
    assert (place.audit_log.parent / f"{place.audit_log.name}.1").read_bytes() == changed
    assert len(lines_of(place.audit_log)) == 1


def test_a_killed_host_agent_is_no_tampering(broker, agent, keys):
    for count in range(1, 5):
        up = broker.start_up(agent.path)
        assert agent_wire.sign(up.sock, keys["ed25519"].blob, b"data")
        os.kill(up.pid, signal.SIGKILL)
        up.program.process.wait()
        assert_intact(broker, count)


def test_a_line_that_was_cut_with_its_writer_is_ended_and_noted(broker, sign, place):
    """As a crash between the line and the head leaves them: the chain has announced a line that is half there."""
    sign(2)
    head = place.audit_log.with_name(f"{place.audit_log.name}.head")
    before = head.read_bytes()
    sign(1)
    head.write_bytes(before)
    os.truncate(place.audit_log, place.audit_log.stat().st_size - 30)
    assert verify(broker).status == 0
    sign(1)
    done = verify(broker)
    assert done.status == 0 and ":3: was cut short when its writer ended" in done.stderr
    assert len(lines_of(place.audit_log)) == 4


def test_two_host_agents_write_one_log(broker, agent, keys):
    both = [broker.start_up(agent.path) for _ in range(2)]
    for _ in range(10):
        for up in both:
            assert agent_wire.sign(up.sock, keys["ed25519"].blob, b"data")
    assert_intact(broker, 20)


def test_a_log_without_a_chain_is_neither_good_nor_changed(broker, place):
    place.audit_log.parent.mkdir(parents=True)
    place.audit_log.write_text("{}\n")
    done = verify(broker)
    assert done.status == 2 and "there is no chain beside it" in done.stderr


def test_a_log_from_before_there_was_a_chain_goes_on(broker, sign, place):
    place.audit_log.parent.mkdir(mode=0o700, parents=True)
    place.audit_log.write_text('{"ts":"2026-01-01T00:00:00Z"}\n' * 3)
    sign(2)
    done = verify(broker)
    assert done.status == 0 and ": 5 lines in 1 file" in done.stdout
    assert "the first 3 lines are older than the chain" in done.stderr


def test_a_chain_that_was_removed_is_said(broker, sign, place):
    sign(2)
    place.audit_log.with_name(f"{place.audit_log.name}.chain").unlink()
    done = verify(broker)
    assert done.status == 1 and "is missing" in done.stderr


def test_key_chain_and_head_are_for_their_owner_only(sign, place):
    sign()
    files = list(place.audit_log.parent.iterdir())
    name = place.audit_log.name
    assert {file.name for file in files} == {"audit-key", name, f"{name}.chain", f"{name}.head"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_key_that_others_can_read_refuses_every_operation(broker, sign, agent, keys, place):
    sign()
    (place.audit_log.parent / "audit-key").chmod(0o644)
    up = broker.start_up(agent.path)
    assert agent_wire.sign(up.sock, keys["ed25519"].blob, b"data") is None
    up.program.wait_for_stderr("audit-key: open to other users")


def test_the_log_is_the_one_of_the_configuration_or_the_one_that_is_named(broker, sign, place):
    config = f"{APPROVE_ALL}logging: {{ path: {place.work}/my.log }}\n"
    sign(2, config)
    path = place.config(config)
    assert f"ok: {place.work}/my.log: " in verify(broker).stdout
    path.unlink()
    assert verify(broker).status == 2
    assert f"ok: {place.work}/my.log: " in verify(broker, "--log", place.work / "my.log").stdout


def test_show_prints_columns_that_fit_and_the_records_themselves(broker, sign, place):
    sign(2)
    done = broker.run("audit", "show")
    title, *rows = done.stdout.splitlines()
    assert title.split() == ["TIME", "GUEST", "ASKED", "RESULT", "WHAT"]
    assert len(rows) == 2 and all("ssh sign" in row and " ok " in row and len(row) <= 80 for row in rows)
    assert len({row.index("ssh sign") for row in rows} | {title.index("ASKED")}) == 1
    assert broker.run("audit", "show", "--json").stdout == place.audit_log.read_text()


@pytest.mark.parametrize("option, value, count", [
    ("--since", "1h", 2), ("--since", "2100-01-01T00:00:00Z", 0), ("--shed", "local", 2), ("--shed", "other", 0),
    ("--ns", "ssh", 2), ("--ns", "aws-credentials", 0), ("--result", "ok", 2), ("--result", "denied", 0)])
def test_show_prints_what_is_asked_for(broker, sign, option, value, count):
    sign(2)
    done = broker.run("audit", "show", "--json", option, value)
    assert (done.status, done.stdout.count("\n")) == (0, count)


def test_a_hostile_name_moves_no_cursor(broker, place):
    place.audit_log.parent.mkdir(parents=True)
    record = {"ts": "2026-01-01T00:00:00Z", "shed": "\x1b[2J\n\u202e", "ns": "ssh-agent", "op": "\x1b]0;x\x07",
              "result": "ok", "reason": "\r\x9b1m"}
    place.audit_log.write_text(json.dumps(record) + "\nno record\n")
    for command in ("show", "summary"):
        done = broker.run("audit", command)
        assert done.status == 0 and "1 line is no record" in done.stderr
        assert not set(done.stdout) & {"\x1b", "\r", "\x07", "\x9b", "\u202e"}
        assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_follow_prints_what_comes(broker, sign, place):
    sign(1)
    follow = broker.start("audit", "follow", "--json")

    def followed():
        sign(1)
        return follow.stdout
    wait_until(followed, 20, "a line is followed")
    sign(3)
    wait_until(lambda: follow.stdout.endswith(b"".join(lines_of(place.audit_log)[-3:]).decode()), 10, "three more")
    assert place.audit_log.read_text().endswith(follow.stdout)
    follow.signal(signal.SIGTERM)  # SIGINT is ignored below a shell's background job
    follow.wait(5)


def test_summary_counts_by_guest_and_day(broker, sign):
    keep_away_from_midnight()
    sign(3)
    sign(1, "ssh: { approval: { policy: deny-all } }\n")
    lines = broker.run("audit", "summary").stdout.splitlines()
    assert lines[0].split() == ["GUEST", "ASKED", "OK", "DENIED", "ERROR", "ANONYMOUS"]
    assert lines[1].split() == ["local", "ssh", "3", "1", "0", "0"]
    assert lines[-1].split()[1:] == ["local", "#" * 30 + "x" * 10, "4"]


@pytest.mark.parametrize("arguments, words", [
    ([], "say what to do"), (["verfy"], "did you mean 'verify'?"),
    (["show", "--resutl", "ok"], "did you mean '--result'?"), (["show", "--result", "denid"], "did you mean 'denied'?"),
    (["show", "--since", "soon"], "neither a duration"),
    (["summary", "--ns", "shs"], "none of ssh-agent")])
def test_what_is_typed_wrongly_is_said(broker, arguments, words):
    done = broker.run("audit", *arguments)
    assert (done.status, done.stdout) == (2, "") and done.stderr.count("\n") == 1 and words in done.stderr
