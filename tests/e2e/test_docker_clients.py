"""skopeo, podman and docker in a guest, with logins that exist on the host alone."""

import os

import pytest

from support.docker import client, docker_config, outcomes
from support.docker_engine import DockerEngine
from support.docker_fixtures import OWNER
from support.registry import Image

HUB = "https://index.docker.io/v1/"


def check(done):
    assert done.status == 0, done.stderr
    return done.stdout


def skopeo_digest(guest, registry, repository):
    return check(guest.run("skopeo", "inspect", "--format", "{{.Digest}}", registry.reference(repository))).strip()


def test_nobody_reads_the_private_image_without_the_login(guest, docker, private_registry):
    docker.bus.program.terminate()
    done = guest.run("skopeo", "inspect", "--no-creds", private_registry.reference("private/image"))
    assert done.status != 0 and "authentication required" in done.stderr


def test_skopeo_reads_a_private_image(guest, docker, private_registry, image):
    assert skopeo_digest(guest, private_registry, "private/image") == image.digest
    assert outcomes(docker.records()) == [(private_registry.host, "ok", None)]


def test_skopeo_reads_a_public_image_without_a_login_through_the_same_configuration(guest, docker, public_registry,
                                                                                   image):
    assert skopeo_digest(guest, public_registry, "public/image") == image.digest
    assert outcomes(docker.records()) == [(public_registry.host, "anonymous", "CREDENTIALS_NOT_FOUND")]


def test_a_registry_off_the_list_stays_anonymous(start_docker, start_guest, store, private_registry, public_registry,
                                                 image):
    """The login is in the owner's store all the same."""
    store.write({"auths": {registry.host: {"auth": OWNER.auth} for registry in (private_registry, public_registry)}})
    docker = start_docker(docker_config("registry.example"))
    guest = start_guest(docker, [private_registry.host, public_registry.host])
    assert skopeo_digest(guest, public_registry, "public/image") == image.digest
    refused = guest.run("skopeo", "inspect", private_registry.reference("private/image"))
    assert refused.status != 0 and "authentication required" in refused.stderr
    assert outcomes(docker.records()) == [(public_registry.host, "denied", "REGISTRY_NOT_ALLOWED"),
                                          (private_registry.host, "denied", "REGISTRY_NOT_ALLOWED")]


@pytest.mark.release  # the clients are the same
def test_skopeo_copies_an_image_in_and_out(guest, private_registry, place, image):
    copy = place.work / "copy"
    check(guest.run("skopeo", "copy", private_registry.reference("private/image"), f"dir:{copy}"))
    assert (copy / "manifest.json").read_bytes() == (image.folder / "manifest.json").read_bytes()
    other = Image(place.work / "other", b"made in the guest\n")
    repository = f"private/in-{os.getpid()}"
    check(guest.run("skopeo", "copy", f"dir:{other.folder}", private_registry.reference(repository)))
    assert private_registry.digest(repository) == other.digest


@pytest.mark.release
def test_skopeo_copies_from_a_public_to_a_private_registry(guest, docker, private_registry, public_registry, image):
    repository = f"private/between-{os.getpid()}"
    check(guest.run("skopeo", "copy", public_registry.reference("public/image"),
                    private_registry.reference(repository)))
    assert private_registry.digest(repository) == image.digest
    assert set(outcomes(docker.records())) == {(public_registry.host, "anonymous", "CREDENTIALS_NOT_FOUND"),
                                               (private_registry.host, "ok", None)}


@pytest.mark.release
def test_a_login_is_not_stored_by_skopeo(guest, private_registry):
    """The registry accepts it, and the helper refuses to keep it."""
    done = guest.run("skopeo", "login", "--username", OWNER.user, "--password", OWNER.password, private_registry.host)
    assert done.status != 0 and "store: logins are read-only here" in done.stderr
    assert OWNER.password not in done.stderr


