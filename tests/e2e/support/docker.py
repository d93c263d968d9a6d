"""The Docker side of the broker: bus, host agent, and a guest with docker's, skopeo's and podman's settings."""

import contextlib
import json
import os
import shutil
import signal

from support.broker import audit_records
from support.http_client import publish
from support.waiting import wait_until

NOT_FOUND = "credentials not found in native keychain\n"
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
# Where scripts/install-deps unpacks what it does not install.
UNPACKED = "/usr/local/lib/shed-ext/test-programs"


def docker_config(*registries, approval="approve-all", **more):
    """The `docker` section of a host configuration; values are written as YAML, which has JSON in it."""
    keys = {"registries": json.dumps(registries), "approval": f"{{ policy: {approval} }}", **more}
    return "docker:\n" + "".join(f"  {name}: {value}\n" for name, value in keys.items())


def client(name):
    """The path of a client that may be unpacked only."""
    path = shutil.which(name, path=f"{UNPACKED}:{SYSTEM_PATH}")
    assert path, f"{name} is missing: run scripts/install-deps --test"
    return path


def inline_logins(logins):
    """A config.json with these logins in it: key, as the file is to spell it, to Login."""
    return json.dumps({"auths": {key: {"auth": login.auth} for key, login in logins.items()}})


class HostStore:
    """The owner's ~/.docker, and a folder for helpers in the host agent's PATH."""

    def __init__(self, place):
        self._place = place
        self.folder = place.home / ".docker"
        self.folder.mkdir(mode=0o700)
        self.file = self.folder / "config.json"
        self.programs = place.root / "host-bin"
        self.programs.mkdir()
        self.env = {"PATH": f"{self.programs}:{SYSTEM_PATH}"}

    def write(self, text):
        """The whole config.json; anything but text is written as JSON."""
        replacement = self.folder / "config.json.new"
        replacement.write_text(text if isinstance(text, str) else json.dumps(text))
        replacement.chmod(0o600)
        # As docker itself replaces it, so that no reader sees half of it.
        replacement.rename(self.file)

    def helper(self, name, script):
        """`docker-credential-NAME`, a shell script; $0.calls has a line for every call of it."""
        path = self.programs / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\ninput=$(cat)\necho \"$1 <$input>\" >>\"$0.calls\"\n{script}\n")
        path.chmod(0o755)
        return path

    def calls(self, name):
        path = self.programs / f"docker-credential-{name}.calls"
        return path.read_text().splitlines() if path.exists() else []


class Guest:
    """A guest's home, with `docker-credential-shed` in front of PATH and nothing of the owner's in it."""

    def __init__(self, binary, programs, place, publish_url, registries=(), trusted=None):
        self._programs = programs
        self._place = place
        root = place.root / "guest"
        links = root / "bin"
        docker = root / "docker"
        for folder in (root, links, docker, root / "home", root / "run"):
            folder.mkdir(mode=0o700)
        self.helper_path = links / "docker-credential-shed"
        self.helper_path.symlink_to(binary)
        # docker reads the first key, skopeo and podman the second.
        (docker / "config.json").write_text(json.dumps(
            {"credsStore": "shed", "credHelpers": {host: "shed" for host in registries}}))
        self.env = place.env(
            HOME=root / "home", XDG_RUNTIME_DIR=root / "run", PATH=f"{links}:{SYSTEM_PATH}",
            SHED_PUBLISH_URL=publish_url, DOCKER_CONFIG=docker, REGISTRY_AUTH_FILE=docker / "config.json",
            **client_environment(place, trusted))

    def close(self):
        """podman keeps a process alive for a user who is not root."""
        pause = self._place.root / "containers/tmp/pause.pid"
        if pause.exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pause.read_text()), signal.SIGKILL)

    def run(self, *command, env_more=None, **more):
        return self._programs.run(command, {**self.env, **(env_more or {})}, **more)

    def helper(self, verb, text="", env=None, **more):
        """`docker-credential-shed VERB` to its end, with `text` (a string or bytes) on its standard input."""
        with self._input(text) as stdin:
            return self.run(self.helper_path, verb, env_more=env, stdin=stdin, **more)

    def start_helper(self, verb, text=""):
        with self._input(text) as stdin:
            return self._programs.start([self.helper_path, verb], self.env, stdin=stdin)

    def _input(self, text):
        file = self._place.work / "stdin"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return open(file, "rb")


def client_environment(place, trusted=None):
    """What keeps the clients in the test's folders, away from every engine, and lets them trust its registries."""
    folder = place.root / "containers"
    folder.mkdir(exist_ok=True)
    storage = folder / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n')
    engine = folder / "containers.conf"
    engine.write_text(f'[engine]\nlock_type = "file"\nevents_logger = "none"\ncgroup_manager = "cgroupfs"\n'
                      f'tmp_dir = "{folder}/tmp"\nstatic_dir = "{folder}/static"\nvolume_path = "{folder}/volumes"\n'
                      f'[network]\nnetwork_config_dir = "{folder}/networks"\n')
    env = {"CONTAINERS_STORAGE_CONF": storage, "CONTAINERS_CONF": engine, "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    if trusted:
        env["SSL_CERT_FILE"] = trusted
    return env


class DockerChain:
    """bus and `host`, connected; `config` is the host's docker section."""

    def __init__(self, broker, place, store, config, arguments=(), env=None, **bus):
        self.place = place
        self.bus = broker.start_bus("unix", **{"shed": "web", **bus})
        self.host = broker.start_host(self.bus.server, config=config, arguments=arguments,
                                      env={**store.env, **(env or {})})
        self.publish_url = self.bus.publish_url
        wait_until(lambda: self.host_answers() or not self.host.running, 10, "the host agent answers on the bus")
        assert self.host.running, self.host.stderr

    def host_answers(self):
        status, _ = publish(self.publish_url, {"namespace": "docker-credentials", "payload": {"operation": "ping"}})
        return status == 200

    def ask(self, payload):
        """The payload of the host's answer, as a guest program gets it."""
        status, body = publish(self.publish_url, {"namespace": "docker-credentials", "payload": payload})
        assert status == 200, body
        return json.loads(body)["payload"]

    def records(self):
        return docker_records(self.place)

    def record(self):
        """The audit record of the only request."""
        (record,) = self.records()
        return record

    def logs(self):
        """All that was written by somebody for people to read."""
        audit = self.place.audit_log.read_text() if self.place.audit_log.exists() else ""
        return "\n".join([self.host.stderr, self.host.stdout, self.bus.program.stderr, audit])


def docker_records(place):
    records = [dict(record) for record in audit_records(place.audit_log)]
    return [record for record in records if record["ns"] == "docker-credentials"]


def outcomes(records):
    """(registry, result, code) of every get, each once, in the order of their first record."""
    found = [(record["detail"], record["result"], record.get("code")) for record in records if record["op"] == "get"]
    return list(dict.fromkeys(found))


class BlobCache:
    """The one file that skopeo and podman, run by root, keep outside of any folder that they are given."""

    FOLDER = "/var/lib/containers/cache"

    def __init__(self):
        self._made_by_us = os.geteuid() == 0 and not os.path.exists(self.FOLDER)

    def close(self):
        if not self._made_by_us or not os.path.exists(self.FOLDER):
            return
        shutil.rmtree(self.FOLDER)
        parent = os.path.dirname(self.FOLDER)
        if not os.listdir(parent):
            os.rmdir(parent)
