"""HMAC-SHA256 with x-tr headers over real HTTP, the seed's bare line, and what nobody presents (S7, S9)."""

import json
import time
from email.utils import formatdate

import pytest

from dialects.signing import JSON_TYPE, Sent, Signer, body_hash, hmac_signature, indistinct, mac_of, values
from serving import HOST, Answer

GET = Sent("GET", "/v1/customers?orgId=branch-london")
POST = Sent("POST", "/v1/customers", b'{"firstName":"Sarah","lastName":"Johnson"}', JSON_TYPE)
WINDOW_SECONDS = 15 * 60


def refused(answer: Answer) -> bool:
    return answer.status == 401 and answer.json["code"] == "invalid_api_key"


def dated(seconds_from_now: float) -> str:
    return formatdate(time.time() + seconds_from_now, usegmt=True)


@pytest.mark.statement("S9")
@pytest.mark.parametrize("separator", ["&", ", ", ","])
@pytest.mark.parametrize("sent", [GET, POST], ids=["GET", "POST"])
def test_both_separators_pass_on_get_and_post(key: Signer, sent: Sent, separator: str) -> None:
    """S9: Credential, SignedHeaders and Signature joined by ``&``, or by ``, `` as on the vendor's page."""
    assert key.send(sent, key.hmac(sent, separator=separator)).status == 200


@pytest.mark.statement("S9")
def test_a_put_is_signed_as_well(key: Signer, customer_id: str) -> None:
    """S9: the body of an update is bound too."""
    sent = Sent("PUT", f"/v1/customers/{customer_id}", b'{"lastName":"Smith"}', JSON_TYPE)
    assert key.send(sent, key.hmac(sent)).json["lastName"] == "Smith"


@pytest.mark.statement("S9")
def test_other_spellings_of_the_headers_pass(key: Signer) -> None:
    """S9: x-ms-date and x-ms-content-sha256, plain Date, no SignedHeaders, the id as x-tr-clientid."""
    assert key.send(GET, key.hmac(GET, prefix="x-ms")).status == 200
    assert key.send(POST, key.hmac(POST, listed=False)).status == 200
    assert key.send(POST, key.hmac(POST, client_id=True)).status == 200
    assert key.send(GET, key.hmac(GET) | {"x-tr-clientid": key.key_id}).status == 200
    date, content = dated(0), body_hash(b"")
    signature = hmac_signature(key.secret, GET, (date, f"{HOST}:{key.server.port}", content))
    listed = "SignedHeaders=date;host;x-tr-content-sha256"
    plain = {
        "Authorization": f"HMAC-SHA256 Credential={key.key_id}&{listed}&Signature={signature}",
        "Date": date,
        "x-tr-content-sha256": content,
    }
    assert key.send(GET, plain).status == 200


@pytest.mark.statement("S9")
def test_a_body_that_is_not_the_one_hashed_is_refused(key: Signer) -> None:
    """S9: the body hash is computed here again, and one that differs is 401; no customer is made."""
    before = key.call("GET", "/v1/customers?pageSize=1").header("X-Total-Count")
    swapped = Sent(POST.method, POST.target, POST.body.replace(b"Sarah", b"Mallo"), JSON_TYPE)
    assert refused(key.send(swapped, key.hmac(POST)))
    assert key.call("GET", "/v1/customers?pageSize=1").header("X-Total-Count") == before


@pytest.mark.statement("S9")
@pytest.mark.parametrize("sent", [Sent("PUT", GET.target), Sent("GET", "/v1/customers?orgId=branch-paris")])
def test_method_and_target_are_bound(key: Signer, sent: Sent) -> None:
    """S9: a signature holds for its own method, path and query."""
    assert refused(key.send(sent, key.hmac(GET)))


@pytest.mark.statement("S9")
@pytest.mark.parametrize("seconds", [-WINDOW_SECONDS - 30, WINDOW_SECONDS + 30, -86_400])
def test_a_date_outside_of_fifteen_minutes_is_refused(key: Signer, seconds: int) -> None:
    """S9: off by more than 15 minutes is 401, off by less is not."""
    assert refused(key.send(GET, key.hmac(GET, date=dated(seconds))))
    within = seconds // abs(seconds) * (WINDOW_SECONDS - 30)
    assert key.send(GET, key.hmac(GET, date=dated(within))).status == 200


@pytest.mark.statement("S9")
@pytest.mark.parametrize(
    "date",
    ["", "now", "2025-10-21T10:40:00Z", "Tue, 21 Oct 25 10:40:00 GMT", "Tue, 31 Feb 2025 10:40:00 GMT"],
)
def test_a_date_in_another_form_is_refused(key: Signer, date: str) -> None:
    """S9: the date is in the form of RFC 1123, however well it is signed."""
    signed = key.hmac(GET) | {"x-tr-date": date}
    signature = hmac_signature(key.secret, GET, (date, f"{HOST}:{key.server.port}", body_hash(b"")))
    listed = "SignedHeaders=x-tr-date;host;x-tr-content-sha256"
    signed["Authorization"] = f"HMAC-SHA256 Credential={key.key_id}&{listed}&Signature={signature}"
    assert refused(key.send(GET, signed))


