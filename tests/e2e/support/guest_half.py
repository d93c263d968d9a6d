"""`shed-ext bus --guest` for tests that play its hosts."""

import concurrent.futures
import json

from .foreign_frame_host import ForeignFrameHost
from .http_client import publish
from .servers import accepts
from .waiting import patience, wait_until


class GuestHalf:
    """`bus --guest` on unix sockets, or with other `frames`."""

    def __init__(self, broker, frames=None, *options):
        self.path = broker.place.run / "frames.sock"
        self.publish_path = broker.place.run / "publish.sock"
        self.url = f"http+unix://{self.publish_path}:/v1/publish"
        self.program = broker.start("bus", "--guest", "--listen", f"unix:{self.publish_path}", "--frames",
                                    frames or f"unix:{self.path}", *options)
        wait_until(lambda: accepts(self.publish_path) or not self.program.running, 10, "the guest half listens")
        assert self.program.running, self.program.stderr
        self._pool = concurrent.futures.ThreadPoolExecutor(300)

    def connect(self):
        return ForeignFrameHost.on_unix(self.path)

    def connect_and_greet(self, token=None):
        host = self.connect()
        host.greet(token)
        return host

    def ask(self, payload="ping", namespace="ssh-agent"):
        """(status, answer) of one request, as a future."""
        def run():
            status, body = publish(self.url, {"namespace": namespace, "type": "request", "payload": payload})
            return status, json.loads(body)
        return self._pool.submit(run)

    def close(self):
        self._pool.shutdown(wait=False, cancel_futures=True)


def answer_of(future):
    status, body = future.result(patience(10))
    assert status == 200, body
    return body["payload"]


def refusal_of(future):
    status, body = future.result(patience(10))
    return status, body["error"]["code"]
