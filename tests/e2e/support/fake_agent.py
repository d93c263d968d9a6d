"""An agent that does what no honest one does: a test gives it the function from a message to its answer."""

import socket
import struct
import threading

from support import agent_wire


class FakeAgent:
    """answer(kind, payload) returns (kind, payload), or None to close the connection without one."""

    def __init__(self, path, answer):
        self.path = path
        self._answer = answer
        self.messages = []  # (kind, payload) of everything that was asked
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        # Wakes the thread in accept(), which close() alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with connection:
            stream = connection.makefile("rb")
            while header := stream.read(4):
                body = stream.read(struct.unpack(">I", header)[0])
                self.messages.append((body[0], body[1:]))
                answer = self._answer(body[0], body[1:])
                if answer is None:
                    return
                try:
                    connection.sendall(agent_wire.message(*answer))
                except OSError:
                    return


def identities_answer(*keys):
    """The answer to a list: pairs of (blob, comment)."""
    return agent_wire.IDENTITIES_ANSWER, struct.pack(">I", len(keys)) + b"".join(
        agent_wire.string(blob) + agent_wire.string(comment) for blob, comment in keys)
