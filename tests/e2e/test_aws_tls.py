"""STS over https: who is believed, and the way through a proxy."""

import pytest

from support.aws import aws_config
from support.moto import Authority


@pytest.fixture
def tls_owner(moto_tls, aws_files, start_chain):
    owner = moto_tls.make_owner()
    aws_files(owner.credentials_file)
    start_chain.secrets.append(owner.secret_access_key)
    return owner


@pytest.fixture
def start(start_chain, tls_owner, authority):
    """start(URL, env): the chain, which believes the test's authority unless `env` says otherwise."""
    def start(url, **env):
        return start_chain(url, aws_config(tls_owner.role_arn), env={"AWS_CA_BUNDLE": authority.file, **env})
    return start


def assert_has_credentials(chain):
    answer = chain.get()
    assert answer.status == 200, f"{answer}\n{chain.host.stderr}"
    assert answer.json["AccessKeyId"].startswith("ASIA")


def refusal(chain, code):
    """The answer of the endpoint, and what the host's log says of it."""
    answer = chain.get()
    assert (answer.status, answer.json["code"]) == (503, code), f"{answer}\n{chain.host.stderr}"
    return chain.host.stderr


def test_the_bundle_of_the_environment_is_believed(start, moto_tls):
    moto_tls.demand_signatures()
    assert_has_credentials(start(moto_tls.url))


def test_a_name_is_checked_as_an_address_is(start, moto_tls):
    assert_has_credentials(start(f"https://localhost:{moto_tls.port}"))


def test_the_bundle_of_the_profile_is_believed(start, moto_tls, aws_files, authority, place):
    (place.home / ".aws/config").write_text(f"[default]\nca_bundle = {authority.file}\n")
    assert_has_credentials(start(moto_tls.url, AWS_CA_BUNDLE=""))


def test_another_authority_is_refused_and_the_line_says_who_signed(start, moto_tls, authority, place):
    other = Authority(place.root / "other", "Other Authority")
    log = refusal(start(moto_tls.url, AWS_CA_BUNDLE=other.file), "Certificate")
    assert authority.name in log and "AWS_CA_BUNDLE" in log
    assert moto_tls.calls("AssumeRole") == []


def test_the_systems_authorities_do_not_know_the_tests(start, moto_tls, authority):
    log = refusal(start(moto_tls.url, AWS_CA_BUNDLE=""), "Certificate")
    assert authority.name in log and "AWS_CA_BUNDLE" in log
    assert moto_tls.calls("AssumeRole") == []


def test_a_certificate_for_another_name_is_refused(start, moto_tls, start_proxy):
    proxy = start_proxy(moto_tls.port)
    log = refusal(start("https://other.invalid", HTTPS_PROXY=f"http://{proxy.address}"), "Certificate")
    assert "other.invalid" in log
    assert moto_tls.calls("AssumeRole") == []


def test_a_bundle_that_is_missing_is_named(start, moto_tls, place):
    chain = start(moto_tls.url, AWS_CA_BUNDLE=place.root / "missing.pem")
    answer = chain.get()
    assert (answer.status, answer.json["code"]) == (403, "SourceProfile")
    assert "missing.pem" in chain.host.stderr


def test_an_sts_that_speaks_no_tls_is_refused(start, sts):
    refusal(start(f"https://127.0.0.1:{sts.port}"), "BadAnswer")
    assert sts.requests == []


def test_without_an_override_the_regions_endpoint_is_asked_through_the_proxy(start, moto_tls, start_proxy):
    """The name of the real thing, behind which the proxy puts moto."""
    proxy = start_proxy(moto_tls.port)
    moto_tls.demand_signatures()
    chain = start("", HTTPS_PROXY=f"http://{proxy.address}", AWS_REGION="eu-west-1")
    assert_has_credentials(chain)
    assert proxy.targets == ["sts.eu-west-1.amazonaws.com:443"]
    assert len(moto_tls.calls("AssumeRole")) == 1


def test_a_proxy_gets_the_login_that_it_wants(start, moto_tls, start_proxy, start_chain):
    start_chain.secrets.append("pass%3Aword")
    start_chain.secrets.append("pass:word")
    proxy = start_proxy(moto_tls.port, login="user:pass:word")
    chain = start("https://sts.invalid:8443", HTTPS_PROXY=f"http://user:pass%3Aword@{proxy.address}")
    assert_has_credentials(chain)
    assert proxy.targets == ["sts.invalid:8443"]


def test_a_proxy_that_wants_a_login_is_named(start, moto_tls, start_proxy):
    proxy = start_proxy(moto_tls.port, login="user:password")
    log = refusal(start("https://sts.invalid", HTTPS_PROXY=f"http://{proxy.address}"), "Unreachable")
    assert "407" in log and proxy.address in log


def test_a_proxy_that_refuses_is_named_with_its_status(start, moto_tls, start_proxy):
    proxy = start_proxy(moto_tls.port, status=502)
    log = refusal(start("https://sts.invalid", HTTPS_PROXY=f"http://{proxy.address}"), "Unreachable")
    assert "502" in log and proxy.address in log


@pytest.mark.parametrize("exceptions", [".invalid", "sts.invalid", "other, sts.invalid", "*"])
def test_what_no_proxy_names_goes_directly(start, moto_tls, start_proxy, exceptions):
    """Nobody has this name, so the direct way fails; the proxy is not asked."""
    proxy = start_proxy(moto_tls.port)
    chain = start("https://sts.invalid", HTTPS_PROXY=f"http://{proxy.address}", NO_PROXY=exceptions)
    assert chain.get().status == 503
    assert proxy.targets == []


def test_what_no_proxy_does_not_name_goes_through_the_proxy(start, moto_tls, start_proxy):
    proxy = start_proxy(moto_tls.port)
    chain = start("https://sts.invalid", HTTPS_PROXY=f"http://{proxy.address}", NO_PROXY="invalid.example, ts.invalid")
    assert_has_credentials(chain)


def test_loopback_is_never_asked_through_a_proxy(start, moto_tls, start_proxy):
    proxy = start_proxy(moto_tls.port)
    assert_has_credentials(start(moto_tls.url, HTTPS_PROXY=f"http://{proxy.address}"))
    assert proxy.targets == []
