"""``X-Reason`` through both dialects: one rule, refused in the dialect's own shape, kept sealed."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from dialects.signing import Signer, new_signer
from merchant import CUSTOMERS, UNMASKED, Merchant, faults, one, person, shop
from serving import Answer, Headers, Server, Tenancy, make_tenancy, serving

WHY = "case 4711: Ünal asked"
SENT = quote(WHY, safe=" :")
UNFIT = {
    "too long": "x" * 501,
    "too long when decoded": "%C3%9C" * 501,
    "empty": "",
    "blank": "%20",
    "a control": "%07",
    "a line break": "two%0Alines",
    "a bidirectional override": "a%E2%80%AEb",
    "no UTF-8": "%FF",
    "a percent sign": "100%",
    "half an escape": "%4",
    "raw Latin-1": "\xdcnal",
}
FIT = {"longest": "x" * 500, "spaces around": "  a  ", "escaped": "%25%41", "encoded": SENT}


def leaves(tenancy: Tenancy, answer: Answer, header: str = "X-Request-Id") -> list[dict[str, object]]:
    """Return the leaves of one request."""
    request_id = answer.header(header)
    return [leaf for leaf in tenancy.trail() if leaf.get("requestId") == request_id]


@pytest.fixture(scope="module")
def signer(tenancy: Tenancy) -> Signer:
    """A tenant key of the shared tenancy."""
    return new_signer(tenancy)


@pytest.mark.parametrize("sent", UNFIT.values(), ids=UNFIT)
def test_a_reason_that_is_none_is_refused_and_nothing_stored(
    tenancy: Tenancy, merchant: Merchant, signer: Signer, sent: str
) -> None:
    """In each dialect's shape, on a change; and the header is not repeated in the answer."""
    before = len(tenancy.trail())
    headers = [("X-Reason", sent)]
    (fault,) = faults(merchant.post(person(), headers=headers))
    assert (fault.code, fault.location) == (200, "header")
    answer = signer.call("POST", "/v1/customers", {}, headers=headers)
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert len(sent) < 3 or sent not in answer.body.decode() + fault.message
    assert len(tenancy.trail()) == before


@pytest.mark.parametrize("sent", FIT.values(), ids=FIT)
def test_a_reason_that_is_one_changes_no_answer(merchant: Merchant, signer: Signer, sent: str) -> None:
    """It is said to the trail alone."""
    headers = [("X-Reason", sent)]
    created = one(merchant.post(person(), headers=headers))
    assert created == merchant.fetch(created["customerId"])
    assert signer.call("POST", "/v1/customers", {"orgId": "a"}, headers=headers).status == 200


def test_two_reasons_are_none(merchant: Merchant) -> None:
    """The header stands once."""
    (fault,) = faults(merchant.post(person(), headers=[("X-Reason", "a"), ("X-Reason", "b")]))
    assert fault.location == "header"


def test_a_masked_read_has_no_reason_to_give(merchant: Merchant) -> None:
    """It is no deed, so what it gives as one is not looked at."""
    created = merchant.create()
    assert merchant.get(f"{CUSTOMERS}/{created['customerId']}", headers=[("X-Reason", "%FF")]).status == 200


def test_the_trail_shows_that_there_is_a_reason_and_never_which(tenancy: Tenancy) -> None:
    """No command that lists the trail, and no answer, says it."""
    program = shop(tenancy, *UNMASKED)
    headers = [("X-Reason", SENT)]
    made = program.post(person(taxId="123456790"), headers=headers)
    seen = program.get(f"{CUSTOMERS}/{one(made)['customerId']}", headers=headers)
    listed = program.get(f"{CUSTOMERS}?customerId={one(made)['customerId']}", headers=headers)
    for answer in (made, seen, listed):
        assert "customer.revealed" in {leaf["action"] for leaf in leaves(tenancy, answer)}
    assert "case 4711" not in json.dumps(tenancy.trail())


def test_a_reason_is_part_of_the_request(merchant: Merchant, signer: Signer) -> None:
    """One Idempotency-Key with another reason is another request; with the same reason it is replayed."""
    body = person(externalId="reasoned-once")

    def sent(reason: str | None) -> Answer:
        headers = [("Idempotency-Key", "reasoned")] + ([] if reason is None else [("X-Reason", reason)])
        return merchant.post(body, headers=headers)

    first = one(sent("a b"))
    assert one(sent("a%20b")) == first
    for other in ("a c", None):
        (fault,) = faults(sent(other))
        assert "Idempotency-Key" in fault.message
    put = [("Idempotency-Key", "reasoned-too"), ("X-Reason", "one")]
    customer_id = signer.call("POST", "/v1/customers", {}, headers=put).json["id"]
    assert signer.call("POST", "/v1/customers", {}, headers=put).json["id"] == customer_id
    put[1] = ("X-Reason", "two")
    assert signer.call("POST", "/v1/customers", {}, headers=put).status == 422


