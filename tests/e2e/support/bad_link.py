"""A link between the two halves of the bus that misbehaves on demand: the host half dials it, it dials the guest half.

What it can do to each direction by itself, while it runs: delay, hold everything back, pass whole frames over or
twice, put in bytes of its own, and break off after a number of bytes, in the middle of a frame or not. It can also
refuse connections. It counts what it did.
"""

import collections
import contextlib
import os
import socket
import struct
import threading

from support.waiting import wait_until

HEADER = 5  # one byte type, four bytes length
CONNECT_SECONDS = 5


def frame(payload, kind=0x20):
    return struct.pack(">BI", kind, len(payload)) + payload


def take_frames(data):
    """The whole frames at the start of `data`, and the rest."""
    frames = []
    while len(data) >= HEADER:
        end = HEADER + struct.unpack_from(">I", data, 1)[0]
        if len(data) < end:
            break
        frames.append(bytes(data[:end]))
        data = data[end:]
    return frames, data


class Direction:
    """What happens to the bytes that go one way, over all connections. A test sets `delay` (seconds for every piece),
    `drop` and `duplicate` (functions of a frame's bytes, asked for each one); both want a link that is not encrypted.
    """

    def __init__(self):
        self.delay = 0
        self.drop = self.duplicate = None
        self.count = collections.Counter()  # bytes, frames, dropped, duplicated, garbage, cuts
        self._changed = threading.Condition()
        self._held = False
        self._until_cut = None
        self._garbage = b""

    def hold(self):
        """Nothing more arrives, and nobody is told: a dead peer."""
        with self._changed:
            self._held = True

    def release(self):
        with self._changed:
            self._held = False
            self._changed.notify_all()

    def cut_after(self, count):
        """Breaks the connection off once that many more bytes have gone this way."""
        with self._changed:
            self._until_cut = count

    def add_garbage(self, data):
        """Put in front of what comes next."""
        with self._changed:
            self._garbage += data

    def heal(self):
        self.drop = self.duplicate = None
        self.delay = 0
        with self._changed:
            self._until_cut, self._garbage = None, b""
        self.release()

    def _frames(self, frames):
        """What becomes of whole frames."""
        for each in frames:
            self.count["frames"] += 1
            if self.drop and self.drop(each):
                self.count["dropped"] += 1
                continue
            yield each
            if self.duplicate and self.duplicate(each):
                self.count["duplicated"] += 1
                yield each

    def _wait(self, over):
        """False when the connection is over before there is anything to send."""
        if self.delay and over.wait(self.delay):
            return False
        with self._changed:
            while self._held and not over.is_set():
                self._changed.wait(0.05)
        return not over.is_set()

    def _cut(self, data):
        """What goes out of `data`, and whether the connection breaks off behind it."""
        with self._changed:
            data, self._garbage = self._garbage + data, b""
            if self._until_cut is None or len(data) < self._until_cut:
                if self._until_cut is not None:
                    self._until_cut -= len(data)
                return data, False
            data, self._until_cut = data[:self._until_cut], None
            self.count["cuts"] += 1
            return data, True


class Carried:
    """One connection, from the host half to the guest half. Each side is closed by nobody but the two threads."""

    def __init__(self, link, host, guest):
        self._link = link
        self._host, self._guest = host, guest
        self.over = threading.Event()
        self._threads = [threading.Thread(target=self._carry, args=way, daemon=True)
                         for way in ((host, guest, link.down), (guest, host, link.up))]
        for thread in self._threads:
            thread.start()

    def end(self):
        self.over.set()
        for side in (self._host, self._guest):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def join(self):
        for thread in self._threads:
            thread.join(10)
        self._host.close()
        self._guest.close()

    def _carry(self, source, target, direction):
        rest = b""
        with contextlib.suppress(OSError):
            while (data := source.recv(65536)) and not self.over.is_set():
                if self._link.framed:
                    frames, rest = take_frames(rest + data)
                    pieces = direction._frames(frames)
                else:
                    pieces = [data]
                for piece in pieces:
                    if not self._send(piece, target, direction):
                        return self.end()
        self.end()

    def _send(self, piece, target, direction):
        if not direction._wait(self.over):
            return False
        piece, ends = direction._cut(piece)
        target.sendall(piece)
        direction.count["bytes"] += len(piece)
        return not ends


class BadLink:
    """`listen` and `connect` are paths of unix sockets or (host, port). `up` is the way from the guest half to the host
    half, `down` the other one. `framed` is False for what is encrypted."""

    def __init__(self, listen, connect, framed=True):
        self.address = listen
        self.framed = framed
        self.up, self.down = Direction(), Direction()
        self.count = collections.Counter()  # connections, failed (the guest half was not there), refusals, broken
        self._connect_to = connect
        self._carried = []
        self._lock = threading.Lock()
        self._listener = None
        self._thread = None
        self.allow()

    @property
    def connected(self):
        with self._lock:
            return sum(not each.over.is_set() for each in self._carried)

    def refuse(self):
        """Connections are refused from now on; those that are there stay."""
        self._stop_listening()
        self.count["refusals"] += 1

    def allow(self):
        if isinstance(self.address, tuple):
            listener = socket.create_server(self.address)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.address)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(str(self.address))
            listener.listen(64)
        self._listener = listener
        self._thread = threading.Thread(target=self._serve, args=(listener,), daemon=True)
        self._thread.start()

    def cut(self):
        """Every connection breaks off now."""
        with self._lock:
            carried = [each for each in self._carried if not each.over.is_set()]
        for each in carried:
            each.end()
        self.count["broken"] += len(carried)
        return len(carried)

    def heal(self):
        self.up.heal()
        self.down.heal()
        if self._listener is None:
            self.allow()

    def wait_connected(self, seconds=5):
        wait_until(lambda: self.connected, seconds, "the host half dials again")

    def close(self):
        if self._listener is not None:
            self._stop_listening()
        self.cut()
        for each in self._carried:
            each.join()

    def _stop_listening(self):
        listener, self._listener = self._listener, None
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
        self._thread.join(10)
        listener.close()

    def _serve(self, listener):
        while True:
            try:
                host, _ = listener.accept()
            except OSError:
                return
            try:
                guest = self._dial()
            except OSError:
                self.count["failed"] += 1
                host.close()
                continue
            self.count["connections"] += 1
            with self._lock:
                self._carried.append(Carried(self, host, guest))

    def _dial(self):
        tcp = isinstance(self._connect_to, tuple)
        guest = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            guest.settimeout(CONNECT_SECONDS)
            guest.connect(self._connect_to if tcp else str(self._connect_to))
            guest.settimeout(None)
        except OSError:
            guest.close()
            raise
        return guest
