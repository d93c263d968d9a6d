"""Fixtures of the Docker tests."""

import pytest

from support.docker import BlobCache, DockerChain, Guest, HostStore, docker_config, inline_logins
from support.registry import Image, Login, Registry

# A colon and what JSON and shells make much of, so that nothing on the way splits or quotes it wrongly.
OWNER = Login("ada", 's3cr:t"\\$(id)\'ü')


@pytest.fixture(scope="session")
def blob_cache():
    cache = BlobCache()
    yield
    cache.close()


@pytest.fixture(scope="session")
def image(session_place, blob_cache):
    place, _ = session_place
    return Image(place.root / "image")


@pytest.fixture(scope="session")
def private_registry(session_place, authority, image):
    """A registry that wants OWNER's login, with private/image in it."""
    place, programs = session_place
    registry = Registry(programs, place.env(), place.root / "registry-private", authority, OWNER)
    registry.put("private/image", image)
    return registry


@pytest.fixture(scope="session")
def public_registry(session_place, authority, image):
    """A registry that anybody may use, with public/image in it."""
    place, programs = session_place
    registry = Registry(programs, place.env(), place.root / "registry-public", authority)
    registry.put("public/image", image)
    return registry


@pytest.fixture
def store(place):
    """The owner's login store on the host, empty."""
    return HostStore(place)


@pytest.fixture
def start_docker(broker, place, store):
    """start_docker(docker section, ...): bus and host agent. OWNER's password is in no log at the end."""
    chains = []

    def start(config, **more):
        chain = DockerChain(broker, place, store, config, **more)
        chains.append(chain)
        return chain
    yield start
    for chain in chains:
        text = chain.logs()
        assert OWNER.password not in text and OWNER.auth not in text


@pytest.fixture
def start_guest(binary, programs, place, authority, closing):
    """start_guest(chain, registries=...): a guest whose clients ask the helper for these registries."""
    return lambda chain, registries=(): closing(
        Guest(binary, programs, place, chain.publish_url, registries, authority.file))


@pytest.fixture
def owner_store(store, private_registry):
    """The owner's store, with the login to the private registry in its config.json."""
    store.write(inline_logins({private_registry.host: OWNER}))
    return store


@pytest.fixture
def docker(start_docker, owner_store, private_registry, public_registry):
    """Bus and host agent, with both registries on the list and a login for the private one."""
    return start_docker(docker_config(private_registry.host, public_registry.host))


@pytest.fixture
def guest(docker, start_guest, private_registry, public_registry):
    return start_guest(docker, [private_registry.host, public_registry.host])
