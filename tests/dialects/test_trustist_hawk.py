"""Hawk over real HTTP: what working clients send passes, all else is one and the same 401 (S1-S8, S10)."""

import time
from collections.abc import Callable

import pytest

from dialects.signing import (
    PERSON,
    Hawk,
    Sent,
    Signer,
    attributes_of,
    hawk_text,
    indistinct,
    payload_hash,
    timestamp_mac,
    values,
)
from serving import Answer

WINDOW_SECONDS = 60


def refused(answer: Answer) -> bool:
    return answer.status == 401 and answer.json["code"] == "invalid_api_key"


def presented(key: Signer, attributes: dict[str, str], sent: Sent, separator: str = ", ") -> Answer:
    return key.send(sent, {"Authorization": hawk_text(attributes, separator)})


@pytest.mark.statement("S1")
def test_id_ts_nonce_and_mac_are_enough_on_every_method(key: Signer) -> None:
    """S1: Hawk with id, ts, nonce, mac and no hash passes on POST, GET and PUT."""
    created = key.call("POST", "/v1/customers", PERSON)
    target = f"/v1/customers/{created.json['id']}"
    read = key.call("GET", target)
    changed = key.call("PUT", target, {"lastName": "Smith"})
    listed = key.call("GET", "/v1/customers?orgId=nowhere")
    assert [one.status for one in (created, read, changed, listed)] == [200] * 4


@pytest.mark.statement("S1")
@pytest.mark.parametrize("attribute", ["id", "ts", "nonce", "mac"])
def test_a_header_without_one_of_the_four_is_refused(key: Signer, attribute: str) -> None:
    """S1, the other side: each of the four is needed, and an empty one is none."""
    sent = Sent("GET", "/v1/customers")
    complete = Hawk().attributes(key.key_id, key.secret, sent, *key.where)
    assert refused(presented(key, {k: v for k, v in complete.items() if k != attribute}, sent))
    assert refused(presented(key, complete | {attribute: ""}, sent))


@pytest.mark.statement("S2")
def test_a_hash_that_is_right_passes_on_every_method(key: Signer, customer_id: str) -> None:
    """S2: a present hash of the body, the empty one included, passes."""
    target = f"/v1/customers/{customer_id}"
    answers = [
        key.call("POST", "/v1/customers", PERSON, hawk=Hawk(hashed=True)),
        key.call("PUT", target, {"firstName": "Sally"}, hawk=Hawk(hashed=True)),
        key.call("GET", target, hawk=Hawk(hashed=True)),
    ]
    assert [answer.status for answer in answers] == [200, 200, 200]


@pytest.mark.statement("S2")
@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
def test_a_hash_of_another_body_is_refused_on_every_method(
    key: Signer, customer_id: str, method: str
) -> None:
    """S2: a wrong hash under a right MAC is 401, and nothing is changed."""
    target = "/v1/customers" if method == "POST" else f"/v1/customers/{customer_id}"
    signed = Sent(method, target, b'{"firstName":"Sarah"}', "application/json")
    attributes = Hawk(hashed=True).attributes(key.key_id, key.secret, signed, *key.where)
    tampered = b"" if method == "GET" else b'{"firstName":"Mallo"}'
    before = key.call("GET", "/v1/customers?pageSize=1").header("X-Total-Count")
    assert refused(presented(key, attributes, Sent(method, target, tampered, "application/json")))
    assert key.call("GET", f"/v1/customers/{customer_id}").json["firstName"] == "Sarah"
    assert key.call("GET", "/v1/customers?pageSize=1").header("X-Total-Count") == before


@pytest.mark.statement("S2")
def test_the_hash_covers_the_media_type_without_parameters(key: Signer) -> None:
    """S2: the content type counts in lower case and without parameters; another one is another hash."""
    sent = Sent("POST", "/v1/customers", b"{}", "Application/JSON; charset=utf-8")
    attributes = Hawk(hashed=True).attributes(key.key_id, key.secret, sent, *key.where)
    assert attributes["hash"] == payload_hash("application/json", b"{}")
    assert presented(key, attributes, sent).status == 200
    other = Hawk(hashed=True).attributes(key.key_id, key.secret, sent, *key.where)
    assert refused(presented(key, other, Sent("POST", "/v1/customers", b"{}", "text/json")))


@pytest.mark.statement("S3")
@pytest.mark.parametrize(
    "target",
    [
        "/v1/customers?orgId=branch-london",
        "/v1/customers?orgId=a%20b&orgid=x",
        "/v1/customers?orgId=a+b",
        "/v1/customers?",
        "/v1/customers?unknown=%C3%A9&&=",
        "/v1/%63ustomers?page=1",
    ],
)
def test_the_mac_is_over_the_target_as_it_was_sent(key: Signer, target: str) -> None:
    """S3: path and query count raw, escapes and empty parts included; another spelling is another target."""
    assert key.call("GET", target).status in (200, 404)
    attributes = Hawk().attributes(key.key_id, key.secret, Sent("GET", target), *key.where)
    assert refused(presented(key, attributes, Sent("GET", target + "&x")))


