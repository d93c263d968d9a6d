"""A guest that has nothing of the host but the frames of its bus half: the host's side of it, and what both the microVM
and the container are asked to do."""

import json
import re

from support.aws import aws_config
from support.broker import APPROVE_ALL
from support.docker import docker_config, docker_records, inline_logins
from support.docker_fixtures import OWNER as LOGIN
from support.registry import Login
from support.servers import accepts
from support.sts_fake import GUEST, ROLE
from support.sts_fake import OWNER as AWS_OWNER
from support.waiting import wait_until

REGISTRY = "ghcr.io"
# A login that no guest is ever given.
KEPT_REGISTRY = "quay.io"
KEPT_LOGIN = Login("ada", "n3v3r-@sked-for/by+any.guest")
ASK_FOR_LOGIN = f"echo {REGISTRY} | docker-credential-shed get"
ASK_FOR_CREDENTIALS = "wget -q -O - http://127.0.0.1:499/credentials"


class Done:
    """A command that ended in a guest."""

    def __init__(self, status, stdout, stderr):
        self.status = status
        self.stdout = stdout
        self.stderr = stderr

    def __repr__(self):
        return f"status {self.status}, stdout:\n{self.stdout}\nstderr:\n{self.stderr}"


class HostSide:
    """`bus --host` with one guest behind `connector`, and `host` with the owner's keys, AWS profile and logins."""

    def __init__(self, broker, place, agent, store, aws_files, sts, connector, name="web"):
        self._broker = broker
        self._place = place
        self._guest = f"{name}={connector}"
        self._socket = place.run / "bus.sock"
        store.write(inline_logins({REGISTRY: LOGIN, KEPT_REGISTRY: KEPT_LOGIN}))
        aws_files(f"[default]\n{AWS_OWNER.lines()}")
        self.start_bus()
        config = APPROVE_ALL + aws_config(ROLE) + docker_config(REGISTRY)
        self.host = broker.start_host(f"unix://{self._socket}", agent.path, config=config, env={
            **store.env, "AWS_ENDPOINT_URL_STS": sts.url, "AWS_REGION": "us-east-1"})

    def start_bus(self):
        self.bus = self._broker.start("bus", "--host", "--listen", f"unix:{self._socket}", "--shed", self._guest)
        wait_until(lambda: accepts(self._socket) or not self.bus.running, 10, "the host's half of the bus listens")
        assert self.bus.running, self.bus.stderr

    def logins_given(self):
        return sum(record["result"] == "ok" for record in docker_records(self._place))


def wait_for_services(guest, seconds=60):
    """Until the guest's status says that all is well."""
    wait_until(lambda: guest.run("shed-ext status").status == 0, seconds,
               lambda: f"all is connected; {guest.run('shed-ext status')}")


def check_keys(guest, keys):
    done = guest.run("ssh-add -l")
    assert done.status == 0, done
    assert set(re.findall(r"SHA256:\S+", done.stdout)) == {key.fingerprint for key in keys.values()}


def check_login_of_registry(guest):
    done = guest.run(ASK_FOR_LOGIN)
    assert done.status == 0, done
    assert json.loads(done.stdout) == {"ServerURL": REGISTRY, "Username": LOGIN.user, "Secret": LOGIN.password}


def check_kept_login(guest):
    done = guest.run(f"echo {KEPT_REGISTRY} | docker-credential-shed get")
    assert done.status == 1 and KEPT_LOGIN.password not in done.stdout + done.stderr
    assert KEPT_REGISTRY in done.stderr and "allow-list" in done.stderr, done


def check_session_credentials(guest):
    done = guest.run(ASK_FOR_CREDENTIALS)
    assert done.status == 0, done
    document = json.loads(done.stdout)
    assert (document["AccessKeyId"], document["SecretAccessKey"], document["Token"]) == (
        GUEST.access_key_id, GUEST.secret_access_key, GUEST.session_token)


def check_status(guest):
    done = guest.run("shed-ext status --json")
    assert done.status == 0, done
    document = json.loads(done.stdout)
    assert document["healthy"], document