# ── reason_required ──


@pytest.fixture(scope="module")
def strict(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that shows nothing guarded in clear without a reason."""
    with serving(command, tmp_path_factory.mktemp("strict"), reason_required="true") as running:
        yield running


def test_a_required_reason_is_required_of_unmasked_reads_alone(strict: Server) -> None:
    """Single, listed, changed or created: whoever is answered in clear says why; others need not."""
    tenancy = make_tenancy(strict)
    program, trusted = shop(tenancy), shop(tenancy, *UNMASKED)
    made = program.create(taxId="123456790")
    path = f"{CUSTOMERS}/{made['customerId']}"
    assert program.fetch(made["customerId"])["taxId"] == "#####6790"
    before = len(tenancy.trail())
    requests: tuple[Callable[[Headers], Answer], ...] = (
        lambda headers: trusted.get(path, headers=headers),
        lambda headers: trusted.get(CUSTOMERS, headers=headers),
        lambda headers: trusted.post({"vip": "3"}, path, headers=headers),
        lambda headers: trusted.post(person(), headers=headers),
    )
    for asked in requests:
        (fault,) = faults(asked([]))
        assert (fault.code, fault.location) == (200, "reason")
        assert len(tenancy.trail()) == before
        assert asked([("X-Reason", SENT)]).status == 200
        before = len(tenancy.trail())
    assert trusted.get(path, headers=[("X-Reason", "why")]).json["customer"]["taxId"] == "123456790"


def test_the_command_line_requires_it_too(strict: Server) -> None:
    """``--unmasked`` without ``--reason`` is wrong usage; with it the trail is told."""
    tenancy = make_tenancy(strict)
    made = shop(tenancy).create(taxId="123456790")
    show = ("customers", "show", made["customerId"], "--tenant", tenancy.tenant_id)
    assert strict.run(*show).returncode == 0
    refused = strict.run(*show, "--unmasked")
    assert (refused.returncode, "--reason" in refused.stderr) == (2, True)
    assert strict.printed(*show, "--unmasked", "--reason", WHY)["taxId"] == "123456790"
    assert [leaf["action"] for leaf in tenancy.trail()][-1] == "customer.revealed"


def test_what_is_kept_of_the_erased_is_not_shown_where_a_reason_is_required(strict: Server) -> None:
    """No key is left to seal one under, so nothing is shown; certificates, which hold no value, still are."""
    tenancy = make_tenancy(strict)
    shop(tenancy).create(externalId="gone")
    (one,) = strict.printed("customers", "list", "--tenant", tenancy.tenant_id)
    where = (one["id"], "--tenant", tenancy.tenant_id)
    strict.printed("erasure", "execute", *where)
    refused = strict.run("erasure", "show", *where, "--kept")
    assert (refused.returncode, "reason_required" in refused.stderr) == (2, True)
    assert strict.run("erasure", "show", *where).returncode == 0


def test_a_command_takes_a_reason_only_where_it_is_kept(server: Server, tenancy: Tenancy) -> None:
    """Nobody is told of masks, so a reason for them would be lost: wrong usage; so is one that is none."""
    where = ("--tenant", tenancy.tenant_id)
    for command in (("customers", "list"), ("customers", "export"), ("customers", "show", "111111111111")):
        assert server.run(*command, *where, "--reason", WHY).returncode == 2
        assert server.run(*command, *where, "--unmasked", "--reason", "two\nlines").returncode == 2


def test_an_import_tells_its_reason(server: Server, tmp_path: Path) -> None:
    """Each line's leaf carries it, sealed under that customer's key."""
    tenancy = make_tenancy(server)
    lines = tmp_path / "lines.ndjson"
    lines.write_text("".join(json.dumps(person()) + "\n" for _ in range(3)))
    done = server.run("customers", "import", str(lines), "--tenant", tenancy.tenant_id, "--reason", WHY)
    assert done.returncode == 0, done.stderr
    assert [leaf["action"] for leaf in tenancy.trail()].count("customer.created") == 3
    folder = server.folder / "store"
    hay = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert hay.count(b'"sealed_reason":"') >= 3
    assert b"case 4711" not in hay
