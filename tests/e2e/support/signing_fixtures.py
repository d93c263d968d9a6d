"""Fixtures: the signing proxy, and its shim beside a proxy that the test plays."""

import pytest

from support.fake_agent import FakeAgent
from support.signing import PlayedProxy
from support.signing_proxy import SigningProxy
from support.signing_shim import Shim


@pytest.fixture
def start_signing_proxy(broker):
    """start_signing_proxy(agent, PUBKEY=...): an agent or its path, and variables of the environment."""
    return lambda agent=None, **more: SigningProxy(broker, getattr(agent, "path", agent), **more)


@pytest.fixture
def proxy(start_signing_proxy, agent):
    """In front of an agent with a key of each kind; the Ed25519 one is first."""
    return start_signing_proxy(agent)


@pytest.fixture
def played_agent(place, closing):
    return lambda answer: closing(FakeAgent(place.root / "played.sock", answer))


@pytest.fixture
def token_file(place):
    def write(text, mode=0o600):
        file = place.work / "token"
        file.write_text(text)
        file.chmod(mode)
        return file
    return write


@pytest.fixture
def shim(binary, programs, place):
    return Shim(binary, programs, place)


@pytest.fixture(params=["tcp", "unix"])
def played_proxy(request, closing, keys, place, shim):
    """The existing program as a container sees it, with one key."""
    path = place.root / "proxy.sock" if request.param == "unix" else None
    proxy = closing(PlayedProxy(keys["ed25519"].private, path))
    shim.env["SSH_AGENT_PROXY_URL"] = proxy.url
    return proxy


@pytest.fixture
def tcp_proxy(closing, keys, shim):
    proxy = closing(PlayedProxy(keys["ed25519"].private))
    shim.env["SSH_AGENT_PROXY_URL"] = proxy.url
    return proxy
