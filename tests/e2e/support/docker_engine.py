"""What answers docker's command line in place of an engine, and keeps the logins that it was sent."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler

from support.foreign_guest_bus import LoopbackServer


class DockerEngine:
    """`address` is for DOCKER_HOST. Pulls, pushes and builds succeed, and do nothing."""

    def __init__(self):
        self.logins = []  # X-Registry-Auth of each request that had one: an object
        self.all_logins = []  # X-Registry-Config of each build: registry to login
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                self._skip_body()
                engine._keep(self.headers)
                body = b"OK" if self.path == "/_ping" else json.dumps(
                    {"IndexServerAddress": "https://index.docker.io/v1/", "status": "done"}).encode()
                self.send_response(200)
                self.send_header("Api-Version", "1.41")
                self.send_header("Content-Type", "text/plain" if self.path == "/_ping" else "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_HEAD = do_POST = answer

            def _skip_body(self):
                if self.headers.get("Transfer-Encoding") == "chunked":
                    while size := int(self.rfile.readline(), 16):
                        self.rfile.read(size + 2)
                    self.rfile.readline()
                else:
                    self.rfile.read(int(self.headers.get("Content-Length", 0)))

            def log_message(self, *_):
                """Silent: the test looks at the logins."""

        self._server = LoopbackServer(("127.0.0.1", 0), Handler)
        self.address = f"tcp://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def _keep(self, headers):
        for name, kept in (("X-Registry-Auth", self.logins), ("X-Registry-Config", self.all_logins)):
            if headers.get(name):
                kept.append(json.loads(base64.urlsafe_b64decode(headers[name])))

    def close(self):
        self._server.shutdown()
        self._server.server_close()
