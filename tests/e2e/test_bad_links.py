"""The halves of the bus apart, with a link between them that delays, cuts, doubles, loses and invents, and with halves
that are killed: under load every request is answered, with its own answer, or fails with a reason in time."""

import contextlib
import signal
import socket

import pytest

from support.bad_link import frame
from support.split_bus import NO_BUS, REFUSED, Load, SplitBus, sign_over_agent, sign_over_bus
from support.waiting import Stopwatch, patience, wait_until

BACK_WITHIN_SECONDS = 2
CLIENTS = 6
# A request that a broken link or a killed half cost its answer is sent again, or fails, long before the bus's 30 s.
LONGEST_SECONDS = 10
# What a healthy guest may wait for while another one is in trouble.
UNDISTURBED_SECONDS = 1
# The reasons that a guest may hear while there is no connection.
AWAY = {"503 NO_CONNECTION", "503 CONNECTION_LOST"}


@pytest.fixture
def start_split_bus(broker, agent, keys, closing):
    return lambda tls=False: SplitBus(broker, agent.path, keys["ed25519"], closing, tls)


def over_bus(bus, guest, clients=CLIENTS):
    return Load(lambda data: sign_over_bus(guest.publish_url, bus.key, data), clients)


@contextlib.contextmanager
def under_load(bus, allowed=frozenset()):
    """Clients of both guests; in the end nothing but the allowed failures has happened to one, and nothing to the
    other."""
    with over_bus(bus, bus.web) as load, over_bus(bus, bus.quiet, clients=1) as quiet:
        yield load
        bus.link.heal()
        load.wait_for_more(BACK_WITHIN_SECONDS)
    load.check(LONGEST_SECONDS)
    assert set(load.failures) <= allowed, load.outcomes
    quiet.check(UNDISTURBED_SECONDS)
    assert not quiet.failures, quiet.outcomes


def both(link):
    return (link.up, link.down)


@pytest.mark.parametrize("tls", [False, True], ids=["unix", "tls"])
def test_a_slow_link_fails_nothing(start_split_bus, tls):
    bus = start_split_bus(tls)
    with under_load(bus) as load:
        for direction in both(bus.link):
            direction.delay = 0.01
        load.wait_for_more(15, 30)


@pytest.mark.parametrize("tls", [False, True], ids=["unix", "tls"])
@pytest.mark.parametrize("way", ["up", "down"])
def test_what_a_stalled_link_held_back_arrives_later(start_split_bus, way, tls):
    bus = start_split_bus(tls)
    direction = getattr(bus.link, way)
    with under_load(bus) as load:
        direction.hold()
        before = direction.count["bytes"]
        load.wait_until_stuck()
        assert direction.count["bytes"] - before < 65536, "at most what was on its way"


@pytest.mark.parametrize("tls", [False, True], ids=["unix", "tls"])
@pytest.mark.parametrize("way", ["up", "down"])
def test_a_link_that_breaks_in_the_middle_of_a_frame_costs_no_request(start_split_bus, way, tls):
    bus = start_split_bus(tls)
    direction = getattr(bus.link, way)
    with under_load(bus, AWAY) as load:
        for count in (1, 3, 7, 60, 700):
            direction.cut_after(count)
            wait_until(lambda: direction.count["cuts"], 15, "the cut")
            direction.count["cuts"] = 0
            load.wait_for_more(BACK_WITHIN_SECONDS)


def test_every_frame_may_come_twice(start_split_bus):
    bus = start_split_bus()
    with under_load(bus, AWAY) as load:
        for direction in both(bus.link):
            direction.duplicate = lambda _: True
        bus.link.cut()  # the greeting as well
        load.wait_for_more(5)
        load.wait_for_each(5)  # who was refused while the link was away has said so
        before = dict(load.failures)
        load.wait_for_more(15, 50)
        assert load.failures == before, "twice is not too often"
        assert all(direction.count["duplicated"] > 50 for direction in both(bus.link))


def test_a_request_or_answer_that_is_lost_on_the_way_fails_in_time(start_split_bus, broker):
    """Nothing tells that a frame is missing but the time, of which the SSH relay gives three seconds."""
    bus = start_split_bus()
    relay = broker.start_relay(bus.web.publish_url)
    with Load(lambda data: sign_over_agent(relay.sock, bus.key, data), CLIENTS) as load:
        for direction in both(bus.link):
            direction.drop = lambda each, way=direction: b"ssh-agent" in each and way.count["frames"] % 20 == 0
        wait_until(lambda: load.outcomes[REFUSED] >= 3, 10, "requests that failed")
        assert all(direction.count["dropped"] for direction in both(bus.link))
        bus.link.heal()
        load.wait_for_more(BACK_WITHIN_SECONDS + 3)
    load.check(LONGEST_SECONDS)
    assert set(load.failures) == {REFUSED}


NONSENSE = {
    "another type": frame(b"whatever", 0x42),
    "empty": frame(b""),
    "not JSON": frame(b"<html>it works</html>"),
    "half of an object": frame(b'{"id":"1","namespace":"ssh-agent"'),
    "not UTF-8": frame(b'{"id":"\xff\xfe"}'),
    "without an id": frame(b'{"namespace":"ssh-agent","type":"request","payload":{}}'),
    "an answer that nobody asked for": frame(
        b'{"id":"1","namespace":"ssh-agent","type":"response","in_reply_to":"2","payload":{"keys":[]}}'),
    "a reserved namespace": frame(b'{"id":"1","namespace":"system:admin","type":"request","payload":{}}'),
}


