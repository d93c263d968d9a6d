"""Somebody else's guest bus, written from protocol.md section 2: POST /v1/publish on loopback, and nothing else.

A test gives it a function from the request (an object) to what is answered.
"""

import base64
import json
import threading
import uuid
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support import agent_wire


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def envelope(payload, namespace="ssh-agent", **changes):
    """A response envelope as a foreign bus makes it: with fields in another order and one that nobody knows."""
    fields = {
        "payload": payload, "id": str(uuid.uuid4()), "namespace": namespace, "type": "response",
        "in_reply_to": str(uuid.uuid4()), "final": True, "timestamp": now(), "trace": {"hops": [1, 2.5e3, None]},
    }
    fields.update(changes)
    return {name: value for name, value in fields.items() if value is not None}


class Reply:
    """What the bus answers: `body` is an object or bytes as they are. `release` is waited for before it, and
    `hang_up` closes the connection instead."""

    def __init__(self, body, status=200, release=None, hang_up=False, chunked=False, content_type="application/json"):
        self.body = body if isinstance(body, bytes) else json.dumps(body, indent=1).encode()
        self.status = status
        self.release = release
        self.hang_up = hang_up
        self.chunked = chunked
        self.content_type = content_type


def error(status, code):
    return Reply({"error": {"code": code, "message": f"the bus says {code}"}}, status)


class LoopbackServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, *_):
        """A client that gave up is part of many tests."""


class ForeignGuestBus:
    def __init__(self, answer):
        self.answer = answer
        self.requests = []  # (headers, body as an object)
        self.arrived = threading.Semaphore(0)
        bus = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = json.loads(body)
                bus.requests.append((self.headers, request))
                bus.arrived.release()
                if self.path != "/v1/publish":
                    return self._send(error(404, "NOT_FOUND"))
                self._send(bus.answer(request))

            def _send(self, reply):
                if reply.release is not None:
                    reply.release.wait(60)
                if reply.hang_up:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.content_type)
                if reply.chunked:
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for start in range(0, len(reply.body), 37):
                        part = reply.body[start:start + 37]
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.send_header("Content-Length", str(len(reply.body)))
                    self.end_headers()
                    self.wfile.write(reply.body)

            def log_message(self, *_):
                """Silent: the test looks at `requests`."""

        self._server = LoopbackServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1/publish"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def operations(self):
        return [request["payload"]["operation"] for _, request in self.requests]


class HostBehindIt:
    """The answers of a host agent with the keys of a real ssh-agent: a ForeignGuestBus's `answer`."""

    def __init__(self, agent_path, **replies):
        self._agent = agent_path
        self._replies = replies  # operation -> function of the request that overrides the honest answer

    def __call__(self, request):
        operation = request["payload"]["operation"]
        if operation in self._replies:
            return self._replies[operation](request)
        return Reply(envelope(self.payload(request["payload"])))

    def payload(self, payload):
        operation = payload["operation"]
        if operation == "ping":
            return {"status": "ok"}
        if operation == "list":
            return {"keys": [{"format": agent_wire.key_type(blob), "blob": base64.b64encode(blob).decode(),
                              "comment": comment} for blob, comment in agent_wire.identities(self._agent)]}
        if operation == "sign":
            signature = agent_wire.sign(self._agent, base64.b64decode(payload["public_key"]),
                                        base64.b64decode(payload["data"]), payload.get("flags", 0))
            if signature is None:
                return {"error": "sign operation failed", "code": "SIGN_FAILED"}
            return signature_payload(signature)
        return {"error": f"unknown operation: {operation}", "code": "INTERNAL_ERROR"}


def signature_payload(signature):
    form, rest = agent_wire.take_string(signature)
    blob, rest = agent_wire.take_string(rest)
    return {"format": form.decode(), "blob": base64.b64encode(blob).decode(), "rest": base64.b64encode(rest).decode()}
