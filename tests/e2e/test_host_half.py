"""The host half of the bus with guests of other makes: frames on one side, a real host agent or a played one on the
other."""

import base64
import contextlib
import json
import os
import socket
import struct
import threading

import pytest

from support import agent_wire
from support.broker import audit_records
from support.foreign_frame_guest import ForeignFrameGuest, frame, request, self_signed
from support.foreign_host_bus import uuid7
from support.http_client import connect, request as http_request
from support.keys import verifies
from support.servers import accepts, free_port
from support.waiting import Stopwatch, patience, wait_until

PING = {"operation": "ping"}
BACK_WITHIN_SECONDS = 2


class HostBus:
    """`bus --host` on a unix socket."""

    def __init__(self, broker, *arguments):
        self.path = broker.place.run / "host-half.sock"
        self.server = f"unix://{self.path}"
        self.program = broker.start("bus", "--host", "--listen", f"unix:{self.path}", "--server", "mini2", *arguments)
        wait_until(lambda: accepts(self.path) or not self.program.running, 10, "the host half listens")
        assert self.program.running, self.program.stderr

    def get(self, path, headers=None):
        status, body = http_request("GET", f"{self.server}:/api/plugins", path, headers=headers)
        return status, json.loads(body)

    def sheds(self):
        return {shed["name"]: shed for shed in self.get("/sheds")[1]["sheds"]}

    def wait_sheds(self, *names, seconds=5):
        wait_until(lambda: set(self.sheds()) == set(names), seconds, f"the guests {names} are connected")

    def listeners(self):
        return {listener["namespace"] for listener in self.get("/listeners")[1]["listeners"]}

    def respond(self, event, payload, **changes):
        """Posts an answer to an event as a host agent does."""
        fields = {"id": uuid7(), "namespace": event["namespace"], "type": "response", "in_reply_to": event["id"],
                  "final": True, "timestamp": event["timestamp"], "payload": payload, "shed": event["shed"]}
        fields.update(changes)
        status, body = http_request("POST", f"{self.server}:/api/plugins", f"/listeners/{event['namespace']}/respond",
                                    json.dumps(fields).encode(), {"Content-Type": "application/json"})
        return status, json.loads(body)["error"]["code"] if body else None


class PlayedListener:
    """A listener that reads when the test says so."""

    def __init__(self, bus, namespace="ssh-agent"):
        self._connection, base = connect(f"{bus.server}:/api/plugins", 20)
        self._connection.request("GET", f"{base}/listeners/{namespace}/messages")
        self._stream = self._connection.getresponse()
        assert self._stream.status == 200

    def event(self):
        """The next message."""
        while True:
            line = self._stream.readline()
            assert line, "the stream has ended"
            if line.startswith(b"data:"):
                return json.loads(line[5:])

    def close(self):
        self._connection.close()
        self._stream.close()


@pytest.fixture
def guest(place, closing):
    """guest(name, ...): a played guest half on a unix socket."""
    return lambda name="web", **more: closing(ForeignFrameGuest(place.run / f"{name}.frames", **more))


@pytest.fixture
def bus(broker):
    """bus(name=guest, ...): a host half with these guests."""
    def start(*arguments, **guests):
        named = [part for name, guest in guests.items() for part in ("--shed", f"{name}={guest.connector}")]
        bus = HostBus(broker, *named, *arguments)
        wait_until(lambda: set(guests) <= set(bus.sheds()), 5, "the guests are connected")
        return bus
    return start


@pytest.fixture
def served(broker, bus, guest, agent):
    """A guest `web` and a guest `db`, with a real host agent behind them."""
    class Served:
        web, db = guest("web"), guest("db")
    Served.bus = bus(web=Served.web, db=Served.db)
    Served.host = broker.start_host(Served.bus.server, agent.path)
    wait_until(lambda: "ssh-agent" in Served.bus.listeners(), 10, "the host agent listens")
    return Served


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


def test_the_list_of_sheds_has_those_that_are_connected(bus, guest):
    web, db = guest("web"), guest("db")
    host = bus(web=web, db=db)
    assert host.sheds()["web"]["backend"] == "unix" and host.sheds()["web"]["server"] == "mini2"
    assert host.sheds()["web"]["since"].endswith("Z") and host.sheds()["web"]["dropped"] == 0
    db.stop()
    host.wait_sheds("web")


def test_two_guests_with_the_same_ids_do_not_see_each_other(bus, guest, closing):
    web, db = guest("web"), guest("db")
    host = bus(web=web, db=db)
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


def test_an_answer_counts_once_and_only_for_whom_it_was_asked(bus, guest, closing):
    web, db = guest("web"), guest("db")
    host = bus(web=web, db=db)
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


