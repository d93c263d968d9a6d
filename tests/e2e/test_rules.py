"""Rules and offer with real clients: who gets a signature without a question, and who gets none whatever it does."""

import base64

import pytest

from support import agent_wire
from support.agent_wire import fingerprint, string
from support.broker import audit_records



def ssh_config(rules, policy="deny-all", more=""):
    return f"ssh: {{ approval: {{ policy: {policy} }}, rules: [{', '.join(rules)}]{more} }}\n"


ALLOW_ONE = ssh_config(["{ destination: one.example, action: allow }"])


def signatures(place):
    return [record for record in map(dict, audit_records(place.audit_log)) if record["op"] == "sign"]


@pytest.fixture
def known_hosts(place):
    folder = place.home / ".ssh"
    folder.mkdir(mode=0o700)
    return folder / "known_hosts"


@pytest.fixture
def servers(start_sshd, keys, known_hosts):
    """Two servers with different host keys, both known by name."""
    pair = [start_sshd(name, authorized=[keys["ed25519"]]) for name in ("one.example", "two.example")]
    known_hosts.write_text("".join(server.known_hosts.read_text() for server in pair))
    return pair


@pytest.fixture
def login(broker, agent, keys):
    """login(server, config): the finished ssh; further options of it behind them."""
    def run(server, config, *options):
        return broker.run_up(*server.ssh("echo in", more=[*options, *server.only_with(keys["ed25519"])]),
                             agent=agent.path, config=config)
    return run


def test_a_rule_lets_ssh_into_one_server_and_the_policy_keeps_it_out_of_the_other(login, servers, place):
    one, two = servers
    allowed = login(one, ALLOW_ONE)
    assert (allowed.status, allowed.stdout) == (0, "in\n"), allowed.stderr
    record = signatures(place)[-1]
    assert (record["result"], record["approval"], record["rule"]) == ("ok", "none", "1 (line 1)")
    assert (record["subject"], record["proof"]) == (f"login {one.user}@one.example", "verified")
    refused = login(two, ALLOW_ONE)
    assert refused.status == 255
    record = signatures(place)[-1]
    assert (record["result"], record["code"]) == ("denied", "POLICY_DENIED")
    assert record["reason"] == "ssh.approval.policy is deny-all"
    assert (record["subject"], record["proof"]) == (f"login {two.user}@two.example", "verified")


def test_a_rule_keeps_ssh_out_of_one_server_and_the_log_says_why(login, servers, place):
    one, two = servers
    config = ssh_config([f"{{ destination: two.example, user: {two.user}, action: deny }}"], "approve-all")
    assert login(one, config).status == 0
    refused = login(two, config)
    assert refused.status == 255
    record = signatures(place)[-1]
    why = f"rule 1 of ssh.rules (up.yaml:1) denies login {two.user}@two.example"
    assert (record["code"], record["rule"], record["reason"]) == ("RULE_DENIED", "1 (line 1)", why)
    assert f"denied: {why}" in refused.stderr


def test_an_account_that_is_denied_is_denied_under_its_other_spellings(login, servers, place):
    """sshd lets `root:anything` in as root, and signs and checks all of it."""
    one = servers[0]
    config = ssh_config([f"{{ user: {one.user}, action: deny }}"], "approve-all")
    for account in (one.user, f"{one.user}:x", f"{one.user}/x:y"):
        assert login(one, config, f"User={account}").status == 255
        record = signatures(place)[-1]
        assert (record["code"], record["rule"]) == ("RULE_DENIED", "1 (line 1)"), account


def test_a_login_that_only_the_server_can_read_does_not_get_past_a_rule_that_denies(login, servers, place):
    """sshd takes `root:` and anything behind it, however long: longer than what is read as a login here."""
    one = servers[0]
    account = f"User={one.user}:{'x' * 600}"
    assert login(one, ssh_config(["{ action: allow }"]), account).stdout == "in\n"
    assert signatures(place)[-1]["subject"] == "opaque (a login with an impossible user name)"
    for criterion in ("destination: one.example", f"user: {one.user}"):
        refused = login(one, ssh_config([f"{{ {criterion}, action: deny }}"], "approve-all"), account)
        assert refused.status == 255
        assert signatures(place)[-1]["code"] == "RULE_DENIED"


