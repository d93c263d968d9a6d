"""Fixtures: halves of the bus whose other half the test plays."""

import pytest

from .foreign_frame_guest import ForeignFrameGuest
from .guest_half import GuestHalf
from .host_half import HostBus
from .waiting import wait_until


@pytest.fixture
def start_guest_half(broker, closing):
    return lambda *arguments: closing(GuestHalf(broker, *arguments))


@pytest.fixture
def played_guest(place, closing):
    """played_guest(name, ...): a played guest half on a unix socket."""
    return lambda name="web", **more: closing(ForeignFrameGuest(place.run / f"{name}.frames", **more))


@pytest.fixture
def host_bus(broker):
    """host_bus(name=guest, ...): a host half with these guests."""
    def start(*arguments, **guests):
        named = [part for name, guest in guests.items() for part in ("--shed", f"{name}={guest.connector}")]
        bus = HostBus(broker, *named, *arguments)
        wait_until(lambda: set(guests) <= set(bus.sheds()), 5, "the guests are connected")
        return bus
    return start


@pytest.fixture
def served(broker, host_bus, played_guest, agent):
    """A guest `web` and a guest `db`, with a real host agent behind them."""
    class Served:
        web, db = played_guest("web"), played_guest("db")
    Served.bus = host_bus(web=Served.web, db=Served.db)
    Served.host = broker.start_host(Served.bus.server, agent.path)
    wait_until(lambda: "ssh-agent" in Served.bus.listeners(), 10, "the host agent listens")
    return Served
