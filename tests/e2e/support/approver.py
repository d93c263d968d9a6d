"""An approver: what is connected to the approval channel and answers for the person."""

import json
import socket
import time

from support.servers import accepts
from support.waiting import patience, wait_until


class Approver:
    """Connects to the socket at `path` when it is there, and says hello."""

    def __init__(self, path, replay_events=0, hello=True):
        wait_until(lambda: accepts(path), 10, f"the approval channel at {path}")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._input = b""
        if hello:
            self.send({"type": "hello", "client": {"name": "tests", "version": "1.0", "pid": 1},
                       "capabilities": [], "replay_events": replay_events})
            self.ack = self.wait_for("hello_ack")

    def send(self, line):
        self.send_bytes(json.dumps(line).encode() + b"\n")

    def send_bytes(self, data):
        self._socket.sendall(data)

    def line(self, seconds=30):
        """The next line, or None at the end of the connection."""
        deadline = time.monotonic() + patience(seconds)
        while b"\n" not in self._input:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                part = self._socket.recv(65536)
            except ConnectionResetError:
                return None
            if not part:
                return None
            self._input += part
        line, self._input = self._input.split(b"\n", 1)
        return json.loads(line)

    def wait_for(self, kind, seconds=30):
        """The next line of this type; pings are answered, the others passed over."""
        while True:
            line = self.line(seconds)
            assert line is not None, f"the connection ended before a line of type {kind}"
            if line["type"] == "ping":
                self.send({"type": "pong"})
            if line["type"] == kind:
                return line

    def answer(self, question, decision="approve", **more):
        self.send({"type": "approval_response", "request_id": question["id"], "decision": decision,
                   "decided_by": "tests", **more})

    def grants(self):
        self.send({"type": "list_grants"})
        return self.wait_for("grants")["grants"]

    def close(self):
        self._socket.close()
