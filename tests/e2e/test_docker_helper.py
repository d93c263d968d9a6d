"""`docker-credential-shed`, word for word: what a client reads, what a person reads, how it ends, what is recorded."""

import json
import signal

import pytest

from support.broker import audit_records
from support.docker import NOT_FOUND, docker_config
from support.docker_fixtures import OWNER
from support.registry import Login
from support.waiting import Stopwatch, patience

PREFIX = "docker-credential-shed: "
START_HOST = "is shed-host-agent running? start it on the host with: shed-ext host\n"
OTHER = Login("bob", "other")


def check_refused(done, *words):
    """One line on stdout, which clients show, and nothing else."""
    assert done.status == 1
    assert done.stdout.startswith(PREFIX) and done.stdout.count("\n") == 1, done.stdout
    for word in words:
        assert word in done.stdout
    assert done.stderr == ""


@pytest.fixture
def start_named(start_docker, start_guest, store):
    """start_named(docker section, {key: login}, ...): a chain and a guest, for registries that nobody runs."""
    def start(config, logins, **more):
        store.write({"auths": {key: {"auth": login.auth} for key, login in logins.items()}})
        chain = start_docker(config, **more)
        return chain, start_guest(chain)
    return start


def test_get_answers_as_the_protocol_has_it(start_named):
    chain, guest = start_named(docker_config("ghcr.io"), {"ghcr.io": OWNER})
    done = guest.helper("get", "ghcr.io\n")
    assert (done.status, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"ServerURL": "ghcr.io", "Username": OWNER.user, "Secret": OWNER.password}
    record = chain.record()
    assert {name: record[name] for name in ("shed", "op", "result", "detail", "approval")} == {
        "shed": "web", "op": "get", "result": "ok", "detail": "ghcr.io", "approval": "approve-all"}


def test_the_applet_is_the_same_without_its_link(start_named, broker, place):
    chain, _ = start_named(docker_config("ghcr.io"), {"ghcr.io": OWNER})
    file = place.work / "url"
    file.write_text("ghcr.io")
    with open(file, encoding="utf-8") as stdin:
        done = broker.run("docker-credential", "get", env={"SHED_PUBLISH_URL": chain.publish_url}, stdin=stdin)
    assert json.loads(done.stdout)["Secret"] == OWNER.password


@pytest.mark.parametrize("stored, asked", [
    ("ghcr.io", "https://ghcr.io"), ("ghcr.io", "http://ghcr.io/"), ("ghcr.io", "https://ghcr.io/v2/"),
    ("ghcr.io", "GHCR.io"), ("ghcr.io", "  ghcr.io\r\n"), ("https://ghcr.io/v2/", "ghcr.io"),
    ("https://ghcr.io/v2/", "https://ghcr.io")])
def test_a_registry_is_found_however_it_is_spelled(start_named, stored, asked):
    _, guest = start_named(docker_config("ghcr.io"), {stored: OWNER})
    answer = json.loads(guest.helper("get", asked).stdout)
    assert (answer["ServerURL"], answer["Secret"]) == (asked.strip(), OWNER.password)


@pytest.mark.parametrize("asked", ["https://index.docker.io/v1/", "index.docker.io", "docker.io",
                                   "registry-1.docker.io"])
def test_docker_hub_is_one_registry(start_named, asked):
    _, guest = start_named(docker_config("docker.io"), {"https://index.docker.io/v1/": OWNER})
    assert json.loads(guest.helper("get", asked).stdout)["Secret"] == OWNER.password


def test_another_port_is_another_registry(start_named):
    chain, guest = start_named(docker_config("localhost:5000", "localhost:5001"), {"localhost:5000": OWNER})
    assert guest.helper("get", "localhost:5001").stdout == NOT_FOUND
    assert chain.record()["result"] == "anonymous"


def test_an_identity_token_has_the_user_that_says_so(start_named, store):
    _, guest = start_named(docker_config("ghcr.io"), {})
    store.write({"auths": {"ghcr.io": {"identitytoken": "an identity token"}}})
    answer = json.loads(guest.helper("get", "ghcr.io").stdout)
    assert (answer["Username"], answer["Secret"]) == ("<token>", "an identity token")


