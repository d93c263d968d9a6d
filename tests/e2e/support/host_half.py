"""`shed-ext bus --host` for tests that play its guests and its listeners."""

import json

from .foreign_host_bus import uuid7
from .http_client import connect, request
from .servers import accepts
from .waiting import wait_until


class HostBus:
    """`bus --host` on a unix socket."""

    def __init__(self, broker, *arguments):
        self.path = broker.place.run / "host-half.sock"
        self.server = f"unix://{self.path}"
        self.program = broker.start("bus", "--host", "--listen", f"unix:{self.path}", "--server", "mini2", *arguments)
        wait_until(lambda: accepts(self.path) or not self.program.running, 10, "the host half listens")
        assert self.program.running, self.program.stderr

    def get(self, path, headers=None):
        status, body = request("GET", f"{self.server}:/api/plugins", path, headers=headers)
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
        status, body = request("POST", f"{self.server}:/api/plugins", f"/listeners/{event['namespace']}/respond",
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
