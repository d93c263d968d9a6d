"""What goes wrong with AWS credentials, as the guest's client, the host's log and the audit log tell it."""

import json
import re
import socket
import threading

import pytest

from support.aws import aws_config, check_document
from support.sts_fake import OWNER, OWNER_SESSION, ROLE, Answer, date_header, error, in_, success
from support.waiting import Stopwatch, patience, wait_until

OTHER_ACCOUNT = "999988887777"
REQUEST_ID = "c6104cbe-af31-11e0-8154-cbc7ccf896c7"
DENIED = (f"User: arn:aws:iam::{OTHER_ACCOUNT}:user/owner-name is not authorized to perform: sts:AssumeRole on "
          f"resource: {ROLE}")
EXPIRED = "The security token included in the request is expired"


def check_refused(chain, status, code):
    """The only request is refused, recorded and told. Returns the error document and the host's log."""
    document = check_document(chain.get(), status, code)
    record = chain.record()
    assert (record["op"], record["result"], record["shed"], record["code"]) == ("get_credentials", "error", "web", code)
    assert record["reason"]
    return document, chain.host.stderr


# What STS says: answer -> status and code for the guest, requests that STS sees, what the host's log says.
STS_ERRORS = {
    "AccessDenied": (lambda p: error(403, "AccessDenied", DENIED), 403, "AccessDenied", 1, "trust policy"),
    "an expired source": (lambda p: error(403, "ExpiredToken", EXPIRED), 403, "ExpiredToken", 1, "refresh"),
    "an unknown key": (lambda p: error(403, "InvalidClientTokenId", "The security token is invalid."),
                       403, "InvalidClientTokenId", 1, "access key"),
    "a wrong secret": (lambda p: error(403, "SignatureDoesNotMatch", "The request signature does not match."),
                       403, "SignatureDoesNotMatch", 1, "secret"),
    "an unknown role": (lambda p: error(400, "ValidationError", f"{ROLE} is invalid"), 403, "ValidationError", 1,
                        "role"),
    "a policy that is too large": (lambda p: error(400, "PackedPolicyTooLarge", "Packed size is 120%"), 403,
                                   "PackedPolicyTooLarge", 1, "policy"),
    "a region that is off": (lambda p: error(403, "RegionDisabledException", "not activated"), 403,
                             "RegionDisabledException", 1, "IAM"),
    "throttled": (lambda p: error(400, "Throttling", "Rate exceeded"), 503, "Throttling", 3, "tried 3 times"),
    "throttled by status": (lambda p: Answer("slow down", 429), 503, "Throttling", 3, "429"),
    "an internal error": (lambda p: error(500, "InternalFailure", "sorry"), 503, "InternalFailure", 3, "500"),
    "unavailable": (lambda p: Answer("<html>busy</html>", 503), 503, "BadAnswer", 3, "503"),
}


@pytest.mark.parametrize("name", STS_ERRORS)
def test_what_sts_says_is_told_to_guest_and_owner(chain, sts, name):
    sts.answer, status, code, calls, remedy = STS_ERRORS[name]
    _, log = check_refused(chain, status, code)
    assert len(sts.requests) == calls
    assert code in log or "without an error document" in log
    assert remedy in log and ROLE in log
    if "<RequestId>" in sts.answer({}).body.decode():
        assert REQUEST_ID in log


def test_a_guest_learns_nothing_of_the_owners_account(chain, sts):
    sts.answer = lambda p: error(403, "AccessDenied", DENIED)
    document, log = check_refused(chain, 403, "AccessDenied")
    text = json.dumps(document)
    assert OTHER_ACCOUNT not in text and "owner-name" not in text and REQUEST_ID not in text
    assert ROLE in document["message"], "the role's own error is for the guest"
    assert OTHER_ACCOUNT in log


def test_a_retry_that_succeeds_is_a_success(chain, sts):
    answers = iter([error(500, "InternalFailure", "sorry"), error(400, "Throttling", "Rate exceeded")])
    sts.answer = lambda p: next(answers, None) or success(p)
    assert chain.get().status == 200
    assert len(sts.requests) == 3


