"""Guarded fields: masked, clear only with the permission and on record, kept by their echo: T21 and T22."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from merchant import (
    CUSTOMERS,
    UNMASKED,
    Json,
    Merchant,
    faults,
    fresh_external_id,
    person,
    refused,
    shop,
    without,
)
from serving import Answer, Server, Tenancy, make_tenancy, serving

GUARDED: Json = {
    "taxId": "123456790",
    "nationalId": "NAT-7788",
    "personId": "P-99887766",
    "driverLicense": {"number": "A1234567", "state": "CA"},
}


def path_of(customer: Json) -> str:
    return f"{CUSTOMERS}/{customer['customerId']}"


# ── T21 ──


@pytest.mark.statement("T21")
@pytest.mark.parametrize(
    ("tax_id", "mask"),
    [
        ("123456790", "#####6790"),
        ("1234567", "###4567"),
        ("123456", "####56"),
        ("12345", "###45"),
        ("1234", "####"),
        ("1", "#"),
        ("", ""),
        ("123-45-6790", "#######6790"),
        ("ÄÖÜßéèê", "###ßéèê"),
        ("x" * 256, "#" * 252 + "xxxx"),
    ],
)
def test_the_mask_shows_the_last_characters(
    merchant: Merchant, trusted_merchant: Merchant, tax_id: str, mask: str
) -> None:
    """Four, of a shorter value than 7 two, than 5 none; clear with the permission."""
    created = merchant.create(taxId=tax_id)
    assert created["taxId"] == mask
    assert trusted_merchant.fetch(created["customerId"])["taxId"] == tax_id


@pytest.mark.statement("T21")
def test_every_answer_is_masked(merchant: Merchant) -> None:
    """Create, update by both calls, read, both lists; the clear value is nowhere in their bytes."""
    external_id = fresh_external_id()
    body = person(externalId=external_id, taxId="123456790")
    answers = [merchant.post(body)]
    path = path_of(answers[0].json["customer"])
    answers += [
        merchant.post(body),
        merchant.post({"taxId": "123456790", "vip": "1"}, path),
        merchant.get(path),
        merchant.get(f"{CUSTOMERS}?externalId={external_id}"),
        merchant.get(CUSTOMERS),
    ]
    for answer in answers:
        assert answer.status == 200
        assert b"#####6790" in answer.body
        assert b"123456790" not in answer.body


@pytest.mark.statement("T21")
def test_only_the_tax_id_is_masked_unless_settings_say_more(merchant: Merchant) -> None:
    """nationalId, personId and the licence number are shown as they are."""
    created = merchant.create(**GUARDED)
    assert {name: created[name] for name in GUARDED} == GUARDED | {"taxId": "#####6790"}


@pytest.mark.statement("T21")
def test_the_permission_shows_clear_text_everywhere(trusted_merchant: Merchant) -> None:
    """In every answer, create included."""
    external_id = fresh_external_id()
    created = trusted_merchant.create(externalId=external_id, taxId="123456790")
    seen = [
        created,
        trusted_merchant.update(created["customerId"], vip="1"),
        trusted_merchant.saved({"externalId": external_id, "vip": "2"}),
        trusted_merchant.fetch(created["customerId"]),
        *trusted_merchant.list(f"externalId={external_id}"),
    ]
    assert [customer["taxId"] for customer in seen] == ["123456790"] * 5


def leaves_of(tenancy: Tenancy, answer: Answer) -> list[Json]:
    """Return the audit leaves that one request has left, known by the request id of its answer."""
    return [leaf for leaf in tenancy.trail() if leaf.get("requestId") == answer.header("X-Request-Id")]


@pytest.mark.statement("T21")
def test_each_unmasked_read_leaves_an_audit_leaf(tenancy: Tenancy, merchant: Merchant) -> None:
    """Who saw which fields of whom, by which request; a masked read leaves none."""
    key = tenancy.create_key(*UNMASKED)
    program = Merchant(tenancy.server, key)
    with_tax_id, without_tax_id = merchant.create(taxId="123456790"), merchant.create()
    shown: list[Callable[[], Answer]] = [
        lambda: program.get(path_of(with_tax_id)),
        lambda: program.get(f"{CUSTOMERS}?customerId={with_tax_id['customerId']}"),
        lambda: program.post({"vip": "1"}, path_of(with_tax_id)),
        lambda: program.post(person(taxId="123456790")),
    ]
    answers = [show() for show in shown]
    silent = [merchant.get(path_of(with_tax_id)), program.get(path_of(without_tax_id))]
    trail = tenancy.trail()

    def revealed(answer: Answer) -> list[Json]:
        request_id = answer.header("X-Request-Id")
        return [
            leaf
            for leaf in trail
            if leaf.get("requestId") == request_id and leaf["action"] == "customer.revealed"
        ]

    for answer in answers:
        assert answer.status == 200
        (leaf,) = revealed(answer)
        assert leaf["actor"] == key.key_id
        assert leaf["fields"] == ["tax_id"]
    assert [revealed(answer) for answer in silent] == [[], []]
    assert "123456790" not in str(trail)


@pytest.mark.statement("T21", "T26")
def test_a_replayed_answer_in_clear_is_audited_too(tenancy: Tenancy) -> None:
    """The value is seen again, so the trail tells of it again."""
    program = shop(tenancy, *UNMASKED)
    body = person(taxId="123456790")
    answers = [program.post(body, headers=[("Idempotency-Key", "see-it-twice")]) for _ in range(2)]
    assert answers[0].body == answers[1].body
    for answer in answers:
        assert answer.json["customer"]["taxId"] == "123456790"
        assert "customer.revealed" in {leaf["action"] for leaf in leaves_of(tenancy, answer)}


# ── T22 ──


@pytest.mark.statement("T22", "d")
def test_get_edit_post_back(merchant: Merchant, trusted_merchant: Merchant) -> None:
    """The advised workflow, by both update calls: what was edited has changed, and nothing else."""
    created = merchant.create(**GUARDED, externalId=fresh_external_id(), customData={"a": [1, {"b": [None]}]})
    for target in (path_of(created), CUSTOMERS, f"{CUSTOMERS}?externalId={created['externalId']}"):
        customer = merchant.fetch(created["customerId"])
        customer["phone"] += "1"
        customer["address"]["city"] = "Oslo" + customer["phone"]
        updated = merchant.saved(customer, target)
        assert without(updated, "updatedAt") == without(customer, "updatedAt")
        assert trusted_merchant.fetch(created["customerId"])["taxId"] == GUARDED["taxId"]


@pytest.mark.statement("T22")
@pytest.mark.parametrize("tax_id", ["123456790", "123456", "1234", "#", "12#45678"])
def test_the_stored_ones_mask_means_unchanged(
    merchant: Merchant, trusted_merchant: Merchant, tax_id: str
) -> None:
    """Whoever posts it: also a program that may see the clear text."""
    if "#" in tax_id:
        refused(merchant.post(person(taxId=tax_id)), "customer.taxId")
        return
    created = merchant.create(taxId=tax_id)
    for program in (merchant, trusted_merchant):
        program.update(created["customerId"], taxId=created["taxId"], vip="1")
        assert trusted_merchant.fetch(created["customerId"])["taxId"] == tax_id


@pytest.mark.statement("T22", "g")
@pytest.mark.parametrize(
    "mask", ["#####6791", "####6790", "######6790", "#", "#########", "123#56790", "1234567#"]
)
def test_another_mask_is_refused_and_stores_nothing(
    merchant: Merchant, trusted_merchant: Merchant, mask: str
) -> None:
    """At create there is no stored value, so every mask is another."""
    external_id = fresh_external_id()
    refused(merchant.post(person(externalId=external_id, taxId=mask)), "customer.taxId")
    assert merchant.list(f"externalId={external_id}") == []
    for stored in ({"taxId": "123456790"}, {}):
        created = merchant.create(**stored)
        refused(merchant.post({"taxId": mask, "vip": "1"}, path_of(created)), "customer.taxId")
        assert merchant.fetch(created["customerId"]) == created
        assert trusted_merchant.fetch(created["customerId"]).get("taxId") == stored.get("taxId")


@pytest.mark.statement("T22")
def test_a_new_tax_id_replaces_the_old_one(merchant: Merchant, trusted_merchant: Merchant) -> None:
    """Clear text without ``#`` is a change; then the old mask is another's."""
    created = merchant.create(taxId="123456790")
    assert merchant.update(created["customerId"], taxId="987654321")["taxId"] == "#####4321"
    assert trusted_merchant.fetch(created["customerId"])["taxId"] == "987654321"
    refused(merchant.post({"taxId": "#####6790"}, path_of(created)), "customer.taxId")
    assert "taxId" not in merchant.update(created["customerId"], taxId=None)