def test_nothing_stored_is_not_found_and_nothing_else(start_named):
    chain, guest = start_named(docker_config("ghcr.io"), {})
    done = guest.helper("get", "ghcr.io")
    assert (done.status, done.stdout, done.stderr) == (1, NOT_FOUND, "")
    record = chain.record()
    assert (record["result"], record["code"], record["detail"]) == ("anonymous", "CREDENTIALS_NOT_FOUND", "ghcr.io")


def test_a_registry_that_is_not_allowed_is_not_found_and_told_on_stderr(start_named):
    chain, guest = start_named(docker_config("quay.io"), {"ghcr.io": OWNER})
    done = guest.helper("get", "ghcr.io")
    assert (done.status, done.stdout) == (1, NOT_FOUND)
    assert done.stderr == (f"{PREFIX}ghcr.io: not in the host's allow-list; add it to docker.registries in "
                           "extensions.yaml\n")
    record = chain.record()
    assert (record["result"], record["code"], record["detail"]) == ("denied", "REGISTRY_NOT_ALLOWED", "ghcr.io")
    assert "ghcr.io is not in docker.registries" in chain.host.stderr


def test_a_policy_that_denies_leaves_public_pulls_alone(start_named):
    chain, guest = start_named(docker_config("ghcr.io", approval="deny-all"), {"ghcr.io": OWNER})
    done = guest.helper("get", "ghcr.io")
    assert (done.status, done.stdout) == (1, NOT_FOUND)
    assert done.stderr.startswith(f"{PREFIX}ghcr.io: ") and done.stderr.count("\n") == 1
    assert "denied" in done.stderr
    record = chain.record()
    assert (record["result"], record["code"], record["approval"]) == ("denied", "POLICY_DENIED", "deny-all")


def test_list_shows_allowed_registries_only(start_named):
    chain, guest = start_named(docker_config("ghcr.io", "docker.io"), {
        "ghcr.io": OWNER, "https://index.docker.io/v1/": OTHER, "off.example": OWNER})
    done = guest.helper("list")
    assert (done.status, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"ghcr.io": OWNER.user, "https://index.docker.io/v1/": OTHER.user}
    record = chain.record()
    assert (record["op"], record["result"], record["detail"]) == ("list", "ok", "count:2")


@pytest.mark.parametrize("approval", ["approve-all", "deny-all"])
def test_an_empty_list_is_an_empty_object(start_named, approval):
    _, guest = start_named(docker_config("ghcr.io", approval=approval), {"off.example": OWNER})
    done = guest.helper("list")
    assert (done.status, done.stdout, done.stderr) == (0, "{}\n", "")


LOGIN_DOCUMENT = json.dumps({"ServerURL": "ghcr.io", "Username": "x", "Secret": "hunter2"})


@pytest.mark.parametrize("verb, text", [("store", LOGIN_DOCUMENT), ("erase", "ghcr.io")])
def test_logins_are_read_only(start_named, store, verb, text):
    _, guest = start_named(docker_config("ghcr.io"), {"ghcr.io": OWNER})
    before = store.file.read_text()
    done = guest.helper(verb, text)
    assert (done.status, done.stderr) == (1, "")
    assert done.stdout == f"{PREFIX}{verb}: logins are read-only here: change them on the host\n"
    assert store.file.read_text() == before


def test_version_asks_nobody(programs, binary, place):
    link = place.root / "docker-credential-shed"
    link.symlink_to(binary)
    done = programs.run([link, "version"], place.env(SHED_PUBLISH_URL="http+unix:///nowhere:/v1/publish"))
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith("docker-credential-shed ") and done.stdout.count("\n") == 1


@pytest.mark.parametrize("verb", ["remove", "GET", "get;id"])
def test_an_unknown_verb_is_told_the_known_ones(start_named, verb):
    _, guest = start_named(docker_config("ghcr.io"), {})
    check_refused(guest.helper(verb, "ghcr.io"), f"unknown command '{verb}'", "get, list, store, erase, version")