GARBAGE = {
    "no XML": b"\x00\xff not XML <<<",
    "nothing": b"",
    "another document": b"<html><body>Welcome to the hotel's WiFi</body></html>",
    "JSON": b'{"Credentials":{}}',
    "half of it": success({"DurationSeconds": "3600", "RoleSessionName": "x", "RoleArn": ROLE}).body[:400],
    "no token": re.sub(rb"<SessionToken>.*?</SessionToken>", b"",
                       success({"DurationSeconds": "3600", "RoleSessionName": "x", "RoleArn": ROLE}).body),
    "an expiration that is no time": re.sub(rb"<Expiration>.*?</Expiration>", b"<Expiration>soon</Expiration>",
                                            success({"DurationSeconds": "3600", "RoleSessionName": "x",
                                                     "RoleArn": ROLE}).body),
    "too much": b"<AssumeRoleResponse>" + b"<a></a>" * 60_000,
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_no_answer(chain, sts, name):
    sts.answer = lambda p: Answer(GARBAGE[name])
    check_refused(chain, 503, "BadAnswer")


def test_a_session_that_is_over_already_is_not_handed_out(chain, sts):
    sts.answer = lambda p: success(p, in_(minutes=-1))
    _, log = check_refused(chain, 503, "BadAnswer")
    assert "clock" in log


@pytest.mark.parametrize("delta, words", [(dict(minutes=10), "behind"), (dict(minutes=-10), "ahead of")],
                         ids=["behind", "ahead"])
def test_a_clock_that_is_off_is_told_with_the_difference(chain, sts, delta, words):
    text = "Signature expired: 20261122T150000Z is now earlier than 20261122T151000Z (20261122T152500Z - 15 min.)"
    sts.answer = lambda p: error(403, "SignatureDoesNotMatch", text, headers=date_header(**delta))
    document, log = check_refused(chain, 403, "SignatureDoesNotMatch")
    assert "clock" in document["message"]
    assert re.search(rf"clock is (10m0s|10m|9m5\ds|10m\ds) {words}", log), log


def test_an_sts_that_hangs_is_503_within_three_seconds(chain, sts):
    release = threading.Event()

    def hang(parameters):
        answer = success(parameters)
        answer.release = release
        return answer
    sts.answer = hang
    watch = Stopwatch()
    document = check_document(chain.get(), 503, "TIMEOUT")
    assert watch.seconds < 3 + patience(2)
    assert "hint" in document
    # The request goes on, and what it brings is for the next who asks.
    release.set()
    wait_until(lambda: chain.ask({"operation": "status"}).get("cached_until"), 5, "the host has its answer")
    assert chain.get().status == 200
    assert len(sts.requests) == 1


def test_an_sts_that_nobody_runs_is_503(start_chain, aws_files):
    aws_files(f"[default]\n{OWNER.lines()}")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        chain = start_chain(f"http://127.0.0.1:{nobody.getsockname()[1]}", aws_config(ROLE))
        _, log = check_refused(chain, 503, "Unreachable")
    assert "connect" in log


def test_a_failure_is_remembered_for_a_moment(chain, sts):
    sts.answer = lambda p: error(403, "AccessDenied", DENIED)
    for _ in range(4):
        check_document(chain.get(), 403, "AccessDenied")
    assert len(sts.requests) == 1
    assert chain.host.stderr.count("AccessDenied") == 1, "one line, however often an SDK asks"


# The configuration.

@pytest.mark.parametrize("server, line", [
    (None, 'aws: { sheds: { web: { role: "arn:aws:iam::'),
    ("mini2", 'aws: { servers: { mini2: { sheds: { web: { role: "arn:aws:iam::'),
], ids=["one server", "a named server"])
def test_without_a_role_the_hosts_log_has_the_line_to_add(start_chain, sts, aws_files, server, line):
    aws_files(f"[default]\n{OWNER.lines()}")
    chain = start_chain(sts.url, aws_config(sheds=f'{{ other: {{ role: "{ROLE}" }} }}'), server=server)
    check_document(chain.get(), 403, "ROLE_NOT_FOUND")
    record = chain.record()
    assert (record["result"], record["code"]) == ("error", "ROLE_NOT_FOUND")
    assert line in chain.host.stderr
    assert sts.requests == []


def test_a_denial_is_recorded_and_remembered_in_the_guest(start_chain, sts, aws_files):
    aws_files(f"[default]\n{OWNER.lines()}")
    chain = start_chain(sts.url, aws_config(ROLE, "deny-all"))
    for _ in range(3):
        document = check_document(chain.get(), 403, "POLICY_DENIED")
        assert document["error"] == "approval denied"
    record = chain.record()
    assert (record["result"], record["approval"]) == ("denied", "deny-all")
    assert sts.requests == []


def test_an_omitted_policy_denies_and_names_the_line_to_add(start_chain, sts, aws_files):
    aws_files(f"[default]\n{OWNER.lines()}")
    chain = start_chain(sts.url, f"aws: {{ default_role: '{ROLE}' }}\n")
    chain.host.wait_for_stderr("aws.approval.policy is not set")
    assert "aws: { approval: { policy: approve-all } }" in chain.host.stderr
    check_document(chain.get(), 403, "POLICY_DENIED")


def test_the_bus_has_the_code_that_existing_guests_know(chain, sts):
    sts.answer = lambda p: error(403, "AccessDenied", DENIED)
    answer = chain.ask({"operation": "get_credentials"})
    assert (answer["error"], answer["code"], answer["reason_code"]) == (
        "credential request failed", "ASSUME_ROLE_FAILED", "AccessDenied")


# The owner's profiles.

PROFILES = {
    "no file at all": (None, None, "SourceProfile", ["default", "aws configure"]),
    "a missing profile": ("[defualt]\naws_access_key_id = x\n", None, "SourceProfile", ["default", "defualt"]),
    "a loop": (None, "[default]\nrole_arn = {role}\nsource_profile = a\n\n[profile a]\nrole_arn = {role}\n"
                     "source_profile = default\n", "SourceProfile", ["loop", "config:7"]),
    "a source that is missing": (None, "[default]\nrole_arn = {role}\nsource_profile = gone\n", "SourceProfile",
                                 ["gone", "config:3"]),
    "a line that is none": ("[default]\naws_access_key_id = x\nwhat is this\n", None, "SourceProfile",
                            ["credentials:3"]),
    "a section without its end": ("[default\naws_access_key_id = x\n", None, "SourceProfile", ["credentials:1"]),
    "half a key": (f"[default]\naws_access_key_id = {OWNER.access_key_id}\n", None, "SourceProfile",
                   ["credentials:2", "aws_secret_access_key"]),
    "an expired session": (f"[default]\n{OWNER_SESSION.lines()}aws_session_expiration = 2020-01-01T00:00:00Z\n", None,
                           "SourceExpired", ["2020-01-01T00:00:00Z"]),
    "an MFA device": (None, "[default]\nrole_arn = {role}\nsource_profile = a\nmfa_serial = arn:aws:iam::1:mfa/me\n"
                            "[profile a]\nregion = us-east-1\n", "SourceProfile", ["mfa_serial", "config:4"]),
    "a program that is missing": (None, "[default]\ncredential_process = /nowhere/program\n", "SourceProgram",
                                  ["/nowhere/program", "config:2"]),
}


def check_source_refused(chain, status, code, words):
    document, log = check_refused(chain, status, code)
    for word in words:
        assert word in log, log
        assert word not in document["message"], "the owner's files are no affair of the guest"


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_that_cannot_be_used_is_named_with_file_and_line(start_chain, sts, aws_files, name):
    credentials, config, code, words = PROFILES[name]
    aws_files(credentials, config.format(role=ROLE) if config else None)
    chain = start_chain(sts.url, aws_config(ROLE, source_profile="default"))
    check_source_refused(chain, 403, code, words)
    assert sts.requests == []


@pytest.fixture
def start_with_program(start_chain, sts, aws_files, place):
    """The chain with a credential_process: a shell script with this text."""
    def start(text):
        program = place.work / "vault"
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o700)
        aws_files("", f"[default]\nregion = us-east-1\ncredential_process = {program} --for me\n")
        return start_chain(sts.url, aws_config(ROLE))
    return start


