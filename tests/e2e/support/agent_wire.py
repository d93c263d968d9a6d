"""The agent protocol (RFC 9987) spoken by hand, for what no client would send, and a folder of keys to speak about.

A message is a big-endian 32-bit length, one byte type and the rest; strings in it have the same length prefix.
"""

import base64
import hashlib
import socket
import struct

from support.waiting import patience

FAILURE = 5
SUCCESS = 6
REQUEST_IDENTITIES = 11
IDENTITIES_ANSWER = 12
SIGN_REQUEST = 13
SIGN_RESPONSE = 14
ADD_IDENTITY = 17
REMOVE_IDENTITY = 18
REMOVE_ALL_IDENTITIES = 19
LOCK = 22
UNLOCK = 23
EXTENSION = 27
EXTENSION_FAILURE = 28
EXTENSION_RESPONSE = 29

MAX_MESSAGE = 256 * 1024


def string(data):
    """An SSH string."""
    data = data.encode() if isinstance(data, str) else data
    return struct.pack(">I", len(data)) + data


def take_string(data):
    """The first string of data and what follows it."""
    (length,) = struct.unpack_from(">I", data)
    assert length <= len(data) - 4, "string longer than its message"
    return data[4:4 + length], data[4 + length:]


def fingerprint(blob):
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def key_type(blob):
    return take_string(blob)[0].decode()


def sign_request(blob, data, flags=0):
    return string(blob) + string(data) + struct.pack(">I", flags)


def message(kind, payload=b""):
    return struct.pack(">IB", len(payload) + 1, kind) + payload


class AgentConnection:
    """One connection to an agent socket; every read has a deadline."""

    def __init__(self, path, seconds=10):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))  # waits for a place in the listen queue, as any client does
        self.socket.settimeout(patience(seconds))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def closed_by_peer(self):
        """True when the peer closes; fails when it answers or keeps silent until the deadline."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def receive(self):
        """The next message as (type, rest), or None at the end of the stream."""
        header = self._exactly(4)
        if header is None:
            return None
        (length,) = struct.unpack(">I", header)
        assert 0 < length <= MAX_MESSAGE, f"answer of {length} bytes"
        body = self._exactly(length)
        assert body is not None, "the stream ended inside a message"
        return body[0], body[1:]

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            try:
                part = self.socket.recv(count - len(data))
            except ConnectionResetError:
                part = b""
            if not part:
                assert not data, "the stream ended inside a message"
                return None
            data += part
        return data

    def ask(self, kind, payload=b""):
        self.send(message(kind, payload))
        answer = self.receive()
        assert answer is not None, f"closed instead of an answer to message {kind}"
        return answer

    def identities(self):
        """List of (blob, comment)."""
        kind, rest = self.ask(REQUEST_IDENTITIES)
        assert kind == IDENTITIES_ANSWER, f"answer {kind} to a list"
        (count,) = struct.unpack_from(">I", rest)
        rest = rest[4:]
        found = []
        for _ in range(count):
            blob, rest = take_string(rest)
            comment, rest = take_string(rest)
            found.append((blob, comment.decode()))
        assert rest == b"", "bytes after the last identity"
        return found

    def sign(self, blob, data, flags=0):
        """The signature (string format, string blob, maybe more), or None when refused."""
        kind, rest = self.ask(SIGN_REQUEST, sign_request(blob, data, flags))
        if kind == FAILURE:
            return None
        assert kind == SIGN_RESPONSE, f"answer {kind} to a sign request"
        signature, rest = take_string(rest)
        assert rest == b"", "bytes after the signature"
        return signature


def identities(path):
    with AgentConnection(path) as agent:
        return agent.identities()


def sign(path, blob, data, flags=0):
    with AgentConnection(path) as agent:
        return agent.sign(blob, data, flags)
