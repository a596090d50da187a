"""No mask is ever stored: read, edited and sent back through each dialect, by any two keys.

Also of fields that a room does not mask, because another may have shown them so; and of the date of birth,
where a setting guards it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialects.signing import Signer, new_signer
from merchant import CUSTOMERS, UNMASKED, Merchant, one, refused, shop, without
from serving import Answer, Server, Tenancy, make_tenancy, serving

GUARDED = {"taxId": "123456790", "nationalId": "55667788", "personId": "9988776655"}
LICENSE = {"number": "D1234567", "state": "CA"}
BORN = "1985-03-15"
MASK = "####-##-##"


def path_of(customer: dict[str, Any]) -> str:
    """Return the path of a customer in the Trustly room."""
    return f"{CUSTOMERS}/{customer['customerId']}"


# ── Masks of another room ──


@pytest.mark.parametrize("trusted", [False, True])
def test_the_mask_of_a_field_that_is_clear_here_means_unchanged(
    merchant: Merchant, trusted_merchant: Merchant, trusted: bool
) -> None:
    """The native API and the command line mask all guarded fields, whatever this room does (T22)."""
    program = trusted_merchant if trusted else merchant
    made = merchant.create(**GUARDED, driverLicense=LICENSE)
    masks = {"nationalId": "####7788", "personId": "######6655", "driverLicense": {"number": "####4567"}}
    after = program.saved(masks | {"vip": "2"}, path_of(made))
    assert after["vip"] == "2"
    now = trusted_merchant.fetch(made["customerId"])
    assert {name: now[name] for name in GUARDED} == GUARDED
    assert now["driverLicense"] == LICENSE


@pytest.mark.parametrize("mask", ["####7789", "###7788", "#", "####", "#####6655"])
def test_anothers_mask_is_refused_though_the_field_is_clear_here(merchant: Merchant, mask: str) -> None:
    """It would be stored in place of a value: on create, and on update with and without one stored."""
    refused(
        merchant.post({"name": "A", "nationalId": mask}, f"{CUSTOMERS}/{merchant.create()['customerId']}"),
        "customer.nationalId",
    )
    made = merchant.create(**GUARDED)
    refused(
        merchant.post({"nationalId": mask, "personId": mask}, path_of(made)),
        "customer.nationalId",
        "customer.personId",
    )
    assert without(merchant.fetch(made["customerId"]), "updatedAt") == without(made, "updatedAt")


def test_a_value_that_only_begins_like_a_mask_is_one(merchant: Merchant) -> None:
    """A national id may have the character of masks; no mask shows five others."""
    assert merchant.create(nationalId="#A-12345")["nationalId"] == "#A-12345"


def test_the_mask_of_any_date_of_birth_is_never_one(merchant: Merchant, tenancy: Tenancy) -> None:
    """Where it is not guarded too: unchanged through Trustly, no date through Trustist."""
    made = merchant.create(dateOfBirth=BORN)
    assert merchant.saved({"dateOfBirth": MASK}, path_of(made))["dateOfBirth"] == BORN
    refused(merchant.post({"dateOfBirth": MASK}, path_of(merchant.create())), "customer.dateOfBirth")
    answer = new_signer(tenancy).call("POST", "/v1/customers", {"dateOfBirth": MASK})
    assert (answer.status, answer.json["errors"]) == (400, {"dateOfBirth": ["date"]})


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tax_id=st.text("0123456789AB-", min_size=1, max_size=12),
    national_id=st.text("0123456789#Z", min_size=1, max_size=12).filter(
        lambda text: not (text.startswith("#") and len(text.lstrip("#")) <= 4)
    ),
    edit=st.sampled_from(["phone", "vip", "nothing"]),
    reader_trusted=st.booleans(),
    writer_trusted=st.booleans(),
)
def test_read_edit_send_back_never_stores_a_mask(
    merchant: Merchant,
    trusted_merchant: Merchant,
    tax_id: str,
    national_id: str,
    edit: str,
    reader_trusted: bool,
    writer_trusted: bool,
) -> None:
    """Law: whoever reads and whoever sends back, guarded values are what they were."""
    programs = {False: merchant, True: trusted_merchant}
    stored = {"taxId": tax_id, "nationalId": national_id, "personId": tax_id + national_id}
    made = merchant.create(**stored)
    customer = programs[reader_trusted].fetch(made["customerId"])
    if edit != "nothing":
        customer[edit] = "7"
    programs[writer_trusted].saved(customer, path_of(made))
    now = trusted_merchant.fetch(made["customerId"])
    assert {name: now[name] for name in stored} == stored


# ── A date of birth that is guarded ──


@pytest.fixture(scope="module")
def guarding(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that guards dates of birth."""
    with serving(command, tmp_path_factory.mktemp("guarding"), date_of_birth_guarded="true") as running:
        yield running


