"""Fixtures of the tests with a microVM and with a container."""

import pytest

from support.microvm import BUS_DEVICE, MicroVm
from support.remote_guest import HostSide, wait_for_services

LINKS = ["docker-credential-shed"]


@pytest.fixture(scope="session")
def booted(binary, session_place):
    """One microVM for all tests, with the guest's services in it, as an init system keeps them: started again."""
    place, programs = session_place
    vm = MicroVm(programs, place.env(), place.root / "vm", binary, LINKS)
    vm.start(f"while :; do shed-ext guest --frames serial:{BUS_DEVICE}; usleep 100000; done")
    yield vm
    vm.close()


@pytest.fixture
def microvm(booted, sshd):
    booted.lead_to(sshd)
    return booted


@pytest.fixture
def start_host_side(broker, place, agent, store, aws_files, sts):
    """start_host_side(connector): the host's half of the bus and the host agent for the guest behind it."""
    return lambda connector: HostSide(broker, place, agent, store, aws_files, sts, connector)


@pytest.fixture
def host_side(start_host_side, microvm):
    """That of the microVM, connected."""
    side = start_host_side(f"serial:{microvm.bus_socket}")
    wait_for_services(microvm)
    return side
