"""`shed-ext up` with a role: the AWS CLI works in it, and the owner's files and keys are out of its reach."""

import json
import os
import re

import pytest

from support.aws import aws_config
from support.clients import CLIENT_ENVIRONMENT
from support.sts_fake import GUEST, OWNER, ROLE, SECRETS

NOBODY = 65534


@pytest.fixture
def path(clients):
    """PATH with the AWS CLI in it."""
    return f"{clients.aws.parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


def as_somebody_else(credentials, *command):
    """The command, with the owner's files unreadable for it: 99 where they can be read. Root becomes another user;
    anybody else takes the file away once the host agent has used it."""
    proof = f"cat '{credentials}' >/dev/null 2>&1 && exit 99; exec \"$@\""
    if os.geteuid() == 0:
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                "sh", "-c", proof, "sh", *command]
    return ["sh", "-c", f"\"$@\" >/dev/null && chmod 000 '{credentials}'; {proof}", "sh", *command]


@pytest.mark.release  # the CLI is slow, and the same
def test_the_cli_has_the_role_while_the_owners_files_are_unreadable_for_it(broker, moto, owner, aws_files, path):
    folder = aws_files(owner.credentials_file)
    moto.demand_signatures()
    command = as_somebody_else(folder / "credentials", "aws", "sts", "get-caller-identity")
    done = broker.run_up(*command, agent=None, config=aws_config(owner.role_arn),
                         env={"PATH": path, "AWS_ENDPOINT_URL_STS": moto.url, **CLIENT_ENVIRONMENT})
    assert done.status == 0, done.stderr
    assert re.fullmatch(r"arn:aws:sts::123456789012:assumed-role/web/shed-local-\d+", json.loads(done.stdout)["Arn"])
    assert len(moto.calls("AssumeRole")) == 1


@pytest.fixture
def up(broker, sts, aws_files):
    """Runs a command in `up` with a role from the scriptable STS."""
    aws_files(f"[default]\n{OWNER.lines()}", "[default]\nregion = eu-central-1\n")

    def run(*command, config=aws_config(ROLE), **env):
        done = broker.run_up(*command, agent=None, config=config, env={"AWS_ENDPOINT_URL_STS": sts.url, **env})
        assert not any(secret in done.stderr for secret in SECRETS)
        return done
    return run


# Any user's process may reach a port of loopback; the token is what it does not have.
ASK = 'import os, sys, urllib.request as u\n' \
      'r = u.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])\n' \
      't = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"] if len(sys.argv) < 2 else sys.argv[1]\n' \
      't and r.add_header("Authorization", t)\n' \
      'try: print(u.urlopen(r).read().decode())\n' \
      'except u.HTTPError as e: print(e.code); sys.exit(1)\n'


def test_the_command_is_led_to_the_endpoint_with_a_token(up):
    done = up("/usr/bin/python3", "-c", ASK)
    assert done.status == 0, done.stderr
    credentials = json.loads(done.stdout)
    assert (credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["Token"]) == (
        GUEST.access_key_id, GUEST.secret_access_key, GUEST.session_token)


@pytest.mark.parametrize("token, status", [("", "401"), ("x", "403")], ids=["no token", "a wrong token"])
def test_without_the_token_there_are_no_credentials(up, sts, token, status):
    assert up("/usr/bin/python3", "-c", ASK, token).stdout.strip() == status
    assert sts.requests == []


def environment_of(done):
    assert done.status == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_what_outranks_the_endpoint_is_not_in_the_commands_environment(up):
    outranking = {"AWS_ACCESS_KEY_ID": OWNER.access_key_id, "AWS_SECRET_ACCESS_KEY": OWNER.secret_access_key,
                  "AWS_SESSION_TOKEN": "token", "AWS_SECURITY_TOKEN": "token", "AWS_PROFILE": "default",
                  "AWS_DEFAULT_PROFILE": "default", "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere",
                  "AWS_ROLE_ARN": ROLE, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2"}
    env = environment_of(up("env", **outranking))
    assert not outranking.keys() & env.keys()


def test_the_owners_files_are_not_what_the_command_is_shown(up):
    done = up("sh", "-c", 'env; cat "$AWS_CONFIG_FILE" "$AWS_SHARED_CREDENTIALS_FILE"')
    env = environment_of(done)
    assert OWNER.access_key_id not in done.stdout
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        assert "/.aws/" not in env[name]


def test_the_region_of_the_owners_profile_is_kept(up):
    assert environment_of(up("env"))["AWS_REGION"] == "eu-central-1"
    assert environment_of(up("env", AWS_REGION="ap-south-1"))["AWS_REGION"] == "ap-south-1"


@pytest.mark.parametrize("config", ["ssh: { approval: { policy: approve-all } }\n", aws_config()],
                         ids=["no aws section", "no role"])
def test_without_a_role_the_commands_aws_settings_are_its_own(up, config):
    env = environment_of(up("env", config=config, AWS_PROFILE="mine"))
    assert env["AWS_PROFILE"] == "mine"
    assert not any(name.startswith("AWS_CONTAINER") for name in env)


def test_nothing_is_left_of_it_afterwards(up, place):
    env = environment_of(up("env"))
    assert not os.path.exists(env["AWS_CONFIG_FILE"])
    assert [path.name for path in place.run.iterdir()] in ([], ["shed"])
