"""`host --init` and `--check`: everything wrong at once, with line and column, and what would be right."""

import pytest

BAD = """server: http://localhost:8080
approval_timeout: soon
ssh:
  mode: agent-forwrd
  approval:
    polcy: approve-all
    session_ttl: 4 hours
docker:
  registries: ghcr.io
  allow_all: maybe
  allow_all: true
"""


def check(broker, text, place, *more):
    config = place.config(text, place.work / "extensions.yaml")
    return broker.run("host", "--check", "--config", config, *more, cwd=place.work)


def test_every_problem_is_reported_at_once_with_its_line(broker, place):
    done = check(broker, BAD, place)
    assert done.status == 1
    for line in (2, 4, 6, 7, 9, 10, 11):
        assert f"extensions.yaml:{line}:" in done.stderr, done.stderr


def test_an_unknown_key_gets_a_suggestion(broker, place):
    done = check(broker, BAD, place)
    assert "extensions.yaml:6:5: 'polcy' is not a key of ssh.approval, did you mean 'policy'?" in done.stderr


@pytest.mark.parametrize("text", ["ssh: [", "\tssh: x\n", "ssh: 5\n", "- a\n", "&a [*a]\n", "\0", "a: b: c\n", "\xff"],
                         ids=repr)
def test_what_is_no_configuration_is_refused_with_a_place(broker, place, text):
    done = check(broker, text, place)
    assert done.status == 1 and done.stdout == ""
    assert "extensions.yaml:" in done.stderr


def test_a_file_that_is_missing_is_named(broker, place):
    done = broker.run("host", "--check", "--config", place.work / "missing.yaml")
    assert done.status == 1 and str(place.work / "missing.yaml") in done.stderr


def test_a_folder_is_no_configuration(broker, place):
    done = broker.run("host", "--check", "--config", place.work)
    assert done.status == 1 and str(place.work) in done.stderr


@pytest.mark.parametrize("applet", [["host"], ["up"]], ids=["host", "up"])
def test_nothing_starts_with_a_bad_configuration(broker, agent, place, applet):
    config = place.config(BAD, place.work / "extensions.yaml")
    mark = place.work / "ran"
    command = ["--", "touch", mark] if applet == ["up"] else []
    done = broker.run(*applet, "--config", config, *command, agent=agent.path, env=broker.host_env())
    assert done.status == 1 and "extensions.yaml:4:" in done.stderr
    assert not mark.exists()


def test_an_unknown_mode_is_exit_1(broker, place):
    assert check(broker, "ssh: { mode: telepathy }\n", place).status == 1


def test_yaml_1_1_booleans_are_booleans(broker, place):
    assert check(broker, "docker: { allow_all: yes }\nlogging: { enabled: On }\n", place).status == 0


def test_check_prints_what_is_in_force_for_a_shed(broker, place):
    done = check(broker, "ssh: { approval: { policy: approve-all } }\naws:\n  approval: { policy: deny-all }\n"
                 "  servers: { mini2: { sheds: { web: { role: 'arn:aws:iam::123456789012:role/web' } } } }\n",
                 place, "--shed", "web", "--server", "mini2")
    assert done.status == 0, done.stderr
    assert "approve-all" in done.stdout and "arn:aws:iam::123456789012:role/web" in done.stdout
    other = broker.run("host", "--check", "--config", place.work / "extensions.yaml", "--shed", "other",
                       "--server", "mini2")
    assert "role/web" not in other.stdout


def test_init_writes_a_file_that_check_accepts(broker, place):
    file = place.work / "new.yaml"
    assert broker.run("host", "--init", file).status == 0
    assert file.read_text().count("#") > 10
    done = broker.run("host", "--check", "--config", file)
    assert done.status == 0, done.stderr


def test_init_never_writes_over_a_file(broker, place):
    file = place.config("mine\n", place.work / "mine.yaml")
    done = broker.run("host", "--init", file)
    assert done.status == 1 and str(file) in done.stderr
    assert file.read_text() == "mine\n"


def test_init_does_not_follow_a_link_to_a_file(broker, place):
    target = place.work / "target"
    (place.work / "link.yaml").symlink_to(target)
    assert broker.run("host", "--init", place.work / "link.yaml").status == 1
    assert not target.exists()


def test_init_without_a_file_writes_the_default_one(broker, place):
    assert broker.run("host", "--init").status == 0
    assert (place.home / ".config/shed/extensions.yaml").exists()