def test_where_nobody_listens_the_guest_is_told_at_once(bus, guest):
    web = guest()
    bus(web=web)
    watch = Stopwatch()
    answer = web.ask(PING)
    assert watch.seconds < patience(1)
    assert answer["refusal"] == "unavailable" and answer["payload"]["code"] == "INTERNAL_ERROR"
    assert "is the host agent running?" in answer["payload"]["error"]


def test_a_listener_that_goes_away_is_told_to_the_guest(bus, guest, closing):
    web = guest()
    host = bus(web=web)
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


def test_a_guest_that_floods_is_refused_and_does_not_delay_another(bus, guest, closing):
    web, db = guest("web"), guest("db")
    host = bus(web=web, db=db)
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


def test_a_listener_that_reads_slowly_loses_nothing_silently(bus, guest, closing):
    guests = {f"g{n}": guest(f"g{n}") for n in range(8)}
    host = bus(**guests)
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


def test_a_guest_that_was_started_again_is_back(served):
    for count in (2, 3):
        served.web.restart()
        served.web.wait_connected(count, BACK_WITHIN_SECONDS)
        served.bus.wait_sheds("web", "db", seconds=BACK_WITHIN_SECONDS)
        assert served.web.ask(PING)["payload"]["status"] == "ok"
    assert len(served.db.connections) == 1


def test_a_guest_that_was_away_for_long_is_back_within_two_seconds(served):
    served.web.stop()
    served.bus.program.wait_for_stderr("guest web: not connected: ")
    away = Stopwatch()
    wait_until(lambda: away.seconds > 4, 10, "four seconds without the guest")
    served.web._open()
    served.web.wait_connected(2, BACK_WITHIN_SECONDS)
    assert served.bus.program.stderr.count("guest web: not connected: ") == 1


def test_what_a_guest_asks_again_after_a_cut_is_answered_once(bus, guest, closing):
    web = guest()
    host = bus(web=web)
    listener = closing(PlayedListener(host))
    asked = request(PING)
    web.send(asked)
    event = listener.event()
    web.link.close()
    web.wait_connected(2)
    host.wait_sheds("web")
    web.send(asked)
    other = request({"operation": "other"})
    web.send(other)
    assert listener.event()["id"] == other["id"]
    assert host.respond(event, {"status": "ok"}) == (204, None)
    assert web.answer_to(asked)["payload"] == {"status": "ok"}


def test_an_answer_for_a_guest_that_is_away_is_SHED_NOT_CONNECTED(bus, guest, closing):
    web, db = guest("web"), guest("db")
    host = bus(web=web, db=db)
    listener = closing(PlayedListener(host))
    web.send(request(PING))
    event = listener.event()
    web.stop()
    host.wait_sheds("db")
    assert host.respond(event, 1) == (404, "SHED_NOT_CONNECTED")


def test_a_guest_behind_a_vsock_device_is_served(broker, bus, guest, agent):
    web = guest("device", device_port=1026)
    host = bus(web=web)
    broker.start_host(host.server, agent.path)
    wait_until(lambda: "ssh-agent" in host.listeners(), 10, "the host agent listens")
    assert host.sheds()["web"]["backend"] == "firecracker"
    assert web.ask(PING)["payload"]["status"] == "ok"


def test_a_guest_over_tls_is_served_with_its_pin_and_its_token(bus, place, closing):
    context, pin = self_signed(place.work)
    token = place.work / "token"
    token.write_text("0123456789abcdef0123\n")
    token.chmod(0o600)
    web = closing(ForeignFrameGuest(tls=context, token="0123456789abcdef0123"))
    host = bus("--shed", f"web={web.connector},pin={pin},token-file={token}")
    host.wait_sheds("web")
    assert host.sheds()["web"]["backend"] == "tcp"
    assert web.ask(PING)["refusal"] == "unavailable"


def test_a_guest_with_another_certificate_is_not_greeted(bus, place, closing):
    context, pin = self_signed(place.work)
    web = closing(ForeignFrameGuest(tls=context))
    host = bus("--shed", f"web={web.connector},pin=sha256:{'0' * 64}")
    host.program.wait_for_stderr("guest web: not connected: .*" + pin)
    assert not web.connections and host.sheds() == {}


def test_a_guest_is_not_given_a_token_from_a_file_that_others_can_read(bus, guest, place):
    token = place.work / "token"
    token.write_text("0123456789abcdef0123\n")
    token.chmod(0o644)
    web = guest(token="0123456789abcdef0123")
    host = bus("--shed", f"web={web.connector},token-file={token}")
    host.program.wait_for_stderr("guest web: not connected: .*run chmod 600 on it")
    assert host.sheds() == {}
    token.chmod(0o600)
    host.wait_sheds("web")


