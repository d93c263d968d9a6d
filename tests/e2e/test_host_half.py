"""The host half of the bus with guests of other makes: frames on one side, a real host agent or a played one on the
other."""

import base64
import contextlib
import json
import socket
import struct
import threading

import pytest

from support import agent_wire
from support.broker import audit_records
from support.foreign_frame_guest import frame, request
from support.foreign_host_bus import uuid7
from support.host_half import PlayedListener
from support.keys import verifies
from support.waiting import Stopwatch, patience, wait_until

PING = {"operation": "ping"}


def sign(guest, key, data=b"data"):
    answer = guest.ask({"operation": "sign", "public_key": base64.b64encode(key.blob).decode(),
                        "data": base64.b64encode(data).decode(), "flags": 0})["payload"]
    assert "code" not in answer, answer
    return agent_wire.string(answer["format"]) + agent_wire.string(base64.b64decode(answer["blob"]))


def test_a_guest_gets_its_list_and_its_signature(served, keys, place):
    answer = served.web.ask({"operation": "list"})
    assert len(answer["payload"]["keys"]) == len(keys)
    assert answer["type"] == "response" and answer["namespace"] == "ssh-agent"
    assert verifies(keys["ed25519"], sign(served.db, keys["ed25519"]), b"data")
    record = dict(audit_records(place.audit_log)[-1])
    assert (record["server"], record["shed"]) == ("mini2", "db")


def test_the_shed_that_a_guest_claims_to_be_is_overwritten(served, keys, place):
    served.web.ask({"operation": "list"}, shed={"name": "db", "backend": "root", "server": "other"})
    sign(served.web, keys["ed25519"])
    record = dict(audit_records(place.audit_log)[-1])
    assert (record["server"], record["shed"]) == ("mini2", "web")


def test_the_list_of_sheds_has_those_that_are_connected(host_bus, played_guest):
    web, db = played_guest("web"), played_guest("db")
    host = host_bus(web=web, db=db)
    assert host.sheds()["web"]["backend"] == "unix" and host.sheds()["web"]["server"] == "mini2"
    assert host.sheds()["web"]["since"].endswith("Z") and host.sheds()["web"]["dropped"] == 0
    db.stop()
    host.wait_sheds("web")


def test_two_guests_with_the_same_ids_do_not_see_each_other(host_bus, played_guest, closing):
    web, db = played_guest("web"), played_guest("db")
    host = host_bus(web=web, db=db)
    listener = closing(PlayedListener(host))
    same = request(PING)
    web.send(same)
    first = listener.event()
    db.send(same)
    second = listener.event()
    assert (first["shed"]["name"], second["shed"]["name"]) == ("web", "db")
    assert first["id"] == second["id"]
    assert host.respond(second, {"for": "db"}) == (204, None)
    assert db.answer_to(same)["payload"] == {"for": "db"}
    assert not web.answers
    assert host.respond(first, {"for": "web"}) == (204, None)
    assert web.answer_to(same)["payload"] == {"for": "web"}
    assert len(db.answers[same["id"]]) == 1


def test_an_answer_counts_once_and_only_for_whom_it_was_asked(host_bus, played_guest, closing):
    web, db = played_guest("web"), played_guest("db")
    host = host_bus(web=web, db=db)
    listener = closing(PlayedListener(host))
    asked = request(PING)
    web.send(asked)
    event = listener.event()
    db_shed = {**event["shed"], "name": "db"}
    assert host.respond(event, 1, shed=db_shed) == (404, "REQUEST_NOT_FOUND")
    assert host.respond(event, 1, shed={**event["shed"], "name": "who"}) == (404, "SHED_NOT_CONNECTED")
    assert host.respond(event, 1, in_reply_to=uuid7()) == (404, "REQUEST_NOT_FOUND")
    assert host.respond(event, 1) == (204, None)
    assert host.respond(event, 2) == (404, "REQUEST_NOT_FOUND")
    assert web.answer_to(asked)["payload"] == 1
    assert web.ask(PING, "nobody-listens")["refusal"] == "unavailable"
    assert len(web.answers[asked["id"]]) == 1 and not db.answers


def test_where_nobody_listens_the_guest_is_told_at_once(host_bus, played_guest):
    web = played_guest()
    host_bus(web=web)
    watch = Stopwatch()
    answer = web.ask(PING)
    assert watch.seconds < patience(1)
    assert answer["refusal"] == "unavailable" and answer["payload"]["code"] == "INTERNAL_ERROR"
    assert "is the host agent running?" in answer["payload"]["error"]


def test_a_listener_that_goes_away_is_told_to_the_guest(host_bus, played_guest, closing):
    web = played_guest()
    host = host_bus(web=web)
    listener = closing(PlayedListener(host))
    asked = request(PING)
    web.send(asked)
    listener.event()
    listener.close()
    assert web.answer_to(asked)["refusal"] == "closed"


