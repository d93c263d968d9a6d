"""The real servers around the broker: ssh-agent above it, sshd at the end of the client's way."""

import collections
import contextlib
import fcntl
import getpass
import os
import shutil
import socket
import subprocess
from pathlib import Path

from support.agent_wire import AgentConnection
from support.keys import keygen
from support.waiting import wait_until


GIVEN_PORTS = collections.deque(maxlen=256)


def free_port():
    """A port that nobody has, and that was not given to anybody else lately: who got it may not listen yet."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in GIVEN_PORTS:
            GIVEN_PORTS.append(port)
            return port


def accepts(address):
    """True when somebody accepts connections at a path or a (host, port)."""
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(address if isinstance(address, tuple) else str(address))
            return True
        except OSError:
            return False


class UpstreamAgent:
    """OpenSSH's ssh-agent: the one that holds the keys."""

    def __init__(self, programs, env, path):
        self._programs = programs
        self._env = env
        self.path = Path(path)
        self.start()

    def start(self):
        self.program = self._programs.start(["ssh-agent", "-D", "-a", self.path], self._env)
        wait_until(lambda: accepts(self.path), 10, f"ssh-agent on {self.path}")

    def kill(self):
        """Kills it and removes the socket that it left, as a restarted service does."""
        self.program.kill()
        self.path.unlink(missing_ok=True)

    def add(self, *arguments):
        """ssh-add ARGUMENTS, straight to this agent."""
        env = {**self._env, "SSH_AUTH_SOCK": str(self.path)}
        return subprocess.run(["ssh-add", "-q", *map(str, arguments)], env=env, check=True, capture_output=True,
                              text=True, timeout=30)

    def identities(self):
        with AgentConnection(self.path) as connection:
            return connection.identities()


class PrivilegeSeparation:
    """sshd as root insists on /run/sshd. Whoever made it removes it, when no other test run needs it any more."""

    FOLDER = Path("/run/sshd")
    MARK = FOLDER / "made-by-shed-tests"

    def __init__(self):
        self._lock = None
        if os.geteuid() != 0:
            return
        self._lock = os.open("/run", os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        with contextlib.suppress(FileExistsError):
            self.FOLDER.mkdir(mode=0o755)
            self.MARK.touch()

    def close(self):
        if self._lock is None:
            return
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self.MARK.exists():
                self.MARK.unlink()
                self.FOLDER.rmdir()
        os.close(self._lock)


class Sshd:
    """A real sshd on a free loopback port, as the current user, with a host key and files of its own."""

    def __init__(self, programs, env, folder, authorized=(), options=(), name="server"):
        self.user = getpass.getuser()
        self.name = name
        self.folder = Path(folder)
        self.folder.mkdir(mode=0o700)
        self.port = free_port()
        self.authorized_keys = self.folder / "authorized_keys"
        self.authorize(*authorized)
        keygen("-t", "ed25519", "-N", "", "-C", name, "-f", self.folder / "host_key")
        self.host_key = (self.folder / "host_key.pub").read_text().split()[:2]
        self.known_hosts = self.folder / "known_hosts"
        self.known_hosts.write_text(f"{name} {' '.join(self.host_key)}\n")
        config = self.folder / "sshd_config"
        config.write_text("\n".join([
            f"ListenAddress 127.0.0.1:{self.port}",
            f"HostKey {self.folder}/host_key",
            f"AuthorizedKeysFile {self.authorized_keys}",
            "AuthenticationMethods publickey",
            "PermitRootLogin yes",
            "StrictModes no",
            "UsePAM no",
            "PidFile none",
            "LogLevel VERBOSE",
            "MaxAuthTries 20",
            "MaxStartups 100",
            *options,
        ]) + "\n")
        # sshd runs itself again for every connection and wants to be named by its whole path for that.
        sshd = shutil.which("sshd", path="/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin")
        assert sshd, "sshd is missing: run scripts/install-deps --test"
        self.program = programs.start([sshd, "-D", "-e", "-f", config], env)
        self.program.wait_for_stderr("Server listening on")

    def authorize(self, *keys):
        self.authorized_keys.write_text("".join(f"{key.line}\n" for key in keys))

    @property
    def log(self):
        return self.program.stderr

    def options(self, *more):
        """Options of ssh: this host's key and nothing of the person who runs the tests; keys only from the agent."""
        settings = [
            f"Port={self.port}", f"User={self.user}", "HostName=127.0.0.1", f"HostKeyAlias={self.name}",
            f"UserKnownHostsFile={self.known_hosts}", "GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=yes",
            "UpdateHostKeys=no", "IdentityFile=none", "PreferredAuthentications=publickey", "BatchMode=yes",
            "ConnectTimeout=20", "ControlPath=none", "ControlMaster=no",
        ]
        return ["-F", "none", *(argument for setting in [*more, *settings] for argument in ("-o", setting))]

    def ssh(self, *command, more=()):
        """The command line of a login."""
        return ["ssh", *self.options(*more), self.name, *command]

    def only_with(self, key):
        """Options that offer this one key of the agent."""
        return [f"IdentityFile={key.public}", "IdentitiesOnly=yes"]
