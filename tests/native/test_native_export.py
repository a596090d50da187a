"""Everything that is held about one person, given out by our own API and by a command."""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from native.client import GUARDED, SARAH, Json, Native, faults, indistinct, native, problem
from serving import Answer, Server, Tenancy, make_tenancy, serving

EXPORTS = ("export_customers",)
PARTS = [
    "record",
    "versions",
    "sessions",
    "payments",
    "deliveries",
    "auditEntries",
    "idempotencyAnswers",
    "announcements",
    "holds",
]
WHY = "case 4711: the person asked"


@pytest.fixture(scope="module")
def exporter(tenancy: Tenancy) -> Native:
    """A key that may export and do nothing else."""
    return native(tenancy, *EXPORTS)


def export(key: Native, customer: Json, reason: str = "") -> Answer:
    """Return the answer to an export."""
    headers = [("X-Reason", reason)] if reason else []
    return key.call("GET", f"/customers/{customer['id']}/export", headers=headers)


def spans_of(document: bytes) -> dict[str, bytes]:
    """Return each member of a JSON object with its bytes, found by a decoder that knows nothing of ours."""
    text, decoder = document.decode(), json.JSONDecoder()
    found: dict[str, bytes] = {}
    at = 1
    while text[at - 1] != "}":
        name, at = decoder.raw_decode(text, at)
        end = decoder.raw_decode(text, at + 1)[1]
        found[name] = text[at + 1 : end].encode()
        at = end + 1
    return found


def lived(api: Native) -> Json:
    """Return a customer with a past: three versions, made with a key, for a reason."""
    headers = [("Idempotency-Key", os.urandom(8).hex()), ("X-Reason", "first contact")]
    made: Json = api.call("POST", "/customers", SARAH | GUARDED, headers).json
    api.patch(made["id"], {"phone": "+1", "taxId": "987654321"})
    last: Json = api.patch(made["id"], {"address": {"city": "Leeds"}, "customData": {"ü": [1.5, None]}}).json
    return last


def test_an_export_has_everything(tenancy: Tenancy, api: Native, exporter: Native) -> None:
    """The record and all versions in clear, the trail with its reasons, and what waits or is kept beside."""
    customer = lived(api)
    native(tenancy, "read_customers:unmasked").call(
        "POST", f"/customers/{customer['id']}/reveal", {"fields": ["taxId"], "reason": "a call back"}
    )
    found = export(exporter, customer).json
    assert list(found) == ["manifest", *PARTS]
    assert found["record"] == customer | GUARDED | {"taxId": "987654321"}
    assert [one["version"] for one in found["versions"]] == [1, 2, 3]
    assert [one["taxId"] for one in found["versions"]] == [GUARDED["taxId"], "987654321", "987654321"]
    assert found["versions"][-1] == found["record"]
    told = [(one["action"], one.get("reason")) for one in found["auditEntries"]]
    assert told == [
        ("customer.created", "first contact"),
        ("customer.updated", None),
        ("customer.updated", None),
        ("customer.revealed", "a call back"),
    ]
    assert [one["version"] for one in found["idempotencyAnswers"]] == [1]
    assert [(one["event"], one["version"]) for one in found["announcements"]] == [
        ("customer.created", 1),
        ("customer.updated", 2),
        ("customer.updated", 3),
    ]
    assert found["announcements"][1]["changedFields"] == ["phone", "taxId"]
    assert [found[name] for name in ("sessions", "payments", "deliveries", "holds")] == [[], [], [], []]


def test_a_legal_hold_is_part_of_it(tenancy: Tenancy, api: Native, exporter: Native) -> None:
    """Since when, by whom and why: it is held about the person as all else is."""
    customer, holder = lived(api), native(tenancy, "manage_holds")
    put = holder.call("POST", f"/customers/{customer['id']}/hold", {"reason": "court order 17"})
    assert put.status == 200, put.body
    (held,) = export(exporter, customer).json["holds"]
    assert (held["actor"], held["reason"]) == (holder.signer.key_id, "court order 17")
    assert held["at"] == put.json["at"]


