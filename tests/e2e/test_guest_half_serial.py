"""`shed-ext bus --guest` on serial lines, with a played host half."""

import os
import re
import select
import tty

import pytest

from support.foreign_frame_host import DescriptorLine, ForeignFrameHost, frame, greeting, response
from support.guest_half import answer_of, refusal_of
from support.waiting import Stopwatch, patience, wait_until


class Pty:
    """A serial line: the guest half opens `path`, the test plays hosts on the other end."""

    def __init__(self):
        self.ours, self._theirs = os.openpty()  # both stay open: a pty without its other side is no line
        tty.setraw(self._theirs)
        self.path = os.ttyname(self._theirs)

    def host(self):
        return ForeignFrameHost(DescriptorLine(self.ours))

    def close(self):
        os.close(self.ours)
        os.close(self._theirs)


@pytest.fixture
def pty(closing):
    return closing(Pty())


def test_over_a_serial_line_hosts_come_and_go_and_lose_no_request(start_guest_half, pty):
    guest = start_guest_half(f"serial:{pty.path}")
    host = pty.host()
    host.greet()
    future = guest.ask("x" * 100_000)
    request = host.read_request()
    assert request["payload"] == "x" * 100_000
    next_host = pty.host()
    next_host.greet()
    assert next_host.read_request() == request
    next_host.send(response(request, "done"))
    assert answer_of(future) == "done"


def test_a_host_that_dies_in_mid_frame_on_a_serial_line_is_followed_by_another(start_guest_half, pty):
    guest = start_guest_half(f"serial:{pty.path}")
    host = pty.host()
    host.greet()
    future = guest.ask()
    request = host.read_request()
    host.send_bytes(frame(response(request, "cut"))[:60])
    # A host half greets again when nobody answers.
    watch = Stopwatch()
    again = None
    while again is None:
        assert watch.seconds < patience(20)
        again = greets_within(pty, 1)
    assert again.read_request() == request
    again.send(response(request, "whole"))
    assert answer_of(future) == "whole"


def greets_within(pty, seconds):
    """A host that has been answered; None where the greeting was swallowed."""
    host = pty.host()
    host.send(greeting())
    watch = Stopwatch()
    data = b""
    while watch.seconds < seconds:
        if select.select([pty.ours], [], [], 0.05)[0]:
            data += os.read(pty.ours, 65536)
            if b"started_at" in data.partition(b'"in_reply_to"')[2]:
                host.take_over(data)
                return host
    return None


def test_garbage_before_the_greeting_on_a_serial_line_is_survived(start_guest_half, pty):
    guest = start_guest_half(f"serial:{pty.path}")
    os.write(pty.ours, b"login: \r\nPassword: \x00\xff")
    watch = Stopwatch()
    host = None
    while host is None:
        assert watch.seconds < patience(20)
        host = greets_within(pty, 1)
    future = guest.ask()
    host.send(response(host.read_request(), "here"))
    assert answer_of(future) == "here"


def test_a_serial_line_that_is_missing_is_waited_for_without_a_busy_loop(broker, start_guest_half):
    guest = start_guest_half("serial:/dev/virtio-ports/there-is-none")
    guest.program.wait_for_stderr("there-is-none")
    watch, before = Stopwatch(), cpu_seconds(guest.program.pid)
    wait_until(lambda: watch.seconds > 1, 5, "a second of looking for it")
    assert cpu_seconds(guest.program.pid) - before < patience(0.2)
    assert refusal_of(guest.ask()) == (503, "NO_CONNECTION")
    assert len(re.findall("there-is-none", guest.program.stderr)) == 2, "at the start, and once a minute"


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as text:
        fields = text.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
