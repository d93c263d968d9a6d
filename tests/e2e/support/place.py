"""The private folder of a test: a home of its own, short socket paths, an environment without the caller's."""

import contextlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

# A name of a unix socket has 107 bytes at most, so the folder is right below /tmp, not in pytest's deep ones.
PREFIX = "shed"


class Place:
    """Folders: `root`, `home` (HOME), `run` (XDG_RUNTIME_DIR), `work` (for repositories and files)."""

    def __init__(self):
        self.root = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
        self.home = self._folder("home")
        self.run = self._folder("run")
        self.work = self._folder("work")
        self.logs = self._folder("logs")

    def _folder(self, name):
        path = self.root / name
        path.mkdir(mode=0o700)
        return path

    def env(self, agent=None, **more):
        """A clean environment: nothing of the person who runs the tests gets in, least of all their agent."""
        env = {
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.run),
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
        }
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "ASAN_SYMBOLIZER_PATH", "LLVM_PROFILE_FILE"):
            if name in os.environ:
                env[name] = os.environ[name]
        if agent is not None:
            env["SSH_AUTH_SOCK"] = str(agent)
        env.update({name: str(value) for name, value in more.items()})
        return env

    def config(self, text, path=None):
        """Writes a host configuration, by default where the host agent looks for it, and returns its path."""
        path = path or self.home / ".config/shed/extensions.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    @property
    def audit_log(self):
        return self.home / ".local/share/shed/extensions-audit.log"

    def remove(self):
        def make_writable_and_retry(function, path, problem):
            # Daemons that a client has started (gpg-agent) take their own files along, perhaps at this moment.
            if issubclass(problem[0], FileNotFoundError):
                return
            os.chmod(os.path.dirname(path), stat.S_IRWXU)
            with contextlib.suppress(FileNotFoundError):
                function(path)
        shutil.rmtree(self.root, onerror=make_writable_and_retry)
