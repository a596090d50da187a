"""Who may do what through Trustly's room: T1, T19, T25, T27, and the permissions of Basic credentials."""

import base64
import json
import statistics
import time
from collections.abc import Callable

import pytest

from merchant import (
    CUSTOMERS,
    NOT_AUTHORIZED,
    UNMASKED,
    Merchant,
    check_answer,
    faults,
    missing,
    person,
    same_bytes,
    shop,
    stranger,
    unauthorized,
)
from serving import Answer, Server, Tenancy, basic

UNKNOWN_ID = "123456789012345"


def presented(merchant: Merchant, value: str) -> Merchant:
    return Merchant(merchant.server, authorization=value)


# ── T1 ──


@pytest.mark.statement("T1", "T25")
@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", CUSTOMERS),
        ("POST", CUSTOMERS),
        ("GET", f"{CUSTOMERS}/{UNKNOWN_ID}"),
        ("POST", f"{CUSTOMERS}/{UNKNOWN_ID}"),
        ("GET", f"{CUSTOMERS}/lookup"),
        ("GET", f"{CUSTOMERS}?count=many&externalId="),
        ("GET", "/api/v1/no/such/path"),
        ("DELETE", CUSTOMERS),
    ],
)
def test_nobody_learns_anything_about_a_path(server: Server, method: str, target: str) -> None:
    """Without credentials every path, method and query has the one 401."""
    unauthorized(Merchant(server).send(method, target))


@pytest.mark.statement("T1")
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"name":1}', b" " * 65_537])
def test_credentials_come_before_the_body(server: Server, body: bytes) -> None:
    """A body is not looked at before the caller is known: it is refused alike, whatever it is."""
    unauthorized(Merchant(server).post(body))


@pytest.mark.statement("T1", "e")
@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b":").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + base64.b64encode(b"id:key\x00").decode(),
        "Basic " + base64.b64encode("ıd:kéy".encode()).decode(),
        "Bearer abc",
        'Hawk id="x", ts="1", nonce="n", mac="m"',
        "\xff\xfe",
    ],
)
def test_what_is_no_basic_credential_is_nobody(server: Server, value: str) -> None:
    """Malformed, foreign and undecodable Authorization headers have the same 401."""
    unauthorized(Merchant(server, authorization=value).get())


@pytest.mark.statement("T1", "e")
def test_unknown_id_and_wrong_key_are_answered_alike(merchant: Merchant, tenancy: Tenancy) -> None:
    """An attacker who guesses learns no accessId."""
    wrong_key = stranger(merchant.server, tenancy.key.key_id, "wrong" + tenancy.key.secret).get()
    unknown_id = stranger(merchant.server, "nobody" + tenancy.key.key_id, tenancy.key.secret).get()
    unauthorized(wrong_key)
    same_bytes(wrong_key, unknown_id)


@pytest.mark.statement("T1")
def test_a_credential_is_taken_exactly(merchant: Merchant, tenancy: Tenancy) -> None:
    """No part is trimmed, folded or cut: neither of the id nor of the key."""
    key_id, secret = tenancy.key.key_id, tenancy.key.secret
    for access_id, access_key in [
        (key_id + " ", secret),
        (" " + key_id, secret),
        (key_id.swapcase(), secret),
        (key_id, secret + " "),
        (key_id, secret[:-1]),
        (key_id, secret.swapcase()),
        (key_id, ""),
        ("", secret),
        (secret, key_id),
    ]:
        unauthorized(stranger(merchant.server, access_id, access_key).get())


@pytest.mark.statement("T1")
def test_the_scheme_name_has_no_case(merchant: Merchant, tenancy: Tenancy) -> None:
    """RFC 9110: clients write ``basic`` in any case."""
    value = basic(tenancy.key.key_id, tenancy.key.secret).removeprefix("Basic ")
    assert presented(merchant, f"basic {value}").get().status == 200
    assert presented(merchant, f"BASIC {value}").get().status == 200


@pytest.mark.statement("T1")
def test_a_signing_key_opens_nothing_here(tenancy: Tenancy) -> None:
    """An HMAC key is no Basic credential, though its id and secret fit into one."""
    key = tenancy.server.create_key(tenancy.tenant_id, scheme="hmac")
    unauthorized(stranger(tenancy.server, key.key_id, key.secret).get())


