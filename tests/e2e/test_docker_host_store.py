"""The owner's login store on the host: helpers, real and broken, config files, allow-lists."""

import json
import os
import shutil
import subprocess

import pytest

from support.docker import NOT_FOUND, client, docker_config
from support.docker_fixtures import OWNER
from support.waiting import Stopwatch, patience, wait_until

REGISTRY = "ghcr.io"
PRINTED = "what-the-helper-printed"
FAILED = f"docker-credential-shed: {REGISTRY}: a helper or a login file failed on the host; its log says which\n"
LOGIN = 'echo \'{"ServerURL":"x","Username":"ada","Secret":"from the helper"}\''


@pytest.fixture
def chain(start_docker, store):
    return start_docker(docker_config(REGISTRY, "quay.io"))


@pytest.fixture
def guest(chain, start_guest):
    return start_guest(chain)


def secret_of(guest, registry=REGISTRY):
    done = guest.helper("get", registry)
    assert done.status == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["Secret"]


def check_helper_failed(chain, guest, *words):
    """The guest learns that it failed; the owner learns what and why."""
    done = guest.helper("get", REGISTRY)
    assert (done.status, done.stdout, done.stderr) == (1, FAILED, "")
    record = chain.record()
    assert (record["result"], record["code"], record["detail"]) == ("error", "HELPER_FAILED", REGISTRY)
    for word in words:
        assert word in chain.host.stderr
        assert word in record["reason"]
    assert PRINTED not in chain.logs()


def test_a_helper_is_asked_with_the_key_as_the_file_spells_it(guest, store):
    store.write({"credHelpers": {"https://GHCR.io/v2/": "own"}, "credsStore": "other"})
    store.helper("own", LOGIN)
    assert secret_of(guest) == "from the helper"
    assert store.calls("own") == ["get <https://GHCR.io/v2/>"]


def test_a_registrys_own_helper_comes_before_the_store_and_the_store_before_the_file(guest, store):
    auths = {"auths": {REGISTRY: {"auth": OWNER.auth}}}
    store.write(auths)
    assert secret_of(guest) == OWNER.password
    store.helper("store", LOGIN.replace("from the helper", "from the store"))
    store.write({**auths, "credsStore": "store"})
    assert secret_of(guest) == "from the store"
    store.helper("own", LOGIN)
    store.write({**auths, "credsStore": "store", "credHelpers": {REGISTRY: "own"}})
    assert secret_of(guest) == "from the helper"


def test_podmans_logins_are_the_owners_too(guest, store, place):
    folder = place.run / "containers"
    folder.mkdir()
    (folder / "auth.json").write_text(json.dumps({"auths": {REGISTRY: {"auth": OWNER.auth}}}))
    assert secret_of(guest) == OWNER.password


def test_a_login_that_the_owner_makes_later_is_found(guest, store):
    assert guest.helper("get", REGISTRY).stdout == NOT_FOUND
    store.write({"auths": {REGISTRY: {"auth": OWNER.auth}}})
    assert secret_of(guest) == OWNER.password
    store.write({"auths": {}})
    assert guest.helper("get", REGISTRY).stdout == NOT_FOUND


def test_a_helper_that_knows_nothing_means_anonymous(chain, guest, store):
    store.write({"credsStore": "empty"})
    store.helper("empty", 'echo "credentials not found in native keychain"; exit 1')
    done = guest.helper("get", REGISTRY)
    assert (done.status, done.stdout, done.stderr) == (1, NOT_FOUND, "")
    assert chain.record()["result"] == "anonymous"


BROKEN_HELPERS = {
    "missing": (None, "docker-credential-broken is not installed"),
    "no program": ("", "docker-credential-broken"),
    "fails": (f"echo {PRINTED}; echo {PRINTED} >&2; exit 3", "docker-credential-broken get ended with status 3"),
    "killed": ("kill -KILL $$", "docker-credential-broken get ended with status 137"),
    "no JSON": (f"echo {PRINTED}", "docker-credential-broken get: it printed no login"),
    "nothing": ("true", "docker-credential-broken get: it printed no login"),
    "half a login": ('echo \'{"ServerURL":"x","Username":"x"}\'', "docker-credential-broken get: it printed no login"),
    "numbers": ('echo \'{"Username":1,"Secret":2}\'', "docker-credential-broken get: it printed no login"),
    "too much": ("head -c 70000 /dev/zero", "docker-credential-broken get: "),
    "without end": ("cat /dev/zero", "docker-credential-broken get: "),
    "wants a terminal": ("read -r answer </dev/tty && " + LOGIN, "docker-credential-broken get ended with status"),
    "wants an answer": ("read -r answer && " + LOGIN, "docker-credential-broken get ended with status 1"),
}


