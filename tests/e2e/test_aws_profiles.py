"""Where the owner's own credentials come from, and what the configuration makes of a session."""

import contextlib
import json
import re

import pytest

from support.aws import aws_config, seconds_left
from support.sts_fake import GUEST, OWNER, OWNER_SESSION, ROLE, SECRETS, Key, in_, success, timestamp

MIDDLE = "arn:aws:iam::123456789012:role/middle"


def signed_with(sts):
    """The access key id of each request that STS got."""
    return [re.search(r"Credential=([^/]+)/", headers["Authorization"])[1] for headers, _ in sts.raw]


def assert_has_role(chain, sts, key=OWNER):
    """The guest has a session of the role, which was asked for with this key."""
    answer = chain.get()
    assert answer.status == 200, f"{answer}\n{chain.host.stderr}"
    assert answer.json["AccessKeyId"] == GUEST.access_key_id
    assert signed_with(sts)[-1] == key.access_key_id
    assert sts.requests[-1]["RoleArn"] == ROLE


# Sources.

def test_keys_of_the_config_file(start_chain, sts, aws_files):
    aws_files(None, f"[profile work]\n{OWNER.lines()}")
    assert_has_role(start_chain(sts.url, aws_config(ROLE, source_profile="work")), sts)


def test_the_credentials_file_wins_key_by_key(start_chain, sts, aws_files):
    aws_files(f"[default]\n{OWNER.lines()}", f"[default]\nregion = eu-west-3\n{Key('AKIAOTHER', 'other').lines()}")
    assert_has_role(start_chain(sts.url, aws_config(ROLE), env={"AWS_REGION": ""}), sts)
    assert "/eu-west-3/sts/" in sts.raw[0][0]["Authorization"]


def test_files_that_the_environment_names(start_chain, sts, place):
    (place.work / "keys").write_text(f"[default]\n{OWNER.lines()}")
    env = {"AWS_SHARED_CREDENTIALS_FILE": place.work / "keys", "AWS_CONFIG_FILE": place.work / "missing"}
    assert_has_role(start_chain(sts.url, aws_config(ROLE), env=env), sts)


def test_keys_of_the_environment(start_chain, sts):
    env = {"AWS_ACCESS_KEY_ID": OWNER.access_key_id, "AWS_SECRET_ACCESS_KEY": OWNER.secret_access_key}
    assert_has_role(start_chain(sts.url, aws_config(ROLE), env=env), sts)


def test_a_profile_that_the_configuration_names_outranks_the_environment(start_chain, sts, aws_files):
    aws_files(f"[work]\n{OWNER.lines()}")
    env = {"AWS_ACCESS_KEY_ID": "AKIAOTHER", "AWS_SECRET_ACCESS_KEY": "other"}
    assert_has_role(start_chain(sts.url, aws_config(ROLE, source_profile="work"), env=env), sts)


def test_the_profile_of_the_environment(start_chain, sts, aws_files):
    aws_files(f"[work]\n{OWNER.lines()}")
    assert_has_role(start_chain(sts.url, aws_config(ROLE), env={"AWS_PROFILE": "work"}), sts)


def test_session_credentials_sign_with_their_token(start_chain, sts, aws_files):
    aws_files(f"[default]\n{OWNER_SESSION.lines()}")
    assert_has_role(start_chain(sts.url, aws_config(ROLE)), sts, OWNER_SESSION)
    assert sts.raw[0][0]["X-Amz-Security-Token"] == OWNER_SESSION.session_token


def test_a_chain_of_roles(start_chain, sts, aws_files):
    aws_files(f"[base]\n{OWNER.lines()}",
              f"[default]\nrole_arn = {MIDDLE}\nsource_profile = base\nrole_session_name = me\nexternal_id = abc\n"
              "duration_seconds = 900\n")
    sts.answer = lambda parameters: success(parameters, key=OWNER_SESSION if parameters["RoleArn"] == MIDDLE else GUEST)
    assert_has_role(start_chain(sts.url, aws_config(ROLE)), sts, OWNER_SESSION)
    assert signed_with(sts) == [OWNER.access_key_id, OWNER_SESSION.access_key_id]
    first = sts.requests[0]
    assert (first["RoleArn"], first["RoleSessionName"], first["ExternalId"], first["DurationSeconds"]) == (
        MIDDLE, "me", "abc", "900")


def test_a_chain_of_roles_in_moto(start_chain, moto, owner, aws_files):
    """With signatures, trust and permissions checked at each step."""
    middle = moto.make_role("middle", f"arn:aws:iam::123456789012:user/{owner.user}")
    moto.allow_role("middle", "sts:AssumeRole")
    end = moto.make_role("end", "arn:aws:sts::123456789012:assumed-role/middle/me")
    aws_files(f"[base]\n{owner.credentials_file.partition(']')[2]}",
              f"[default]\nrole_arn = {middle}\nsource_profile = base\nrole_session_name = me\n")
    start_chain.secrets.append(owner.secret_access_key)
    moto.demand_signatures()
    chain = start_chain(moto.url, aws_config(end))
    assert chain.get().status == 200, chain.host.stderr
    assert [call["RoleArn"] for call in moto.calls("AssumeRole")] == [middle, end]