def test_a_rule_finds_a_host_behind_a_hashed_name(login, servers, known_hosts, place, programs):
    done = programs.run(["ssh-keygen", "-q", "-H", "-f", known_hosts], place.env())
    assert done.status == 0 and "one.example" not in known_hosts.read_text()
    assert login(servers[0], ALLOW_ONE).status == 0
    assert login(servers[1], ALLOW_ONE).status == 255


def test_a_rule_finds_a_host_by_the_fingerprint_of_its_key(login, servers, known_hosts):
    known_hosts.unlink()
    one = fingerprint(base64.b64decode(servers[0].host_key[1]))
    config = ssh_config([f'{{ destination: "{one}", action: allow }}'])
    assert login(servers[0], config).status == 0
    assert login(servers[1], config).status == 255


def test_broken_lines_of_known_hosts_let_nobody_in(login, servers, known_hosts):
    known_hosts.write_text(f"one.example\none.example ssh-ed25519 AAAA\n\x01\n{known_hosts.read_text()}")
    assert login(servers[0], ALLOW_ONE).status == 0
    assert login(servers[1], ALLOW_ONE).status == 255


def test_git_signs_commits_where_logins_are_denied(broker, agent, servers, keys, place):
    repository, key, one = place.work / "repository", keys["ed25519"].public, servers[0]
    env = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "A",
           "GIT_COMMITTER_EMAIL": "a@example.org", "KEY": str(key)}
    config = ssh_config(["{ sshsig_namespace: git, action: allow }", '{ user: "*", action: deny }'], "approve-all")
    script = (f"git init -q {repository} && cd {repository} && git -c gpg.format=ssh -c user.signingkey=$KEY "
              "commit -q --allow-empty -S -m signed")
    done = broker.run_up("sh", "-c", script, agent=agent.path, config=config, env=env)
    assert done.status == 0, done.stderr
    assert signatures(place)[-1]["rule"] == "1 (line 1)"
    refused = broker.run_up(*one.ssh("true", more=one.only_with(keys["ed25519"])), agent=agent.path, config=config)
    assert refused.status == 255
    assert signatures(place)[-1]["reason"] == \
        f"rule 2 of ssh.rules (up.yaml:1) denies login {one.user}@one.example"


def test_a_rule_that_asks_denies_where_nobody_can_be_asked(login, servers, place):
    refused = login(servers[0], ssh_config(["{ destination: one.example, action: ask }"], "approve-all"))
    assert refused.status == 255
    record = signatures(place)[-1]
    assert (record["code"], record["rule"]) == ("APPROVAL_DENIED", "1 (line 1)")


def test_only_the_offered_key_is_listed_and_signs(broker, agent, keys, place):
    offered, other = keys["ed25519"], keys["ecdsa256"]
    config = f'ssh: {{ approval: {{ policy: approve-all }}, offer: ["{offered.fingerprint}"] }}\n'
    listed = broker.run_up("ssh-add", "-l", agent=agent.path, config=config)
    assert listed.status == 0 and len(listed.stdout.splitlines()) == 1
    assert offered.fingerprint in listed.stdout
    up = broker.start_up(agent.path, config=config)
    assert agent_wire.sign(up.sock, offered.blob, b"data")
    assert agent_wire.sign(up.sock, other.blob, b"data") is None
    record = signatures(place)[-1]
    assert (record["result"], record["code"], record["key"]) == ("denied", "KEY_NOT_OFFERED", other.fingerprint)


