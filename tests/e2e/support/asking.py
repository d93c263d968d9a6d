"""A host agent that asks a person, and what runs in the background while it waits."""

import threading

from support import agent_wire
from support.approver import Approver
from support.broker import audit_records
from support.waiting import patience, wait_until

ASK = "ssh: { approval: { policy: shed-desktop } }\n"


class Asking:
    """A host agent that asks, on a bus with a relay."""

    def __init__(self, broker, agent, place, closing, config=ASK):
        self._closing = closing
        self.place = place
        self.bus = broker.start_bus("unix")
        self.host = broker.start_host(self.bus.server, agent=agent.path, config=config)
        self.socket = place.run / "host" / "host-agent.sock"
        self.host.wait_for_stderr("approvals are asked for at")
        self.relay = broker.start_relay(self.bus.publish_url)
        self.sock = self.relay.sock
        # Who lists is on the bus: from here on nothing is refused for another reason.
        wait_until(lambda: agent_wire.identities(self.sock), 10, "the keys are listed")

    def approver(self, **more):
        return self._closing(Approver(self.socket, **more))

    def sign(self, key, data=b"data"):
        """A signature in a thread of its own; `.value` once it has ended."""
        def run():
            # The host agent decides how long a person may take, and not the client.
            with agent_wire.AgentConnection(self.sock, seconds=60) as connection:
                return connection.sign(key.blob, data)
        return InBackground(run)

    def signs(self):
        """The records of signatures."""
        return [dict(record) for record in audit_records(self.place.audit_log) if dict(record)["op"] == "sign"]


class InBackground:
    def __init__(self, function):
        self._function = function
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        self._value = self._function()

    @property
    def ended(self):
        return not self._thread.is_alive()

    @property
    def value(self):
        self._thread.join(patience(60))
        assert self.ended, "it still waits"
        return self._value