def test_a_role_with_the_keys_of_the_environment(start_chain, sts, aws_files):
    aws_files(None, f"[profile work]\nrole_arn = {MIDDLE}\ncredential_source = Environment\n")
    sts.answer = lambda parameters: success(parameters, key=OWNER_SESSION if parameters["RoleArn"] == MIDDLE else GUEST)
    env = {"AWS_ACCESS_KEY_ID": OWNER.access_key_id, "AWS_SECRET_ACCESS_KEY": OWNER.secret_access_key}
    assert_has_role(start_chain(sts.url, aws_config(ROLE, source_profile="work"), env=env), sts, OWNER_SESSION)


@pytest.mark.parametrize("key", [OWNER, OWNER_SESSION], ids=["keys", "a session"])
def test_a_credential_process(start_chain, sts, aws_files, place, key):
    (place.work / "document").write_text(key.process_document)
    aws_files(None, f'[default]\ncredential_process = cat "{place.work}/document"\n')
    assert_has_role(start_chain(sts.url, aws_config(ROLE)), sts, key)


LOGINS = {
    "a web identity": f"[profile work]\nrole_arn = {MIDDLE}\nweb_identity_token_file = /nowhere/token\n",
    "single sign-on": "[profile work]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\n\n"
                      "[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.invalid/start\n",
    "older single sign-on": "[profile work]\nsso_start_url = https://corp.invalid/start\nsso_region = us-east-1\n"
                            "sso_account_id = 123456789012\nsso_role_name = Dev\n",
    "a login": "[profile work]\nlogin_session = arn:aws:sts::123456789012:assumed-role/dev/me\n",
}


@pytest.fixture
def aws_command(place):
    """aws_command(script): a fake `aws` in PATH; returns the environment and the file with the arguments it got."""
    def make(script):
        folder = place.work / "bin"
        folder.mkdir()
        (folder / "aws").write_text(f"#!/bin/sh\necho \"$@\" >>'{place.work}/arguments'\n{script}\n")
        (folder / "aws").chmod(0o700)
        return {"PATH": f"{folder}:/usr/bin:/bin"}, place.work / "arguments"
    return make


@pytest.mark.parametrize("login", LOGINS)
def test_what_only_the_aws_command_knows_is_asked_from_it(start_chain, sts, aws_files, aws_command, login):
    env, arguments = aws_command(f"echo '{OWNER_SESSION.process_document}'")
    aws_files(None, LOGINS[login])
    assert_has_role(start_chain(sts.url, aws_config(ROLE, source_profile="work"), env=env), sts, OWNER_SESSION)
    assert arguments.read_text() == "configure export-credentials --profile work --format process\n"


def test_a_login_that_is_over_is_told_with_what_the_aws_command_said(start_chain, sts, aws_files, aws_command):
    env, _ = aws_command("echo 'The SSO session has expired. Run aws sso login' >&2; exit 255")
    aws_files(None, LOGINS["single sign-on"])
    chain = start_chain(sts.url, aws_config(ROLE, source_profile="work"), env=env)
    answer = chain.get()
    assert (answer.status, answer.json["code"]) == (503, "SourceProgram")
    assert "aws sso login" in chain.host.stderr and "config:2" in chain.host.stderr
    assert sts.requests == []


# The session.

def test_the_session_is_named_after_server_and_shed_and_the_time(start_chain, sts, aws_files):
    aws_files(f"[default]\n{OWNER.lines()}")
    assert_has_role(start_chain(sts.url, aws_config(ROLE), server="mini2", shed="my-shed"), sts)
    name = sts.requests[0]["RoleSessionName"]
    assert re.fullmatch(r"shed-mini2-my-shed-\d{10}", name)


def test_a_long_name_is_made_valid_for_sts(start_chain, sts, aws_files):
    aws_files(f"[default]\n{OWNER.lines()}")
    assert_has_role(start_chain(sts.url, aws_config(ROLE), server="s" * 40, shed="x/y" + "z" * 40), sts)
    name = sts.requests[0]["RoleSessionName"]
    assert re.fullmatch(r"shed-[\w+=,.@-]+-\d{10}", name) and len(name) <= 64


def test_what_the_configuration_says_of_the_session_is_asked_for(start_chain, sts, aws_files):
    aws_files(f"[default]\n{OWNER.lines()}")
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}'
    config = aws_config(ROLE, session_duration="2h", external_id="an-id", source_identity="me",
                        policy=f"'{policy}'", policy_arns='["arn:aws:iam::aws:policy/ReadOnlyAccess"]',
                        tags="{ project: demo }")
    assert_has_role(start_chain(sts.url, config), sts)
    asked = sts.requests[0]
    assert (asked["DurationSeconds"], asked["ExternalId"], asked["SourceIdentity"], json.loads(asked["Policy"])) == (
        "7200", "an-id", "me", json.loads(policy))
    assert asked["PolicyArns.member.1.arn"] == "arn:aws:iam::aws:policy/ReadOnlyAccess"
    assert (asked["Tags.member.1.Key"], asked["Tags.member.1.Value"]) == ("project", "demo")


