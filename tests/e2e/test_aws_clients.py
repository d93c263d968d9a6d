"""The AWS SDKs and the CLI, through the endpoint and through credential_process, against moto."""

import re

import pytest

from support.clients import CLIENT_ENVIRONMENT, NAMES

# The SDKs are what is slow here, and the broker is the same for each: once is enough.
pytestmark = pytest.mark.release


@pytest.fixture
def guest(place, moto):
    """The environment of a client in the guest, which has no AWS files of its own."""
    home = place.root / "guest"
    home.mkdir()
    return {**place.env(), "HOME": str(home), "AWS_ENDPOINT_URL_STS": moto.url, **CLIENT_ENVIRONMENT}


def assumed_role(owner):
    account, role = re.fullmatch(r"arn:aws:iam::(\d+):role/(.+)", owner.role_arn).groups()
    return rf"arn:aws:sts::{account}:assumed-role/{role}/shed-web-\d+\n"


def check(done, owner):
    assert done.status == 0, done.stderr
    assert re.fullmatch(assumed_role(owner), done.stdout), done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_client_gets_its_credentials_from_the_endpoint(clients, programs, moto_chain, moto, owner, guest, name):
    moto.demand_signatures()
    env = {**guest, "AWS_CONTAINER_CREDENTIALS_FULL_URI": moto_chain.endpoint.url}
    check(programs.run(clients.command(name), env), owner)
    assert len(moto.calls("AssumeRole")) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_client_gets_its_credentials_from_credential_process(clients, programs, moto_chain, moto, owner, guest,
                                                               place, binary, name):
    moto.demand_signatures()
    config = place.root / "guest-config"
    config.write_text("[default]\ncredential_process = "
                      f"{binary} aws-credential-process --publish-url {moto_chain.bus.publish_url}\n")
    check(programs.run(clients.command(name), {**guest, "AWS_CONFIG_FILE": str(config)}), owner)
    assert len(moto.calls("AssumeRole")) == 1


@pytest.fixture
def token_chain(start_chain, moto, owner, aws_files, place):
    """An endpoint that demands the token in `place.run/token`."""
    aws_files(owner.credentials_file)
    start_chain.secrets.append(owner.secret_access_key)
    config = f"aws: {{ approval: {{ policy: approve-all }}, default_role: '{owner.role_arn}' }}\n"
    return start_chain(moto.url, config, endpoint=["--token-file", place.run / "token"])


@pytest.mark.parametrize("name", NAMES)
def test_a_client_sends_the_token_of_a_file(clients, programs, token_chain, owner, guest, place, name):
    env = {**guest, "AWS_CONTAINER_CREDENTIALS_FULL_URI": token_chain.endpoint.url,
           "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(place.run / "token")}
    check(programs.run(clients.command(name), env), owner)


@pytest.mark.parametrize("name", NAMES)
def test_a_client_sends_the_token_of_its_environment(clients, programs, token_chain, owner, guest, place, name):
    env = {**guest, "AWS_CONTAINER_CREDENTIALS_FULL_URI": token_chain.endpoint.url,
           "AWS_CONTAINER_AUTHORIZATION_TOKEN": (place.run / "token").read_text()}
    check(programs.run(clients.command(name), env), owner)


# Who shows what a 403 says (clients.md): the others retry for seconds and then show less.
@pytest.mark.parametrize("name", ["go", "boto3"])
def test_a_client_shows_its_user_why_there_are_no_credentials(clients, programs, start_chain, moto, guest, name):
    chain = start_chain(moto.url, "aws: { approval: { policy: deny-all }, default_role: 'arn:aws:iam::1:role/web' }\n")
    env = {**guest, "AWS_CONTAINER_CREDENTIALS_FULL_URI": chain.endpoint.url}
    done = programs.run(clients.command(name), env)
    assert done.status == 1 and done.stdout == ""
    assert "POLICY_DENIED" in done.stderr and "approval denied" in done.stderr
    assert len(chain.records()) == 1, "what was denied once is not asked again at once"
