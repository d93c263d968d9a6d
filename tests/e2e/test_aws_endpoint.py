"""The guest's endpoint: what SDKs get, what is refused, and what is said when the host is away or talks nonsense."""

import http.client
import json
import re
import socket
import threading

import pytest

from support.aws import Endpoint, check_document
from support.foreign_guest_bus import Reply, envelope
from support.sts_fake import GUEST, ROLE, error, in_, timestamp
from support.waiting import Stopwatch, patience


def aws_reply(payload, **more):
    return Reply(envelope(payload, "aws-credentials"), **more)


@pytest.fixture
def endpoint(broker, start_guest_bus):
    """An endpoint behind which a host always gives credentials."""
    bus = start_guest_bus(lambda request: aws_reply(payload_for(request["payload"]["operation"])))
    endpoint = Endpoint(broker, bus.url)
    endpoint.bus = bus
    return endpoint


def payload_for(operation, **changes):
    if operation == "ping":
        return {"status": "ok"}
    fields = {"access_key_id": GUEST.access_key_id, "secret_access_key": GUEST.secret_access_key,
              "session_token": GUEST.session_token, "expiration": timestamp(in_(hours=1)), **changes}
    return {name: value for name, value in fields.items() if value is not None}


def asked(endpoint):
    return "get_credentials" in endpoint.bus.operations()


def test_credentials_are_what_sdks_read(endpoint):
    answer = endpoint.get()
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    document = answer.json
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document.pop("Expiration"))
    assert document == {"AccessKeyId": GUEST.access_key_id, "SecretAccessKey": GUEST.secret_access_key,
                        "Token": GUEST.session_token}


def test_healthz_asks_nobody(endpoint):
    assert endpoint.get(path="/healthz").status == 200
    assert not asked(endpoint)