# ── T21 and the table of errors, under other settings ──


@pytest.fixture(scope="module")
def strict(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that masks every guarded field, answers 400 for a missing customer, and has a small quota."""
    with serving(
        command,
        tmp_path_factory.mktemp("strict"),
        trustly_masked_fields="taxId,nationalId,personId,driverLicense.number",
        trustly_not_found_status="400",
        requests_per_minute="30",
    ) as running:
        yield running


@pytest.mark.statement("T21", "T22")
def test_a_setting_masks_all_guarded_fields(strict: Server) -> None:
    """nationalId, personId and the licence number: masked, clear with the permission, echoed unchanged."""
    tenancy = make_tenancy(strict)
    program, trusted = shop(tenancy), shop(tenancy, *UNMASKED)
    created = program.create(**GUARDED)
    masks = {
        "taxId": "#####6790",
        "nationalId": "####7788",
        "personId": "######7766",
        "driverLicense": {"number": "####4567", "state": "CA"},
    }
    assert {name: created[name] for name in GUARDED} == masks
    assert program.saved(created, path_of(created)) == created
    answer = trusted.get(path_of(created))
    assert {name: answer.json["customer"][name] for name in GUARDED} == GUARDED
    (leaf,) = [leaf for leaf in leaves_of(tenancy, answer) if leaf["action"] == "customer.revealed"]
    assert set(leaf["fields"]) == {"tax_id", "national_id", "person_id", "license_number"}
    refused(
        program.post(
            {"nationalId": "#", "personId": "#", "driverLicense": {"number": "#"}}, path_of(created)
        ),
        "customer.nationalId",
        "customer.personId",
        "customer.driverLicense.number",
    )


@pytest.mark.statement("T23", "T19")
def test_a_setting_answers_400_for_a_missing_customer(strict: Server) -> None:
    """Code 200 and the vendor's sentence, as with 404; what is no id (T23) and an unknown path stay 404."""
    program = shop(make_tenancy(strict))
    for target, status in ((f"{CUSTOMERS}/123456789012345", 400), (f"{CUSTOMERS}/lookup", 404)):
        (fault,) = faults(program.get(target), status)
        assert (fault.code, fault.message[:35]) == (200, "Could not find a customer using Id "[:35])
    assert faults(program.get("/api/v1/elsewhere"), 404)[0].code == 200


@pytest.mark.statement("T25")
def test_a_spent_quota_is_503_with_retry_after(strict: Server) -> None:
    """Clients in the wild retry 502 and 503 only; code 100, and another credential is not touched."""
    tenancy = make_tenancy(strict)
    program = shop(tenancy)
    answers = [program.get() for _ in range(40)]
    assert {answer.status for answer in answers} == {200, 503}
    spent = next(answer for answer in answers if answer.status == 503)
    assert [fault.code for fault in faults(spent, 503)] == [100]
    assert 1 <= int(spent.header("Retry-After") or "") <= 60
    assert shop(tenancy, "read_customers").get().status == 200