def test_a_program_that_fails_is_named_with_its_last_line(start_with_program):
    chain = start_with_program("echo 'cannot reach the vault' >&2; exit 3")
    check_source_refused(chain, 503, "SourceProgram", ["config:3", "exit code 3", "cannot reach the vault"])


@pytest.mark.parametrize("text", ["echo 'no JSON'", "true", "echo '{\"Version\":2}'", "echo '{\"Version\":1}'",
                                  "head -c 100000 /dev/zero"],
                         ids=["no JSON", "nothing", "another version", "no keys", "too much"])
def test_a_program_that_prints_garbage_is_named(start_with_program, text):
    check_source_refused(start_with_program(text), 403, "BadAnswer", ["config:3"])


def test_secrets_that_a_failing_program_prints_are_in_no_log(start_with_program):
    """The fixture looks for them at the end."""
    chain = start_with_program(f"echo '{OWNER.process_document}'; echo 'secret: {OWNER.secret_access_key}' >&2; exit 1")
    check_source_refused(chain, 503, "SourceProgram", ["exit code 1"])


def test_a_program_that_hangs_holds_up_nobody_for_long(start_with_program, place):
    chain = start_with_program(f"echo $$ >{place.work}/pid; exec sleep 100")
    watch = Stopwatch()
    check_document(chain.get(), 503, "TIMEOUT")
    assert watch.seconds < 3 + patience(2)
    assert chain.ask({"operation": "ping"})["status"] == "ok"
    assert chain.host.terminate() == 0
    pid = int((place.work / "pid").read_text())
    wait_until(lambda: not is_running(pid), 5, "the program ended with the host agent")


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False