def test_the_manifest_tells_of_every_part(api: Native, exporter: Native) -> None:
    """Name, count, size and digest of the very bytes that stand in the answer."""
    customer = lived(api)
    answer = export(exporter, customer)
    spans, manifest = spans_of(answer.body), answer.json["manifest"]
    assert manifest["form"] == "customary person 1"
    assert (manifest["customerId"], manifest["tenantId"]) == (customer["id"], customer["tenantId"])
    assert [part["name"] for part in manifest["parts"]] == PARTS
    for part in manifest["parts"]:
        held = spans[part["name"]]
        assert part["sha256"] == hashlib.sha256(held).hexdigest()
        assert part["bytes"] == len(held)
        value = answer.json[part["name"]]
        assert part["count"] == (len(value) if isinstance(value, list) else 1)


def test_an_export_is_told_of_with_its_reason(tenancy: Tenancy, api: Native, exporter: Native) -> None:
    """One leaf, with the names of the guarded fields that were shown; the next export has it."""
    customer = api.create(**SARAH, taxId=GUARDED["taxId"])
    answer = export(exporter, customer, WHY)
    request_id = answer.header("X-Request-Id")
    (leaf,) = [one for one in tenancy.trail() if one.get("requestId") == request_id]
    assert (leaf["action"], leaf["subject"], leaf["fields"]) == (
        "customer.exported",
        customer["id"],
        ["tax_id"],
    )
    last = export(exporter, customer).json["auditEntries"][-1]
    assert (last["action"], last["reason"]) == ("customer.exported", WHY)


def test_a_long_past_is_exported_whole(api: Native, exporter: Native) -> None:
    """More versions and entries than are read at once."""
    customer = api.create(vip="0")
    for number in range(1, 230):
        api.patch(customer["id"], {"vip": str(number)})
    found = export(exporter, customer).json
    assert [one["vip"] for one in found["versions"]] == [str(number) for number in range(230)]
    assert len(found["auditEntries"]) == len(found["announcements"]) == 230


def test_an_export_has_nothing_of_anybody_else(tenancy: Tenancy, api: Native, exporter: Native) -> None:
    """Neither another customer's id nor another tenant's."""
    others = [lived(api), lived(native(make_tenancy(tenancy.server, "Beside")))]
    answer = export(exporter, lived(api))
    for other in others:
        assert other["id"].encode() not in answer.body
        assert other["customerNumber"].encode() not in answer.body


def test_to_export_takes_the_permission_and_a_key_without_limit(tenancy: Tenancy, api: Native) -> None:
    """Nothing else suffices; a foreign id is answered as an unknown one; none of it leaves a leaf."""
    customer = lived(api)
    before = len(tenancy.trail())
    others = ("create_customer", "read_customers", "update_customer", "read_customers:unmasked", "read_audit")
    limited = native(tenancy, *EXPORTS, fields="name,taxId:last4")
    for key in (native(tenancy, *others), limited):
        assert problem(export(key, customer)) == (403, "forbidden")
    foreign = native(make_tenancy(tenancy.server, "Exporting strangers"), *EXPORTS)
    sibling = native(tenancy, *EXPORTS, merchant_id=tenancy.create_merchant("Exporting shop"))
    unknown = [export(foreign, customer), export(sibling, customer), export(foreign, {"id": "1" * 12})]
    assert [problem(answer) for answer in unknown] == [(404, "not-found")] * 3
    assert len({str(indistinct(answer)) for answer in unknown}) == 1
    told = [leaf for leaf in tenancy.trail()[before:] if leaf["action"].startswith("customer.")]
    assert told == []


def test_a_merchant_exports_its_own_customers(tenancy: Tenancy) -> None:
    """With the permission; the trail is opened for that one customer alone."""
    merchant_id = tenancy.create_merchant("Own shop")
    creator = native(tenancy, merchant_id=merchant_id)
    customer = creator.create(**SARAH)
    found = export(native(tenancy, *EXPORTS, merchant_id=merchant_id), customer).json
    assert found["record"]["merchantId"] == merchant_id
    assert [one["action"] for one in found["auditEntries"]] == ["customer.created"]


