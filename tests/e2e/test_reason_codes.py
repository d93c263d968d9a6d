"""Every refusal tells a guest's user why and what helps: in one line on stderr of a one-shot, in the log of a relay, in
what an SDK shows. A host bus that the test plays is asked, and answers as a host agent does."""

import pytest

from support.aws import Endpoint
from support.docker import NOT_FOUND
from support.foreign_guest_bus import Reply, envelope

# reason code -> what the host answers beside it: text, code by namespace (ssh, aws, docker), reason, retryable
REFUSALS = {
    "POLICY_DENIED": ("approval denied", "SIGN_FAILED", "ASSUME_ROLE_FAILED", "REGISTRY_NOT_ALLOWED",
                      "the policy is deny-all", False),
    "APPROVAL_DENIED": ("approval denied", "SIGN_FAILED", "ASSUME_ROLE_FAILED", "REGISTRY_NOT_ALLOWED",
                        "no approver is connected", False),
    "RULE_DENIED": ("approval denied", "SIGN_FAILED", "ASSUME_ROLE_FAILED", "REGISTRY_NOT_ALLOWED",
                    "rule 2 of ssh.rules denies it", False),
    "KEY_NOT_OFFERED": ("key not found", "KEY_NOT_FOUND", "ASSUME_ROLE_FAILED", "REGISTRY_NOT_ALLOWED",
                        "the key is not in ssh.offer", False),
    "HOST_PAUSED": ("the host is paused", "SIGN_FAILED", "ASSUME_ROLE_FAILED", "REGISTRY_NOT_ALLOWED",
                    "on the host 'shed-ext host resume' lets it go on", False),
    "RATE_LIMITED": ("too many requests", "INTERNAL_ERROR", "INTERNAL_ERROR", "INTERNAL_ERROR",
                     "again in 12 s; limits.ssh in extensions.yaml", True),
    "DUPLICATE_REQUEST": ("request refused", "INTERNAL_ERROR", "INTERNAL_ERROR", "INTERNAL_ERROR",
                          "another request had this id", False),
    "AUDIT_UNAVAILABLE": ("the host's audit log cannot be written", "SIGN_FAILED", "ASSUME_ROLE_FAILED",
                          "INTERNAL_ERROR", "the host agent's log has the cause", True),
}
NAMESPACES = {"ssh-agent": 1, "aws-credentials": 2, "docker-credentials": 3}
STATUS = {"RATE_LIMITED": 429, "DUPLICATE_REQUEST": 503, "AUDIT_UNAVAILABLE": 503}


@pytest.fixture(params=REFUSALS)
def code(request):
    return request.param


@pytest.fixture
def bus(start_guest_bus, code):
    """A guest bus whose host refuses everything but pings for this reason."""
    refusal = REFUSALS[code]

    def answer(request):
        if request["payload"].get("operation") == "ping":
            return Reply(envelope({"status": "ok"}, request["namespace"]))
        payload = {"error": refusal[0], "code": refusal[NAMESPACES[request["namespace"]]], "reason_code": code,
                   "reason": refusal[4]}
        if refusal[5]:
            payload["retryable"] = True
        return Reply(envelope(payload, request["namespace"]))
    return start_guest_bus(answer)


def check_line(line, code):
    assert line.count("\n") == 1 and code in line and REFUSALS[code][4] in line, line


def test_the_docker_helper_tells_its_user(bus, code, broker, place):
    file = place.work / "url"
    file.write_text("ghcr.io")
    with open(file, encoding="utf-8") as stdin:
        done = broker.run("docker-credential", "get", env={"SHED_PUBLISH_URL": bus.url}, stdin=stdin)
    assert done.status == 1
    if REFUSALS[code][3] == "REGISTRY_NOT_ALLOWED":  # a pull that needs no login goes on
        assert done.stdout == NOT_FOUND
        check_line(done.stderr, code)
    else:  # clients show what stands on stdout
        check_line(done.stdout, code)


def test_the_credential_process_tells_its_user(bus, code, broker):
    done = broker.run("aws-credential-process", env={"SHED_PUBLISH_URL": bus.url})
    assert (done.status, done.stdout) == (1, "")
    check_line(done.stderr, code)


def test_the_relay_of_ssh_tells_it_in_its_log(bus, code, broker, programs, place, keys):
    relay = broker.start_relay(bus.url)
    done = programs.run(["ssh-add", "-T", keys["ed25519"].public], place.env(relay.sock))
    assert done.status != 0
    relay.wait_for_stderr(code)
    line = next(line for line in relay.stderr.splitlines() if code in line)
    assert REFUSALS[code][4] in line
    for _ in range(20):
        programs.run(["ssh-add", "-l"], place.env(relay.sock))
    assert sum(code in line for line in relay.stderr.splitlines()) <= 4, "once a minute for each cause"


def test_the_endpoint_of_aws_tells_the_sdk(bus, code, broker):
    refused = Endpoint(broker, bus.url).get()
    assert refused.status == STATUS.get(code, 403)
    assert refused.json["Code"] == refused.json["code"] == code
    assert REFUSALS[code][4] in refused.json["Message"]
