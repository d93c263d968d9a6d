"""The host half of the bus and how it gets to its guests: restarts, devices, TLS, tokens, the file of guests, options."""

import json
import os

import pytest

from support.foreign_frame_guest import ForeignFrameGuest, request, self_signed
from support.host_half import PlayedListener
from support.http_client import request as http_request
from support.servers import accepts, free_port
from support.waiting import Stopwatch, patience, wait_until

PING = {"operation": "ping"}
BACK_WITHIN_SECONDS = 2


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


def test_what_a_guest_asks_again_after_a_cut_is_answered_once(host_bus, played_guest, closing):
    web = played_guest()
    host = host_bus(web=web)
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


def test_an_answer_for_a_guest_that_is_away_is_SHED_NOT_CONNECTED(host_bus, played_guest, closing):
    web, db = played_guest("web"), played_guest("db")
    host = host_bus(web=web, db=db)
    listener = closing(PlayedListener(host))
    web.send(request(PING))
    event = listener.event()
    web.stop()
    host.wait_sheds("db")
    assert host.respond(event, 1) == (404, "SHED_NOT_CONNECTED")


def test_a_guest_behind_a_vsock_device_is_served(broker, host_bus, played_guest, agent):
    web = played_guest("device", device_port=1026)
    host = host_bus(web=web)
    broker.start_host(host.server, agent.path)
    wait_until(lambda: "ssh-agent" in host.listeners(), 10, "the host agent listens")
    assert host.sheds()["web"]["backend"] == "firecracker"
    assert web.ask(PING)["payload"]["status"] == "ok"


def test_a_guest_over_tls_is_served_with_its_pin_and_its_token(host_bus, place, closing):
    context, pin = self_signed(place.work)
    token = place.work / "token"
    token.write_text("0123456789abcdef0123\n")
    token.chmod(0o600)
    web = closing(ForeignFrameGuest(tls=context, token="0123456789abcdef0123"))
    host = host_bus("--shed", f"web={web.connector},pin={pin},token-file={token}")
    host.wait_sheds("web")
    assert host.sheds()["web"]["backend"] == "tcp"
    assert web.ask(PING)["refusal"] == "unavailable"


def test_a_guest_with_another_certificate_is_not_greeted(host_bus, place, closing):
    context, pin = self_signed(place.work)
    web = closing(ForeignFrameGuest(tls=context))
    host = host_bus("--shed", f"web={web.connector},pin=sha256:{'0' * 64}")
    host.program.wait_for_stderr("guest web: not connected: .*" + pin)
    assert not web.connections and host.sheds() == {}


def test_a_guest_is_not_given_a_token_from_a_file_that_others_can_read(host_bus, played_guest, place):
    token = place.work / "token"
    token.write_text("0123456789abcdef0123\n")
    token.chmod(0o644)
    web = played_guest(token="0123456789abcdef0123")
    host = host_bus("--shed", f"web={web.connector},token-file={token}")
    host.program.wait_for_stderr("guest web: not connected: .*run chmod 600 on it")
    assert host.sheds() == {}
    token.chmod(0o600)
    host.wait_sheds("web")


def test_the_file_of_guests_is_followed(host_bus, played_guest, place):
    web, db, new = played_guest("web"), played_guest("db"), played_guest("new")
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
    host = host_bus("--sheds", sheds)
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


def test_on_tcp_a_token_is_wanted_unless_it_is_said_that_everybody_may_listen(broker, played_guest):
    web = played_guest()
    refused = broker.run("bus", "--host", "--shed", f"web={web.connector}", "--listen", f"127.0.0.1:{free_port()}")
    assert refused.status == 2
    assert "add --token-file FILE, listen on unix:PATH, or say --allow-loopback" in refused.stderr
    assert not web.connections
    port = free_port()
    broker.start("bus", "--host", "--shed", f"web={web.connector}", "--listen", f"127.0.0.1:{port}",
                 "--allow-loopback")
    wait_until(lambda: accepts(("127.0.0.1", port)), 10, "it listens")


def test_the_token_file_is_made_and_a_host_agent_listens_with_it(broker, played_guest, agent, place):
    web, port, token = played_guest(), free_port(), place.work / "bus.token"
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


def test_it_ends_on_sigterm_and_removes_its_socket(host_bus, played_guest):
    web = played_guest()
    host = host_bus(web=web)
    assert host.path.stat().st_mode & 0o777 == 0o600
    assert host.program.terminate() == 0
    assert not host.path.exists()
    assert web.link.ended.wait(patience(5))