@pytest.mark.statement("S3")
@pytest.mark.parametrize(
    ("host", "port"),
    [("api.example.com", 443), ("127.0.0.1", 1), ("localhost", 0)],
    ids=["host", "port", "name"],
)
def test_a_mac_for_another_host_or_port_is_refused(key: Signer, host: str, port: int) -> None:
    """S3: host and port are those that the client sees; a MAC for others does not hold here."""
    elsewhere = (host, port or key.where[1])
    assert refused(key.but(seen_as=elsewhere).call("GET", "/v1/customers"))


@pytest.mark.statement("S3")
def test_the_host_counts_in_lower_case(key: Signer) -> None:
    """S3: a Host header in capitals is the same host, because the MAC has it in lower case."""
    seen = key.but(seen_as=("api.example.com", 8443))
    assert seen.call("GET", "/v1/customers", headers=[("Host", "API.Example.COM:8443")]).status == 200


@pytest.mark.statement("S5")
@pytest.mark.parametrize("skew", [-3600, -WINDOW_SECONDS - 5, WINDOW_SECONDS + 5, 86_400])
def test_a_stale_request_is_told_the_time_under_its_own_secret(key: Signer, skew: int) -> None:
    """S5: more than 60 s off is 401 with ts and tsm, from which the client can set its clock and pass."""
    answer = key.call("GET", "/v1/customers", hawk=Hawk(ts=int(time.time()) + skew))
    assert refused(answer)
    challenge = attributes_of(answer.header("WWW-Authenticate"))
    ts = challenge["ts"]
    assert abs(int(ts) - time.time()) < 10
    assert challenge["tsm"] == timestamp_mac(key.secret, ts)
    assert challenge["error"] == "Stale timestamp"
    assert key.call("GET", "/v1/customers", hawk=Hawk(ts=ts)).status == 200


@pytest.mark.statement("S5")
@pytest.mark.parametrize("skew", [5 - WINDOW_SECONDS, WINDOW_SECONDS - 5])
def test_a_clock_within_the_window_passes(key: Signer, skew: int) -> None:
    """S5: up to 60 s either way is no skew."""
    assert key.call("GET", "/v1/customers", hawk=Hawk(ts=int(time.time()) + skew)).status == 200


@pytest.mark.statement("S5")
@pytest.mark.parametrize("ts", ["", "soon", "1761043200.5", "-1", "+1761043200", "0x68f7", "9" * 40])
def test_a_ts_that_is_not_digits_is_refused(key: Signer, ts: str) -> None:
    """S5: ts is a number of seconds in digits and nothing else, however well it is signed."""
    assert refused(key.call("GET", "/v1/customers", hawk=Hawk(ts=ts)))


@pytest.mark.statement("S5", "S7")
def test_only_the_holder_of_the_secret_learns_the_time(key: Signer) -> None:
    """The MAC comes before the clock: a stale request with a wrong MAC gets the plain challenges."""
    answer = key.but(secret="not the secret").call("GET", "/v1/customers", hawk=Hawk(ts=1_761_043_200))
    assert refused(answer)
    assert values(answer, "WWW-Authenticate") == ["Hawk", "HMAC-SHA256"]


@pytest.mark.statement("S6")
def test_a_nonce_counts_once_for_one_key_and_second(key: Signer, second_key: Signer) -> None:
    """S6: the same (id, ts, nonce) is 401; another ts or another key's same nonce is not the same use."""
    once = Hawk()
    assert key.call("GET", "/v1/customers", hawk=once).status == 200
    assert refused(key.call("GET", "/v1/customers", hawk=once))
    assert refused(key.call("POST", "/v1/customers", {}, hawk=once))
    assert key.call("GET", "/v1/customers", hawk=Hawk(ts=int(once.ts) - 1, nonce=once.nonce)).status == 200
    assert second_key.call("GET", "/v1/customers", hawk=once).status == 200


@pytest.mark.statement("S6")
def test_a_refused_request_uses_no_nonce_up(key: Signer) -> None:
    """S6: only requests with a right MAC, in time and with the right body, take up a nonce."""
    once = Hawk()
    assert refused(key.but(secret="guess").call("GET", "/v1/customers", hawk=once))
    assert key.call("GET", "/v1/customers", hawk=once).status == 200