BAD_URLS = {
    "empty": ("", "the server URL is empty"),
    "nothing but spaces": (" \r\n\n", "the server URL is empty"),
    "over 2 KiB": ("a" * 2049, "more than 2048 bytes"),
    "over 64 KiB": ("a" * 65537, "more than 65536 bytes"),
    "binary": (b"\x00\xff\xfe\x01ghcr.io", "control or non-ASCII characters"),
    "two lines": ("ghcr.io\nquay.io", "control or non-ASCII characters"),
    "a carriage return": ("ghcr.io\rquay.io", "control or non-ASCII characters"),
    "an escape": ("ghcr.io\x1b[2J", "control or non-ASCII characters"),
    "a login": ("https://ada:hunter2@ghcr.io/", "has a user name in it"),
    "another scheme": ("file:///etc/passwd", "neither http nor https"),
    "a shell's words": ("$(touch${IFS}executed)", "not the name of a registry"),
    "an option": ("--help", "not the name of a registry"),
    "a path": ("../../bin/sh", "not the name of a registry"),
    "a query": ("ghcr.io/?a=b", "not the name of a registry"),
    "a path that climbs": ("ghcr.io/my-org/../other", "not the name of a registry"),
}


@pytest.fixture
def eager(start_docker, start_guest, store):
    """Everything is allowed, and a helper has a login for whatever it is asked."""
    store.write({"credsStore": "eager"})
    store.helper("eager", 'echo \'{"ServerURL":"x","Username":"x","Secret":"x"}\'')
    chain = start_docker(docker_config(allow_all="true"))
    return chain, start_guest(chain)


@pytest.mark.parametrize("name", BAD_URLS)
def test_a_bad_server_url_is_refused_by_the_guest_and_by_the_host(eager, store, name):
    """The guest asks nobody; one that writes to the bus itself is refused by the host, and recorded."""
    chain, guest = eager
    url, words = BAD_URLS[name]
    done = guest.helper("get", url)
    check_refused(done, words)
    assert len(done.stdout) < 3000
    assert chain.records() == []
    # Text is all that the bus carries.
    answer = chain.ask({"operation": "get", "server_url": url if isinstance(url, str) else url.decode("latin-1")})
    assert (answer["code"], answer["reason_code"]) == ("INTERNAL_ERROR", "INVALID_SERVER_URL")
    record = chain.record()
    assert (record["result"], record["code"]) == ("error", "INVALID_SERVER_URL")
    assert "hunter2" not in done.stdout + json.dumps(answer) + chain.logs()
    assert store.calls("eager") == []


def test_status_says_how_much_is_allowed(start_named):
    chain, _ = start_named(docker_config("ghcr.io", "docker.io"), {})
    assert chain.ask({"operation": "status"}) == {"connected": True, "allow_all": False, "registry_count": 2}


@pytest.mark.parametrize("verb", ["get", "list"])
def test_without_a_host_agent_it_ends_at_once_and_says_so(broker, binary, place, programs, start_guest, verb):
    guest = start_guest(broker.start_bus("unix"))
    watch = Stopwatch()
    done = guest.helper(verb, "ghcr.io")
    assert watch.seconds < patience(2)
    check_refused(done, START_HOST)
    assert audit_records(place.audit_log) == []


def test_without_a_bus_it_ends_at_once_and_says_so(broker, start_guest):
    bus = broker.start_bus("unix")
    guest = start_guest(bus)
    bus.program.terminate()
    watch = Stopwatch()
    check_refused(guest.helper("get", "ghcr.io"), START_HOST)
    assert watch.seconds < patience(2)


@pytest.mark.release  # it takes its five seconds
def test_a_host_agent_that_does_not_answer_is_waited_for_five_seconds(start_named):
    chain, guest = start_named(docker_config("ghcr.io"), {"ghcr.io": OWNER})
    chain.host.signal(signal.SIGSTOP)
    watch = Stopwatch()
    done = guest.helper("get", "ghcr.io")
    seconds = watch.seconds
    chain.host.signal(signal.SIGCONT)
    assert 4.5 < seconds < 5 + patience(2)
    check_refused(done, "ghcr.io: the host does not answer", START_HOST)


@pytest.mark.parametrize("url", ["", "ftp://x", "http://127.0.0.1:1/v1/publish"])
def test_a_publish_url_that_leads_nowhere_is_one_line(start_named, url):
    _, guest = start_named(docker_config("ghcr.io"), {})
    # Empty is the default address, where nobody listens either.
    check_refused(guest.helper("get", "ghcr.io", env={"SHED_PUBLISH_URL": url}))
