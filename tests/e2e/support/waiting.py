"""Waiting with a deadline: nothing here sleeps for a fixed time and hopes."""

import os
import time

# A sanitized binary and a loaded machine take longer for the same work; scripts/test sets this for them.
PATIENCE = float(os.environ.get("SHED_E2E_PATIENCE", "1"))


def patience(seconds):
    """A deadline of this many seconds, stretched for slow builds."""
    return seconds * PATIENCE


def wait_until(condition, seconds, what):
    """Polls until condition() is true and returns its value; fails with `what` (text, or a function that
    returns it) after the deadline."""
    deadline = time.monotonic() + patience(seconds)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience(seconds):g} s: {what() if callable(what) else what}")
        time.sleep(0.005)


def keep_away_from_midnight(seconds=20):
    """What is told by the day is only as expected when all of it is of one day, of UTC."""
    margin = patience(seconds)
    wait_until(lambda: margin < 86400 - time.time() % 86400, 2 * seconds, "the next day")


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self):
        self._start = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self._start
