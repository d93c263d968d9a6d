"""`shed-ext host` on somebody else's host bus (protocol.md section 4): what it answers and how it reads the stream."""

import base64
import json
import re
import threading

import pytest

from support import agent_wire
from support.fake_agent import FakeAgent, identities_answer
from support.foreign_host_bus import request_envelope
from support.keys import KINDS, algorithm_of, verifies
from support.waiting import patience

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
RFC3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
SHED = {"name": "box", "backend": "vz", "server": "mini2"}


def b64(data):
    """Bytes as base64; a text as it is, to send what is none."""
    return data if isinstance(data, str) else base64.b64encode(data).decode()


def sign_payload(key, data=b"data", **changes):
    return {"operation": "sign", "public_key": b64(key.blob), "data": b64(data), "flags": 0, **changes}


def signature_of(payload):
    return (agent_wire.string(payload["format"]) + agent_wire.string(base64.b64decode(payload["blob"]))
            + base64.b64decode(payload["rest"]))


@pytest.fixture
def bus(start_host_bus):
    return start_host_bus()


@pytest.fixture
def host(broker, bus, agent):
    return broker.start_host(bus.url, agent.path)


def test_it_listens_for_ssh_and_asks_for_an_event_stream(bus, host):
    bus.stream()
    headers = dict(bus.subscribed)["ssh-agent"]
    assert headers["Accept"] == "text/event-stream"


def test_a_response_echoes_shed_and_namespace_and_names_the_request(bus, host):
    message = request_envelope({"operation": "ping"})
    bus.stream().event(message)
    response = bus.response()
    assert UUID7.fullmatch(response["id"]) and response["id"] != message["id"]
    assert RFC3339_UTC.fullmatch(response["timestamp"])
    del response["id"], response["timestamp"]
    assert response == {"namespace": "ssh-agent", "type": "response", "in_reply_to": message["id"], "final": True,
                        "payload": {"status": "ok"}, "shed": SHED}


def test_a_response_is_posted_as_json(bus, host):
    bus.stream().event(request_envelope({"operation": "ping"}))
    namespace, _, headers = bus.responses.get(timeout=patience(20))
    assert namespace == "ssh-agent" and headers["Content-Type"].startswith("application/json")


def test_list_gives_format_blob_and_comment_of_every_key(bus, host, keys):
    assert bus.ask({"operation": "list"})["payload"] == {"keys": [
        {"format": key.type, "blob": b64(key.blob), "comment": key.comment} for key in keys.values()]}


@pytest.mark.parametrize("kind", KINDS)
def test_sign_gives_a_signature_that_verifies(bus, host, keys, kind):
    payload = bus.ask(sign_payload(keys[kind]))["payload"]
    assert payload["rest"] == ""
    assert verifies(keys[kind], signature_of(payload), b"data")


@pytest.mark.parametrize("flags, algorithm", [(0, "ssh-rsa"), (2, "rsa-sha2-256"), (4, "rsa-sha2-512")])
def test_sign_flags_choose_the_rsa_algorithm(bus, host, keys, flags, algorithm):
    payload = bus.ask(sign_payload(keys["rsa2048"], flags=flags))["payload"]
    assert payload["format"] == algorithm == algorithm_of(signature_of(payload))
    assert verifies(keys["rsa2048"], signature_of(payload), b"data")


def test_a_sign_request_without_flags_has_none(bus, host, keys):
    payload = sign_payload(keys["ed25519"])
    del payload["flags"]
    assert verifies(keys["ed25519"], signature_of(bus.ask(payload)["payload"]), b"data")


def test_the_documented_form_of_a_public_key_is_accepted_too(bus, host, keys):
    payload = bus.ask(sign_payload(keys["ed25519"], public_key=keys["ed25519"].line))["payload"]
    assert verifies(keys["ed25519"], signature_of(payload), b"data")


def test_status_tells_mode_and_number_of_keys(bus, host, keys):
    assert bus.ask({"operation": "status"})["payload"] == {
        "connected": True, "mode": "agent-forward", "key_count": len(keys)}


@pytest.mark.parametrize("payload, expected", [
    ({"operation": "frobnicate"}, {"error": "unknown operation: frobnicate", "code": "INTERNAL_ERROR"}),
    ({"operation": 7}, {"error": "invalid payload", "code": "INTERNAL_ERROR"}),
    ({}, {"error": "invalid payload", "code": "INTERNAL_ERROR"}),
    ("text", {"error": "invalid payload", "code": "INTERNAL_ERROR"}),
    ([], {"error": "invalid payload", "code": "INTERNAL_ERROR"}),
    ({"operation": "sign", "public_key": "*", "data": "", "flags": 0},
     {"error": "invalid public key encoding", "code": "INTERNAL_ERROR"}),
    ({"operation": "sign", "public_key": "AAAA", "data": "", "flags": 0},
     {"error": "invalid public key", "code": "KEY_NOT_FOUND"}),
], ids=str)
def test_a_bad_request_gets_the_error_that_existing_guests_know(bus, host, payload, expected):
    answer = bus.ask(payload)["payload"]
    assert {name: answer.get(name) for name in expected} == expected


def test_data_that_is_not_base64_is_refused_with_the_known_text(bus, host, keys):
    answer = bus.ask(sign_payload(keys["ed25519"], data="*not*"))["payload"]
    assert (answer["error"], answer["code"]) == ("invalid challenge data encoding", "INTERNAL_ERROR")


