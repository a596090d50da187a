"""How the Trustist dialect says no beside its fields: routes, methods, sizes, replays (S7, S18, S23)."""

import time

import pytest

from dialects.signing import JSON_TYPE, PERSON, Hawk, Sent, Signer, new_signer
from serving import Answer, Server, Tenancy

FIELDS = ["type", "title", "status", "code", "error", "message", "correlationId"]


def problem(answer: Answer, status: int, code: str) -> dict[str, object]:
    """Return the body of a refusal, which reads as RFC 9457 and by its code alone."""
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    body: dict[str, object] = answer.json
    assert list(body)[:7] == FIELDS
    assert (body["type"], body["status"], body["error"]) == ("about:blank", status, code)
    assert body["title"]
    assert body["message"]
    assert body["correlationId"] == answer.header("CorrelationId")
    assert None not in body.values()
    return body


@pytest.mark.statement("S23")
@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("DELETE", "/v1/customers/3kTp9j2mN5xR", "GET, PUT"),
        ("POST", "/v1/customers/3kTp9j2mN5xR", "GET, PUT"),
        ("PATCH", "/v1/customers/3kTp9j2mN5xR", "GET, PUT"),
        ("PUT", "/v1/customers", "GET, POST"),
        ("POST", "/v1/merchants", "GET"),
    ],
)
def test_another_method_is_405_with_those_that_are_there(
    key: Signer, method: str, target: str, allowed: str
) -> None:
    """Errors: 405 method_not_allowed with Allow."""
    answer = key.call(method, target)
    problem(answer, 405, "method_not_allowed")
    assert answer.header("Allow") == allowed


@pytest.mark.statement("S23")
@pytest.mark.parametrize(
    "target",
    [
        "/v1",
        "/v1/",
        "/v1/nowhere",
        "/v1/customers/3kTp9j2mN5xR/more",
        "/v1/Customers",
        "/v1//customers",
        "/v1/customers/3kTp9j2mN5xR/",
        "/v1/customers/../customers",
        "/v1%2Fcustomers",
    ],
)
def test_an_unknown_path_is_a_404_of_its_own(key: Signer, target: str) -> None:
    """Errors: a path that this dialect does not have is 404 with the code not_found."""
    problem(key.call("GET", target), 404, "not_found")


@pytest.mark.statement("S18")
def test_an_absent_customer_is_customer_not_found(key: Signer) -> None:
    """Errors: 404 customer_not_found, for an id of the right form and for a malformed one."""
    for one in ("3kTp9j2mN5xR", "3kTp9j2mN5x", "me", "%00", "3kTp9j2mN5xR%0A"):
        problem(key.call("GET", f"/v1/customers/{one}"), 404, "customer_not_found")


@pytest.mark.statement("S23")
def test_a_body_over_the_limit_is_413(key: Signer) -> None:
    """Errors, limits: more than 64 KiB is 413 payload_too_large; exactly 64 KiB is read."""
    most = b'{"firstName":"Sarah"' + b" " * (65_536 - 21) + b"}"
    assert len(most) == 65_536
    assert key.call("POST", "/v1/customers", body=most).status == 200
    sent = Sent("POST", "/v1/customers", most + b" ", "application/json")
    with key.server.connect() as connection:
        signed = key.hawk(sent, Hawk())
        head = [("Content-Type", "application/json"), ("Content-Length", "65537"), *signed.items()]
        answer = connection.send("POST", sent.target, head, b"")  # the length alone is enough to refuse
    problem(answer, 413, "payload_too_large")


@pytest.mark.statement("S23")
@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded"])
def test_a_body_of_another_type_is_415(key: Signer, media_type: str) -> None:
    """Errors: a Content-Type that is not JSON is 415 unsupported_media_type."""
    answer = key.call("POST", "/v1/customers", body=b"{}", content_type=media_type)
    problem(answer, 415, "unsupported_media_type")


@pytest.mark.statement("S23")
def test_a_compressed_body_is_415(key: Signer) -> None:
    """Limits: no Content-Encoding."""
    answer = key.call("POST", "/v1/customers", {}, headers=[("Content-Encoding", "gzip")])
    problem(answer, 415, "unsupported_media_type")


@pytest.mark.statement("S23")
@pytest.mark.parametrize(
    "media_type",
    ["", "application/json", "Application/JSON;charset=UTF-8", "text/json", "application/x+json"],
)
def test_json_under_its_names_is_read(key: Signer, media_type: str) -> None:
    """Limits, the other side: JSON under any of its types, or under none."""
    assert key.call("POST", "/v1/customers", body=b"{}", content_type=media_type).status == 200