@pytest.mark.statement("S7")
def test_an_unknown_id_and_a_wrong_mac_are_answered_alike(key: Signer) -> None:
    """S7: one 401 for both, in every byte but the CorrelationId."""
    wrong = key.but(secret="wrong").call("GET", "/v1/customers/3kTp9j2mN5xR")
    unknown = key.but(key_id="00000000-0000-4000-8000-000000000000").call("GET", "/v1/customers/3kTp9j2mN5xR")
    assert refused(wrong)
    assert indistinct(wrong) == indistinct(unknown)
    assert wrong.header("Server-Authorization") is None


@pytest.mark.statement("S8")
@pytest.mark.parametrize("separator", [", ", ",", " , ", "  ,\t"])
def test_blanks_and_order_do_not_matter(key: Signer, separator: str) -> None:
    """S8: blanks around commas, and attributes in any order."""
    sent = Sent("GET", "/v1/customers")
    attributes = Hawk(ext="some-app").attributes(key.key_id, key.secret, sent, *key.where)
    assert presented(key, dict(reversed(attributes.items())), sent, separator).status == 200


@pytest.mark.statement("S8")
@pytest.mark.parametrize("scheme", ["Hawk", "hawk", "HAWK"])
def test_the_scheme_matches_in_any_case(key: Signer, scheme: str) -> None:
    """S8: a scheme token is case-insensitive (RFC 9110, section 11.1)."""
    sent = Sent("GET", "/v1/customers")
    text = hawk_text(Hawk().attributes(key.key_id, key.secret, sent, *key.where))
    assert key.send(sent, {"Authorization": scheme + text.removeprefix("Hawk")}).status == 200


@pytest.mark.statement("S8")
def test_what_real_clients_send_passes(key: Signer, customer_id: str) -> None:
    """S8: Content-Type on GET without a hash, a hash on POST, ``ext=""``, mohawk's hash on GET, app, dlg."""
    target = f"/v1/customers/{customer_id}"
    answers = [
        key.call("GET", target, content_type="application/json"),
        key.call("GET", target, content_type="application/json", hawk=Hawk(hashed=True)),
        key.call("POST", "/v1/customers", PERSON, hawk=Hawk(hashed=True)),
        key.call("GET", target, hawk=Hawk(ext="")),
        key.call("GET", target, hawk=Hawk(ext="some-app-ext-data")),
        key.call("GET", target, hawk=Hawk(hashed=True)),
        key.call("GET", target, hawk=Hawk(app="shop", dlg="agent")),
        key.call("GET", target, hawk=Hawk(app="shop")),
        key.call("POST", "/v1/customers", PERSON),
    ]
    assert [answer.status for answer in answers] == [200] * len(answers)


@pytest.mark.statement("S8")
@pytest.mark.parametrize(
    "twist",
    [
        lambda text: text + ', key="x"',
        lambda text: text + ', ts="1761043200"',
        lambda text: text.replace('"', ""),
        lambda text: text.replace('", ', '" '),
        lambda text: text + ', ext="é"',
        lambda text: text + ', ext="' + "x" * 4096 + '"',
        lambda text: text + ', dlg="agent"',
        lambda text: text + ', hash=""',
        lambda text: "Hawk",
        lambda text: "Hawk " + text,
    ],
    ids=[
        "unknown",
        "twice",
        "unquoted",
        "no comma",
        "not ASCII",
        "4 KiB",
        "dlg",
        "hash",
        "bare",
        "double",
    ],
)
def test_unknown_duplicate_or_broken_attributes_are_refused(key: Signer, twist: Callable[[str], str]) -> None:
    """S8: what is no list of known attributes, each once, is 401 (a header over 4 KiB: 400)."""
    sent = Sent("GET", "/v1/customers")
    text = hawk_text(Hawk().attributes(key.key_id, key.secret, sent, *key.where))
    answer = key.send(sent, {"Authorization": twist(text)})
    assert answer.status in (400, 401)
    assert answer.json["code"] in ("invalid_request", "invalid_api_key")


@pytest.mark.statement("S10")
def test_the_answer_to_hawk_is_signed_for_that_request(key: Signer, customer_id: str) -> None:
    """S10: Server-Authorization is the MAC of the answer, bound to ts and nonce, over the body's hash."""
    for method, target, members in (
        ("GET", f"/v1/customers/{customer_id}", None),
        ("GET", "/v1/customers/3kTp9j2mN5xR", None),
        ("PUT", f"/v1/customers/{customer_id}", {"dateOfBirth": "never"}),
        ("POST", "/v1/customers", PERSON),
    ):
        hawk = Hawk(ext="kept from the answer", app="shop", dlg="agent")
        answer = key.call(method, target, members, hawk=hawk)
        found = attributes_of(answer.header("Server-Authorization"))
        expected = payload_hash(answer.header("Content-Type") or "", answer.body)
        assert found["hash"] == expected
        mac = hawk.mac("response", key.secret, Sent(method, target), *key.where, expected, "")
        assert found["mac"] == mac, f"{answer.status} on {method} {target}"