@pytest.fixture(scope="module")
def strict(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that wants reasons, and guards dates of birth."""
    folder = tmp_path_factory.mktemp("strict-export")
    with serving(command, folder, reason_required="true", date_of_birth_guarded="true") as running:
        yield running


def test_an_export_may_need_a_reason(strict: Server) -> None:
    """It shows guarded fields in clear, the date of birth among them."""
    tenancy = make_tenancy(strict)
    customer, exporter = native(tenancy).create(**SARAH), native(tenancy, *EXPORTS)
    assert faults(export(exporter, customer)) == {"reason": "required"}
    found = export(exporter, customer, WHY).json
    assert found["record"]["dateOfBirth"] == SARAH["dateOfBirth"]
    out = strict.folder / "without a reason"
    arguments = ("customers", "export", customer["id"], "--tenant", tenancy.tenant_id, "--out", str(out))
    refused = strict.run(*arguments)
    assert (refused.returncode, "--reason" in refused.stderr, out.exists()) == (2, True, False)
    assert strict.run(*arguments, "--reason", WHY).returncode == 0


# ── The command ──


def _exported(tenancy: Tenancy, customer: Json, out: Path, *more: str) -> Any:
    return tenancy.server.run(
        "customers", "export", customer["id"], "--tenant", tenancy.tenant_id, "--out", str(out), *more
    )


def test_the_command_writes_the_same(tenancy: Tenancy, api: Native, exporter: Native, tmp_path: Path) -> None:
    """A file a part, of the same bytes but for the entry that tells of the first; readable to one alone."""
    customer = lived(api)
    answer = export(exporter, customer)
    out = tmp_path / "sarah"
    done = _exported(tenancy, customer, out, "--reason", WHY)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [f"{name}.json" for name in (*PARTS, "manifest")]
    )
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()} == {0o600}
    manifest = json.loads((out / "manifest.json").read_text())
    for part in manifest["parts"]:
        assert hashlib.sha256((out / f"{part['name']}.json").read_bytes()).hexdigest() == part["sha256"]
    spans = spans_of(answer.body)
    for name in set(PARTS) - {"auditEntries"}:
        assert (out / f"{name}.json").read_bytes() == spans[name]
    told = json.loads((out / "auditEntries.json").read_text())
    assert told[:-1] == answer.json["auditEntries"]
    assert told[-1]["action"] == "customer.exported"
    leaf = tenancy.trail()[-1]
    assert (leaf["action"], leaf["actor"], leaf["subject"]) == ("customer.exported", "cli", customer["id"])
    assert not [value for value in (*GUARDED.values(), WHY) if value in done.stdout + done.stderr]


def test_the_command_writes_over_nothing(tenancy: Tenancy, api: Native, tmp_path: Path) -> None:
    """A folder that is there is refused before the trail is told; so is an unknown customer."""
    customer = lived(api)
    before = len(tenancy.trail())
    assert _exported(tenancy, customer, tmp_path).returncode == 2
    assert list(tmp_path.iterdir()) == []
    assert _exported(tenancy, {"id": "1" * 12}, tmp_path / "nobody").returncode == 1
    assert not (tmp_path / "nobody").exists()
    assert len(tenancy.trail()) == before


@pytest.mark.parametrize(
    "more", [["--face", "own"], ["--limit", "1"], ["--unmasked"], ["--merchant", "1"]], ids=" ".join
)
def test_the_command_takes_no_choice_beside(
    tenancy: Tenancy, api: Native, tmp_path: Path, more: list[str]
) -> None:
    """Of one person everything is written; a choice that would be ignored is refused."""
    assert _exported(tenancy, lived(api), tmp_path / "out", *more).returncode == 2
    no_folder = ("customers", "export", "1" * 12, "--tenant", tenancy.tenant_id)
    assert tenancy.server.run(*no_folder).returncode == 2
    assert not (tmp_path / "out").exists()
