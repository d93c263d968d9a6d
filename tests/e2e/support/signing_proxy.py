"""The signing proxy under test, what is asked of it, and ssh-keygen's word on what it answers."""

import http.client
import subprocess

from support.http_client import UnixConnection
from support.waiting import patience

MESSAGE = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nA commit\n"
MOST = 16 * 1024 * 1024
TEXT = "text/plain; charset=utf-8"


class Reply:
    def __init__(self, answer):
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()

    @property
    def text(self):
        return self.body.decode()

    def __repr__(self):
        return f"{self.status} {self.body[:200]}"


class SigningProxy:
    """A running proxy; `address` is a free port of loopback, or `unix:/path...`; `before` runs in the new
    process, before the program does."""

    def __init__(self, broker, agent=None, address="127.0.0.1:0", arguments=(), before=None, **variables):
        env = {f"SSH_AGENT_PROXY_{name}": str(value) for name, value in variables.items()}
        env = {**env, "SSH_AGENT_PROXY_ADDR": address, **broker.host_env()}
        self.program = broker.start("signing-proxy", *arguments, agent=agent, env=env, preexec_fn=before)
        listening = self.program.wait_for_stderr(r"listening on (?:unix:(\S+)|(\S+):(\d+)) \(", 15)
        self.path = listening[1]
        self.port = listening[3] and int(listening[3])

    @property
    def url(self):
        return f"http+unix://{self.path}:/sign" if self.path else f"http://127.0.0.1:{self.port}/sign"

    def connection(self, seconds=40):
        if self.path:
            return UnixConnection(self.path, patience(seconds))
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience(seconds))

    def request(self, method, path, body=None, headers=None, seconds=40):
        connection = self.connection(seconds)
        try:
            connection.request(method, path, body, headers or {})
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def sign(self, message, name_space=None, **more):
        query = f"?namespace={name_space}" if name_space else ""
        return self.request("POST", f"/sign{query}", message, **more)

    def public_key(self, **more):
        return self.request("GET", "/publickey", **more)


def says(reply, status, text):
    return (reply.status, reply.text, reply.headers["content-type"]) == (status, text, TEXT)


def fails_to_start(broker, agent, arguments=(), **variables):
    """The one line of a proxy that ends with 1."""
    env = {f"SSH_AGENT_PROXY_{name}": str(value) for name, value in variables.items()}
    program = broker.run("signing-proxy", *arguments, agent=agent and agent.path,
                         env={"SSH_AGENT_PROXY_ADDR": "127.0.0.1:0", **env})
    assert program.status == 1 and program.stdout == "", program.stderr
    lines = program.stderr.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def signed_by_keygen(key_file, message, folder, name_space="git"):
    """What `ssh-keygen -Y sign` makes of the message."""
    file = folder / "to-sign"
    file.write_bytes(message)
    (folder / "to-sign.sig").unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", name_space, "-f", key_file, file], check=True,
                   capture_output=True, timeout=30)
    return (folder / "to-sign.sig").read_bytes()


def keygen_accepts(signature, message, signer, folder, name_space="git"):
    """True when `ssh-keygen -Y verify` and `-Y check-novalidate` both accept it; `signer` is what stands behind the
    principal in an allowed_signers file."""
    (folder / "allowed").write_text(f"jane {signer}\n")
    (folder / "signature").write_bytes(signature)
    forms = (["verify", "-f", folder / "allowed", "-I", "jane"], ["check-novalidate"])
    return all(subprocess.run(["ssh-keygen", "-Y", *form, "-n", name_space, "-s", folder / "signature"], input=message,
                              capture_output=True, timeout=30).returncode == 0 for form in forms)
