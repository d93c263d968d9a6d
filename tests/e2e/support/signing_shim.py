"""`ssh-agent-proxy-sign` under test, and what a run of it is held against."""

import subprocess

from support.signing import SHIM

MESSAGE = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nmessage\n"
ANSWER_BOUND = 128 * 1024
LARGEST_MESSAGE = 16 * 1024 * 1024


class Shim:
    """Runs the shim in a folder of its own, in which `message` lies."""

    def __init__(self, binary, programs, place):
        self.folder = place.work
        self.message = self.folder / "message"
        self.message.write_bytes(MESSAGE)
        self.link = place.root / SHIM
        self.link.symlink_to(binary)
        self.env = place.env()
        self._programs = programs

    @property
    def signature(self):
        return self.folder / "message.sig"

    def run(self, *arguments, message=None, **env):
        """`message` comes on standard input."""
        more = {}
        if message is not None:
            (self.folder.parent / "stdin").write_bytes(message)
            more["stdin"] = open(self.folder.parent / "stdin", "rb")  # pylint: disable=consider-using-with
        try:
            return self._programs.run([self.link, *arguments], {**self.env, **{k: str(v) for k, v in env.items()}},
                                      cwd=self.folder, **more)
        finally:
            if more:
                more["stdin"].close()

    def sign(self, key, *files, **env):
        return self.run("-Y", "sign", "-n", "git", "-f", key, *(files or ["message"]), **env)

    def leftovers(self):
        """What lies in the folder beside the message."""
        return sorted(path.name for path in self.folder.iterdir() if path.name != "message")


def keygen_signature(key, message, name_space="git"):
    return subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", name_space, "-f", str(key.private)], input=message,
                          capture_output=True, check=True, timeout=30).stdout.decode()


def assert_fails(done, *words):
    """One line, and nothing that git takes for another program's help."""
    assert done.status == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"{SHIM}: ") and done.stderr.count("\n") == 1, done.stderr
    assert "usage:" not in done.stderr
    for word in words:
        assert word in done.stderr


def assert_signed(done):
    assert (done.status, done.stdout, done.stderr) == (0, "", "")
