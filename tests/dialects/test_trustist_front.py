"""The address that a signature covers is the one the client saw, whatever stands between (S3); settings."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dialects.signing import Sent, Signer, attributes_of, new_signer, values
from serving import HOST, make_tenancy, serving

PUBLIC = ("api.example.com", 443)
GET = Sent("GET", "/v1/customers?orgId=a%20b")
Start = Callable[..., Signer]


@pytest.fixture
def start(command: Path, tmp_path: Path) -> Iterator[Start]:
    """A maker of a server with settings, and of a key there."""
    with ExitStack() as running:

        def make(**settings: str) -> Signer:
            return new_signer(make_tenancy(running.enter_context(serving(command, tmp_path, **settings))))

        yield make


@pytest.mark.statement("S3")
def test_behind_a_proxy_the_public_url_is_what_is_signed(start: Start) -> None:
    """S3: with ``public_url`` its host and port count, for Hawk and HMAC-SHA256; no header moves them."""
    one = start(public_url="https://api.example.com")
    outside = one.but(seen_as=PUBLIC)
    claims = [("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "http")]
    for headers in ([], claims, [("Host", "internal:8080")]):
        answer = outside.call("GET", GET.target, headers=headers)
        assert answer.status == 200
        assert attributes_of(answer.header("Server-Authorization"))
        assert outside.send(GET, outside.hmac(GET), headers).status == 200
    assert one.call("GET", GET.target).status == 401
    assert one.send(GET, one.hmac(GET)).status == 401
    assert "evil" not in (answer.header("Link") or "")


@pytest.mark.statement("S3")
def test_a_public_url_with_a_port_has_that_port(start: Start) -> None:
    """S3: a port in ``public_url`` is the one the client saw."""
    one = start(public_url="http://API.example.com:8443")
    assert one.but(seen_as=("api.example.com", 8443)).call("GET", GET.target).status == 200
    assert one.but(seen_as=("api.example.com", 80)).call("GET", GET.target).status == 401


@pytest.mark.statement("S3")
@pytest.mark.parametrize(
    "headers",
    [
        [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "api.example.com")],
        [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "api.example.com:443")],
        [("X-Forwarded-Proto", "https"), ("Host", "api.example.com")],
        [("X-Forwarded-Host", "api.example.com"), ("X-Forwarded-Port", "443")],
        [("Forwarded", "for=192.0.2.60;proto=https;host=api.example.com")],
        [("Forwarded", 'for="[2001:db8::1]:4711"; host="api.example.com:443" ;proto=https, for=10.0.0.1')],
    ],
    ids=["host", "host:port", "proto alone", "port", "RFC 7239", "RFC 7239 list"],
)
def test_a_trusted_proxy_says_what_the_client_saw(trusting: Signer, headers: list[tuple[str, str]]) -> None:
    """S3: forwarded headers are believed from trusted addresses."""
    outside = trusting.but(seen_as=PUBLIC)
    assert outside.call("GET", GET.target, headers=headers).status == 200
    assert outside.send(GET, outside.hmac(GET), headers).status == 200
    assert trusting.call("GET", GET.target, headers=headers).status == 401


@pytest.fixture(scope="module")
def trusting(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    """A key on a server that trusts proxies on loopback."""
    with serving(command, tmp_path_factory.mktemp("trusting"), trusted_proxies="127.0.0.0/8,::1") as server:
        yield new_signer(make_tenancy(server))


@pytest.mark.statement("S3")
def test_a_trusted_proxy_that_says_nothing_changes_nothing(trusting: Signer) -> None:
    """S3: without forwarded headers the Host header counts."""
    assert trusting.call("GET", GET.target).status == 200


@pytest.mark.statement("S3")
@pytest.mark.parametrize("setting", [{}, {"trusted_proxies": "10.0.0.0/8"}], ids=["none", "another"])
def test_forwarded_headers_from_elsewhere_are_not_believed(start: Start, setting: dict[str, str]) -> None:
    """S3: from an address that is not trusted, forwarded headers are as good as absent."""
    one = start(**setting)
    headers = [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "api.example.com"),
        ("X-Forwarded-For", HOST),
        ("Forwarded", "proto=https;host=api.example.com"),
    ]
    assert one.but(seen_as=PUBLIC).call("GET", GET.target, headers=headers).status == 401
    assert one.call("GET", GET.target, headers=headers).status == 200


@pytest.mark.statement("S7")
@pytest.mark.parametrize("kept", ["hawk", "hmac-sha256"])
def test_a_presentation_can_be_switched_off(start: Start, kept: str) -> None:
    """Authentication: each presentation can be switched off; then it is 401, its challenge not shown."""
    one = start(presentations=f"basic,{kept}")
    hawk = one.call("GET", GET.target)
    hmac = one.send(GET, one.hmac(GET))
    assert (hawk.status, hmac.status) == ((200, 401) if kept == "hawk" else (401, 200))
    shown = {"hawk": "Hawk", "hmac-sha256": "HMAC-SHA256"}[kept]
    assert values(one.send(GET, {}), "WWW-Authenticate") == [shown]


@pytest.mark.statement("S23")
def test_a_used_up_quota_is_429_with_the_time_to_wait(start: Start) -> None:
    """Errors: 429 rate_limited with Retry-After, when a quota is set."""
    one = start(requests_per_minute="3")
    answers = [one.call("GET", "/v1/merchants") for _ in range(5)]
    assert [answer.status for answer in answers[:3]] == [200] * 3
    assert answers[4].status == 429
    assert answers[4].json["code"] == "rate_limited"
    assert int(answers[4].header("Retry-After") or "0") > 0
