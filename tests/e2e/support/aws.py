"""The AWS side of the broker: bus, host agent and guest endpoint, and what a guest sees of them."""

import calendar
import http.client
import json
import time

from support.broker import audit_records
from support.http_client import publish
from support.servers import free_port
from support.waiting import patience, wait_until


def aws_config(role=None, approval="approve-all", **more):
    """The `aws` section of a host configuration; values are written as YAML."""
    keys = {"approval": f"{{ policy: {approval} }}", **({"default_role": role} if role else {}), **more}
    return "aws:\n" + "".join(f"  {name}: {value}\n" for name, value in keys.items())


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body.decode(errors='replace')}"


class Endpoint:
    """A running `shed-ext aws-credentials`."""

    def __init__(self, broker, publish_url, arguments=()):
        self.port = free_port()
        self.program = broker.start("aws-credentials", "--port", self.port, "--publish-url", publish_url, *arguments)
        # The line comes when the token file is there, too.
        self.program.wait_for_stderr("listening on")
        self.url = f"http://127.0.0.1:{self.port}/credentials"

    def request(self, method="GET", path="/credentials", headers=(), body=None, seconds=40):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience(seconds))
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, **more):
        return self.request(**more)


class AwsChain:
    """bus, `host` and `aws-credentials`, connected; `config` is the host's aws section."""

    def __init__(self, broker, place, config, env, bus_kind="unix", shed="web", server=None, endpoint=()):
        self.place = place
        self.bus = broker.start_bus(bus_kind, shed=shed, server=server)
        self.host = broker.start_host(self.bus.server, config=config, env=env)
        self.endpoint = Endpoint(broker, self.bus.publish_url, endpoint)
        wait_until(lambda: self.host_answers() or not self.host.running, 10, "the host agent answers on the bus")
        assert self.host.running, self.host.stderr

    def host_answers(self):
        status, _ = publish(self.bus.publish_url, {"namespace": "aws-credentials", "payload": {"operation": "ping"}})
        return status == 200

    def ask(self, payload):
        """The payload of the host's answer, as a guest program gets it."""
        status, body = publish(self.bus.publish_url, {"namespace": "aws-credentials", "payload": payload})
        assert status == 200, body
        return json.loads(body)["payload"]

    def get(self, **more):
        return self.endpoint.get(**more)

    def records(self):
        return aws_records(self.place)

    def record(self):
        """The audit record of the only request."""
        (record,) = self.records()
        return record

    def logs(self):
        """All that was written by somebody for people to read."""
        audit = self.place.audit_log.read_text() if self.place.audit_log.exists() else ""
        return "\n".join([self.host.stderr, self.host.stdout, self.endpoint.program.stderr,
                          self.endpoint.program.stdout, self.bus.program.stderr, audit])


def aws_records(place):
    records = [dict(record) for record in audit_records(place.audit_log)]
    return [record for record in records if record["ns"] == "aws-credentials"]


def seconds_left(expiration):
    """Of an `Expiration`, as SDKs read it."""
    return calendar.timegm(time.strptime(expiration, "%Y-%m-%dT%H:%M:%SZ")) - time.time()


def check_document(answer, status, code):
    """An error has its code and message in all four spellings; returns it."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    document = answer.json
    assert document["code"] == document["Code"] == code
    assert document["message"] == document["Message"] != ""
    assert document["error"] != ""
    return document