@pytest.mark.parametrize("name", BROKEN_HELPERS)
def test_a_broken_helper_is_named_in_the_hosts_log(chain, guest, store, name):
    script, words = BROKEN_HELPERS[name]
    store.write({"credHelpers": {REGISTRY: "broken"}, "auths": {"quay.io": {"auth": OWNER.auth}}})
    if script is not None:
        path = store.helper("broken", script)
        if not script:
            path.write_bytes(b"\x7fELF not really")
    watch = Stopwatch()
    check_helper_failed(chain, guest, words)
    assert watch.seconds < patience(3)
    assert secret_of(guest, "quay.io") == OWNER.password, "other requests go on"


def test_a_helper_that_hangs_is_killed_with_its_children_and_delays_nobody(chain, guest, store):
    store.write({"credHelpers": {REGISTRY: "broken"}, "auths": {"quay.io": {"auth": OWNER.auth}}})
    path = store.helper("broken", 'sleep 300 & echo "$$ $!" >"$0.pids"; wait')
    watch = Stopwatch()
    slow = guest.start_helper("get", REGISTRY)
    pids = wait_until(lambda: (path.parent / f"{path.name}.pids").exists()
                      and (path.parent / f"{path.name}.pids").read_text().split(), 5, "the helper runs")
    assert secret_of(guest, "quay.io") == OWNER.password
    assert watch.seconds < patience(3) and slow.running
    assert slow.wait(10) == 1
    assert watch.seconds < 5 + patience(2)
    assert slow.stdout == (f"docker-credential-shed: {REGISTRY}: a helper or a login file failed on the host; "
                           "its log says which\n")
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 3, "the helper and its child are gone")
    record = wait_until(lambda: [one for one in chain.records() if one["detail"] == REGISTRY], 3, "the record")[0]
    assert (record["result"], record["code"]) == ("error", "HELPER_FAILED")
    assert "docker-credential-broken" in chain.host.stderr