def test_what_is_said_of_one_shed_wins(start_chain, sts, aws_files):
    aws_files(f"[default]\n{OWNER.lines()}")
    config = aws_config("arn:aws:iam::123456789012:role/other", session_duration="2h",
                        servers=f'{{ mini2: {{ session_duration: 30m, sheds: {{ web: {{ role: "{ROLE}" }} }} }} }}')
    assert_has_role(start_chain(sts.url, config, server="mini2"), sts)
    assert sts.requests[0]["DurationSeconds"] == "1800"


def test_a_temporary_source_gets_an_hour_at_most_which_is_said_once(start_chain, sts, aws_files):
    aws_files(f"[default]\n{OWNER_SESSION.lines()}")
    # Shorter than the margin, so that each request is one to STS.
    sts.answer = lambda parameters: success(parameters, in_(seconds=30))
    chain = start_chain(sts.url, aws_config(ROLE, session_duration="12h"))
    assert_has_role(chain, sts, OWNER_SESSION)
    assert_has_role(chain, sts, OWNER_SESSION)
    assert {request["DurationSeconds"] for request in sts.requests} == {"3600"}
    assert len(re.findall("session_duration.*1h", chain.host.stderr)) == 1


def test_a_session_is_kept_and_its_end_is_in_status_and_audit_log(chain, sts):
    expiration = in_(minutes=50)
    sts.answer = lambda parameters: success(parameters, expiration)
    assert chain.ask({"operation": "status"}) == {"connected": True, "role": ROLE}
    answers = [chain.get().json for _ in range(5)]
    assert all(answer == answers[0] for answer in answers) and len(sts.requests) == 1
    assert answers[0]["Expiration"] == timestamp(expiration)
    assert answers[0]["AccountId"] == "123456789012"
    assert chain.ask({"operation": "status"}) == {"connected": True, "role": ROLE,
                                                  "cached_until": timestamp(expiration)}
    assert [(record["op"], record["result"], record["detail"], record["approval"]) for record in chain.records()] == [
        ("get_credentials", "ok", f"expires:{expiration:%H:%M}", "approve-all")] * 5


def test_nothing_is_written_to_disk(chain, place):
    assert chain.get().status == 200
    for path in place.root.rglob("*"):
        if path.is_file() and path.parent.name != ".aws":
            with contextlib.suppress(FileNotFoundError):  # a status that was just replaced
                assert not any(secret.encode() in path.read_bytes() for secret in SECRETS), path


# Passthrough.

@pytest.fixture
def passthrough(start_chain, sts, aws_files):
    """The chain that hands out the session of a profile."""
    def start(credentials, config=None, **more):
        aws_files(credentials, config)
        return start_chain(sts.url, aws_config(mode="passthrough", source_profile="work"), **more)
    return start


def test_passthrough_hands_out_the_profiles_own_session(passthrough, sts):
    end = timestamp(in_(minutes=40))
    chain = passthrough(f"[work]\n{OWNER_SESSION.lines()}aws_session_expiration = {end}\n")
    answer = chain.get()
    assert answer.status == 200, chain.host.stderr
    assert (answer.json["AccessKeyId"], answer.json["SecretAccessKey"], answer.json["Token"]) == (
        OWNER_SESSION.access_key_id, OWNER_SESSION.secret_access_key, OWNER_SESSION.session_token)
    assert answer.json["Expiration"] == end
    assert chain.ask({"operation": "status"})["role"] == "passthrough:work"
    assert sts.requests == []


def test_passthrough_reads_the_profile_anew_each_time(passthrough, place):
    chain = passthrough(f"[work]\n{OWNER_SESSION.lines()}")
    assert chain.get().json["AccessKeyId"] == OWNER_SESSION.access_key_id
    (place.home / ".aws/credentials").write_text(f"[work]\n{GUEST.lines()}")
    assert chain.get().json["AccessKeyId"] == GUEST.access_key_id


def test_passthrough_without_a_known_end_gives_sdks_a_short_one(passthrough):
    chain = passthrough(f"[work]\n{OWNER_SESSION.lines()}")
    assert 0 < seconds_left(chain.get().json["Expiration"]) <= 3600
    assert chain.record()["detail"] == "expires:none"


def test_long_lived_keys_never_leave_the_host(passthrough, sts):
    chain = passthrough(f"[work]\n{OWNER.lines()}")
    answer = chain.get()
    assert (answer.status, answer.json["code"]) == (403, "LongLivedKeys")
    assert OWNER.secret_access_key.encode() not in answer.body
    assert "session token" in chain.host.stderr
    assert chain.record()["result"] == "error"


def test_a_session_that_is_over_is_not_handed_out(passthrough):
    chain = passthrough(f"[work]\n{OWNER_SESSION.lines()}x_security_token_expires = 2020-01-01T00:00:00+00:00\n")
    answer = chain.get()
    assert (answer.status, answer.json["code"]) == (403, "SourceExpired")
