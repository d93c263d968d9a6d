"""HTTP to the bus, over loopback or the unix socket that a publish URL names."""

import http.client
import json
import re
import socket

from support.waiting import patience


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connect(url, seconds=40):
    """A connection and the path for http://HOST:PORT/PATH, http+unix://SOCKET:/PATH and unix://SOCKET."""
    tcp = re.fullmatch(r"http://([^/:]+):(\d+)(/.*)?", url)
    if tcp:
        return http.client.HTTPConnection(tcp[1], int(tcp[2]), timeout=patience(seconds)), tcp[3] or ""
    unix = re.fullmatch(r"(?:http\+unix|unix)://(/[^:]+)(?::(/.*))?", url)
    assert unix, f"not an address of a bus: {url}"
    return UnixConnection(unix[1], patience(seconds)), unix[2] or ""


def request(method, url, path="", body=None, headers=None):
    """Status and body of one exchange."""
    connection, base = connect(url)
    try:
        connection.request(method, base + path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def publish(url, message):
    """POSTs a message (an object, or bytes as they are) to a publish URL."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return request("POST", url, body=body, headers={"Content-Type": "application/json"})
