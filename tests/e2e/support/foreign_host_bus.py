"""Somebody else's host bus, written from protocol.md section 4: event streams out, responses in, no keep-alives.

A test sends bytes on the stream of a namespace and reads the responses that were posted.
"""

import json
import queue
import re
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler

from support.foreign_guest_bus import LoopbackServer, now
from support.waiting import patience, wait_until


def request_envelope(payload, /, namespace="ssh-agent", **changes):
    fields = {
        "id": uuid7(), "namespace": namespace, "type": "request", "final": True, "timestamp": now(),
        "payload": payload, "shed": {"name": "box", "backend": "vz", "server": "mini2"},
    }
    fields.update(changes)
    return {name: value for name, value in fields.items() if value is not None}


def uuid7():
    random = uuid.uuid4().hex
    return str(uuid.UUID(f"{int(time.time() * 1000):012x}7{random[:3]}8{random[3:18]}"))


class Stream:
    """One event stream that a listener has open."""

    def __init__(self):
        self._parts = queue.Queue()
        self.closed = threading.Event()

    def send(self, data):
        """Raw bytes of the stream."""
        self._parts.put(data)

    def event(self, message):
        self.send(b"event: message\ndata: " + json.dumps(message).encode() + b"\n\n")

    def end(self):
        self._parts.put(None)

    def parts(self):
        while (part := self._parts.get()) is not None:
            yield part


class ForeignHostBus:
    """`status_of(namespace)` decides with which status a listener is answered; 200 opens a stream. With `tls`, an
    ssl.SSLContext, it speaks https."""

    def __init__(self, status_of=lambda namespace: 200, chunked=True, port=0, tls=None):
        self.status_of = status_of
        self.streams = {}     # namespace -> the newest Stream
        self.subscribed = []  # (namespace, headers) of every attempt
        self.responses = queue.Queue()
        self.respond_status = 204
        bus = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                match = re.fullmatch(r"/api/plugins/listeners/([^/]+)/messages", self.path)
                if not match:
                    return self._json(200, {"listeners": [], "sheds": []})
                namespace = match[1]
                bus.subscribed.append((namespace, self.headers))
                status = bus.status_of(namespace)
                if status != 200:
                    code = {409: "NAMESPACE_ALREADY_REGISTERED", 503: "SHUTTING_DOWN"}.get(status, "ERROR")
                    return self._json(status, {"error": {"code": code, "message": f"the bus says {code}"}})
                self._stream(namespace)

            def _stream(self, namespace):
                self.close_connection = True
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Transfer-Encoding" if chunked else "Connection", "chunked" if chunked else "close")
                self.end_headers()
                stream = bus.streams[namespace] = Stream()
                try:
                    for part in stream.parts():
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
                    if chunked:
                        self.wfile.write(b"0\r\n\r\n")
                finally:
                    stream.closed.set()

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                match = re.fullmatch(r"/api/plugins/listeners/([^/]+)/respond", self.path)
                assert match, self.path
                bus.responses.put((match[1], json.loads(body), self.headers))
                if bus.respond_status == 204:
                    self.send_response(204)
                    self.end_headers()
                else:
                    self._json(bus.respond_status, {"error": {"code": "SHED_NOT_CONNECTED", "message": "gone"}})

            def _json(self, status, body):
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                """Silent: the test looks at `subscribed` and `responses`."""

        self._server = LoopbackServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        if tls:
            # Each connection shakes hands in its own thread: one that does not go on holds nobody else up.
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        for stream in self.streams.values():
            stream.end()
        self._server.shutdown()
        self._server.server_close()

    def stream(self, namespace="ssh-agent", seconds=20):
        """The stream of a listener, once it is there."""
        return wait_until(lambda: self.streams.get(namespace), seconds, f"a listener for {namespace}")

    def next_stream(self, old, namespace="ssh-agent", seconds=20):
        """The stream that follows `old`."""
        wait_until(lambda: self.streams.get(namespace) is not old, seconds, f"another listener for {namespace}")
        return self.streams[namespace]

    def response(self, seconds=20):
        """The next posted response envelope."""
        try:
            return self.responses.get(timeout=patience(seconds))[1]
        except queue.Empty:
            raise AssertionError(f"no response within {patience(seconds):g} s") from None

    def ask(self, payload, **changes):
        """Sends a request and returns the response envelope to it."""
        message = request_envelope(payload, **changes)
        self.stream().event(message)
        response = self.response()
        assert response["in_reply_to"] == message["id"]
        return response
