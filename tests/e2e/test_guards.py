"""What stands in front of the handlers: a host bus that brings the same request again gets no second signature."""

import base64
import time

import pytest

from support.broker import audit_records
from support.foreign_host_bus import request_envelope, uuid7
from support.waiting import wait_until


@pytest.fixture
def bus(start_host_bus):
    return start_host_bus()


@pytest.fixture
def host(broker, bus, agent):
    return broker.start_host(bus.url, agent.path)


def sign_payload(key, data=b"data"):
    return {"operation": "sign", "public_key": base64.b64encode(key.blob).decode(),
            "data": base64.b64encode(data).decode(), "flags": 0}


def records(place):
    return [dict(record) for record in audit_records(place.audit_log)]


def test_a_request_that_is_delivered_again_is_signed_once(bus, host, keys, place):
    # A signature of this kind is another one each time.
    message = request_envelope(sign_payload(keys["ecdsa256"]))
    bus.stream().event(message)
    bus.stream().event(message)
    first, second = bus.response(), bus.response()
    assert first["payload"] == second["payload"] and "blob" in first["payload"]
    assert first["in_reply_to"] == second["in_reply_to"] == message["id"]
    assert [record["op"] for record in records(place)] == ["sign"]


def test_a_request_that_is_delivered_again_on_a_new_stream_is_signed_once(bus, host, keys, place):
    message = request_envelope(sign_payload(keys["ecdsa256"]))
    stream = bus.stream()
    stream.event(message)
    first = bus.response()
    stream.end()
    bus.next_stream(stream).event(message)
    assert bus.response()["payload"] == first["payload"]
    assert len(records(place)) == 1


def test_another_request_under_the_same_id_is_refused_and_recorded(bus, host, keys, place):
    message = request_envelope(sign_payload(keys["ecdsa256"]))
    bus.stream().event(message)
    assert "blob" in bus.response()["payload"]
    bus.stream().event({**message, "payload": sign_payload(keys["ecdsa256"], b"other")})
    refusal = bus.response()["payload"]
    assert (refusal["code"], refusal["reason_code"]) == ("INTERNAL_ERROR", "DUPLICATE_REQUEST")
    wait_until(lambda: len(records(place)) == 2, 5, "the record of the refusal")
    last = records(place)[-1]
    assert (last["result"], last["code"], last["op"]) == ("denied", "DUPLICATE_REQUEST", "sign")


def test_a_request_of_ten_minutes_ago_is_refused(bus, host, keys, monkeypatch):
    earlier = time.time() - 600
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: earlier)
        old = uuid7()
    refusal = bus.ask(sign_payload(keys["ecdsa256"]), id=old)["payload"]
    assert refusal["reason_code"] == "DUPLICATE_REQUEST" and "more than 5 minutes off" in refusal["reason"]