@pytest.mark.statement("S23")
def test_a_head_over_the_limits_is_refused(key: Signer) -> None:
    """Limits: request line, one header, all headers; two Authorization headers: 400 in these words."""
    get = Sent("GET", "/v1/customers")
    long = Sent("GET", "/v1/customers?x=" + "y" * 4096)
    signed = key.hawk(get, Hawk())
    answers = [
        key.send(long, key.hawk(long, Hawk())),
        key.send(get, signed, [("X-Long", "y" * 4096)]),
        key.send(get, signed, [(f"X-{number}", "y" * 1000) for number in range(20)]),
        key.send(get, signed, list(signed.items())),
    ]
    for answer in answers:
        problem(answer, 400, "invalid_request")


@pytest.mark.statement("S7")
def test_who_you_are_comes_before_what_you_ask(key: Signer) -> None:
    """Errors: without a credential every path and method is the same 401: nothing is learnt of the routes."""
    for method, target in (("GET", "/v1/nowhere"), ("DELETE", "/v1/customers"), ("GET", "/v1/customers/x")):
        problem(key.send(Sent(method, target), {}), 401, "invalid_api_key")


# ── Idempotency-Key ──


@pytest.mark.statement("S14")
def test_an_idempotency_key_replays_the_answer(key: Signer) -> None:
    """T26 as it holds here: the same key and body is one customer, on create and on update."""
    again = [("Idempotency-Key", "order-17")]
    first = key.call("POST", "/v1/customers", PERSON, headers=again)
    second = key.call("POST", "/v1/customers", PERSON, headers=again)
    assert first.status == second.status == 200
    assert first.body == second.body
    target = f"/v1/customers/{first.json['id']}"
    update = [("Idempotency-Key", "order-18")]
    changed = key.call("PUT", target, {"firstName": "Sally"}, headers=update)
    key.call("PUT", target, {"firstName": "Susan"})
    assert key.call("PUT", target, {"firstName": "Sally"}, headers=update).body == changed.body
    assert key.call("GET", target).json["firstName"] == "Susan"


@pytest.mark.statement("S14")
def test_an_idempotency_key_with_another_request_is_422(key: Signer, second_key: Signer) -> None:
    """T26 as it holds here: another body under one key is 422, changes nothing; keys are a caller's own."""
    again = [("Idempotency-Key", "order-19")]
    first = key.call("POST", "/v1/customers", PERSON, headers=again)
    other = key.call("POST", "/v1/customers", PERSON | {"firstName": "Sally"}, headers=again)
    problem(other, 422, "idempotency_key_reused")
    target = f"/v1/customers/{first.json['id']}"
    problem(key.call("PUT", target, PERSON, headers=again), 422, "idempotency_key_reused")
    theirs = second_key.call("POST", "/v1/customers", PERSON | {"firstName": "Sally"}, headers=again)
    assert theirs.status == 200
    assert theirs.json["id"] != first.json["id"]


@pytest.mark.statement("S14")
@pytest.mark.parametrize("value", ["", "a b", "x" * 256, "é"])
def test_an_idempotency_key_has_a_form(key: Signer, value: str) -> None:
    """Limits: 1 to 255 visible ASCII characters; else 400, and nothing is made."""
    answer = key.call("POST", "/v1/customers", {}, headers=[("Idempotency-Key", value)])
    problem(answer, 400, "invalid_request")


@pytest.mark.statement("S7", "S11")
def test_no_secret_mac_or_value_gets_into_the_log(server: Server, tenancy: Tenancy) -> None:
    """S7: whatever is refused, neither a MAC, computed or sent, nor a value of a caller stands in the log."""
    one = new_signer(tenancy)
    body = b'{"firstName":"canary-name-1c"}'
    sent = Sent("POST", "/v1/customers?orgId=canary-org-1c", body, JSON_TYPE)
    right = one.hawk(sent, Hawk())["Authorization"]
    mac = right.partition('mac="')[2].partition('"')[0]
    wrong = {"Authorization": right.replace(mac, "Y2FuYXJ5LW1hYy0xYw==")}
    assert one.send(sent, wrong).status == 401
    assert one.send(sent, one.but(secret="canary-secret-1c").hawk(sent, Hawk())).status == 401
    assert one.send(sent, {"Authorization": right}).status == 200
    assert one.send(sent, {"Authorization": right}).status == 401
    assert one.call("GET", "/v1/customers/canary-id-1c").status == 404
    answer = one.call("PUT", "/v1/customers/3kTp9j2mN5xR", {"emailAddress": "canary-mail-1c"})
    correlation_id = answer.header("CorrelationId")
    assert correlation_id is not None
    log = _log_with(server, correlation_id)
    for secret in (one.secret, mac, "canary-"):
        assert secret not in log


def _log_with(server: Server, line: str) -> str:
    """Return the log once it has that line: lines are written a moment after the answer."""
    deadline = time.monotonic() + 5
    while line not in server.log and time.monotonic() < deadline:
        time.sleep(0.02)
    log = server.log
    assert line in log
    return log
