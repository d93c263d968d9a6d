"""Command lines, good and bad: which stream, which status, which words."""

import re

import pytest

from support.waiting import patience, wait_until


@pytest.fixture
def links(broker, place):
    """A folder with the names under which the binary is known."""
    folder = place.root / "bin"
    folder.mkdir()
    for name in ("shed-ext-ssh-agent", "shed-host-agent", "shed-ext-status", "shed-ext-bus", "shed-ext"):
        (folder / name).symlink_to(broker.binary)
    return folder


def run_link(broker, links, *arguments, **more):
    return broker.programs.run([links / arguments[0], *arguments[1:]], broker.place.env(), **more)


def assert_usage_error(done, *words):
    assert done.status == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_no_arguments_is_a_usage_error(broker, links):
    assert_usage_error(run_link(broker, links, "shed-ext"), "shed-ext: ", "--help")


def test_an_unknown_applet_gets_a_suggestion(broker, links):
    done = run_link(broker, links, "shed-ext", "ssh-agnet")
    assert_usage_error(done)
    assert done.stderr == "shed-ext: unknown applet 'ssh-agnet', did you mean 'ssh-agent'?\n"


def test_an_applet_like_no_other_gets_no_wrong_suggestion(broker, links):
    done = run_link(broker, links, "shed-ext", "qqqqqqqqqq")
    assert_usage_error(done, "unknown applet 'qqqqqqqqqq'", "--help")
    assert "did you mean" not in done.stderr


@pytest.mark.parametrize("arguments, suggestion", [
    (["ssh-agent", "--sokc", "/x"], "--sock"),
    (["ssh-agent", "--publish-ulr", "x"], "--publish-url"),
    (["host", "--confg", "x"], "--config"),
    (["host", "--chekc"], "--check"),
    (["bus", "--guest-lisen", "x"], "--guest-listen"),
    (["up", "--confg", "x"], "--config"),
    (["status", "--jsn"], "--json"),
    (["install", "--bindri", "x"], "--bindir"),
], ids=lambda value: value if isinstance(value, str) else " ".join(value))
def test_an_unknown_option_gets_a_suggestion(broker, arguments, suggestion):
    assert_usage_error(broker.run(*arguments), arguments[1], f"did you mean '{suggestion}'?")


@pytest.mark.parametrize("arguments", [
    ["ssh-agent", "--sock"], ["ssh-agent", "extra"], ["ssh-agent", "--publish-url", "ftp://x/y"],
    ["ssh-agent", "--publish-url", "not a url"], ["host", "frobnicate"], ["host", "status", "--frob"],
    ["bus", "--guest-listen", "nonsense", "--host-listen", "127.0.0.1:1", "--shed", "x"],
    ["bus", "--guest-listen", "127.0.0.1:99999", "--host-listen", "127.0.0.1:1", "--shed", "x"],
    ["host", "--shed", "web"], ["host", "--server", "mini2"],
    ["version", "extra"], ["status", "extra"], ["install", "extra"],
], ids=" ".join)
def test_a_bad_command_line_is_one_line_and_status_2(broker, arguments):
    assert_usage_error(broker.run(*arguments))


@pytest.mark.parametrize("arguments", [
    ["--help"], ["-h"], ["ssh-agent", "--help"], ["host", "--help"], ["bus", "--help"], ["up", "--help"],
    ["status", "--help"], ["install", "--help"], ["version", "--help"],
], ids=" ".join)
def test_help_is_on_stdout_and_status_0(broker, arguments):
    done = broker.run(*arguments)
    assert (done.status, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) > 1


def test_help_names_every_applet(broker):
    text = broker.run("--help").stdout
    for applet in ("ssh-agent", "host", "bus", "up", "status", "install", "version"):
        assert re.search(rf"^\s*{applet}\b", text, re.MULTILINE), applet


@pytest.mark.parametrize("name, options", [
    ("shed-ext-ssh-agent", ["--sock", "--publish-url"]), ("shed-host-agent", ["--config", "--log-file"]),
])
def test_help_under_the_old_names_is_that_of_the_applet(broker, links, name, options):
    done = run_link(broker, links, name, "--help")
    assert done.status == 0
    for option in options:
        assert option in done.stdout


@pytest.mark.parametrize("arguments", [["shed-ext", "version"], ["shed-ext", "--version"],
                                       ["shed-host-agent", "version"], ["shed-ext", "host", "version"]], ids=" ".join)