@pytest.fixture(scope="module")
def place(guarding: Server) -> Tenancy:
    """A tenancy of that server."""
    return make_tenancy(guarding)


def _revealed(place: Tenancy, answer: Answer, header: str) -> list[list[str]]:
    leaves = [leaf for leaf in place.trail() if leaf.get("requestId") == answer.header(header)]
    return [leaf["fields"] for leaf in leaves if leaf["action"] == "customer.revealed"]


def test_a_guarded_date_of_birth_is_masked_in_both_dialects(place: Tenancy) -> None:
    """In the answers of create, change, reading and list; in clear with the permission, and audited."""
    program, trusted = shop(place), shop(place, *UNMASKED)
    signer, trusted_signer = new_signer(place), new_signer(place, *UNMASKED)
    made = program.create(dateOfBirth=BORN, taxId=GUARDED["taxId"])
    assert made["dateOfBirth"] == program.fetch(made["customerId"])["dateOfBirth"] == MASK
    assert {one["dateOfBirth"] for one in program.list()} == {MASK}
    seen = trusted.get(path_of(made))
    assert one(seen)["dateOfBirth"] == BORN
    assert _revealed(place, seen, "X-Request-Id") == [["date_of_birth", "tax_id"]]

    created = signer.call("POST", "/v1/customers", {"dateOfBirth": BORN})
    customer = created.json
    path = f"/v1/customers/{customer['id']}"
    assert customer["dateOfBirth"] == MASK
    assert signer.call("GET", path).json == customer
    assert signer.call("PUT", path, {"orgId": "b"}).json["dateOfBirth"] == MASK
    assert {one["dateOfBirth"] for one in signer.call("GET", "/v1/customers").json} <= {MASK, None}
    requests = [("GET", path, None), ("GET", "/v1/customers?orgId=b", None), ("PUT", path, {"orgId": "b"})]
    for method, target, body in requests:
        answer = trusted_signer.call(method, target, body)
        shown = answer.json if isinstance(answer.json, dict) else answer.json[0]
        assert shown["dateOfBirth"] == BORN
        assert _revealed(place, answer, "CorrelationId") == [["date_of_birth"]]
    answer = trusted_signer.call("POST", "/v1/customers", {"dateOfBirth": BORN})
    assert answer.json["dateOfBirth"] == BORN
    assert _revealed(place, answer, "CorrelationId") == [["date_of_birth"]]


@pytest.mark.parametrize("reader_trusted", [False, True])
@pytest.mark.parametrize("writer_trusted", [False, True])
def test_a_guarded_date_of_birth_comes_back_unchanged(
    place: Tenancy, reader_trusted: bool, writer_trusted: bool
) -> None:
    """Read, edited and sent back through each dialect, by any two keys."""
    programs = {False: shop(place), True: shop(place, *UNMASKED)}
    signers: dict[bool, Signer] = {False: new_signer(place), True: new_signer(place, *UNMASKED)}
    made = programs[False].create(dateOfBirth=BORN)
    customer = programs[reader_trusted].fetch(made["customerId"]) | {"vip": "3"}
    programs[writer_trusted].saved(customer, path_of(made))
    assert programs[True].fetch(made["customerId"])["dateOfBirth"] == BORN
    created = signers[False].call("POST", "/v1/customers", {"dateOfBirth": BORN}).json
    path = f"/v1/customers/{created['id']}"
    back = signers[reader_trusted].call("GET", path).json | {"orgId": "c"}
    assert signers[writer_trusted].call("PUT", path, back).status == 200
    assert signers[True].call("GET", path).json["dateOfBirth"] == BORN