BAD = {
    "a type that nobody knows": [frame(b"whatever", 0x42)],
    "not JSON": [frame(b"{\"id\":")],
    "an empty frame": [frame(b"")],
    "no id": [frame({"namespace": "ssh-agent", "type": "request", "payload": PING})],
    "an id that is no UUID": [frame(request(PING, id="1"))],
    "a response": [frame(request(PING, type="response", in_reply_to=uuid7()))],
    "a namespace of the bus": [frame(request(PING, "system:admin"))],
    "a second greeting": [frame(request(None, "system:health"))],
    "too much": [frame(b" " * (2 * 1024 * 1024))],
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_message_is_dropped_and_said_once_a_minute(served, bad):
    for _ in range(3):
        served.web.link.send(b"".join(bad))
    assert served.web.ask(PING)["payload"]["status"] == "ok"
    assert served.db.ask(PING)["payload"]["status"] == "ok"
    assert len(served.web.connections) == 1 and len(served.db.connections) == 1
    assert served.bus.program.stderr.count("guest web: ") == 2, served.bus.program.stderr  # connected, and this one


@pytest.mark.parametrize("bad, reason", [
    (struct.pack(">BI", 0x20, 16 * 1024 * 1024 + 1), "a frame of 16777217 bytes is over the limit"),
    (struct.pack(">BI", 0x42, 0xffffffff), "a frame of 4294967295 bytes is over the limit"),
    (frame(request(PING))[:40], "the connection ended inside a frame"),
], ids=["too long", "too long, of another type", "cut in the middle"])
def test_a_broken_frame_ends_the_connection_of_that_guest_alone(served, bad, reason):
    served.web.link.send(bad)
    if len(bad) > 5:
        served.web.link.sock.shutdown(socket.SHUT_WR)
    served.bus.program.wait_for_stderr(f"guest web: gone: {reason}")
    assert served.db.ask(PING)["payload"]["status"] == "ok"
    served.web.wait_connected(2)
    served.bus.wait_sheds("web", "db")
    assert served.web.ask(PING)["payload"]["status"] == "ok"
    assert len(served.db.connections) == 1


def test_a_guest_that_floods_is_refused_and_does_not_delay_another(host_bus, played_guest, closing):
    web, db = played_guest("web"), played_guest("db")
    host = host_bus(web=web, db=db)
    listener = closing(PlayedListener(host))
    requests = [request({"n": n}) for n in range(1000)]
    web.send(*requests)
    wait_until(lambda: len(web.answers) == 1000 - 256, 10, "what is too much is refused")
    assert {answers[0]["refusal"] for answers in web.answers.values()} == {"limit"}
    asked = request(PING)
    db.send(asked)
    seen = []
    while not seen or seen[-1]["shed"]["name"] != "db":
        seen.append(listener.event())
    assert host.respond(seen[-1], {"status": "ok"}) == (204, None)
    assert db.answer_to(asked)["payload"] == {"status": "ok"}
    assert "limit" not in json.dumps(db.answers)


def test_while_one_guest_floods_a_real_host_agent_another_is_served(served):
    stop = threading.Event()

    def flood():
        while not stop.is_set():
            try:
                served.web.send(*[request(PING) for _ in range(50)])
            except OSError:
                return
    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    try:
        for _ in range(20):
            watch = Stopwatch()
            assert served.db.ask(PING)["payload"]["status"] == "ok"
            assert watch.seconds < patience(1)
    finally:
        stop.set()
        thread.join(patience(5))
    assert len(served.db.connections) == 1


def test_a_listener_that_reads_slowly_loses_nothing_silently(host_bus, played_guest, closing):
    guests = {f"g{n}": played_guest(f"g{n}") for n in range(8)}
    host = host_bus(**guests)
    listener = closing(PlayedListener(host))
    asked = {}
    for name, played in guests.items():
        for _ in range(10):
            envelope = request("x" * 200_000)
            asked[envelope["id"]] = name
            played.send(envelope)
    # 1 MiB for each guest and 4 MiB for the listener: not all of it fits, and what does not is refused.
    small = [request(PING) for _ in guests]
    for played, envelope in zip(guests.values(), small):
        played.send(envelope)
    events = []

    def read():
        with contextlib.suppress(AssertionError, OSError):  # the end of the stream
            while True:
                events.append(listener.event())
    reader = threading.Thread(target=read, daemon=True)
    reader.start()

    def refusals():
        return {replied: answers[0] for played in guests.values() for replied, answers in played.answers.copy().items()}
    try:
        wait_until(lambda: len(events) + len(refusals()) >= len(asked) + len(small), 20,
                   lambda: f"each is delivered or refused; {len(events)} and {len(refusals())} are")
    finally:
        host.program.terminate()
        reader.join(patience(10))
    refused, delivered = refusals(), {event["id"]: event["shed"]["name"] for event in events}
    assert all(answer["refusal"] == "limit" and answer["payload"]["error"] for answer in refused.values())
    assert refused and not refused.keys() & delivered.keys()
    assert len(delivered) == len(events)
    assert refused.keys() | delivered.keys() == {*asked, *(each["id"] for each in small)}
    assert all(asked.get(message, name) == name for message, name in delivered.items())