@pytest.mark.statement("S9")
@pytest.mark.parametrize("name", ["x-tr-date", "x-tr-content-sha256"])
def test_a_signature_without_date_or_body_hash_is_refused_with_the_name_of_what_is_missing(
    key: Signer, name: str
) -> None:
    """S9: a signature that binds neither time nor body binds nothing; the answer says which header lacks."""
    signed = key.hmac(GET)
    del signed[name]
    answer = key.send(GET, signed)
    assert refused(answer)
    assert name in answer.json["error_description"]


@pytest.mark.statement("S9")
@pytest.mark.parametrize("name", ["x-tr-date", "x-tr-content-sha256"])
def test_a_header_that_is_sent_but_not_signed_does_not_count(key: Signer, name: str) -> None:
    """S9: a date or body hash outside of SignedHeaders could be swapped, so it is as good as missing."""
    full = {"x-tr-date": dated(0), "host": f"{HOST}:{key.server.port}", "x-tr-content-sha256": body_hash(b"")}
    listed = [header for header in full if header != name]
    signature = hmac_signature(key.secret, GET, [full[header] for header in listed])
    line = f"HMAC-SHA256 Credential={key.key_id}&SignedHeaders={';'.join(listed)}&Signature={signature}"
    sent = {header: value for header, value in full.items() if header != "host"}
    answer = key.send(GET, sent | {"Authorization": line})
    assert refused(answer)
    assert name in answer.json["error_description"]


@pytest.mark.statement("S9")
def test_a_client_id_that_is_not_the_credential_is_refused(key: Signer, second_key: Signer) -> None:
    """S9: x-tr-clientid and Credential must agree."""
    assert refused(key.send(GET, key.hmac(GET) | {"x-tr-clientid": second_key.key_id}))


@pytest.mark.statement("S9")
def test_the_bare_line_of_the_vendors_page_is_refused_and_told_what_it_lacks(key: Signer) -> None:
    """S9: ``HMAC-SHA256 Credential=…, Signature=…`` alone is 401 with an error_description, for any id."""
    signature = mac_of(key.secret, b"GET\n/v1/customers/3kTp9j2mN5xR\n")
    sent = Sent("GET", "/v1/customers/3kTp9j2mN5xR")
    answers = [
        key.send(sent, {"Authorization": f"HMAC-SHA256 Credential={key_id}, Signature={signature}"})
        for key_id in (key.key_id, "YOUR_KEY_ID")
    ]
    assert all(refused(answer) for answer in answers)
    assert "x-tr-date" in answers[0].json["error_description"]
    assert indistinct(answers[0]) == indistinct(answers[1])


@pytest.mark.statement("S7", "S9")
def test_an_unknown_credential_and_a_wrong_signature_are_answered_alike(key: Signer) -> None:
    """S7: one 401 here too, in every byte but the CorrelationId, and the same as Hawk's."""
    wrong = key.send(GET, key.but(secret="wrong").hmac(GET))
    unknown = key.send(GET, key.but(key_id="00000000-0000-4000-8000-000000000000").hmac(GET))
    hawk = key.but(secret="wrong").call("GET", GET.target)
    assert refused(wrong)
    assert indistinct(wrong) == indistinct(unknown) == indistinct(hawk)


@pytest.mark.statement("S7")
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer abc",
        "HMAC-SHA256",
        "HMAC-SHA256 ",
        "HMAC-SHA256 Credential=a&Credential=b&Signature=c",
    ],
)
def test_who_presents_nothing_usable_is_shown_both_challenges(key: Signer, authorization: str | None) -> None:
    """Authentication: 401 with ``WWW-Authenticate: Hawk`` and ``WWW-Authenticate: HMAC-SHA256``."""
    answer = key.send(GET, {} if authorization is None else {"Authorization": authorization})
    assert refused(answer)
    assert values(answer, "WWW-Authenticate") == ["Hawk", "HMAC-SHA256"]


@pytest.mark.statement("S7")
def test_a_basic_credential_opens_nothing_here(key: Signer) -> None:
    """A Basic credential is the other dialect's; its secret signs nothing here either."""
    tenancy_key = key.server.create_key(_tenant_of(key), _merchant_of(key), scheme="basic")
    assert refused(key.send(GET, {"Authorization": tenancy_key.authorization}))
    signer = Signer(key.server, tenancy_key.key_id, tenancy_key.secret)
    assert refused(signer.call("GET", GET.target))
    assert refused(signer.send(GET, signer.hmac(GET)))


def _tenant_of(key: Signer) -> str:
    created: str = key.call("POST", "/v1/customers", {}).json["tenantId"]
    return created


def _merchant_of(key: Signer) -> str:
    merchants = key.server.printed("merchant", "list", "--tenant", _tenant_of(key))
    first: str = merchants[0]["merchantId"]
    return first


@pytest.mark.statement("S9")
def test_the_answer_has_the_shape_of_every_refusal(key: Signer) -> None:
    """Errors: type, title, status, code, error, message and correlationId, and no null among them."""
    problem = json.loads(key.send(GET, {}).body)
    assert problem == {
        "type": "about:blank",
        "title": problem["title"],
        "status": 401,
        "code": "invalid_api_key",
        "error": "invalid_api_key",
        "message": problem["message"],
        "correlationId": problem["correlationId"],
    }
