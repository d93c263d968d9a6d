"""`shed-ext guest` with a bus of its own or of somebody else; both halves of the bus in one process."""

import concurrent.futures
import json
import socket

import pytest

from support import agent_wire
from support.foreign_frame_host import ForeignFrameHost, response
from support.foreign_guest_bus import HostBehindIt
from support.http_client import connect, publish
from support.servers import accepts, free_port
from support.waiting import patience, wait_until

PING = {"namespace": "ssh-agent", "type": "request", "payload": {"operation": "ping"}}


class GuestApplet:
    """`guest` with everything in the test's place."""

    def __init__(self, broker, *options, env=None):
        self.sock = broker.place.run / "agent.sock"
        self.port = free_port()
        self.program = broker.start("guest", "--sock", self.sock, "--port", str(self.port), *options, env=env)


def test_the_guest_applet_is_a_bus_half_too(broker, agent, keys, closing):
    frames, published = broker.place.run / "frames.sock", broker.place.run / "publish.sock"
    guest = GuestApplet(broker, "--bus-listen", f"unix:{published}", "--frames", f"unix:{frames}")
    wait_until(lambda: accepts(frames) or not guest.program.running, 10, "the guest listens")
    honest = HostBehindIt(agent.path)
    host = ForeignFrameHost.on_unix(frames)
    host.greet()
    with host.answering(lambda request: response(request, honest.payload(request["payload"]))):
        wait_until(lambda: accepts(guest.sock), 10, "the agent listens")
        assert len(agent_wire.identities(guest.sock)) == len(keys)
        assert agent_wire.sign(guest.sock, keys["ed25519"].blob, b"data") is not None
        status, body = publish(f"http+unix://{published}:/v1/publish", PING)
        assert status == 200 and json.loads(body)["payload"]["status"] == "ok"
    assert guest.program.terminate() == 0
    assert not any(path.exists() for path in (frames, published, guest.sock))


def test_the_guest_applet_uses_a_bus_that_somebody_names(broker, honest_guest_bus, keys):
    for options, env in ((["--publish-url", honest_guest_bus.url], None), ([], {"SHED_PUBLISH_URL": honest_guest_bus.url})):
        guest = GuestApplet(broker, *options, env=env)
        wait_until(lambda: accepts(guest.sock) or not guest.program.running, 10, "the agent listens")
        assert len(agent_wire.identities(guest.sock)) == len(keys)
        assert guest.program.terminate() == 0


def test_where_a_bus_runs_already_the_guest_applet_says_how_to_use_it(broker):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refused = broker.run("guest", "--sock", broker.place.run / "agent.sock", "--port", str(free_port()), "--bus-listen",
                             address, "--frames", f"unix:{broker.place.run / 'frames.sock'}")
        assert refused.status == 1
        assert f"--publish-url http://{address}/v1/publish" in refused.stderr


@pytest.mark.parametrize("option", [["--bus-listen", "unix:/nowhere"], ["--frames", "unix:/nowhere"],
                                    ["--bus-token-file", "/nowhere"], ["--allow-loopback"]])
def test_options_of_an_own_bus_do_not_go_with_somebody_elses(broker, option):
    refused = broker.run("guest", "--publish-url", "http://127.0.0.1:1/v1/publish", *option)
    assert refused.status == 2 and "--publish-url" in refused.stderr
    refused = broker.run("guest", *option, env={"SHED_PUBLISH_URL": "http://127.0.0.1:1/v1/publish"})
    assert refused.status == 2 and "SHED_PUBLISH_URL" in refused.stderr


def test_with_both_halves_in_one_process_who_waits_when_it_stops_is_told(broker):
    bus = broker.start_bus("unix")
    stream, path = connect(bus.server)
    stream.request("GET", f"{path}/api/plugins/listeners/ssh-agent/messages")
    events = stream.getresponse()
    assert events.status == 200
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(publish, bus.publish_url, PING)
        while not events.readline().startswith(b"data:"):
            """Comments."""
        assert bus.program.terminate() == 0
        status, body = waiting.result(patience(10))
    stream.close()
    assert (status, json.loads(body)["error"]["code"]) == (503, "SHUTTING_DOWN")