BAD_REQUESTS = {
    "POST": (dict(method="POST"), 405),
    "PUT": (dict(method="PUT", body=b"{}"), 405),
    "DELETE": (dict(method="DELETE"), 405),
    "another path": (dict(path="/latest/meta-data/"), 404),
    "the root": (dict(path="/"), 404),
    "a deeper path": (dict(path="/credentials/web"), 404),
    "another host": (dict(headers={"Host": "example.org"}), 403),
    "a host that begins well": (dict(headers={"Host": "localhost.example.org"}), 403),
    "an address that is not loopback": (dict(headers={"Host": "192.0.2.1"}), 403),
    "a web page": (dict(headers={"Origin": "http://localhost"}), 403),
    "a large body": (dict(method="POST", body=b"x" * 100_000), 413),
    "a large body of a GET": (dict(body=b"x" * 100_000), 413),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_bad_request_is_refused_and_the_host_is_not_asked(endpoint, name):
    request, status = BAD_REQUESTS[name]
    answer = endpoint.request(**request)
    assert answer.status == status, answer
    document = answer.json
    assert document["code"] == document["Code"] and document["message"] == document["Message"] != ""
    assert not asked(endpoint)


def test_405_says_what_is_allowed(endpoint):
    assert "GET" in endpoint.request("POST").headers["Allow"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:80", "127.0.0.2:499", "[::1]:499"])
def test_every_loopback_name_is_served(endpoint, host):
    assert endpoint.get(headers={"Host": host}).status == 200


@pytest.mark.parametrize("request_bytes, status", [
    (b"GET /credentials HTTP/1.1\r\n\r\n", (400, 403)),
    (b"GET /credentials HTTP/1.1\r\nHost: localhost\r\nHost: example.org\r\n\r\n", (400, 403)),
    (b"GET /credentials HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 65536 + b"\r\n\r\n", (400, 413, 431)),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (400,)),
    (b"nonsense\r\n\r\n", (400,)),
], ids=["no host", "two hosts", "a large header", "TLS", "no HTTP"])
def test_what_is_hardly_http_is_refused(endpoint, request_bytes, status):
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=patience(10)) as client:
        client.sendall(request_bytes)
        answer = http.client.HTTPResponse(client)
        try:
            answer.begin()
            assert answer.status in status
        except (http.client.BadStatusLine, ConnectionResetError):
            pass  # hung up on
    assert not asked(endpoint)
    assert endpoint.get().status == 200


@pytest.mark.release  # ten seconds are ten seconds
def test_a_slow_sender_is_closed_in_ten_seconds(endpoint):
    watch = Stopwatch()
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=1) as client:
        closed = False
        sent = iter(b"GET /credentials HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"x" * 100)
        while not closed and watch.seconds < patience(14):
            try:
                client.sendall(bytes([next(sent)]))
                closed = client.recv(4096) == b""
            except TimeoutError:
                continue
            except OSError:
                closed = True
    assert closed and 8 < watch.seconds < patience(13)
    assert not asked(endpoint)


@pytest.fixture
def token_endpoint(broker, start_guest_bus, place):
    bus = start_guest_bus(lambda request: aws_reply(payload_for(request["payload"]["operation"])))
    path = place.run / "token"
    endpoint = Endpoint(broker, bus.url, ["--token-file", path])
    endpoint.bus = bus
    endpoint.token_file = path
    return endpoint


def test_the_token_is_the_owners_alone_and_has_no_newline(token_endpoint):
    assert token_endpoint.token_file.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"\S{32,}", token_endpoint.token_file.read_text())


def test_the_right_token_opens(token_endpoint):
    assert token_endpoint.get(headers={"Authorization": token_endpoint.token_file.read_text()}).status == 200


@pytest.mark.parametrize("change, status", [
    (lambda token: None, 401), (lambda token: "", 401), (lambda token: "x", 403), (lambda token: token[:-1], 403),
    (lambda token: token + "x", 403), (lambda token: f"Bearer {token}", 403), (lambda token: token.upper() + "_", 403),
], ids=["none", "empty", "another", "cut", "longer", "with a scheme", "changed"])
def test_another_token_is_refused(token_endpoint, change, status):
    token = change(token_endpoint.token_file.read_text())
    answer = token_endpoint.get(headers={} if token is None else {"Authorization": token})
    assert answer.status == status and answer.json["Code"]
    assert not asked(token_endpoint)


# The host is away, or says what cannot be used.

def test_without_a_host_agent_it_is_503_with_the_command_to_start_it(broker):
    endpoint = Endpoint(broker, broker.start_bus("unix").publish_url)
    watch = Stopwatch()
    document = check_document(endpoint.get(), 503, "HOST_UNAVAILABLE")
    assert watch.seconds < patience(3)
    assert "shed-ext host" in document["hint"]


def test_without_a_bus_it_is_503_with_the_command_to_start_it(broker, place):
    endpoint = Endpoint(broker, f"http+unix://{place.run}/nobody.sock:/v1/publish")
    watch = Stopwatch()
    document = check_document(endpoint.get(), 503, "HOST_UNAVAILABLE")
    assert watch.seconds < patience(3)
    assert "shed-ext host" in document["hint"]


def test_a_host_that_does_not_answer_is_503_within_three_seconds(broker, start_guest_bus):
    release = threading.Event()
    bus = start_guest_bus(lambda request: aws_reply(payload_for("ping"), release=release))
    endpoint = Endpoint(broker, bus.url)
    watch = Stopwatch()
    document = check_document(endpoint.get(), 503, "TIMEOUT")
    assert 2 < watch.seconds < 3 + patience(2)
    assert "shed-host-agent" in document["message"] and "shed-ext host" in document["hint"]
    assert "timed out" in endpoint.program.stderr
    release.set()


def test_a_credential_process_says_in_one_line_that_the_host_is_away(broker):
    done = broker.run("aws-credential-process", "--publish-url", broker.start_bus("unix").publish_url)
    assert (done.status, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1 and "shed-ext host" in done.stderr


def test_a_credential_process_says_in_one_line_why_not(broker, chain, sts):
    sts.answer = lambda p: error(403, "AccessDenied", f"User: arn:aws:iam::999988887777:user/me may not assume {ROLE}")
    done = broker.run("aws-credential-process", "--publish-url", chain.bus.publish_url)
    assert (done.status, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1 and "AccessDenied" in done.stderr and "999988887777" not in done.stderr


def test_a_credential_process_prints_the_document_alone(broker, chain):
    done = broker.run("aws-credential-process", "--publish-url", chain.bus.publish_url)
    assert (done.status, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document.pop("Expiration"))
    assert document == {"Version": 1, "AccessKeyId": GUEST.access_key_id, "AccountId": "123456789012",
                        "SecretAccessKey": GUEST.secret_access_key, "SessionToken": GUEST.session_token}


BAD_PAYLOADS = {
    "nothing": {}, "a list": [], "a number": dict(secret_access_key=7), "no key": dict(access_key_id=None),
    "no secret": dict(secret_access_key=None), "long-lived keys": dict(session_token=None),
    "an empty token": dict(session_token=""), "a control character": dict(secret_access_key="a\r\nb"),
    "a huge token": dict(session_token="x" * 100_000), "an expiration that is no time": dict(expiration="soon"),
}


@pytest.mark.parametrize("name", BAD_PAYLOADS)
def test_a_host_that_says_nonsense_is_503(broker, start_guest_bus, name):
    change = BAD_PAYLOADS[name]
    payload = payload_for("get_credentials", **change) if change else change
    endpoint = Endpoint(broker, start_guest_bus(lambda request: aws_reply(payload)).url)
    answer = endpoint.get()
    check_document(answer, 503, "BAD_ANSWER")
    assert GUEST.secret_access_key not in answer.body.decode() + endpoint.program.stderr


def test_credentials_that_have_expired_on_the_way_are_503(broker, start_guest_bus):
    payload = payload_for("get_credentials", expiration=timestamp(in_(seconds=-5)))
    endpoint = Endpoint(broker, start_guest_bus(lambda request: aws_reply(payload)).url)
    check_document(endpoint.get(), 503, "EXPIRED")


def test_credentials_without_an_end_get_one(broker, start_guest_bus):
    """Two SDKs fail without an Expiration."""
    payload = payload_for("get_credentials", expiration=None)
    endpoint = Endpoint(broker, start_guest_bus(lambda request: aws_reply(payload)).url)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", endpoint.get().json["Expiration"])
