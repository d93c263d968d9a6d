"""`shed-ext install --guest ROOT`: a guest's image gets everything that its clients need, and the machine that
mounts the image loses nothing."""

import configparser
import json
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from support.docker import client, outcomes
from support.docker_fixtures import OWNER
from support.place import PREFIX

APPLETS = Path(__file__).resolve().parents[2] / "applets"
UNIT = "etc/systemd/system/shed-ext-guest.service"
PROFILE = "etc/profile.d/shed-ext.sh"
ENVIRONMENT = "etc/environment.d/60-shed-ext.conf"
REGISTRIES = "etc/containers/registries.conf.d/60-shed-ext.conf"
NOBODY = 65534
GENERATOR = "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator"
VARIABLES = {
    "SSH_AUTH_SOCK": "/run/shed-extensions/ssh-agent.sock",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:499/credentials",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/run/shed-extensions/aws-token",
}
# What systemd counts, 0 to 100; the unit has 21 with the devices of virtio-serial open.
MOST_EXPOSED = 25


@pytest.fixture
def root(place):
    """The root folder of an image with nothing in it."""
    folder = place.root / "image"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def furnished(binary):
    """An image that has everything, and what was said."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir="/tmp") as folder:
        done = subprocess.run([binary, "install", "--guest", folder], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        yield Path(folder), done.stdout


def every_file(root):
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_symlink() or path.is_file()}


def test_each_file_is_told_on_a_line_of_its_own(furnished):
    root, said = furnished
    assert {line.split(" ")[0] for line in said.splitlines()} == {f"{root}/{path}" for path in every_file(root)}


def test_the_program_in_the_image_runs(furnished, programs, place):
    root, _ = furnished
    done = programs.run([root / "usr/local/bin/shed-ext-guest", "--help"], place.env())
    assert done.status == 0 and "shed-ext guest" in done.stdout


def test_the_links_are_those_of_a_guest(furnished):
    root, _ = furnished
    links = {path.name: os.readlink(path) for path in (root / "usr/local/bin").iterdir() if path.is_symlink()}
    assert set(links.values()) == {"shed-ext"}
    assert {"docker-credential-shed", "shed-ext-guest", "shed-ext-status"} < set(links)
    assert "shed-host-agent" not in links


def test_what_is_in_the_image_lies_beside_the_applets(furnished):
    root, _ = furnished
    assert (root / UNIT).read_bytes() == (APPLETS / "guest/shed-ext-guest.service").read_bytes()
    overlay = APPLETS / "guest/overlay"
    files = every_file(overlay)
    assert {PROFILE, ENVIRONMENT, REGISTRIES} < files
    for path in files:
        assert (root / path).read_bytes() == (overlay / path).read_bytes()


def test_everything_is_its_makers_and_nobody_elses_to_write(furnished):
    root, _ = furnished
    for path in root.rglob("*"):
        info = path.lstat()
        assert (info.st_uid, info.st_gid) == (os.geteuid(), os.getegid())
        assert path.is_symlink() or not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH), path
        private = path == root / "root" or ".docker" in path.parts
        assert path.is_symlink() or private != bool(info.st_mode & stat.S_IROTH), path


@pytest.mark.release  # the unit is the same
def test_systemd_finds_no_fault_with_the_unit(furnished, place):
    root, _ = furnished
    unit = place.work / "shed-ext-guest.service"
    text = (root / UNIT).read_text()
    assert "ExecStart=/usr/local/bin/shed-ext guest " in text
    unit.write_text(text.replace("/usr/local/bin/shed-ext", str(root / "usr/local/bin/shed-ext")))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.release
def test_the_unit_is_as_closed_as_it_can_be(furnished):
    root, _ = furnished
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                           f"--threshold={MOST_EXPOSED}", root / UNIT], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_unit_may_use_what_the_bus_needs(furnished):
    """What systemd would take from the program without a word."""
    root, _ = furnished
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(root / UNIT)
    service = unit["Service"]
    assert "AF_VSOCK" in service["RestrictAddressFamilies"].split()
    assert service["DeviceAllow"] == "char-virtio-portsdev rw" and "PrivateDevices" not in service
    assert service["AmbientCapabilities"] == service["CapabilityBoundingSet"] == "CAP_NET_BIND_SERVICE"


def not_root(*folders):
    """Who else a program is run as by root, and by everybody else: nobody, who gets into these folders."""
    if os.geteuid() != 0:
        return {}
    for folder in folders:
        folder.chmod(0o755)
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def shell_environment(place, script, before=None, **more):
    """Our variables after a login shell has read the script."""
    done = subprocess.run(["sh", "-euc", f". '{script}'; env"], check=True, capture_output=True, text=True,
                          env={"PATH": place.env()["PATH"], **(before or {})}, **more)
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    return {name: value for name, value in found.items() if name.startswith(("SSH_", "AWS_"))}


def profile_at(furnished, place, folder):
    """The script as if the services had their files in this folder."""
    root, _ = furnished
    script = place.work / "shed-ext.sh"
    script.write_text((root / PROFILE).read_text().replace("/run/shed-extensions", str(folder)))
    return script


def test_a_login_shell_gets_the_environment(furnished, place):
    missing = place.work / "missing"
    found = shell_environment(place, profile_at(furnished, place, missing))
    assert found == {name: value.replace("/run/shed-extensions", str(missing)) for name, value in VARIABLES.items()}


def test_what_a_person_has_set_stays(furnished, place):
    mine = dict.fromkeys(VARIABLES, "mine")
    assert shell_environment(place, profile_at(furnished, place, place.run), mine) == mine


def test_who_may_not_use_the_services_gets_no_variables(furnished, place):
    """They would break clients that work without them."""
    closed = place.work / "closed"
    closed.mkdir(mode=0)
    script = profile_at(furnished, place, closed)
    assert shell_environment(place, script, **not_root(place.root, place.work)) == {}


@pytest.mark.release
@pytest.mark.parametrize("mine", [False, True], ids=["unset", "set"])
def test_services_of_a_user_get_the_environment(furnished, place, mine):
    root, _ = furnished
    folder = place.home / ".config/environment.d"
    folder.mkdir(parents=True)
    (folder / "60-shed-ext.conf").write_bytes((root / ENVIRONMENT).read_bytes())
    expected = dict.fromkeys(VARIABLES, "mine") if mine else VARIABLES
    done = subprocess.run([GENERATOR], check=True, capture_output=True, text=True,
                          env={"HOME": str(place.home), **(expected if mine else {})})
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert {name: found[name] for name in VARIABLES} == expected


def configured_like(image_root, guest, place):
    """The guest's clients with the image's configuration: nothing names a registry, no variable leads to a file."""
    home = place.root / "guest/home"
    folder = home / ".config/containers/registries.conf.d"
    folder.mkdir(parents=True)
    (folder / "60-shed-ext.conf").write_bytes((image_root / REGISTRIES).read_bytes())
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_bytes((image_root / "etc/skel/.docker/config.json").read_bytes())
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE"):
        del guest.env[name]
    return guest


@pytest.mark.release  # the clients are the same
def test_skopeo_and_podman_find_the_hosts_login(furnished, guest, docker, place, private_registry, image):
    guest = configured_like(furnished[0], guest, place)
    done = guest.run("skopeo", "inspect", private_registry.reference("private/image"))
    assert done.status == 0, done.stderr
    done = guest.run("podman", "login", "--get-login", private_registry.host)
    assert (done.status, done.stdout.strip()) == (0, OWNER.user), done.stderr
    assert outcomes(docker.records()) == [(private_registry.host, "ok", None)]


@pytest.mark.release
def test_a_public_image_needs_no_login(furnished, guest, place, public_registry, image):
    guest = configured_like(furnished[0], guest, place)
    done = guest.run("skopeo", "inspect", public_registry.reference("public/image"))
    assert done.status == 0, done.stderr


@pytest.mark.release
def test_a_login_that_a_guest_makes_itself_is_kept(furnished, guest, place, private_registry):
    """With the helper alone it would be refused."""
    guest = configured_like(furnished[0], guest, place)
    done = guest.run("skopeo", "login", "--username", OWNER.user, "--password", OWNER.password, private_registry.host)
    assert done.status == 0, done.stderr


@pytest.mark.release
def test_docker_finds_the_hosts_login(furnished, guest, place, private_registry, image):
    guest = configured_like(furnished[0], guest, place)
    done = guest.run(client("docker"), "manifest", "inspect", f"{private_registry.host}/private/image")
    assert done.status == 0, done.stderr


def test_a_second_time_changes_nothing(broker, root):
    assert broker.run("install", "--guest", root).status == 0
    before = {path: path.lstat().st_mtime_ns for path in root.rglob("*")}
    done = broker.run("install", "--guest", root)
    assert done.status == 0
    assert all(line.endswith(" already") for line in done.stdout.splitlines())
    assert {path: path.lstat().st_mtime_ns for path in root.rglob("*")} == before


def test_files_of_somebody_else_are_named_and_nothing_is_touched(broker, root):
    for path in (UNIT, PROFILE):
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text("theirs")
    done = broker.run("install", "--guest", root)
    assert (done.status, done.stdout) == (1, "")
    assert {line.split(": ")[1] for line in done.stderr.splitlines()} == {f"{root}/{PROFILE}", f"{root}/{UNIT}"}
    assert all(line.endswith("remove it or use --force") for line in done.stderr.splitlines())
    assert every_file(root) == {UNIT, PROFILE}


def test_force_replaces_them(broker, root):
    (root / UNIT).parent.mkdir(parents=True)
    (root / UNIT).write_text("theirs")
    done = broker.run("install", "--guest", root, "--force")
    assert done.status == 0 and f"{root}/{UNIT} is new, in place of something else\n" in done.stdout
    assert (root / UNIT).read_bytes() == (APPLETS / "guest/shed-ext-guest.service").read_bytes()


@pytest.mark.parametrize("link", ["etc", "usr/local", "root/.docker", "etc/systemd/system"])
@pytest.mark.parametrize("absolute", [True, False], ids=["absolute", "relative"])
def test_a_link_in_the_image_leads_nobody_out_of_it(broker, root, place, link, absolute):
    machine = place.work / "machine"
    machine.mkdir()
    at = root / link
    at.parent.mkdir(parents=True, exist_ok=True)
    at.symlink_to(machine if absolute else os.path.relpath(machine, at.parent))
    for more in ([], ["--force"]):
        done = broker.run("install", "--guest", root, *more)
        assert (done.status, done.stdout) == (1, "")
        assert f"{at}: a link to '{os.readlink(at)}'; links inside the image are not followed" in done.stderr
    assert list(machine.iterdir()) == []
    assert every_file(root) == {link}


def test_a_link_at_the_place_of_a_file_is_not_written_through(broker, root, place):
    precious = place.work / "precious"
    precious.write_text("{}")
    at = root / "root/.docker/config.json"
    at.parent.mkdir(parents=True)
    at.symlink_to(precious)
    assert broker.run("install", "--guest", root).status == 1
    assert broker.run("install", "--guest", root, "--force").status == 0
    assert precious.read_text() == "{}" and json.loads(at.read_text()) == {"credsStore": "shed"}


def test_a_fifo_in_the_image_holds_nobody_up(broker, root):
    (root / UNIT).parent.mkdir(parents=True)
    os.mkfifo(root / UNIT)
    done = broker.run("install", "--guest", root, seconds=10)
    assert done.status == 1 and f"{root}/{UNIT}: something else is there" in done.stderr


def test_a_root_that_is_missing_is_named(broker, place):
    done = broker.run("install", "--guest", place.work / "missing")
    assert (done.status, done.stdout) == (1, "")
    assert str(place.work / "missing") in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("more, words", [
    (["--bindir", "/tmp"], "--guest and --bindir: give one of the two"),
    (["--docker-config"], "--guest and --docker-config: give one of the two"),
    (["--docker-config", "/tmp/config.json"], "--guest and --docker-config: give one of the two"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_options_that_do_not_go_together_are_refused(broker, root, more, words):
    done = broker.run("install", "--guest", root, *more)
    assert (done.status, done.stdout) == (2, "") and words in done.stderr
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--guest"], ["--guest", ""], ["--guest="]], ids=" ".join)
def test_the_root_must_be_named(broker, place, arguments):
    """An empty one, of a variable that is not set, must not mean this machine."""
    done = broker.run("install", *arguments, cwd=place.work)
    assert (done.status, done.stdout) == (2, "") and "--guest: name the root folder of the image" in done.stderr
    assert list(place.work.iterdir()) == []


def test_who_is_not_root_is_told_whose_the_files_are(programs, place, root, furnished):
    copy = shutil.copy(furnished[0] / "usr/local/bin/shed-ext", place.root)
    identity = not_root(place.root, place.work)
    root.chmod(0o777)
    done = programs.run([copy, "install", "--guest", root], place.env(), **identity)
    user = identity.get("user", os.geteuid())
    assert done.status == 0 and f"the files are user {user}'s; make them root's" in done.stderr
    assert (root / UNIT).stat().st_uid == user
