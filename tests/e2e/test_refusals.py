"""What would change the host's agent is refused and changes nothing; extensions are answered as the protocol says."""

import pytest

from support import agent_wire
from support.agent_wire import AgentConnection
from support.waiting import wait_until


@pytest.fixture
def up(broker, agent):
    return broker.start_up(agent.path)


@pytest.mark.parametrize("arguments", [["-q", "KEY"], ["-D"], ["-d", "PUBLIC"]], ids=["add", "remove all", "remove"])
def test_ssh_add_cannot_change_the_hosts_agent(up, agent, keys, programs, place, arguments):
    before = agent.identities()
    names = {"KEY": keys["ed25519"].private, "PUBLIC": keys["ed25519"].public}
    done = programs.run(["ssh-add", *(names.get(word, word) for word in arguments)], place.env(up.sock))
    assert done.status != 0
    assert agent.identities() == before


@pytest.mark.parametrize("option", ["-x", "-X"])
def test_ssh_add_cannot_lock_the_hosts_agent(up, agent, programs, place, option):
    ask = place.work / "askpass"
    ask.write_text("#!/bin/sh\necho secret\n")
    ask.chmod(0o700)
    env = place.env(up.sock, SSH_ASKPASS=ask, SSH_ASKPASS_REQUIRE="force")
    assert programs.run(["ssh-add", option], env).status != 0
    assert agent.identities() != []
    assert agent_wire.identities(up.sock) == agent.identities()


@pytest.mark.parametrize("kind", [17, 18, 19, 20, 21, 22, 23, 25, 26])
def test_every_message_that_would_change_something_gets_a_plain_failure(up, agent, kind):
    before = agent.identities()
    with AgentConnection(up.sock) as connection:
        assert connection.ask(kind, b"\0\0\0\1x") == (agent_wire.FAILURE, b"")
        assert len(connection.identities()) == len(before), "the connection goes on"
    assert agent.identities() == before


@pytest.mark.parametrize("kind", [0, 1, 5, 6, 12, 14, 28, 99, 255])
def test_an_unknown_message_gets_a_plain_failure_or_is_hung_up_on(up, kind):
    with AgentConnection(up.sock) as connection:
        connection.send(agent_wire.message(kind))
        assert connection.receive() in ((agent_wire.FAILURE, b""), None)
    assert agent_wire.identities(up.sock) != []


def test_an_unknown_extension_fails_and_the_connection_goes_on(up):
    with AgentConnection(up.sock) as connection:
        answer = connection.ask(agent_wire.EXTENSION, agent_wire.string("nobody@example.org") + b"payload")
        assert answer[0] in (agent_wire.FAILURE, agent_wire.EXTENSION_FAILURE)
        assert connection.identities() != []


def test_the_query_extension_names_session_bind(up):
    with AgentConnection(up.sock) as connection:
        kind, rest = connection.ask(agent_wire.EXTENSION, agent_wire.string("query"))
    assert kind in (agent_wire.SUCCESS, agent_wire.EXTENSION_RESPONSE)
    assert b"session-bind@openssh.com" in rest


def test_a_session_bind_is_the_hosts_agents_to_verify(up, keys):
    """Form is checked here; the signature by the agent that holds the constrained keys, which sees every bind."""
    string = agent_wire.string
    bind = (string("session-bind@openssh.com") + string(keys["ed25519"].blob) + string(b"s" * 32)
            + string(string("ssh-ed25519") + string(b"\1" * 64)) + b"\0")
    with AgentConnection(up.sock) as connection:
        assert connection.ask(agent_wire.EXTENSION, bind)[0] == agent_wire.SUCCESS
        connection.ask(agent_wire.REQUEST_IDENTITIES)
    wait_until(lambda: "bind" in up.stderr, 5, "a warning that the agent refused the bind")


@pytest.mark.parametrize("cut", [1, 4, 30, 70])
def test_a_session_bind_that_is_cut_short_is_refused(up, keys, cut):
    string = agent_wire.string
    bind = (string("session-bind@openssh.com") + string(keys["ed25519"].blob) + string(b"s" * 32)
            + string(string("ssh-ed25519") + string(b"\1" * 64)) + b"\0")
    with AgentConnection(up.sock) as connection:
        connection.send(agent_wire.message(agent_wire.EXTENSION, bind[:-cut]))
        answer = connection.receive()
    assert answer is None or answer[0] in (agent_wire.FAILURE, agent_wire.EXTENSION_FAILURE)
