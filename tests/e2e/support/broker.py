"""The program under test, applet by applet."""

import json
import os
import shlex
import subprocess

from support.agent_wire import IDENTITIES_ANSWER, REQUEST_IDENTITIES, AgentConnection
from support.http_client import publish
from support.servers import accepts, free_port
from support.waiting import wait_until

APPROVE_ALL = "ssh: { approval: { policy: approve-all } }\n"
# For tests that ask more than any person does.
UNLIMITED = APPROVE_ALL + "limits: off\n"


class Up:
    """A running `up` whose command waits; `sock` and `publish_url` are what the command was given."""

    def __init__(self, program):
        self.program = program
        program.wait_for_stdout("^ready$", 15)
        values = dict(line.split("=", 1) for line in program.stdout.splitlines() if "=" in line)
        self.sock = values["SSH_AUTH_SOCK"]
        self.publish_url = values["SHED_PUBLISH_URL"]

    @property
    def pid(self):
        return self.program.pid

    @property
    def stderr(self):
        return self.program.stderr

    def ask(self, payload, namespace="ssh-agent"):
        """The payload of the answer to a request on the bus, as a guest program sends it."""
        status, body = publish(self.publish_url, {"namespace": namespace, "type": "request", "payload": payload})
        assert status == 200, body
        return json.loads(body)["payload"]

    def stop(self):
        """Lets the command end, and returns the exit status."""
        self.program.process.stdin.close()
        self.program.process.stdin = None
        return self.program.wait(10)


class Broker:
    """Starts applets, each with the environment of the test's place."""

    def __init__(self, binary, programs, place):
        self.binary = binary
        self.programs = programs
        self.place = place

    def run(self, *arguments, agent=None, env=None, **more):
        """`shed-ext ARGUMENTS` to its end."""
        return self.programs.run([self.binary, *arguments], self.place.env(agent, **(env or {})), **more)

    def start(self, *arguments, agent=None, env=None, **more):
        return self.programs.start([self.binary, *arguments], self.place.env(agent, **(env or {})), **more)

    def run_up(self, *command, agent, config=APPROVE_ALL, env=None, **more):
        """`shed-ext up -- COMMAND` to its end."""
        return self.run("up", *self._config(config), "--", *command, agent=agent, env=env, **more)

    def start_up(self, agent=None, config=APPROVE_ALL, env=None, **more):
        """A running `up`, for tests that ask many things of one."""
        report = ('echo "SSH_AUTH_SOCK=$SSH_AUTH_SOCK"; echo "SHED_PUBLISH_URL=$SHED_PUBLISH_URL"; echo ready; '
                  'read -r _ || :')
        return Up(self.start("up", *self._config(config), "--", "sh", "-c", report, agent=agent, env=env,
                             stdin=subprocess.PIPE, **more))

    def _config(self, text):
        if text is None:
            return []
        return ["--config", self.place.config(text, self.place.root / "up.yaml")]

    def start_bus(self, kind="tcp", shed="box", server=None):
        return Bus(self, kind, shed, server)

    def start_host(self, server, agent=None, config=APPROVE_ALL, env=None, arguments=(), **more):
        """`shed-ext host` on the bus at `server`."""
        path = self.place.config(f"server: {server}\n{config}", self.place.root / "host.yaml")
        return self.start("host", "--config", path, *arguments, agent=agent, env=self.host_env(env), **more)

    def host_env(self, more=None):
        return {"SHED_HOST_AGENT_SOCKET_DIR": self.place.run / "host", **(more or {})}

    def start_relay(self, publish_url, sock=None, wait=True, **more):
        """`shed-ext ssh-agent`; the returned program has `.sock`."""
        sock = sock or self.place.run / "agent.sock"
        relay = self.start("ssh-agent", "--sock", sock, "--publish-url", publish_url, **more)
        relay.sock = str(sock)
        if wait:
            wait_until(lambda: (accepts(sock) and os.path.exists(f"{sock}.status")) or not relay.running, 10,
                       f"the relay on {sock}")
            assert relay.running, relay.stderr
        return relay


class Bus:
    """Both halves of the bus in one process, over loopback HTTP (`tcp`) or unix sockets (`unix`)."""

    def __init__(self, broker, kind, shed, server):
        self._broker = broker
        if kind == "tcp":
            guest, host = free_port(), free_port()
            self._listen = [f"127.0.0.1:{guest}", f"127.0.0.1:{host}"]
            self.publish_url = f"http://127.0.0.1:{guest}/v1/publish"
            self.server = f"http://127.0.0.1:{host}"
            self._addresses = [("127.0.0.1", guest), ("127.0.0.1", host)]
        else:
            self._addresses = [broker.place.run / "guest.sock", broker.place.run / "bus.sock"]
            self._listen = [f"unix:{path}" for path in self._addresses]
            self.publish_url = f"http+unix://{self._addresses[0]}:/v1/publish"
            self.server = f"unix://{self._addresses[1]}"
        self._names = ["--shed", shed, *(["--server", server] if server else [])]
        self.start()

    @property
    def addresses(self):
        return self._addresses

    def start(self):
        self.program = self._broker.start("bus", "--guest-listen", self._listen[0], "--host-listen", self._listen[1],
                                          *self._names)
        wait_until(lambda: all(map(accepts, self._addresses)) or not self.program.running, 10, "the bus listens")
        assert self.program.running, self.program.stderr


def answers_lists(sock):
    """True when a list is answered, be it empty, and not refused."""
    with AgentConnection(sock) as connection:
        return connection.ask(REQUEST_IDENTITIES)[0] == IDENTITIES_ANSWER


def relay_status(relay):
    """The status file beside the relay's socket."""
    with open(f"{relay.sock}.status", encoding="utf-8") as status:
        return json.load(status)


def shell_words(arguments):
    return shlex.join(map(str, arguments))


def audit_records(path):
    """The records of an audit log as lists of (field, value), in the order they are written in."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as log:
        # Without its end, the last line is still being written.
        return [json.loads(line, object_pairs_hook=list) for line in log if line.endswith("\n")]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def process_status(pid):
    """/proc/PID/status as a dictionary."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return {name: value.strip() for name, value in (line.split(":", 1) for line in status)}