@pytest.mark.release
def test_podman_pulls_and_pushes(guest, docker, private_registry):
    source = f"{private_registry.host}/private/image"
    target = f"{private_registry.host}/private/podman-{os.getpid()}"
    pulled = check(guest.run("podman", "pull", "--quiet", source)).strip()
    check(guest.run("podman", "push", "--quiet", source, target))
    check(guest.run("podman", "rmi", pulled))
    check(guest.run("podman", "pull", "--quiet", target))
    assert outcomes(docker.records()) == [(private_registry.host, "ok", None)]


@pytest.mark.release
def test_podman_pulls_a_public_image_without_a_login(guest, docker, public_registry):
    check(guest.run("podman", "pull", "--quiet", f"{public_registry.host}/public/image"))
    assert outcomes(docker.records()) == [(public_registry.host, "anonymous", "CREDENTIALS_NOT_FOUND")]


@pytest.mark.release
def test_podman_says_whose_login_it_has(guest, private_registry):
    assert check(guest.run("podman", "login", "--get-login", private_registry.host)) == f"{OWNER.user}\n"


@pytest.fixture
def engine(closing, guest):
    """An engine for the guest's docker."""
    engine = closing(DockerEngine())
    guest.env["DOCKER_HOST"] = engine.address
    return engine


@pytest.mark.release
def test_docker_reads_a_private_manifest(guest, docker, private_registry, image):
    """Without an engine: this command asks the registry itself."""
    manifest = check(guest.run(client("docker"), "manifest", "inspect", f"{private_registry.host}/private/image"))
    assert image.layers[0] in manifest
    assert outcomes(docker.records()) == [(private_registry.host, "ok", None)]


@pytest.mark.release
def test_docker_reads_a_public_manifest_without_a_login(guest, docker, public_registry, image):
    manifest = check(guest.run(client("docker"), "manifest", "inspect", f"{public_registry.host}/public/image"))
    assert image.layers[0] in manifest
    assert outcomes(docker.records()) == [(public_registry.host, "anonymous", "CREDENTIALS_NOT_FOUND")]


@pytest.mark.release
@pytest.mark.parametrize("verb", ["pull", "push"])
def test_docker_gives_its_engine_the_login(guest, engine, private_registry, verb):
    check(guest.run(client("docker"), verb, f"{private_registry.host}/private/image"))
    login = engine.logins[-1]
    assert (login["username"], login["password"]) == (OWNER.user, OWNER.password)


@pytest.mark.release
def test_docker_pulls_from_a_registry_off_the_list_without_a_login(guest, docker, engine):
    check(guest.run(client("docker"), "pull", "registry.example/image"))
    assert not any(login.get("username") or login.get("password") for login in engine.logins)
    assert outcomes(docker.records()) == [("registry.example", "denied", "REGISTRY_NOT_ALLOWED")]


@pytest.mark.release
@pytest.mark.parametrize("key", [HUB, "docker.io"])
def test_docker_pulls_from_the_hub_with_the_login_as_the_host_spells_it(start_docker, start_guest, store, closing,
                                                                       key):
    store.write({"auths": {key: {"auth": OWNER.auth}}})
    guest = start_guest(start_docker(docker_config("docker.io")))
    engine = closing(DockerEngine())
    check(guest.run(client("docker"), "pull", "alpine", env_more={"DOCKER_HOST": engine.address}))
    assert engine.logins[-1]["username"] == OWNER.user


@pytest.mark.release
def test_a_build_gets_the_logins_of_the_list_and_no_other(guest, docker, engine, store, place, private_registry):
    """docker lists, and then gets each: one that fails would fail them all."""
    store.write({"auths": {private_registry.host: {"auth": OWNER.auth}, "off.example": {"auth": OWNER.auth}}})
    (place.work / "Dockerfile").write_text("FROM scratch\n")
    check(guest.run(client("docker"), "build", place.work, env_more={"DOCKER_BUILDKIT": "0"}))
    # A registry with a helper of its own is there without a login as well.
    logins = {registry: login for registry, login in engine.all_logins[-1].items() if login.get("username")}
    assert list(logins) == [private_registry.host]
    assert logins[private_registry.host]["password"] == OWNER.password
    assert ("list", "count:1") in [(record["op"], record["detail"]) for record in docker.records()]
