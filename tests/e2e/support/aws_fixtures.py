"""Fixtures of the AWS tests."""

import tempfile
from pathlib import Path

import pytest

from support.aws import AwsChain, aws_config
from support.clients import Clients
from support.connect_proxy import ConnectProxy
from support.moto import Authority, Moto
from support.place import PREFIX, Place
from support.programs import ProgramSet
from support.sts_fake import OWNER, ROLE, SECRETS, BotocoreSigner, StsFake


@pytest.fixture(scope="session")
def clients():
    """The AWS clients that scripts/install-deps --test builds."""
    return Clients()


@pytest.fixture(scope="session")
def session_place():
    """A place and programs that serve many tests."""
    place = Place()
    programs = ProgramSet(place.logs)
    yield place, programs
    programs.stop_all()
    place.remove()


@pytest.fixture(scope="session")
def moto_server(clients, session_place):
    place, programs = session_place
    return Moto(programs, clients.python, place.env(), place.root / "moto")


@pytest.fixture
def moto(moto_server):
    """moto, with nothing in it."""
    moto_server.reset()
    return moto_server


@pytest.fixture(scope="session")
def authority():
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir="/tmp") as folder:
        yield Authority(Path(folder))


@pytest.fixture(scope="session")
def moto_tls_server(clients, session_place, authority):
    place, programs = session_place
    return Moto(programs, clients.python, place.env(), place.root / "moto-tls", authority)


@pytest.fixture
def moto_tls(moto_tls_server):
    """moto behind TLS, with a certificate of `authority`."""
    moto_tls_server.reset()
    return moto_tls_server


@pytest.fixture
def owner(moto):
    """The owner of the host in moto."""
    return moto.make_owner()


@pytest.fixture
def aws_files(place):
    """aws_files(credentials=TEXT, config=TEXT): the owner's ~/.aws."""
    folder = place.home / ".aws"
    folder.mkdir(mode=0o700)

    def write(credentials=None, config=None):
        for name, text in (("credentials", credentials), ("config", config)):
            if text is not None:
                (folder / name).write_text(text)
                (folder / name).chmod(0o600)
        return folder
    return write


@pytest.fixture
def start_chain(broker, place, programs):
    """start_chain(sts URL, aws section, env={}): bus, host agent and endpoint. No secret is in any log at the end,
    neither those of sts_fake nor those appended to `.secrets`."""
    chains = []

    def start(sts_url, config, env=None, **more):
        # The files of ~/.aws are the host's; its environment says where STS is, as it does to an SDK.
        env = {"AWS_ENDPOINT_URL_STS": sts_url, "AWS_REGION": "us-east-1", **(env or {})}
        chain = AwsChain(broker, place, config, {name: value for name, value in env.items() if value}, **more)
        chains.append(chain)
        return chain
    start.secrets = list(SECRETS)
    yield start
    for chain in chains:
        text = chain.logs()
        found = [secret for secret in start.secrets if secret in text]
        assert not found, f"in a log: {found}"


@pytest.fixture
def moto_chain(start_chain, moto, owner, aws_files):
    """The chain to moto, with the owner's long-lived keys and the owner's role for every shed."""
    aws_files(owner.credentials_file)
    start_chain.secrets.append(owner.secret_access_key)
    return start_chain(moto.url, aws_config(owner.role_arn) + "limits: off\n")


@pytest.fixture(scope="session")
def botocore_signer(clients):
    signer = BotocoreSigner(clients.python)
    yield signer
    signer.close()


@pytest.fixture
def sts(botocore_signer, closing):
    """The scriptable STS. Whatever it is asked must be signed as botocore signs it."""
    fake = closing(StsFake(botocore_signer))
    yield fake
    assert fake.bad_signatures == []


@pytest.fixture
def chain(start_chain, sts, aws_files):
    """The chain to the scriptable STS, with the owner's long-lived keys."""
    aws_files(f"[default]\n{OWNER.lines()}")
    return start_chain(sts.url, aws_config(ROLE))


@pytest.fixture
def start_proxy(closing):
    return lambda *arguments, **more: closing(ConnectProxy(*arguments, **more))