@pytest.mark.statement("T1")
def test_the_time_of_a_refusal_does_not_tell_who_exists(tenancy: Tenancy) -> None:
    """An unknown accessId costs what a wrong key costs."""
    key = tenancy.key
    known, unknown = basic(key.key_id, "x" * 43), basic("x" * len(key.key_id), "x" * 43)

    def ask(authorization: str) -> Callable[[Merchant], Answer]:
        return lambda program: program.send("GET", CUSTOMERS, headers=[("Authorization", authorization)])

    assert_alike_in_time(Merchant(tenancy.server), ask(known), ask(unknown))


def assert_alike_in_time(
    program: Merchant, one: Callable[[Merchant], Answer], other: Callable[[Merchant], Answer]
) -> None:
    """Demand medians that differ by less than a quarter in one of five interleaved series.

    A difference in work shows in every series; the noise of a busy machine does not.
    """
    ratios = []
    with program.server.connect() as connection:
        program.connection = connection
        for _ in range(5):
            seconds: tuple[list[float], list[float]] = [], []
            for _ in range(120):
                for ask, spent in zip((one, other), seconds, strict=True):
                    started = time.perf_counter()
                    ask(program)
                    spent.append(time.perf_counter() - started)
            ratios.append(statistics.median(seconds[0]) / statistics.median(seconds[1]))
            if 0.8 < ratios[-1] < 1.25:
                return
    raise AssertionError(f"medians differ in every series: {ratios}")


# ── revocation and rotation ──


@pytest.mark.statement("T1")
def test_a_revoked_key_is_nobody_within_a_second_on_an_open_connection(tenancy: Tenancy) -> None:
    """Revocation does not wait for a connection to end."""
    key = tenancy.create_key()
    with tenancy.server.connect() as connection:
        program = Merchant(tenancy.server, key, connection=connection)
        assert program.get().status == 200
        tenancy.server.printed("key", "revoke", key.key_id)
        deadline = time.monotonic() + 1.0
        answer = program.get()
        while answer.status == 200 and time.monotonic() < deadline:
            answer = program.get()
        unauthorized(answer if answer.status == 401 else program.get())
        unauthorized(program.post(person()))


@pytest.mark.statement("T1")
def test_two_secrets_live_during_a_rotation(tenancy: Tenancy) -> None:
    """Programs change over one by one: the old secret and the new one both open."""
    key = tenancy.create_key()
    with tenancy.server.connect() as connection:
        old = Merchant(tenancy.server, key, connection=connection)
        assert old.get().status == 200
        secret = tenancy.server.printed("key", "rotate", key.key_id)["secret"]
        assert secret != key.secret
        deadline = time.monotonic() + 1.0
        new = Merchant(tenancy.server, authorization=basic(key.key_id, secret), connection=connection)
        answer = new.get()
        while answer.status != 200 and time.monotonic() < deadline:
            answer = new.get()
        assert answer.status == 200
        assert old.get().status == 200


# ── permissions ──


@pytest.mark.statement("T1")
@pytest.mark.parametrize(
    "permission", ["read_customers", "create_customer", "update_customer", "create_payment"]
)
def test_a_missing_permission_is_the_same_401(tenancy: Tenancy, merchant: Merchant, permission: str) -> None:
    """A Basic credential that lacks a permission is answered 401 with code 375, and nothing has happened."""
    customer = merchant.create()
    path = f"{CUSTOMERS}/{customer['customerId']}"
    limited = shop(tenancy, permission)
    deeds: dict[str, Callable[[], Answer]] = {
        "list": lambda: limited.get(),
        "get": lambda: limited.get(path),
        "create": lambda: limited.post(person()),
        "upsert": lambda: limited.post({"customerId": customer["customerId"], "vip": "7"}),
        "update": lambda: limited.post({"vip": "7"}, path),
    }
    allowed = {
        "read_customers": {"list", "get"},
        "create_customer": {"create"},
        "update_customer": {"upsert", "update"},
        "create_payment": set(),
    }[permission]
    for deed, perform in deeds.items():
        answer = perform()
        if deed in allowed:
            assert answer.status == 200, deed
        else:
            unauthorized(answer)
    assert ("vip" in merchant.fetch(customer["customerId"])) is (permission == "update_customer")


# ── T19 ──