def test_a_key_that_the_agent_does_not_have_is_refused_with_a_known_code(broker, bus, empty_agent, keys):
    broker.start_host(bus.url, empty_agent.path)
    assert bus.ask(sign_payload(keys["ed25519"]))["payload"]["code"] in ("KEY_NOT_FOUND", "SIGN_FAILED")


def data_line(message):
    return b"data: " + json.dumps(message).encode() + b"\n\n"


def data_lines(message, prefix):
    """An event whose envelope is spread over several data lines, broken where JSON allows it."""
    lines = json.dumps(message, indent=1).splitlines()
    return b"event: message\n" + b"".join(prefix + line.encode() + b"\n" for line in lines) + b"\n"


STREAM_FORMS = {
    "with a space": lambda m: b"event: message\n" + data_line(m),
    "without a space": lambda m: b"event:message\ndata:" + json.dumps(m).encode() + b"\n\n",
    "several data lines": lambda m: data_lines(m, b"data: "),
    "several data lines without a space": lambda m: data_lines(m, b"data:"),
    "comments": lambda m: b": hello\n:\n\n: ping\nevent: message\n: between\n" + data_line(m),
    "unknown fields": lambda m: b"id: 7\nretry: 10\nfoo: bar\nevent: message\n" + data_line(m),
    "carriage returns": lambda m: (b"event: message\n" + data_line(m)).replace(b"\n", b"\r\n"),
    "an empty event before": lambda m: b"event: message\n\n\n\nevent: message\n" + data_line(m),
    "garbage before": lambda m: b"event: message\ndata: {{{\n\nevent: message\n" + data_line(m),
    "unknown envelope fields": lambda m: b"event: message\n" + data_line({"x": [1, {"y": None}], **m}),
}


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "until close"])
@pytest.mark.parametrize("form", STREAM_FORMS)
def test_the_stream_is_read_in_every_form_that_is_allowed(broker, agent, start_host_bus, form, chunked):
    bus = start_host_bus(chunked=chunked)
    broker.start_host(bus.url, agent.path)
    message = request_envelope({"operation": "ping"})
    bus.stream().send(STREAM_FORMS[form](message))
    assert bus.response()["in_reply_to"] == message["id"]


def test_an_event_that_arrives_byte_by_byte_is_one_event(bus, host):
    message = request_envelope({"operation": "ping"})
    for byte in STREAM_FORMS["with a space"](message):
        bus.stream().send(bytes([byte]))
    assert bus.response()["in_reply_to"] == message["id"]


def test_an_event_just_below_1_mib_is_read(bus, host):
    message = request_envelope({"operation": "ping", "padding": "x" * (1024 * 1024 - 1024)})
    bus.stream().event(message)
    assert bus.response()["in_reply_to"] == message["id"]


def test_an_event_over_1_mib_is_refused_and_the_next_stream_works(bus, host):
    stream = bus.stream()
    stream.event(request_envelope({"operation": "ping", "padding": "x" * (2 * 1024 * 1024)}))
    message = request_envelope({"operation": "ping"})
    bus.next_stream(stream).event(message)
    assert bus.response()["in_reply_to"] == message["id"]


@pytest.mark.parametrize("changes", [
    {"type": "event"}, {"type": "response"}, {"id": None}, {"id": ""}, {"id": 5}, {"namespace": "aws-credentials"},
    {"namespace": None}, {"shed": None}, {"shed": {}}, {"shed": {"name": ""}}, {"payload": None},
], ids=str)
def test_what_is_no_request_to_us_gets_no_signature_and_stops_nothing(bus, host, keys, changes):
    bus.stream().event(request_envelope(sign_payload(keys["ed25519"]), **changes))
    ping = request_envelope({"operation": "ping"})
    bus.stream().event(ping)
    response = bus.response()
    if response.get("in_reply_to") != ping["id"]:
        assert "blob" not in (response["payload"] or {})
        response = bus.response()
    assert response["in_reply_to"] == ping["id"]


def test_a_slow_request_delays_no_other(broker, bus, place, closing, keys):
    """The agent thinks for ever about a signature; a list is answered meanwhile."""
    release = threading.Event()

    def answer(kind, _):
        if kind == agent_wire.SIGN_REQUEST:
            release.wait(30)
            return agent_wire.FAILURE, b""
        return identities_answer((keys["ed25519"].blob, "key"))
    fake = closing(FakeAgent(place.root / "slow.sock", answer))
    broker.start_host(bus.url, fake.path)
    sign = request_envelope(sign_payload(keys["ed25519"]))
    bus.stream().event(sign)
    listing = request_envelope({"operation": "list"})
    bus.stream().event(listing)
    assert bus.response()["in_reply_to"] == listing["id"]
    release.set()
    assert bus.response()["in_reply_to"] == sign["id"]


def test_a_hundred_requests_at_once_are_all_answered(bus, host, keys):
    messages = [request_envelope(sign_payload(keys["ed25519"], b"data %d" % number)) for number in range(100)]
    for message in messages:
        bus.stream().event(message)
    answers = {response["in_reply_to"]: response["payload"] for response in (bus.response() for _ in messages)}
    for number, message in enumerate(messages):
        assert verifies(keys["ed25519"], signature_of(answers[message["id"]]), b"data %d" % number)


def test_a_guest_that_is_gone_when_it_is_answered_is_no_trouble(bus, host, keys):
    bus.respond_status = 404
    bus.ask({"operation": "ping"})
    bus.respond_status = 204
    assert bus.ask({"operation": "ping"})["payload"] == {"status": "ok"}
