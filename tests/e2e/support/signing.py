"""The HTTP signing proxy played by a test, and a container that has the shim and no agent."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn

from support.waiting import wait_until

SHIM = "ssh-agent-proxy-sign"


class Answer:
    """status, body and headers; `body` may be text."""

    def __init__(self, status, body, content_type="text/plain; charset=utf-8"):
        self.status = status
        self.body = body.encode() if isinstance(body, str) else body
        self.content_type = content_type


class _UnixHTTPServer(ThreadingMixIn, HTTPServer):
    address_family = socket.AF_UNIX
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        socket.socket.bind(self.socket, self.server_address)
        self.server_name, self.server_port = "localhost", 0


class _TcpHTTPServer(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    request_queue_size = 128


class PlayedProxy:
    """Answers as the existing program does, with the key file `key`; `sign` and `public_key` may be replaced by a
    function from the request's handler to an Answer, or to None where nothing more is to be said."""

    def __init__(self, key, path=None):
        self.key = Path(key)
        self.requests = []  # (method, path, headers, body)
        self.sign = self.sign_with_key
        self.public_key = lambda _: Answer(200, self.line + "\n")
        self._server = (_UnixHTTPServer(str(path), self._handler(), True) if path
                        else _TcpHTTPServer(("127.0.0.1", 0), self._handler()))
        self.url = f"http+unix://{path}:/sign" if path else f"http://127.0.0.1:{self._server.server_port}/sign"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def line(self):
        return " ".join(Path(f"{self.key}.pub").read_text().split()[:2])

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def sign_with_key(self, handler, name_space="git"):
        if not handler.message:
            return Answer(400, "empty request body\n")
        with tempfile.TemporaryDirectory() as folder:
            key = shutil.copy(self.key, folder)
            if Path(f"{self.key}-cert.pub").exists():
                shutil.copy(f"{self.key}-cert.pub", folder)
            done = subprocess.run(["ssh-keygen", "-Y", "sign", "-n", name_space, "-f", key], input=handler.message,
                                  capture_output=True, check=True, timeout=30)
        return Answer(200, done.stdout, "application/x-ssh-signature")

    def _handler(proxy):  # pylint: disable=no-self-argument
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def address_string(self):
                return "container"

            def _serve(self):
                self.message = self.rfile.read(int(self.headers.get("content-length", 0)))
                proxy.requests.append((self.command, self.path, dict(self.headers), self.message))
                route = {"/sign": proxy.sign, "/publickey": proxy.public_key}.get(self.path.split("?")[0])
                answer = route(self) if route else Answer(404, "")
                if answer is None:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                self.send_header("content-type", answer.content_type)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = _serve

            def log_message(self, *_):
                pass
        return Handler


class Container:
    """A mount and a network namespace of its own, in which what is named in `hidden` is not there."""

    def __init__(self, programs, env, hidden):
        self._programs = programs
        self.env = env
        self._user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        hide = " && ".join(f"mount {'-t tmpfs none' if Path(path).is_dir() else '--bind /dev/null'} '{path}'"
                           for path in hidden)
        self._program = programs.start(
            ["unshare", *self._user, "--net", "--mount", "--propagation", "private", "--kill-child", "--fork", "sh",
             "-c", f"ip link set lo up && {hide} && echo ready && exec sleep 600"], env)
        self._program.wait_for_stdout("^ready$", 20)

    def run(self, *command, cwd, seconds=30, **more):
        """A command in the container, to its end."""
        return self._programs.run([*self._enter("--net", "--mount"), "sh", "-c", 'cd "$1" && shift && exec "$@"', "sh",
                                   cwd, *command], {**self.env, **more}, seconds=seconds)

    def start_beside(self, *command, env):
        """Starts a program that shares the container's loopback and nothing else."""
        return self._programs.start([*self._enter("--net"), *command], env)

    def listens(self, port):
        """Waits until somebody in there listens at 127.0.0.1:`port`."""
        def found():
            table = Path(f"/proc/{self._first_process()}/net/tcp").read_text()
            return f"0100007F:{port:04X} 00000000:0000 0A" in table
        wait_until(found, 10, f"127.0.0.1:{port} in the container")

    def close(self):
        """`unshare` takes no signal while its child runs, and its child here ends at once."""
        if self._program.running:
            os.kill(int(self._first_process()), signal.SIGKILL)
            self._program.wait(10)

    def _enter(self, *namespaces):
        user = ["--user", "--preserve-credentials"] if self._user else []
        return ["nsenter", "--target", self._first_process(), *user, *namespaces]

    def _first_process(self):
        pid = self._program.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            (first,) = children.read().split()
        return first