@pytest.mark.statement("T19")
def test_a_foreign_id_is_answered_like_an_unknown_one(
    tenancy: Tenancy, tenant: Callable[..., Tenancy]
) -> None:
    """Byte for byte: of another merchant of the tenant, of another tenant, of nobody."""
    sister = tenancy.create_merchant()
    owners = [
        Merchant(tenancy.server, tenancy.create_key(merchant_id=sister)),
        shop(tenant()),
    ]
    program = shop(tenancy)
    for owner in owners:
        foreign = owner.create(taxId="123456790")["customerId"]
        path, unknown = f"{CUSTOMERS}/{foreign}", f"{CUSTOMERS}/{UNKNOWN_ID}"
        before = owner.fetch(foreign)
        for perform in (program.get, lambda target: program.post({"vip": "1"}, target)):
            answer = perform(path)
            missing(answer)
            same_bytes(answer, perform(unknown))
        same_bytes(
            program.get(f"{CUSTOMERS}?customerId={foreign}"),
            program.get(f"{CUSTOMERS}?customerId={UNKNOWN_ID}"),
        )
        assert owner.fetch(foreign) == before


@pytest.mark.statement("T19")
def test_the_unmasked_permission_opens_no_other_merchants_customer(tenancy: Tenancy) -> None:
    """To see in clear is to see one's own in clear."""
    sister = tenancy.create_merchant()
    foreign = Merchant(tenancy.server, tenancy.create_key(merchant_id=sister)).create(taxId="123456790")
    program = shop(tenancy, *UNMASKED)
    missing(program.get(f"{CUSTOMERS}/{foreign['customerId']}"))
    assert program.list(f"customerId={foreign['customerId']}") == []


@pytest.mark.statement("T19")
def test_the_time_of_an_answer_does_not_tell_whether_an_id_exists(tenancy: Tenancy) -> None:
    """A foreign merchant's customer costs what an unknown one costs, roughly."""
    sister = tenancy.create_merchant()
    foreign = Merchant(tenancy.server, tenancy.create_key(merchant_id=sister)).create()["customerId"]
    assert_alike_in_time(
        shop(tenancy),
        lambda program: program.get(f"{CUSTOMERS}/{foreign}"),
        lambda program: program.get(f"{CUSTOMERS}/{UNKNOWN_ID}"),
    )


# ── T25, T27 ──


@pytest.mark.statement("T25")
def test_every_answer_has_its_headers_and_a_request_id_of_its_own(merchant: Merchant) -> None:
    """Good and bad answers alike; no two requests share an id."""
    customer = merchant.create()
    answers = [
        merchant.get(),
        merchant.get(f"{CUSTOMERS}/{customer['customerId']}"),
        merchant.post({"vip": "1"}, f"{CUSTOMERS}/{customer['customerId']}"),
        merchant.post(b"{"),
        merchant.get(f"{CUSTOMERS}/lookup"),
        merchant.get("/api/v1/elsewhere"),
        merchant.send("PATCH", CUSTOMERS, {}),
        Merchant(merchant.server).get(),
    ]
    for answer in answers:
        check_answer(answer)
    assert len({answer.header("X-Request-Id") for answer in answers}) == len(answers)


@pytest.mark.statement("T27")
@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "OPTIONS", "HEAD", "TRACE"])
def test_there_is_no_other_method(merchant: Merchant, method: str) -> None:
    """No delete: 405 with ``Allow``, and the customer is still there."""
    customer = merchant.create()
    for target in (CUSTOMERS, f"{CUSTOMERS}/{customer['customerId']}"):
        answer = merchant.send(method, target)
        assert answer.status == 405
        assert sorted((answer.header("Allow") or "").replace(" ", "").split(",")) == ["GET", "POST"]
        if method != "HEAD":
            assert [fault.code for fault in faults(answer, 405)] == [200]
    assert merchant.fetch(customer["customerId"]) == customer


@pytest.mark.statement("T27")
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1",
        "/api/v1/",
        "/api/v1/webhooks",
        "/api/v1/customers/",
        "/api/v1/customers/1/2",
        "/api/v1//customers",
        "/api/v1/Customers",
        "/api/v1/customers;x",
    ],
)
def test_there_is_no_other_path(merchant: Merchant, path: str) -> None:
    """Unknown paths are 404 with code 200 in the envelope."""
    for method in ("GET", "POST"):
        answer = merchant.send(method, path, b"{}" if method == "POST" else None)
        assert [fault.code for fault in faults(answer, 404)] == [200]


@pytest.mark.statement("T1", "e")
def test_the_refusal_is_the_live_services_own() -> None:
    """The bytes that the other tests compare with are the contract's."""
    (item,) = json.loads(NOT_AUTHORIZED)["errors"]
    assert item == {
        "domain": "com.paywithmybank.merchantgateway.v1.exception.AccessControlException",
        "code": 375,
        "message": "Access not authorized",
    }
