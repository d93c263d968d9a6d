"""`shed-ext up` with a docker section: clients find the logins of the list, and nothing else of the owner's."""

import json
import os

import pytest

from support.docker import client_environment, docker_config, docker_records, outcomes
from support.docker_fixtures import OWNER


@pytest.fixture
def up(broker, place, authority):
    """Runs a command in `up`, whose owner has all that a person has."""
    def run(*command, config, **env):
        env = {**client_environment(place, authority.file), **env}
        return broker.run_up(*command, agent=None, config=config, env=env)
    return run


@pytest.fixture
def elsewhere(place, private_registry):
    """A login store that only the host agent is told of: the `docker` key that names it."""
    file = place.root / "logins.json"
    file.write_text(json.dumps({"auths": {private_registry.host: {"auth": OWNER.auth}}}))
    return {"config_path": file}


def test_skopeo_inspects_a_private_image_with_what_exists_on_the_host(up, place, elsewhere, private_registry, image):
    done = up("skopeo", "inspect", f"docker://localhost:{private_registry.port}/private/image",
              config=docker_config(private_registry.host, **elsewhere))
    assert done.status == 0, done.stderr
    assert json.loads(done.stdout)["Digest"] == image.digest
    assert outcomes(docker_records(place)) == [(private_registry.host, "ok", None)]


def test_a_registry_off_the_list_stays_anonymous_and_the_log_shows_both(up, place, elsewhere, private_registry,
                                                                        public_registry, image):
    """One list has the private registry, and not the public one."""
    script = ("skopeo inspect --format '{{.Digest}}' \"$1\" && skopeo inspect --format '{{.Digest}}' \"$2\" && "
              f"echo {public_registry.host} | docker-credential-shed get")
    done = up("sh", "-c", script, "sh", private_registry.reference("private/image"),
              public_registry.reference("public/image"), config=docker_config(private_registry.host, **elsewhere))
    assert done.stdout.splitlines()[:2] == [image.digest, image.digest], done.stderr
    assert outcomes(docker_records(place)) == [(private_registry.host, "ok", None),
                                               (public_registry.host, "denied", "REGISTRY_NOT_ALLOWED")]


def environment_of(done):
    assert done.status == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def test_the_commands_docker_settings_are_a_private_folder_that_goes_with_it(up):
    done = up("sh", "-c", 'env; stat -c "mode=%a" "$DOCKER_CONFIG"; echo "file=$(tr -d "\\n" '
              '<"$DOCKER_CONFIG/config.json")"; command -v docker-credential-shed', config=docker_config("ghcr.io"))
    env = environment_of(done)
    assert env["mode"] == "700"
    assert env["REGISTRY_AUTH_FILE"] == f"{env['DOCKER_CONFIG']}/config.json"
    settings = json.loads(env["file"])
    assert settings["credsStore"] == "shed" and settings["credHelpers"]["ghcr.io"] == "shed"
    helper = done.stdout.splitlines()[-1]
    assert helper == f"{env['PATH'].split(':')[0]}/docker-credential-shed"
    assert not os.path.exists(env["DOCKER_CONFIG"]) and not os.path.exists(helper)


def test_skopeo_and_podman_know_docker_hub_by_their_own_name(up):
    done = up("sh", "-c", 'cat "$DOCKER_CONFIG/config.json"', config=docker_config("index.docker.io"))
    assert json.loads(done.stdout)["credHelpers"]["docker.io"] == "shed"


@pytest.mark.parametrize("file", [".docker/config.json", "containers/auth.json"])
def test_the_owners_own_logins_are_not_what_clients_use(up, place, private_registry, file):
    """With them at their usual places, and nothing allowed, the pull is anonymous."""
    path = (place.run if file.startswith("containers") else place.home) / file
    path.parent.mkdir(mode=0o700)
    path.write_text(json.dumps({"auths": {private_registry.host: {"auth": OWNER.auth}},
                                "HttpHeaders": {"X-Owner": "yes"}}))
    done = up("skopeo", "inspect", private_registry.reference("private/image"), config=docker_config("ghcr.io"))
    assert done.status != 0 and "authentication required" in done.stderr
    shown = up("sh", "-c", 'cat "$DOCKER_CONFIG/config.json"', config=docker_config("ghcr.io"))
    assert OWNER.auth not in shown.stdout and "X-Owner" not in shown.stdout


def test_the_owners_docker_config_variable_is_the_hosts_alone(up, place, private_registry, image):
    """Where the owner's DOCKER_CONFIG points is where the host agent looks, and the command is led elsewhere."""
    folder = place.root / "elsewhere"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"auths": {private_registry.host: {"auth": OWNER.auth}}}))
    done = up("sh", "-c", 'echo "DOCKER_CONFIG=$DOCKER_CONFIG"; skopeo inspect --format "{{.Digest}}" "$1"', "sh",
              private_registry.reference("private/image"), config=docker_config(private_registry.host),
              DOCKER_CONFIG=folder)
    assert environment_of(done)["DOCKER_CONFIG"] != str(folder)
    assert done.stdout.splitlines()[1] == image.digest
    assert outcomes(docker_records(place)) == [(private_registry.host, "ok", None)]


@pytest.mark.parametrize("wide", [{"allow_all": "true"}, {"registries": '["local*:PORT"]'}], ids=["all", "a wildcard"])
def test_registries_that_no_entry_names_are_known_from_the_owners_logins(up, elsewhere, private_registry, image, wide):
    """skopeo and podman want each registry by its name."""
    section = {name: value.replace("PORT", str(private_registry.port)) for name, value in wide.items()}
    done = up("skopeo", "inspect", "--format", "{{.Digest}}", private_registry.reference("private/image"),
              config=docker_config(**{**elsewhere, **section}))
    assert (done.status, done.stdout.strip()) == (0, image.digest), done.stderr