def test_a_guarded_date_of_birth_takes_no_other_mask(place: Tenancy) -> None:
    """Nor its own where there is none; a new date is taken, and null removes it."""
    program, trusted = shop(place), shop(place, *UNMASKED)
    made, bare = program.create(dateOfBirth=BORN), program.create()
    for body, target in (
        ({"dateOfBirth": "####-03-15"}, made),
        ({"dateOfBirth": "19##-03-15"}, made),
        ({"dateOfBirth": MASK}, bare),
    ):
        refused(program.post(body, path_of(target)), "customer.dateOfBirth")
    program.update(made["customerId"], dateOfBirth="1990-01-01")
    assert trusted.fetch(made["customerId"])["dateOfBirth"] == "1990-01-01"
    assert "dateOfBirth" not in program.update(made["customerId"], dateOfBirth=None)


def test_a_replay_masks_it_again(place: Tenancy) -> None:
    """The stored answer is rendered for the key that asks."""
    headers = [("Idempotency-Key", "born")]
    for _ in range(2):
        answer = new_signer_once(place).call("POST", "/v1/customers", {"dateOfBirth": BORN}, headers=headers)
        assert answer.json["dateOfBirth"] == MASK


_SIGNERS: dict[str, Signer] = {}


def new_signer_once(place: Tenancy) -> Signer:
    """Return the same tenant key at each call: an Idempotency-Key is one key's own."""
    return _SIGNERS.setdefault(place.tenant_id, new_signer(place))


def test_the_command_line_masks_it_too(place: Tenancy, tmp_path: Path) -> None:
    """Shown, listed and exported as a mask; a masked export that is imported again changes nothing."""
    server, where = place.server, ("--tenant", place.tenant_id)
    made = shop(place).create(dateOfBirth=BORN)
    for face in ("own", "trustly", "trustist"):
        show = ("customers", "show", made["customerId"], "--face", face, *where)
        assert server.printed(*show)["dateOfBirth"] == MASK
        assert server.printed(*show, "--unmasked")["dateOfBirth"] == BORN
    assert server.printed("customers", "list", *where)[0]["dateOfBirth"] == MASK
    for face in ("own", "trustly"):
        out = tmp_path / f"{face}.ndjson"
        assert server.run("customers", "export", "--face", face, "--out", str(out), *where).returncode == 0
        line = next(line for line in out.read_text().splitlines() if made["customerId"] in line)
        assert json.loads(line)["dateOfBirth"] == MASK
        again = tmp_path / f"{face}.again.ndjson"
        again.write_text(line + "\n")
        told = server.printed("customers", "import", str(again), *where)
        assert (told["refused"], told["created"]) == (0, 0), told
    assert shop(place, *UNMASKED).fetch(made["customerId"])["dateOfBirth"] == BORN


def test_the_trustly_setting_masks_it_there_alone(
    command: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """``trustly_masked_fields`` may name it, for that surface."""
    folder = tmp_path_factory.mktemp("trustly-only")
    with serving(command, folder, trustly_masked_fields="taxId,dateOfBirth") as server:
        tenancy = make_tenancy(server)
        made = shop(tenancy).create(dateOfBirth=BORN)
        assert made["dateOfBirth"] == MASK
        assert one(shop(tenancy, *UNMASKED).get(path_of(made)))["dateOfBirth"] == BORN
        assert new_signer(tenancy).call("GET", "/v1/customers").json[0]["dateOfBirth"] == BORN
