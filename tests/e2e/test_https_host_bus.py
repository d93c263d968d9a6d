"""`shed-ext host` on a host bus behind TLS (protocol.md section 4): pinned, verified, or refused with the reason."""

import hashlib
import ssl

import pytest

from support.moto import NEW_KEY, Authority, Certificate, openssl
from support.waiting import wait_until
from test_host_bus_trouble import host_status, namespace_states


def server_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file, certificate.key)
    return context


def pin_of(certificate):
    return "sha256:" + hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.file.read_text())).hexdigest()


@pytest.fixture
def self_signed(place):
    """make(name): a certificate that nobody but itself vouches for."""
    def make(name="bus"):
        made = Certificate(place.root, name)
        openssl("req", "-x509", *NEW_KEY, "-keyout", made.key, "-out", made.file, "-days", "2", "-subj", f"/CN={name}")
        return made
    return make


@pytest.fixture
def start_https_bus(start_host_bus):
    return lambda certificate, **more: start_host_bus(tls=server_context(certificate), **more)


def config(*lines):
    return "".join(f"{line}\n" for line in lines) + "ssh: { approval: { policy: approve-all } }\n"


def test_a_pinned_server_is_served_and_gets_the_token(start_https_bus, broker, agent, place, self_signed):
    certificate = self_signed()
    bus = start_https_bus(certificate)
    token = place.root / "token"
    token.write_text("s3cr3t\n")
    broker.start_host(bus.url, agent.path, config(f"tls_cert_fingerprint: {pin_of(certificate)}",
                                                  f"token_file: {token}"))
    assert bus.ask({"operation": "ping"})["payload"] == {"status": "ok"}
    assert bus.ask({"operation": "list"})["payload"]["keys"]
    assert {headers["Authorization"] for _, headers in bus.subscribed} == {"Bearer s3cr3t"}
    wait_until(lambda: namespace_states(broker).get("ssh-agent", {}).get("state") == "connected", 5, "connected")
    assert [server["url"] for server in host_status(broker)["servers"]] == [bus.url]


def test_a_large_request_and_its_answer_go_through_tls(start_https_bus, broker, agent, self_signed):
    certificate = self_signed()
    bus = start_https_bus(certificate)
    broker.start_host(bus.url, agent.path, config(f"tls_cert_fingerprint: {pin_of(certificate)}"))
    assert bus.ask({"operation": "ping", "padding": "x" * 900_000})["payload"] == {"status": "ok"}


def test_a_stream_over_tls_that_ends_is_opened_again(start_https_bus, broker, agent, self_signed):
    certificate = self_signed()
    bus = start_https_bus(certificate)
    broker.start_host(bus.url, agent.path, config(f"tls_cert_fingerprint: {pin_of(certificate)}"))
    stream = bus.stream()
    stream.end()
    bus.next_stream(stream, seconds=3)
    assert bus.ask({"operation": "ping"})["payload"] == {"status": "ok"}


def test_another_certificate_than_the_pinned_one_is_refused_with_both_pins(start_https_bus, broker, agent, place,
                                                                          self_signed):
    shown, pinned = self_signed("shown"), self_signed("pinned")
    bus = start_https_bus(shown)
    token = place.root / "token"
    token.write_text("s3cr3t\n")
    host = broker.start_host(bus.url, agent.path, config(f"tls_cert_fingerprint: {pin_of(pinned)}",
                                                         f"token_file: {token}"))
    host.wait_for_stderr(f"ssh-agent: TLS with 127.0.0.1:{bus.port}: "
                         f"the certificate's pin is {pin_of(shown)}, wanted is {pin_of(pinned)}; trying again")
    wait_until(lambda: namespace_states(broker).get("ssh-agent", {}).get("state") == "rejected", 5, "rejected")
    assert bus.subscribed == [], "not even the token may reach it"
    assert host.running


def test_a_server_without_a_pin_needs_a_certificate_from_a_known_authority(start_https_bus, broker, agent, place):
    authority = Authority(place.root / "tls")
    bus = start_https_bus(authority.certificate("bus", "IP:127.0.0.1"))
    broker.start_host(bus.url, agent.path, env={"SSL_CERT_FILE": authority.file})
    assert bus.ask({"operation": "ping"})["payload"] == {"status": "ok"}


def test_a_certificate_for_another_host_is_refused(start_https_bus, broker, agent, place):
    authority = Authority(place.root / "tls")
    bus = start_https_bus(authority.certificate("bus", "DNS:bus.invalid"))
    host = broker.start_host(bus.url, agent.path, env={"SSL_CERT_FILE": authority.file})
    host.wait_for_stderr("the certificate is for bus.invalid, not for 127.0.0.1")
    assert bus.subscribed == []


def test_a_certificate_that_vouches_for_itself_is_refused_without_a_pin(start_https_bus, broker, agent, place,
                                                                        self_signed):
    bus = start_https_bus(self_signed())
    roots = Authority(place.root / "tls").file
    host = broker.start_host(bus.url, agent.path, env={"SSL_CERT_FILE": roots})
    host.wait_for_stderr(f"signed by itself or by a root of its own, 'CN=bus', which is not in {roots}")
    assert bus.subscribed == []


def test_a_server_that_speaks_plain_http_is_told_from_a_broken_one(start_host_bus, broker, agent, self_signed):
    bus = start_host_bus()
    host = broker.start_host(f"https://127.0.0.1:{bus.port}", agent.path,
                             config(f"tls_cert_fingerprint: {pin_of(self_signed())}"))
    host.wait_for_stderr("the peer does not speak TLS; is it plain http")


def test_a_pin_for_a_plain_server_is_an_error_at_the_start(start_host_bus, broker, agent, self_signed):
    bus = start_host_bus()
    host = broker.start_host(bus.url, agent.path, config(f"tls_cert_fingerprint: {pin_of(self_signed())}"))
    assert host.wait(10) == 1
    assert "the pin would check nothing" in host.stderr


def test_discovered_servers_are_each_held_to_their_own_pin(start_https_bus, start_host_bus, broker, agent, place,
                                                           self_signed):
    first, second = self_signed("first"), self_signed("second")
    right, wrong, plain = start_https_bus(first), start_https_bus(second), start_host_bus()
    directory = place.root / "servers.yaml"
    directory.write_text(
        f"servers:\n"
        f"  right: {{ api_url: '{right.url}', credentials_token: t0k3n, tls_cert_fingerprint: '{pin_of(first)}' }}\n"
        f"  wrong: {{ api_url: '{wrong.url}', credentials_token: t0k3n, tls_cert_fingerprint: '{pin_of(first)}' }}\n"
        f"  plain: {{ api_url: '{plain.url}', tls_cert_fingerprint: '{pin_of(first)}' }}\n")
    host = broker.start_host("unix:///unused.sock", agent.path,
                             config(f"discovery: {{ source: {directory}, watch: 'off' }}"))
    assert right.ask({"operation": "ping"})["payload"] == {"status": "ok"}
    assert right.subscribed[0][1]["Authorization"] == "Bearer t0k3n"
    host.wait_for_stderr(f"TLS with 127.0.0.1:{wrong.port}: the certificate's pin is {pin_of(second)}")
    host.wait_for_stderr("server plain: tls_cert_fingerprint: the pin would check nothing.*it is left out")
    assert wrong.subscribed == [] and plain.subscribed == []
