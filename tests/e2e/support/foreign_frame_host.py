"""Somebody else's host half of the bus, written from protocol.md section 3: it connects to a guest half and greets.

Over a unix socket, TCP with TLS, or any descriptor (the other end of a serial line). A test reads the requests and
answers them itself, or lets `answering` do it.
"""

import contextlib
import hashlib
import json
import os
import socket
import ssl
import struct
import threading

from support.foreign_guest_bus import now
from support.foreign_host_bus import uuid7
from support.waiting import patience

ENVELOPE = 0x20
HEALTH = "system:health"


def frame(payload, kind=ENVELOPE):
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return struct.pack(">BI", kind, len(body)) + body


def greeting(token=None):
    return {"id": uuid7(), "namespace": HEALTH, "type": "request", "final": True, "timestamp": now(),
            "payload": None if token is None else {"token": token}}


def response(request, payload, **changes):
    """An answer as a foreign host half passes it on; fields that are None are left out."""
    fields = {"id": uuid7(), "namespace": request["namespace"], "type": "response", "in_reply_to": request["id"],
              "final": True, "timestamp": now(), "payload": payload,
              "shed": {"name": "web", "backend": "foreign", "server": ""}}
    fields.update(changes)
    return {name: value for name, value in fields.items() if value is not None}


class SocketLine:
    def __init__(self, sock):
        self.sock = sock
        sock.settimeout(patience(30))

    def send(self, data):
        self.sock.sendall(data)

    def receive(self):
        """What has come; empty at the end."""
        try:
            return self.sock.recv(65536)
        except (ConnectionResetError, ssl.SSLError):
            return b""

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class DescriptorLine:
    """The other end of a serial line, which a test keeps open from one host to the next."""

    def __init__(self, descriptor):
        self.descriptor = descriptor

    def send(self, data):
        while data:
            data = data[os.write(self.descriptor, data):]

    def receive(self):
        return os.read(self.descriptor, 65536)

    def close(self):
        """The line stays."""


class ForeignFrameHost:
    """One connection. `greet()` is the first thing to do on it."""

    def __init__(self, line):
        self._line = line
        self._data = b""

    @classmethod
    def on_unix(cls, path):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path))
        return cls(SocketLine(sock))

    @classmethod
    def on_tls(cls, port, pin=None):
        """`pin` is what the guest half logged; another certificate is an error."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=patience(10)))
        if pin is not None:
            assert pin == "sha256:" + hashlib.sha256(sock.getpeercert(binary_form=True)).hexdigest()
        return cls(SocketLine(sock))

    def send(self, *envelopes):
        self._line.send(b"".join(frame(envelope) for envelope in envelopes))

    def send_bytes(self, data):
        self._line.send(data)

    def _take(self, count):
        while len(self._data) < count:
            part = self._line.receive()
            if not part:
                raise EOFError(f"the guest half has ended the connection, after {self._data!r}")
            self._data += part
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def read(self):
        """The next envelope, heartbeats too."""
        kind, length = struct.unpack(">BI", self._take(5))
        assert kind == ENVELOPE
        return json.loads(self._take(length))

    def read_request(self):
        """The next envelope that is no heartbeat."""
        while True:
            envelope = self.read()
            if envelope["namespace"] != HEALTH:
                return envelope

    def greet(self, token=None):
        """Greets, and returns the answer and the first heartbeat."""
        request = greeting(token)
        self.send(request)
        answer = self.read()
        while answer["type"] == "event" and answer["payload"].get("greeted") is False:
            answer = self.read()  # on a serial line the guest has said that nobody has greeted it
        assert answer["type"] == "response" and answer["namespace"] == HEALTH
        assert answer["in_reply_to"] == request["id"] and answer["payload"] is None
        beat = self.read()
        assert beat["type"] == "event" and beat["namespace"] == HEALTH
        return answer, beat

    def take_over(self, data):
        """What the test has read itself: whole frames of the greeting, and perhaps more behind them."""
        start = data.rindex(b'"in_reply_to"')
        start = data.rindex(struct.pack("B", ENVELOPE) + b"\0\0", 0, start)
        for _ in range(2):
            start += 5 + struct.unpack_from(">I", data, start + 1)[0]
        self._data = data[start:]

    def is_ended(self):
        """Reads to the end of the connection: True when nothing but heartbeats comes before it."""
        try:
            while True:
                if self.read()["namespace"] != HEALTH:
                    return False
        except EOFError:
            return True

    @contextlib.contextmanager
    def answering(self, answer):
        """Answers every request of the block with answer(request), an envelope or None."""
        def run():
            with contextlib.suppress(EOFError, OSError, ValueError):
                while True:
                    envelope = answer(self.read_request())
                    if envelope is not None:
                        self.send(envelope)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.close()
            thread.join(patience(10))

    def close(self):
        self._line.close()
