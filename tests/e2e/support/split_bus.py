"""The two halves of the bus as processes of their own, what may be between them, and clients that never stop asking."""

import base64
import collections
import http.client
import json
import os
import threading
import time

from support.agent_wire import AgentConnection, string
from support.bad_link import BadLink
from support.broker import UNLIMITED
from support.http_client import publish
from support.keys import verifies
from support.servers import accepts, free_port
from support.waiting import patience, wait_until

SIGNED, WRONG, NO_BUS, REFUSED = "signed", "WRONG", "no bus", "refused by the agent"


class GuestHalf:
    """`bus --guest` on sockets of its own; `link` is what the host half dials, a path or (host, port)."""

    def __init__(self, broker, name, tls=False):
        self.name = name
        self._broker = broker
        run = broker.place.run
        self._publish = run / f"{name}.pub"
        self.publish_url = f"http+unix://{self._publish}:/v1/publish"
        self._options = []
        if tls:
            self.link = ("127.0.0.1", free_port())
            frames = f"tcp+tls://127.0.0.1:{self.link[1]}"
            self.token_file = run / f"{name}.token"
            self._options = ["--token-file", self.token_file, "--tls-file", run / f"{name}.pem"]
        else:
            self.link = run / f"{name}.frames"
            frames = f"unix:{self.link}"
        self._frames = frames
        self.start()

    def start(self):
        self.program = self._broker.start("bus", "--guest", "--listen", f"unix:{self._publish}", "--frames",
                                          self._frames, *self._options)
        wait_until(lambda: accepts(self._publish) or not self.program.running, 10, "the guest half listens")
        assert self.program.running, self.program.stderr

    def restart(self):
        self.program.kill()
        self.start()

    def pin(self):
        """Of the certificate that it made."""
        return self.program.wait_for_stderr("pin=(sha256:[0-9a-f]{64})")[1]

    def dialled_at(self, address):
        """The line of the host's file of guests, for a link that listens at this address."""
        if isinstance(address, tuple):
            return (f"{self.name}=tcp+tls://{address[0]}:{address[1]},pin={self.pin()},token-file={self.token_file}")
        return f"{self.name}=unix:{address}"


class HostHalf:
    """`bus --host` for the guests that these lines name."""

    def __init__(self, broker, lines):
        self._broker = broker
        self._socket = broker.place.run / "host-bus.sock"
        self._sheds = broker.place.root / "sheds"
        self._sheds.write_text("".join(f"{line}\n" for line in lines))
        self.server = f"unix://{self._socket}"
        self.start()

    def start(self):
        self.program = self._broker.start("bus", "--host", "--listen", f"unix:{self._socket}", "--sheds", self._sheds)
        wait_until(lambda: accepts(self._socket) or not self.program.running, 10, "the host half listens")
        assert self.program.running, self.program.stderr

    def restart(self):
        self.program.kill()
        self.start()


class HostAgent:
    """`shed-ext host` with the keys of an upstream agent."""

    def __init__(self, broker, server, upstream):
        self._broker, self._server, self._upstream = broker, server, upstream
        self.start()

    def start(self):
        self.program = self._broker.start_host(self._server, self._upstream, config=UNLIMITED)

    def restart(self):
        self.program.kill()
        self.start()


class SplitBus:
    """Two guests on one host half: `web` behind a bad link, `quiet` directly. `link` is the bad one."""

    def __init__(self, broker, upstream, key, closing, tls=False):
        self.key = key
        self.web = GuestHalf(broker, "web", tls)
        self.quiet = GuestHalf(broker, "quiet")
        address = ("127.0.0.1", free_port()) if tls else broker.place.run / "bad.link"
        self.link = closing(BadLink(address, self.web.link, framed=not tls))
        self.host = HostHalf(broker, [self.web.dialled_at(address), self.quiet.dialled_at(self.quiet.link)])
        self.agent = HostAgent(broker, self.host.server, upstream)
        self.wait_back(10)

    def sign(self, guest=None):
        return sign_over_bus((guest or self.web).publish_url, self.key, os.urandom(32))

    def wait_back(self, seconds):
        for guest in (self.web, self.quiet):
            wait_until(lambda guest=guest: self.sign(guest) == SIGNED, seconds, f"{guest.name} signs again")


def sign_over_bus(url, key, data):
    """What became of one request to sign: SIGNED only with a signature over this very data."""
    payload = {"operation": "sign", "public_key": base64.b64encode(key.blob).decode(),
               "data": base64.b64encode(data).decode(), "flags": 0}
    try:
        status, body = publish(url, {"namespace": "ssh-agent", "type": "request", "payload": payload})
    except (OSError, http.client.HTTPException) as problem:
        assert not isinstance(problem, TimeoutError), "a request that nobody answers"
        return NO_BUS
    answer = json.loads(body)
    if status != 200:
        assert answer["error"]["message"], "no reason"
        return f"{status} {answer['error']['code']}"
    answer = answer["payload"]
    if answer.get("code"):
        return f"{answer['code']}: {answer['error']}"
    signature = string(answer["format"]) + string(base64.b64decode(answer["blob"]))
    return SIGNED if verifies(key, signature, data) else WRONG


def sign_over_agent(path, key, data):
    """The same through an SSH agent's socket."""
    try:
        with AgentConnection(path, seconds=35) as agent:
            signature = agent.sign(key.blob, data)
    except TimeoutError:
        raise
    except (OSError, AssertionError):
        return NO_BUS
    if signature is None:
        return REFUSED
    return SIGNED if verifies(key, signature, data) else WRONG


class Load:
    """Clients that ask(data) one after the other until the end of the block, each time with data of their own."""

    def __init__(self, ask, clients):
        self.outcomes = collections.Counter()
        self.longest = 0.0
        self.problems = []
        self._ask = ask
        self._asked = {}  # thread -> when it asked last
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    @property
    def signed(self):
        return self.outcomes[SIGNED]

    @property
    def failures(self):
        return {outcome: count for outcome, count in self.outcomes.items() if outcome != SIGNED}

    def wait_for_more(self, seconds, more=10):
        wanted = self.signed + more
        wait_until(lambda: self.signed >= wanted or self.problems, seconds, f"more signatures; so far {self.outcomes}")

    def wait_for_each(self, seconds):
        """Until what every client asked before now has been counted."""
        moment = time.monotonic()
        wait_until(lambda: all(since > moment for since in self._asked.copy().values()), seconds,
                   "another request of each client")

    def wait_until_stuck(self, seconds=5, after=0.3):
        """Until every client waits for its answer, and has for a while."""
        wait_until(lambda: all(time.monotonic() - since > after for since in self._asked.copy().values()), seconds,
                   "all clients wait")

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.wait_for_more(10)
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(patience(35))

    def check(self, seconds):
        """Every request has had its answer, the right one or a reason, and none took longer than this."""
        assert not any(thread.is_alive() for thread in self._threads), "a request waits for ever"
        assert not self.problems, self.problems[0]
        assert self.outcomes[WRONG] == 0, self.outcomes
        assert self.longest < patience(seconds), f"one request took {self.longest:.1f} s; {self.outcomes}"

    def _run(self):
        while not self._stop.is_set():
            start = self._asked[threading.get_ident()] = time.monotonic()
            try:
                outcome = self._ask(os.urandom(32))
            except Exception as problem:  # a test must see it, and a thread cannot fail
                self.problems.append(problem)
                return
            self.longest = max(self.longest, time.monotonic() - start)
            self.outcomes[outcome] += 1
            if outcome != SIGNED:
                self._stop.wait(0.02)  # a client that was refused does not ask again at once
