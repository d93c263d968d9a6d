"""Many who ask are one request to STS."""

import http.client
import json
import threading

import pytest

from support.sts_fake import GUEST, success
from support.waiting import patience

REQUESTS = 1000
ONE_SHOTS = 200


def test_a_thousand_requests_leave_one_call_in_motos_log(moto_chain, moto):
    connection = http.client.HTTPConnection("127.0.0.1", moto_chain.endpoint.port, timeout=patience(20))
    keys = set()
    for _ in range(REQUESTS):
        connection.request("GET", "/credentials")
        answer = connection.getresponse()
        keys.add(json.loads(answer.read())["AccessKeyId"])
        assert answer.status == 200
    connection.close()
    assert len(keys) == 1
    assert len(moto.calls("AssumeRole")) == 1
    assert len(moto_chain.records()) == REQUESTS


def test_those_who_ask_while_sts_is_asked_wait_for_the_same_answer(chain, sts):
    release = threading.Event()

    def slowly(parameters):
        answer = success(parameters)
        answer.release = release
        return answer
    sts.answer = slowly
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(chain.get())) for _ in range(40)]
    for thread in threads:
        thread.start()
    assert sts.arrived.acquire(timeout=patience(5))
    release.set()
    for thread in threads:
        thread.join(patience(20))
    assert [answer.status for answer in answers] == [200] * 40
    assert len(sts.requests) == 1


@pytest.mark.release  # a sanitizer needs more time to start than SDKs have
def test_two_hundred_one_shots_at_once_cause_one_call(broker, chain, sts):
    shots = [broker.start("aws-credential-process", "--publish-url", chain.bus.publish_url)
             for _ in range(ONE_SHOTS)]
    assert [shot.wait() for shot in shots] == [0] * ONE_SHOTS, "\n".join(shot.stderr for shot in shots)
    for shot in shots:
        assert json.loads(shot.stdout)["AccessKeyId"] == GUEST.access_key_id
        assert shot.stderr == ""
    assert len(sts.requests) == 1