def test_the_file_of_guests_is_followed(bus, guest, place):
    web, db, new = guest("web"), guest("db"), guest("new")
    sheds = place.work / "sheds"

    def put(text):
        """At once: half of the file would be read, too."""
        fresh = place.work / "sheds.new"
        fresh.write_text(text)
        fresh.chmod(0o600)
        os.replace(fresh, sheds)

    def write(**guests):
        put("# guests\n\n" + "".join(f"{name}={guest.connector}\n" for name, guest in guests.items()))
    write(web=web, db=db)
    host = bus("--sheds", sheds)
    host.wait_sheds("web", "db")
    write(web=web, new=new)
    host.wait_sheds("web", "new")
    assert db.link.ended.wait(patience(5))
    write(web=web, new=db)
    db.wait_connected(2)
    host.wait_sheds("web", "new")
    sheds.unlink()
    host.program.wait_for_stderr("the guests stay as they are")
    assert set(host.sheds()) == {"web", "new"}
    put("nonsense\n")
    host.program.wait_for_stderr(f"{sheds}:1: 'nonsense' is not NAME=CONNECTOR")
    assert set(host.sheds()) == {"web", "new"} and len(web.connections) == 1


def test_on_tcp_a_token_is_wanted_unless_it_is_said_that_everybody_may_listen(broker, guest):
    web = guest()
    refused = broker.run("bus", "--host", "--shed", f"web={web.connector}", "--listen", f"127.0.0.1:{free_port()}")
    assert refused.status == 2
    assert "add --token-file FILE, listen on unix:PATH, or say --allow-loopback" in refused.stderr
    assert not web.connections
    port = free_port()
    broker.start("bus", "--host", "--shed", f"web={web.connector}", "--listen", f"127.0.0.1:{port}",
                 "--allow-loopback")
    wait_until(lambda: accepts(("127.0.0.1", port)), 10, "it listens")


def test_the_token_file_is_made_and_a_host_agent_listens_with_it(broker, guest, agent, place):
    web, port, token = guest(), free_port(), place.work / "bus.token"
    program = broker.start("bus", "--host", "--shed", f"web={web.connector}", "--listen", f"127.0.0.1:{port}",
                           "--token-file", token)
    wait_until(lambda: accepts(("127.0.0.1", port)) or not program.running, 10, "it listens")
    assert token.stat().st_mode & 0o777 == 0o600
    assert f"made the token file {token}" in program.stderr and token.read_text().strip() not in program.stderr
    url = f"http://127.0.0.1:{port}/api/plugins/sheds"
    assert http_request("GET", url)[0] == 401
    assert http_request("GET", url, headers={"Authorization": "Bearer wrong"})[0] == 401
    bearer = {"Authorization": f"Bearer {token.read_text().strip()}"}
    assert http_request("GET", url, headers=bearer)[0] == 200
    broker.start_host(f"http://127.0.0.1:{port}\ntoken_file: {token}", agent.path)
    wait_until(lambda: "payload" in json.dumps(web.ask(PING)) and web.ask(PING)["payload"].get("status") == "ok", 10,
               "the host agent answers")


@pytest.mark.parametrize("arguments, text", [
    ([], "no guests: add --shed NAME=CONNECTOR or --sheds FILE"),
    (["--shed", "a=unix:/x", "--shed", "a=vsock:3:1026"], "two guests are called a: unix:/x and vsock:3:1026"),
    (["--shed", "a b=unix:/x"], "is not a name"),
    (["--shed", "a=unix:/x", "--token-file", "t", "--allow-loopback"], "exclude each other"),
    (["--shed", "a=unix:/x", "--listen", "0.0.0.0:8080", "--allow-loopback"], "only loopback addresses"),
    (["--shed", "a=unix:/x", "--shedd", "b=unix:/y"], "did you mean '--shed'?"),
], ids=["no guests", "one name twice", "a bad name", "two guards", "every address", "a typo"])
def test_what_does_not_go_together_is_refused(broker, place, arguments, text):
    listen = [] if "--listen" in arguments else ["--listen", f"unix:{place.run}/x.sock"]
    refused = broker.run("bus", "--host", *listen, *arguments)
    assert refused.status == 2 and text in refused.stderr, refused.stderr


def test_it_ends_on_sigterm_and_removes_its_socket(bus, guest):
    web = guest()
    host = bus(web=web)
    assert host.path.stat().st_mode & 0o777 == 0o600
    assert host.program.terminate() == 0
    assert not host.path.exists()
    assert web.link.ended.wait(patience(5))
