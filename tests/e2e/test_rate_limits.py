"""Rate limits: a person's work passes, a guest that asks in a loop does not, and is told why."""

import base64

import pytest

from support.agent_wire import AgentConnection
from support.broker import APPROVE_ALL, audit_records
from support.docker import docker_config
from support.docker_fixtures import OWNER
from support.waiting import Stopwatch, wait_until

SMALL = APPROVE_ALL + "limits: { ssh: { burst: 5, per_minute: 1 } }\n"


def refusals(place):
    return [dict(record) for record in audit_records(place.audit_log) if dict(record).get("code") == "RATE_LIMITED"]


def counted(record):
    """How many requests a record stands for."""
    words = record["reason"].partition("; one record for ")[2].split()
    return int(words[0]) if words else 1


def sign_payload(key):
    return {"operation": "sign", "public_key": base64.b64encode(key.blob).decode(),
            "data": base64.b64encode(b"data").decode(), "flags": 0}


def test_a_persons_work_stays_below_the_limits(broker, agent, keys, programs, place):
    up = broker.start_up(agent.path)
    env = place.env(up.sock)
    file = place.work / "file"
    file.write_text("text")
    for _ in range(10):
        assert programs.run(["ssh-add", "-l"], env).status == 0
    for _ in range(10):
        (place.work / "file.sig").unlink(missing_ok=True)
        done = programs.run(["ssh-keygen", "-Y", "sign", "-n", "file", "-f", keys["ed25519"].public, file], env)
        assert done.status == 0, done.stderr
    with AgentConnection(up.sock) as connection:  # a hundred logins at once
        for _ in range(100):
            assert connection.identities()
            assert connection.sign(keys["ed25519"].blob, b"data") is not None
    assert refusals(place) == []


def test_a_guest_in_a_loop_is_refused_and_the_log_says_how_often(broker, agent, keys, place):
    watch = Stopwatch()
    up = broker.start_up(agent.path)
    with AgentConnection(up.sock) as connection:
        signed = sum(connection.sign(keys["ed25519"].blob, b"data") is not None for _ in range(2000))
    assert 1000 <= signed <= 1001 + 2 * watch.seconds, "the burst, and two a second since then"
    wait_until(lambda: sum(map(counted, refusals(place))) == 2000 - signed, 15, "a record for every refusal")
    assert len(refusals(place)) <= 5 + watch.seconds, "one a second"


def test_the_client_fails_at_once_and_the_relays_log_says_why(broker, agent, programs, place):
    up = broker.start_up(agent.path, config=SMALL)
    env = place.env(up.sock)
    done = [programs.run(["ssh-add", "-l"], env) for _ in range(6)]
    assert [run.status for run in done[:5]] == [0] * 5
    assert done[5].status != 0
    up.program.wait_for_stderr(r"too many requests of this guest, again in .*; limits.ssh in extensions.yaml \(RATE_LIMITED\)")
    assert refusals(place)[0]["op"] == "list"


def test_the_refusal_says_when_to_ask_again(broker, agent, keys):
    up = broker.start_up(agent.path, config=SMALL)
    answers = [up.ask(sign_payload(keys["ed25519"])) for _ in range(8)]
    assert sum("blob" in answer for answer in answers) <= 5
    refused = answers[-1]
    assert (refused["code"], refused["reason_code"], refused["retryable"]) == ("INTERNAL_ERROR", "RATE_LIMITED", True)
    assert refused["reason"].startswith("too many requests of this guest, again in ")
    assert up.ask({"operation": "ping"})["status"] == "ok", "pings are counted apart"


def test_one_guests_flood_leaves_another_guest_alone(start_host_bus, broker, agent, keys):
    bus = start_host_bus()
    broker.start_host(bus.url, agent.path, config=SMALL)
    answers = [bus.ask(sign_payload(keys["ed25519"]))["payload"] for _ in range(8)]
    assert answers[-1]["reason_code"] == "RATE_LIMITED"
    other = {"name": "other", "backend": "vz", "server": "mini2"}
    assert "blob" in bus.ask(sign_payload(keys["ed25519"]), shed=other)["payload"]


def test_a_request_that_the_bus_brings_again_costs_nothing(start_host_bus, broker, agent, keys):
    bus = start_host_bus()
    broker.start_host(bus.url, agent.path, config=SMALL)
    first = bus.ask(sign_payload(keys["ed25519"]), id="one")["payload"]
    assert "blob" in first
    for _ in range(20):
        assert bus.ask(sign_payload(keys["ed25519"]), id="one")["payload"] == first
    assert "blob" in bus.ask(sign_payload(keys["ed25519"]))["payload"]


def test_limits_can_be_switched_off(broker, agent, keys):
    up = broker.start_up(agent.path, config=APPROVE_ALL + "limits: { ssh: off }\n")
    with AgentConnection(up.sock) as connection:
        assert all(connection.sign(keys["ed25519"].blob, b"data") for _ in range(1500))


def test_the_docker_helper_says_when_to_pull_again(start_docker, start_guest, store):
    store.write({"auths": {"ghcr.io": {"auth": OWNER.auth}}})
    config = docker_config("ghcr.io") + "limits: { docker: { burst: 2, per_minute: 1 } }\n"
    guest = start_guest(start_docker(config))
    done = [guest.helper("get", "ghcr.io") for _ in range(3)]
    assert [run.status for run in done] == [0, 0, 1]
    told = done[2].stdout + done[2].stderr
    assert "RATE_LIMITED" in told and "limits.docker in extensions.yaml" in told


@pytest.mark.parametrize("config, told", [
    ("limits: { ssh: { burst: 0 } }", "limits.ssh.burst must be a number of 1 to 100000"),
    ("limits: { ssh: { brust: 5 } }", "did you mean 'burst'?"),
    ("limits: 5", "limits must be off or a map with ssh, aws and docker"),
])
def test_limits_that_are_none_are_told_at_the_start(broker, place, config, told):
    path = place.config(config + "\n", place.root / "host.yaml")
    done = broker.run("host", "--check", "--config", path)
    assert done.status == 1 and told in done.stderr


def test_the_check_names_the_limits(broker, place):
    path = place.config("limits: { aws: off }\n", place.root / "host.yaml")
    done = broker.run("host", "--check", "--config", path)
    assert "1000 requests at once, then 120 a minute" in done.stdout and "off (limits.aws)" in done.stdout