@pytest.mark.parametrize("way", ["up", "down"])
def test_frames_that_mean_nothing_are_passed_over(start_split_bus, way):
    bus = start_split_bus()
    direction = getattr(bus.link, way)
    with under_load(bus) as load:
        for nonsense in NONSENSE.values():
            direction.add_garbage(nonsense)
            load.wait_for_more(BACK_WITHIN_SECONDS, CLIENTS)
    assert bus.link.count["connections"] == 1, "the link has gone on"


@pytest.mark.parametrize("tls", [False, True], ids=["unix", "tls"])
@pytest.mark.parametrize("way", ["up", "down"])
def test_bytes_that_are_no_frames_end_the_link_and_cost_no_request(start_split_bus, way, tls):
    bus = start_split_bus(tls)
    with under_load(bus, AWAY) as load:
        for connections in (2, 3, 4):
            getattr(bus.link, way).add_garbage(b"\xff" * 64)
            wait_until(lambda: bus.link.count["connections"] >= connections, 5, "a new link")
            load.wait_for_more(BACK_WITHIN_SECONDS)


@pytest.mark.parametrize("tls", [False, True], ids=["unix", "tls"])
def test_a_link_that_is_refused_for_a_time_is_back_within_two_seconds(start_split_bus, tls):
    bus = start_split_bus(tls)
    with under_load(bus, AWAY):
        bus.link.refuse()
        bus.link.cut()
        wait_until(lambda: bus.sign() == "503 NO_CONNECTION", 5, "a new request is refused")
        watch = Stopwatch()
        assert bus.sign() == "503 NO_CONNECTION"
        assert watch.seconds < patience(1), "at once"
        # Long enough for the pauses between the attempts to have grown.
        wait_until(lambda: watch.seconds > 1.5, 5, "a while without a link")


@pytest.mark.parametrize("tls", [False, True], ids=["unix", "tls"])
def test_a_guest_half_that_is_killed_again_and_again_is_back_each_time(start_split_bus, tls):
    bus = start_split_bus(tls)
    with under_load(bus, AWAY | {NO_BUS}) as load:
        for _ in range(3):
            bus.web.restart()
            load.wait_for_more(BACK_WITHIN_SECONDS)


@pytest.mark.parametrize("part", ["host", "agent"], ids=["host half", "host agent"])
def test_what_is_killed_on_the_host_is_back_each_time(start_split_bus, part):
    bus = start_split_bus()
    with over_bus(bus, bus.web) as load:
        for _ in range(3):
            getattr(bus, part).restart()
            load.wait_for_more(BACK_WITHIN_SECONDS)
    load.check(LONGEST_SECONDS)
    assert set(load.failures) <= AWAY, load.outcomes


def test_a_guest_that_stands_still_disturbs_nobody(start_split_bus):
    bus = start_split_bus()
    with over_bus(bus, bus.web) as load, over_bus(bus, bus.quiet, clients=1) as quiet:
        bus.web.program.signal(signal.SIGSTOP)
        load.wait_until_stuck()
        quiet.wait_for_more(20, 100)
        bus.web.program.signal(signal.SIGCONT)
        load.wait_for_more(BACK_WITHIN_SECONDS)
    load.check(LONGEST_SECONDS)
    quiet.check(UNDISTURBED_SECONDS)
    assert not load.failures and not quiet.failures


def test_a_flood_of_connections_that_say_nothing_does_not_lock_the_host_out(start_split_bus):
    bus = start_split_bus()
    with under_load(bus, AWAY) as load, contextlib.ExitStack() as flood:
        for number in range(200):
            silent = flood.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            silent.settimeout(patience(5))
            silent.connect(str(bus.web.link))
            if number % 50 == 49:
                bus.link.cut()
                load.wait_for_more(BACK_WITHIN_SECONDS)


def test_everything_at_once_answers_every_request_with_its_own_answer(start_split_bus, broker):
    bus = start_split_bus()
    relay = broker.start_relay(bus.web.publish_url)
    troubles = [
        lambda: bus.link.up.cut_after(100), bus.web.restart, lambda: bus.link.down.add_garbage(b"\xff" * 9),
        bus.agent.restart, bus.link.cut, bus.host.restart, lambda: bus.link.down.cut_after(3),
    ]
    over_relay = Load(lambda data: sign_over_agent(relay.sock, bus.key, data), 2)
    with over_bus(bus, bus.web) as load, over_relay:
        for direction in both(bus.link):
            direction.duplicate = lambda _: True
            direction.delay = 0.001
        for trouble in troubles:
            trouble()
            load.wait_for_more(BACK_WITHIN_SECONDS, 3)
        bus.link.heal()
        load.wait_for_more(BACK_WITHIN_SECONDS)
        over_relay.wait_for_more(BACK_WITHIN_SECONDS + 3)
    load.check(LONGEST_SECONDS)
    over_relay.check(LONGEST_SECONDS)
    assert set(load.failures) <= AWAY | {NO_BUS}, load.outcomes
