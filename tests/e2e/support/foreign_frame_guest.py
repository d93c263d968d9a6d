"""Somebody else's guest half of the bus, written from protocol.md section 3: it listens, the host half connects.

On a unix socket, behind a vsock device whose host side is a unix socket (`device_port`), or over TCP with TLS. A
test sends envelopes or raw bytes on the connection that carries messages, and reads what the host half answers.
"""

import contextlib
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import threading
import time

from support.foreign_guest_bus import now
from support.foreign_host_bus import uuid7
from support.waiting import patience, wait_until

ENVELOPE = 0x20


def frame(payload, kind=ENVELOPE):
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return struct.pack(">BI", kind, len(body)) + body


def request(payload, namespace="ssh-agent", **changes):
    """A request envelope; fields that are None are left out."""
    fields = {"id": uuid7(), "namespace": namespace, "type": "request", "final": True, "timestamp": now(),
              "payload": payload}
    fields.update(changes)
    return {name: value for name, value in fields.items() if value is not None}


class Connection:
    """One connection of a host half."""

    def __init__(self, sock):
        self.sock = sock
        self.greeting = None
        self.ended = threading.Event()

    def send(self, data):
        self.sock.sendall(data)

    def read(self, count):
        data = b""
        while len(data) < count:
            part = self.sock.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def read_envelope(self):
        while True:
            kind, length = struct.unpack(">BI", self.read(5))
            body = self.read(length)
            if kind == ENVELOPE:
                return json.loads(body)

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


class ForeignFrameGuest:
    """`greet=False` leaves the greeting unanswered; `beat` is the seconds between heartbeats."""

    def __init__(self, path=None, device_port=None, tls=None, token=None, greet=True, beat=15):
        self.path, self.device_port, self.token = path, device_port, token
        self.greet, self.beat = greet, beat
        self.started_at = now()
        self.connections = []  # all that ever came, in their order
        self.answers = {}      # in_reply_to -> envelopes
        self.refused_tokens = 0
        self._tls = tls
        self._changed = threading.Condition()
        self._open()

    def _open(self):
        if self.path is None:
            self._server = socket.create_server(("127.0.0.1", getattr(self, "port", 0)))
            self.port = self._server.getsockname()[1]
        else:
            self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._server.bind(str(self.path))
            self._server.listen(16)
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    @property
    def connector(self):
        """What `--shed NAME=` takes."""
        if self.path is None:
            return f"tcp+tls://127.0.0.1:{self.port}"
        return f"firecracker:{self.path}:{self.device_port}" if self.device_port else f"unix:{self.path}"

    def _accept(self, server):
        while True:
            try:
                sock, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        connection = Connection(sock)
        try:
            if self.device_port:
                self._consent(connection)
            if self._tls:
                connection.sock = self._tls.wrap_socket(sock, server_side=True)
            with self._changed:
                self.connections.append(connection)
                self._changed.notify_all()
            self._read(connection)
        except (OSError, EOFError):
            pass
        finally:
            connection.ended.set()
            connection.close()

    def _consent(self, connection):
        line = b""
        while not line.endswith(b"\n"):
            line += connection.read(1)
        assert line == f"CONNECT {self.device_port}\n".encode(), line
        connection.send(b"OK 1073741824\n")

    def _read(self, connection):
        while True:
            message = connection.read_envelope()
            if message["namespace"] == "system:health":
                connection.greeting = message
                if self.token is not None and (message["payload"] or {}).get("token") != self.token:
                    self.refused_tokens += 1
                    return
                if self.greet:
                    self._answer_greeting(connection, message)
                continue
            with self._changed:
                self.answers.setdefault(message.get("in_reply_to"), []).append(message)
                self._changed.notify_all()

    def _answer_greeting(self, connection, message):
        connection.send(frame({"id": uuid7(), "namespace": "system:health", "type": "response", "final": True,
                               "in_reply_to": message["id"], "timestamp": now(), "payload": None}))
        threading.Thread(target=self._beat, args=(connection,), daemon=True).start()

    def _beat(self, connection):
        while not connection.ended.is_set():
            try:
                connection.send(frame(request({"started_at": self.started_at}, "system:health", type="event")))
            except OSError:
                return
            connection.ended.wait(self.beat)

    @property
    def link(self):
        """The newest connection."""
        return self.connections[-1]

    def wait_connected(self, count=1, seconds=20):
        wait_until(lambda: len(self.connections) >= count and self.link.greeting, seconds, "the host half connects")
        return self.link

    def send(self, *envelopes):
        self.link.send(b"".join(frame(envelope) for envelope in envelopes))

    def answer_to(self, envelope, seconds=20):
        """The first answer to the request."""
        with self._changed:
            assert self._changed.wait_for(lambda: envelope["id"] in self.answers, patience(seconds)), "no answer"
            return self.answers[envelope["id"]][0]

    def ask(self, payload, namespace="ssh-agent", seconds=20, **changes):
        """Sends one request and returns the envelope of its answer."""
        envelope = request(payload, namespace, **changes)
        self.send(envelope)
        return self.answer_to(envelope, seconds)

    def stop(self):
        """As a guest that ends: its socket goes, and all connections."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept(), which close() alone does not
        self._server.close()
        if self.path is not None:
            os.unlink(self.path)
        for connection in self.connections:
            connection.close()

    def restart(self):
        """Another process at the same place."""
        self.stop()
        self.started_at = f"{now()[:-1]}.{time.monotonic_ns() % 1_000_000:06}Z"
        self._open()

    def close(self):
        try:
            self.stop()
        except OSError:
            pass


def self_signed(folder):
    """A server's ssl.SSLContext, and the pin of its certificate."""
    key, certificate = folder / "guest-key.pem", folder / "guest-cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=guest"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    text = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-fingerprint", "-sha256"], check=True,
                          capture_output=True, text=True).stdout
    return context, "sha256:" + re.sub("[^0-9a-f]", "", text.split("=")[1].lower())