class RootGuest:
    """Root in the guest: speaks to the bus itself and makes up what it sends. It has a key of its own."""

    def __init__(self, up, agent, key, own):
        self.up, self.agent, self.key, self.own = up, agent, key, own
        self.session = b"s" * 32

    def login(self, host_key=b"", session=None):
        method = b"publickey-hostbound-v00@openssh.com" if host_key else b"publickey"
        return (string(session or self.session) + b"\x32" + string(b"root") + string(b"ssh-connection")
                + string(method) + b"\x01" + string(self.key.type.encode()) + string(self.key.blob)
                + (string(host_key) if host_key else b""))

    def bind(self, host_key, session=None, signed=None, forwarding=False):
        """A bind for that host key, signed by the guest's own key."""
        session = session or self.session
        signature = agent_wire.sign(self.agent.path, self.own.blob, signed or session)
        encode = lambda data: base64.b64encode(data).decode()
        return {"host_key": encode(host_key), "session_id": encode(session), "signature": encode(signature),
                "forwarding": forwarding}

    def asks(self, data, *binds):
        payload = {"operation": "sign", "public_key": base64.b64encode(self.key.blob).decode(),
                   "data": base64.b64encode(data).decode(), "flags": 0}
        if binds:
            payload["session_binds"] = list(binds)
        return self.up.ask(payload)


@pytest.fixture
def root_guest(broker, agent, keys):
    def start(config):
        return RootGuest(broker.start_up(agent.path, config=config), agent, keys["ed25519"], keys["ecdsa256"])
    return start


def forgeries(guest, one, two):
    """What root in a guest may try to get a signature for a login: the data and the binds."""
    own = guest.own.blob
    return {
        "no host": (guest.login(),),
        "a claimed host": (guest.login(one),),
        "another claimed host": (guest.login(two),),
        "a bind that the host has not signed": (guest.login(one), guest.bind(one)),
        "the same, not hostbound": (guest.login(), guest.bind(one)),
        "a host of its own": (guest.login(own), guest.bind(own)),
        "a host of its own, not hostbound": (guest.login(), guest.bind(own)),
        "a host of its own, under another name": (guest.login(one), guest.bind(own)),
        "a host of its own in front": (guest.login(one), guest.bind(own, forwarding=True), guest.bind(one)),
        "a host of its own behind": (guest.login(one), guest.bind(one, forwarding=True), guest.bind(own)),
        "a bind of another session": (guest.login(own), guest.bind(own, session=b"t" * 32)),
        "a session id that was not signed": (guest.login(own), guest.bind(own, signed=b"t" * 32)),
        "trailing bytes": (guest.login(one) + b"\0", guest.bind(one)),
        "a second host key": (guest.login(one) + string(two), guest.bind(one)),
        "a signature of a file around it": (b"SSHSIG" + string(guest.login(one)),),
        "nothing known": (b"data",),
    }


def host_keys(servers):
    return [base64.b64decode(server.host_key[1]) for server in servers]


def test_root_in_a_guest_gets_no_signature_for_a_destination_that_no_rule_allows(root_guest, servers, place):
    guest = root_guest(ALLOW_ONE)
    tries = forgeries(guest, *host_keys(servers))
    for name, attempt in tries.items():
        answer = guest.asks(*attempt)
        assert answer.get("reason_code") == "POLICY_DENIED", f"{name}: {answer}"
    assert [record["result"] for record in signatures(place)] == ["denied"] * len(tries)


@pytest.mark.parametrize("by_fingerprint", [False, True], ids=["by name", "by fingerprint"])
def test_root_in_a_guest_does_not_get_past_a_rule_that_denies_by_naming_no_host(root_guest, servers, by_fingerprint):
    one, two = host_keys(servers)
    denied = f'"{fingerprint(one)}"' if by_fingerprint else "one.example"
    guest = root_guest(ssh_config([f"{{ destination: {denied}, action: deny }}"], "approve-all"))
    for name, attempt in forgeries(guest, one, two).items():
        answer = guest.asks(*attempt)
        assert answer.get("reason_code") == "RULE_DENIED", f"{name}: {answer}"


def test_the_check_prints_the_rules_of_a_guest_and_warns_of_one_that_never_acts(broker, place):
    config = place.config('ssh:\n  rules:\n    - { shed: "ci-*", action: deny }\n    - { user: git, action: allow }\n'
                          "    - { user: git, action: deny }\n")
    checked = broker.run("host", "--check", "--config", config, "--shed", "web")
    assert checked.status == 0, checked.stderr
    assert "rule 2" in checked.stdout and "rule 1" not in checked.stdout
    assert "rule 3 of ssh.rules contradicts rule 2 (line 4)" in checked.stderr
