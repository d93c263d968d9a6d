"""`shed-ext install --docker-config`: docker in a guest takes its logins from the host and keeps its settings."""

import json

import pytest

from support.docker import client
from support.docker_fixtures import OWNER

SETTINGS = """{
\t"auths": {"quay.io": {"auth": "eDp5"}},
\t"HttpHeaders": {"X-Mine": "1.0"}, "psFormat": "{{.ID}}"
}
"""


@pytest.fixture
def file(place):
    return place.home / ".docker/config.json"


def write(file, text):
    file.parent.mkdir(mode=0o700)
    file.write_text(text)


def test_what_is_there_is_kept(broker, file):
    write(file, SETTINGS)
    done = broker.run("install", "--docker-config")
    assert (done.status, done.stderr) == (0, "")
    assert str(file) in done.stdout
    assert json.loads(file.read_text()) == {**json.loads(SETTINGS), "credsStore": "shed"}


def test_another_store_is_replaced(broker, file):
    write(file, '{"credsStore": "desktop", "auths": {}}')
    assert broker.run("install", "--docker-config").status == 0
    assert json.loads(file.read_text()) == {"credsStore": "shed", "auths": {}}


def test_a_second_time_changes_nothing(broker, file):
    write(file, SETTINGS)
    broker.run("install", "--docker-config")
    before = file.read_bytes(), file.stat().st_ino, file.stat().st_mtime_ns
    assert broker.run("install", "--docker-config").status == 0
    assert (file.read_bytes(), file.stat().st_ino, file.stat().st_mtime_ns) == before


def test_a_missing_file_is_made_for_its_owner_alone(broker, file):
    assert broker.run("install", "--docker-config").status == 0
    assert json.loads(file.read_text()) == {"credsStore": "shed"}
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("text", ['{"auths": {', "[]", "not JSON"])
def test_a_file_that_is_broken_is_named_and_left_alone(broker, file, text):
    write(file, text)
    done = broker.run("install", "--docker-config")
    assert (done.status, done.stdout) == (1, "")
    assert str(file) in done.stderr and done.stderr.count("\n") == 1
    assert file.read_text() == text


@pytest.mark.release  # the client is the same
def test_docker_uses_it(broker, guest, place, private_registry, image):
    folder = place.root / "configured"
    assert broker.run("install", "--docker-config", env={"DOCKER_CONFIG": folder}).status == 0
    done = guest.run(client("docker"), "manifest", "inspect", f"{private_registry.host}/private/image",
                     env_more={"DOCKER_CONFIG": folder})
    assert done.status == 0 and image.layers[0] in done.stdout, done.stderr
    assert OWNER.auth not in (folder / "config.json").read_text()