def is_alive(pid):
    """A zombie is none: who adopted it has not looked yet."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the latter where it is gone between the opening and the reading
        return False


def test_a_helper_gets_the_registry_and_little_else(start_docker, start_guest, store):
    store.write({"credsStore": "curious"})
    path = store.helper("curious", f'env >"$0.env"; {LOGIN}')
    chain = start_docker(docker_config(REGISTRY), env={"AWS_SECRET_ACCESS_KEY": "x", "GPG_TTY": "/dev/pts/0",
                                                       "LD_LIBRARY_PATH": "/nowhere"})
    secret_of(start_guest(chain))
    names = {line.partition("=")[0] for line in (path.parent / f"{path.name}.env").read_text().splitlines()}
    assert {"HOME", "PATH", "XDG_RUNTIME_DIR"} <= names
    assert not names & {"AWS_SECRET_ACCESS_KEY", "GPG_TTY", "LD_LIBRARY_PATH", "SHED_HOST_AGENT_SOCKET_DIR"}


BROKEN_FILES = {
    "half of it": ('{\n  "auths": {\n', "not well-formed JSON"),
    "no JSON": ("not JSON", "1:1: not well-formed JSON"),
    "a list": ("[]", "config.json: it is not a JSON object"),
    "auths that are none": ('{"auths": 7}', "config.json: 'auths' is not an object"),
    "an auth that is no base64": (json.dumps({"auths": {REGISTRY: {"auth": "!!"}}}),
                                  f"invalid auth format for {REGISTRY}"),
    "an auth without a colon": (json.dumps({"auths": {REGISTRY: {"auth": "YWRh"}}}),
                                f"invalid auth format for {REGISTRY}"),
    "a helper with a slash": (json.dumps({"credHelpers": {REGISTRY: "../docker-credential-eager"}}),
                              f"the helper of '{REGISTRY}' is not the name of a credential helper"),
    "a helper with dots": (json.dumps({"credHelpers": {REGISTRY: "eager."}}),
                           f"the helper of '{REGISTRY}' is not the name of a credential helper"),
    "a store with a slash": ('{"credsStore": "/bin/sh"}', "'credsStore' is not the name of a credential helper"),
    "a store that is no text": ('{"credsStore": ["eager"]}', "'credsStore' is not a text"),
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_a_broken_config_file_is_named_with_what_is_wrong(chain, guest, store, name):
    text, words = BROKEN_FILES[name]
    store.helper("eager", LOGIN)
    store.write(text)
    # What is wrong with one login is told with its registry.
    place = [] if words.startswith("invalid auth") else [str(store.file)]
    check_helper_failed(chain, guest, words, *place)
    assert store.calls("eager") == []


def test_a_config_file_that_cannot_be_read_is_an_error_and_not_an_empty_one(chain, guest, store):
    """Root reads everything but a folder."""
    store.file.mkdir()
    check_helper_failed(chain, guest, "config.json")


def test_a_missing_config_file_means_no_credentials(chain, guest):
    assert guest.helper("get", REGISTRY).stdout == NOT_FOUND
    assert chain.record()["result"] == "anonymous"


@pytest.mark.parametrize("how", ["DOCKER_CONFIG", "config_path"])
def test_the_config_file_may_be_elsewhere(start_docker, start_guest, store, place, how):
    elsewhere = place.root / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "config.json").write_text(json.dumps({"auths": {REGISTRY: {"auth": OWNER.auth}}}))
    section = {"config_path": elsewhere / "config.json"} if how == "config_path" else {}
    env = {"DOCKER_CONFIG": elsewhere} if how == "DOCKER_CONFIG" else {}
    chain = start_docker(docker_config(REGISTRY, **section), env=env)
    assert secret_of(start_guest(chain)) == OWNER.password


ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.mark.parametrize("entry, asked, allowed", [
    ("*.dkr.ecr.*.amazonaws.com", ECR, True),
    ("*.dkr.ecr.*.amazonaws.com", f"https://{ECR}/v2/", True),
    ("*.amazonaws.com", ECR, False),
    ("ghcr.io/my-org", "ghcr.io/my-org/app", True),
    ("ghcr.io/my-org", "ghcr.io/my-organisation", False),
    ("ghcr.io/my-org", "ghcr.io", False),
    ("localhost:5000", "localhost:5001", False),
])
def test_entries_of_the_allow_list(start_docker, start_guest, store, entry, asked, allowed):
    store.write({"credsStore": "eager"})
    store.helper("eager", LOGIN)
    chain = start_docker(docker_config(entry))
    done = start_guest(chain).helper("get", asked)
    assert (done.status == 0) == allowed, done.stdout
    assert chain.record()["result"] == ("ok" if allowed else "denied")


@pytest.mark.parametrize("shed, answers", [("web", ["quay.io"]), ("other", ["ghcr.io"])])
def test_a_guest_has_the_list_of_its_own(start_docker, start_guest, store, shed, answers):
    """A list that is present replaces the one above it."""
    store.write({"auths": {name: {"auth": OWNER.auth} for name in ("ghcr.io", "quay.io", "docker.io")}})
    chain = start_docker(docker_config("docker.io", servers=json.dumps(
        {"mini2": {"registries": ["ghcr.io"], "sheds": {"web": {"registries": ["quay.io"]}}}})), shed=shed,
        server="mini2")
    assert list(json.loads(start_guest(chain).helper("list").stdout)) == answers
    assert (chain.record()["server"], chain.record()["shed"]) == ("mini2", shed)


class PassStore:
    """The owner's `pass`, with a key that has no passphrase, so that nobody is asked."""

    def __init__(self, store, place):
        self.env = place.env(**store.env, GNUPGHOME=place.home / ".gnupg")
        (place.home / ".gnupg").mkdir(mode=0o700)
        self._run("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "owner", "ed25519", "cert",
                  "never")
        key = next(line.split(":")[9] for line in self._run("gpg", "--with-colons", "--list-keys").splitlines()
                   if line.startswith("fpr:"))
        self._run("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-add-key", key, "cv25519", "encr", "never")
        self._run("pass", "init", "owner")
        (store.programs / "docker-credential-pass").symlink_to(client("docker-credential-pass"))

    def add(self, registry, login):
        document = {"ServerURL": registry, "Username": login.user, "Secret": login.password}
        self._run("docker-credential-pass", "store", text=json.dumps(document))

    def close(self):
        self._run("gpgconf", "--kill", "all")

    def _run(self, *command, text=""):
        program = shutil.which(command[0], path=self.env["PATH"])
        done = subprocess.run([program, *command[1:]], env=self.env, input=text, capture_output=True, text=True,
                              timeout=patience(30), check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def pass_store(store, place, closing):
    return closing(PassStore(store, place))


def test_a_real_helper_finds_what_pass_holds(pass_store, store, start_docker, start_guest, private_registry, image):
    """docker-credential-pass, as Debian has it; skopeo in the guest."""
    pass_store.add(private_registry.host, OWNER)
    pass_store.add("off.example", OWNER)
    store.write({"credsStore": "pass"})
    chain = start_docker(docker_config(private_registry.host), env={"GNUPGHOME": pass_store.env["GNUPGHOME"]})
    guest = start_guest(chain, [private_registry.host])
    done = guest.run("skopeo", "inspect", "--format", "{{.Digest}}", private_registry.reference("private/image"))
    assert (done.status, done.stdout.strip()) == (0, image.digest), done.stderr
    assert json.loads(guest.helper("list").stdout) == {private_registry.host: OWNER.user}
    assert guest.helper("get", "off.example").stdout == NOT_FOUND


def test_a_key_that_needs_a_passphrase_prompts_nobody_and_fails(pass_store, store, start_docker, start_guest):
    """The store is there, and its key is not: gpg has nothing to ask with."""
    pass_store.add(REGISTRY, OWNER)
    store.write({"credsStore": "pass"})
    pass_store.close()
    secret_keys = store.folder.parent / ".gnupg/private-keys-v1.d"
    for file in os.listdir(secret_keys):
        (secret_keys / file).unlink()
    chain = start_docker(docker_config(REGISTRY), env={"GNUPGHOME": pass_store.env["GNUPGHOME"]})
    check_helper_failed(chain, start_guest(chain), "docker-credential-pass get ended with status 1")