def test_version_is_on_stdout(broker, links, arguments):
    done = run_link(broker, links, *arguments)
    assert (done.status, done.stderr) == (0, "")
    assert re.search(r"\d+\.\d+\.\d+", done.stdout)


@pytest.mark.parametrize("dashes", ["-", "--"])
def test_options_of_the_relay_work_with_one_dash_or_two(broker, links, honest_guest_bus, place, dashes):
    relay = broker.programs.start([links / "shed-ext-ssh-agent", f"{dashes}sock", place.run / "a.sock",
                                   f"{dashes}publish-url", honest_guest_bus.url], place.env())
    assert honest_guest_bus.arrived.acquire(timeout=patience(20))
    assert relay.running
    assert honest_guest_bus.operations()[0] == "ping"


@pytest.mark.parametrize("form", ["--sock={}", "-sock={}"])
def test_an_options_value_may_follow_an_equals_sign(broker, honest_guest_bus, place, form):
    relay = broker.start("ssh-agent", form.format(place.run / "a.sock"), f"--publish-url={honest_guest_bus.url}")
    assert honest_guest_bus.arrived.acquire(timeout=patience(20))
    wait_until((place.run / "a.sock").is_socket, 10, "the socket")
    assert relay.running


@pytest.mark.parametrize("dashes", ["-", "--"])
def test_options_of_the_host_work_with_one_dash_or_two(broker, links, start_host_bus, agent, place, dashes):
    bus = start_host_bus()
    config = place.config(f"server: {bus.url}\nssh: {{ approval: {{ policy: approve-all }} }}\n")
    log = place.work / "host.log"
    broker.programs.start([links / "shed-host-agent", f"{dashes}config", config, f"{dashes}log-file", log],
                          place.env(agent.path, **broker.host_env()))
    assert bus.ask({"operation": "ping"})["payload"] == {"status": "ok"}
    assert log.exists()


def test_the_host_status_of_nothing_is_one_line_and_status_1(broker):
    done = broker.run("host", "status", env=broker.host_env())
    assert (done.status, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1


def test_the_status_of_nothing_says_why_and_is_not_success(broker):
    done = broker.run("status", env=broker.host_env())
    assert done.status == 1
    assert done.stdout + done.stderr != ""


def test_install_makes_links_that_work(broker, place):
    folder = place.work / "bin"
    folder.mkdir()
    assert broker.run("install", "--bindir", folder).status == 0
    names = {link.name: link.resolve() for link in folder.iterdir() if link.is_symlink()}
    assert {"shed-ext-ssh-agent", "shed-host-agent", "shed-ext-bus", "shed-ext-status"} <= set(names)
    assert set(names.values()) <= {broker.binary, folder / "shed-ext"}
    done = broker.programs.run([folder / "shed-host-agent", "version"], place.env())
    assert done.status == 0


def test_install_twice_is_install_once(broker, place):
    folder = place.work / "bin"
    folder.mkdir()
    assert broker.run("install", "--bindir", folder).status == 0
    before = sorted(path.name for path in folder.iterdir())
    assert broker.run("install", "--bindir", folder).status == 0
    assert sorted(path.name for path in folder.iterdir()) == before


def test_install_leaves_a_file_of_somebody_else_alone_and_says_so(broker, place):
    folder = place.work / "bin"
    folder.mkdir()
    (folder / "shed-host-agent").write_text("mine")
    done = broker.run("install", "--bindir", folder)
    assert done.status == 1
    assert (folder / "shed-host-agent").read_text() == "mine"
    assert str(folder / "shed-host-agent") in done.stderr


def test_install_into_a_folder_that_does_not_exist_names_it(broker, place):
    done = broker.run("install", "--bindir", place.work / "missing/deep")
    assert done.status in (0, 1)
    if done.status == 1:
        assert str(place.work / "missing/deep") in done.stderr


@pytest.mark.parametrize("arguments, said", [
    (["host", "pause", "web"], "unknown argument 'web', 'shed-ext host pause --help' lists them"),
    (["host", "status", "--config", "x"], "unknown option '--config', 'shed-ext host status --help' lists them"),
    (["host", "pause", "--shde", "web"], "unknown option '--shde', did you mean '--shed'?"),
    (["up", "git", "push"], "unknown argument 'git'; a command goes behind --, as in: shed-ext up -- ssh-add -l"),
], ids=lambda value: value if isinstance(value, str) else " ".join(value))
def test_what_is_unknown_is_told_with_what_would_be_known_there(broker, arguments, said):
    done = broker.run(*arguments)
    assert_usage_error(done)
    assert done.stderr == f"shed-ext {arguments[0]}: {said}\n"
