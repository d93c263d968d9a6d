"""A small HTTP proxy that knows CONNECT alone, and sends every tunnel to one port of this machine."""

import base64
import select
import socket
import threading
from http.server import BaseHTTPRequestHandler

from support.foreign_guest_bus import LoopbackServer


class ConnectProxy:
    """`login` ("user:password") is demanded where it is given; `status` other than 200 refuses every tunnel."""

    def __init__(self, target_port, login=None, status=200):
        self.targets = []  # what was asked for: "host:port"
        self.status = status
        proxy = self
        wanted = "Basic " + base64.b64encode(login.encode()).decode() if login else None

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self):
                self.close_connection = True
                proxy.targets.append(self.path)
                if wanted and self.headers.get("Proxy-Authorization") != wanted:
                    self.send_response(407)
                    self.send_header("Proxy-Authenticate", 'Basic realm="test"')
                    self.end_headers()
                    return
                self.send_response(proxy.status)
                self.end_headers()
                if proxy.status == 200:
                    with socket.create_connection(("127.0.0.1", target_port)) as target:
                        self._carry(target)

            def _carry(self, target):
                other = {self.connection: target, target: self.connection}
                while True:
                    for ready in select.select(list(other), [], [], 60)[0]:
                        data = ready.recv(65536)
                        if not data:
                            return
                        other[ready].sendall(data)

            def log_message(self, *_):
                """Silent: the test looks at `targets`."""

        self._server = LoopbackServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
