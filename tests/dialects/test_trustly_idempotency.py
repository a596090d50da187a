"""An Idempotency-Key replays the stored answer, and nothing asks for one: T26."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from merchant import CUSTOMERS, UNMASKED, Merchant, faults, fresh_external_id, person, refused, shop
from serving import Answer, Server, Tenancy


def keyed(key: str) -> list[tuple[str, str]]:
    return [("Idempotency-Key", key)]


@pytest.fixture
def key() -> str:
    """A key that nobody has used."""
    return uuid4().hex


@pytest.mark.statement("T26")
def test_the_same_key_and_body_replay_the_answer(merchant: Merchant, key: str) -> None:
    """One customer and the same bytes, although a create without externalId makes one each time."""
    body = person()
    answers = [merchant.post(body, headers=keyed(key)) for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert len({answer.body for answer in answers}) == 1
    assert len({answer.header("X-Request-Id") for answer in answers}) == 3
    assert merchant.saved(body)["customerId"] != answers[0].json["customer"]["customerId"]


@pytest.mark.statement("T26")
def test_what_is_replayed_is_the_stored_answer(merchant: Merchant, key: str) -> None:
    """As it was then, although the customer has changed since; and a replay undoes nothing."""
    external_id = fresh_external_id()
    body = person(externalId=external_id, vip="1")
    first = merchant.post(body, headers=keyed(key))
    changed = merchant.saved({"externalId": external_id, "vip": "2"})
    assert merchant.post(body, headers=keyed(key)).body == first.body
    assert merchant.list(f"externalId={external_id}") == [changed]


@pytest.mark.statement("T26")
@pytest.mark.parametrize("target", ["path", "query"])
def test_updates_are_replayed(merchant: Merchant, key: str, target: str) -> None:
    """By both update calls; also an update that changed nothing."""
    customer = merchant.create(externalId=fresh_external_id())
    where = {
        "path": f"{CUSTOMERS}/{customer['customerId']}",
        "query": f"{CUSTOMERS}?externalId={customer['externalId']}",
    }[target]
    for body in ({"vip": "1"}, {}):
        used = key + str(len(body))
        first = merchant.post(body, where, headers=keyed(used))
        merchant.update(customer["customerId"], vip="9")
        assert merchant.post(body, where, headers=keyed(used)).body == first.body
        assert merchant.fetch(customer["customerId"])["vip"] == "9"


@pytest.mark.statement("T26")
def test_another_body_under_the_same_key_is_400(merchant: Merchant, key: str) -> None:
    """And changes nothing; so is the same body sent elsewhere."""
    external_id = fresh_external_id()
    first = merchant.post(person(externalId=external_id), headers=keyed(key))
    customer = first.json["customer"]
    others: list[Callable[[], Answer]] = [
        lambda: merchant.post(person(externalId=external_id, vip="2"), headers=keyed(key)),
        lambda: merchant.post({"vip": "2"}, f"{CUSTOMERS}/{customer['customerId']}", headers=keyed(key)),
    ]
    for perform in others:
        (fault,) = faults(perform(), 400)
        assert fault.code == 200
    assert merchant.fetch(customer["customerId"]) == customer


@pytest.mark.statement("T26")
def test_a_refused_request_does_not_use_up_its_key(merchant: Merchant, key: str) -> None:
    """A client corrects its body and may keep the key."""
    refused(
        merchant.post({"vip": "1"}, headers=keyed(key)),
        *(f"customer.{n}" for n in ("name", "address", "phone", "email")),
    )
    assert merchant.post(person(), headers=keyed(key)).status == 200


@pytest.mark.statement("T26", "T7")
def test_parallel_posts_with_one_key_make_one_customer(merchant: Merchant, key: str) -> None:
    """32 at once: all 200, all the same bytes."""
    body = person()
    program = Merchant(merchant.server, authorization=merchant.authorization)
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: program.post(body, headers=keyed(key)), range(32)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert len(merchant.list(f"customerId={answers[0].json['customer']['customerId']}")) == 1


@pytest.mark.statement("T26", "T19")
def test_a_key_is_its_credentials_own(
    merchant: Merchant, tenant: Callable[..., Tenancy], tenancy: Tenancy, key: str
) -> None:
    """The same key and body of another credential or tenant are another request."""
    body = person()
    programs = [merchant, shop(tenancy, "create_customer", "read_customers"), shop(tenant())]
    made = {program.post(body, headers=keyed(key)).json["customer"]["customerId"] for program in programs}
    assert len(made) == len(programs)


@pytest.mark.statement("T26")
@pytest.mark.parametrize("bad", ["", "a b", "é", "x" * 256, "\t"])
def test_a_key_that_is_none_is_refused(merchant: Merchant, bad: str) -> None:
    """1 to 255 visible ASCII characters; nothing is created."""
    external_id = fresh_external_id()
    refused(merchant.post(person(externalId=external_id), headers=keyed(bad)), "header")
    assert merchant.list(f"externalId={external_id}") == []


@pytest.mark.statement("T26")
def test_two_keys_in_one_request_are_refused_or_one_is_taken(merchant: Merchant, key: str) -> None:
    """What is answered 200 is replayed for the same two keys."""
    body = person()
    twice = [*keyed(key), *keyed(key + "2")]
    answers = [merchant.post(body, headers=twice) for _ in range(2)]
    assert answers[0].status in (200, 400)
    assert answers[0].body == answers[1].body


@pytest.mark.statement("T26")
def test_a_key_means_nothing_to_a_read(server: Server, tenancy: Tenancy, key: str) -> None:
    """Also when a POST has used it, whoever reads."""
    for program in (shop(tenancy), shop(tenancy, *UNMASKED)):
        created = program.post(person(taxId="123456790"), headers=keyed(key)).json["customer"]
        path = f"{CUSTOMERS}/{created['customerId']}"
        for headers in (keyed(key), keyed("not a key")):
            assert program.get(path, headers=headers).json["customer"] == created
            assert program.get(headers=headers).status == 200


@pytest.mark.statement("T26")
def test_neither_key_nor_signature_is_needed(merchant: Merchant) -> None:
    """A plain POST works, and headers of a signature are not looked at."""
    headers = [("X-Request-Signature", "x"), ("Signature", "x"), ("Digest", "SHA-256=x")]
    assert merchant.post(person(), headers=headers).status == 200
