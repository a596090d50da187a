"""Rows that somebody moved or edited in the files: refused in each room's shape, and named in the log."""

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from coverage.walked import FAILED, refusal
from dialects.signing import Signer, new_signer
from merchant import CUSTOMERS, UNMASKED, Merchant, person, shop
from serving import Server, Tenancy, make_tenancy, serving

Tampering = Callable[[sqlite3.Connection, dict[str, int]], None]


@dataclass
class Moved:
    """A server with two customers of a tenant, of whom one has changed, and one of another tenant."""

    server: Server
    merchant: Merchant
    signer: Signer
    numbers: dict[str, str]
    ids: dict[str, str]


@pytest.fixture(scope="module")
def moved(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moved]:
    """The server, stopped and started around each change of its files."""
    with serving(command, tmp_path_factory.mktemp("moved"), log_level="info") as server:
        here, elsewhere = make_tenancy(server), make_tenancy(server)
        merchant, foreign = shop(here, *UNMASKED), shop(elsewhere, *UNMASKED)
        signer = new_signer(here)
        numbers = {}
        for name, whose in (("changed", merchant), ("other", merchant), ("foreign", foreign)):
            made = whose.saved(person(externalId=f"canary-{name}", taxId="923456790", name=f"Canary {name}"))
            numbers[name] = str(made["customerId"])
        merchant.update(numbers["changed"], vip="2", taxId="823456790")
        ids = _ids(server, numbers)
        yield Moved(server, merchant, signer, numbers, ids)


def _ids(server: Server, numbers: dict[str, str]) -> dict[str, str]:
    with closing(sqlite3.connect(server.folder / "store" / "customary.db")) as file:
        rows = dict(file.execute("SELECT customer_number, customer_id FROM customers").fetchall())
    return {name: rows[number] for name, number in numbers.items()}


def taking(column: str, source: str) -> Tampering:
    """Give the changed customer a column of another row."""

    def tamper(file: sqlite3.Connection, rows: dict[str, int]) -> None:
        (taken,) = file.execute(
            f"SELECT {column} FROM customers WHERE row_no = ?", (rows[source],)
        ).fetchone()
        file.execute(f"UPDATE customers SET {column} = ? WHERE row_no = ?", (taken, rows["changed"]))

    return tamper


def running(statement: str) -> Tampering:
    """Run a statement on the changed customer's row."""

    def tamper(file: sqlite3.Connection, rows: dict[str, int]) -> None:
        file.execute(statement, {"row": rows["changed"], "other": rows["other"], "foreign": rows["foreign"]})

    return tamper


OF_ROW = "WHERE row_no = :row"
OTHER_KEY = "UPDATE keys.customer_keys SET wrapped = (SELECT wrapped FROM keys.customer_keys WHERE row_no = "
OLDER = f"(SELECT {{}} FROM versions {OF_ROW}) {OF_ROW}"
_BACK = (
    "UPDATE customers SET (version, updated_at, sealed, guarded) ="
    " (SELECT version, updated_at, sealed, guarded FROM versions WHERE row_no = :row) WHERE row_no = :row"
)
"""With its own number and instants it is authentic; that a version as new is kept gives it away."""
TAMPERINGS: dict[str, tuple[Tampering, str]] = {
    "particulars of another customer": (taking("sealed", "other"), "particulars"),
    "particulars of another tenant": (taking("sealed", "foreign"), "particulars"),
    "guarded part of another customer": (taking("guarded", "other"), "guarded"),
    "guarded part of another tenant": (taking("guarded", "foreign"), "guarded"),
    "particulars in the guarded part's place": (
        running("UPDATE customers SET guarded = sealed WHERE row_no = :row"), "guarded"
    ),
    "guarded part in the particulars' place": (
        running("UPDATE customers SET sealed = guarded WHERE row_no = :row"), "particulars"
    ),
    "particulars of an older version": (
        running("UPDATE customers SET sealed = " + OLDER.format("sealed")),
        "particulars",
    ),
    "guarded part of an older version": (
        running("UPDATE customers SET guarded = " + OLDER.format("guarded")),
        "guarded",
    ),
    "an older row under the newest number": (
        running(
            "UPDATE customers SET (sealed, guarded, updated_at) = "
            + OLDER.format("sealed, guarded, updated_at")
        ),
        "particulars",
    ),
    "an older row, whole": (running(_BACK), "record"),
    "the key of another customer": (
        running(f"{OTHER_KEY} :other) {OF_ROW}"),
        "key",
    ),
    "the key of another tenant's customer": (
        running(f"{OTHER_KEY} :foreign) {OF_ROW}"),
        "key",
    ),
    "no key": (running("UPDATE keys.customer_keys SET wrapped = x'' WHERE row_no = :row"), "key"),
    "an edited instant": (running(f"UPDATE customers SET created_at = 1 {OF_ROW}"), "particulars"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_was_moved_in_the_files_is_refused_and_named(moved: Moved, name: str) -> None:
    """The caller gets 500 in the room's shape and no value; the operator reads which part of whom and why."""
    tamper, part = TAMPERINGS[name]
    customer_id = moved.ids["changed"]
    with _tampered(moved, tamper):
        headers = [("Authorization", moved.merchant.authorization or "")]
        answer = moved.server.send("GET", f"{CUSTOMERS}/{moved.numbers['changed']}", headers)
        assert refusal("trustly", answer) == FAILED["trustly"]
        assert b"anary" not in answer.body
        detail = _last_detail(moved.server)
        assert detail.startswith(f"the {part} of customer {customer_id} of tenant "), detail
        assert "does not open" in detail
        if part != "guarded":  # the other room does not open it
            answer = moved.signer.call("GET", f"/v1/customers/{customer_id}")
            assert refusal("trustist", answer) == FAILED["trustist"]
            assert f"the {part} of customer {customer_id} of tenant " in _last_detail(moved.server)
        assert "anary" not in moved.server.log
    assert moved.merchant.fetch(moved.numbers["changed"])["vip"] == "2"


def test_a_row_whose_tenant_was_edited_is_refused_to_the_tenant_that_gets_it(moved: Moved) -> None:
    """The other tenant, whose row it is now, cannot open it; the tenant it was taken from has it no more."""
    give = (
        "UPDATE customers SET tenant_id = (SELECT tenant_id FROM customers WHERE row_no = :foreign)"
        " WHERE row_no = :row"
    )
    with _tampered(moved, running(give)):
        missing = moved.signer.call("GET", f"/v1/customers/{moved.ids['changed']}")
        assert missing.status == 404
        with closing(sqlite3.connect(moved.server.folder / "store" / "customary.db")) as file:
            (tenant,) = file.execute(
                "SELECT tenant_id FROM customers WHERE customer_id = ?", (moved.ids["changed"],)
            ).fetchone()
        owner = new_signer(_tenancy_of(moved, tenant))
        answer = owner.call("GET", f"/v1/customers/{moved.ids['changed']}")
        assert refusal("trustist", answer) == FAILED["trustist"]
        assert f"the key of customer {moved.ids['changed']} of tenant " in _last_detail(moved.server)


def test_an_older_row_copied_back_whole_is_found_by_the_check_of_a_turning(moved: Moved) -> None:
    """With its own number and instants it is authentic; that later versions are there gives it away."""
    with _tampered(moved, running(_BACK)):
        done = moved.server.run("keys", "rotate", "tenant", "--json")
        assert done.returncode == 1
        told = [told for one in json.loads(done.stdout) for told in one["broken"]]
        assert len(told) == 1
        assert moved.ids["changed"] in told[0]
        assert "an older version was put in the place of a newer one" in told[0]


def _tenancy_of(moved: Moved, tenant: bytes) -> Tenancy:
    tenant_id = str(uuid.UUID(bytes=tenant))
    merchant_id = moved.server.printed("merchant", "list", "--tenant", tenant_id)[0]["merchantId"]
    return Tenancy(moved.server, tenant_id, merchant_id, moved.server.create_key(tenant_id, merchant_id))


class _tampered:
    """Stop the server, change its files, and start it; afterwards, put everything back."""

    def __init__(self, moved: Moved, tamper: Tampering) -> None:
        self._server = moved.server
        self._ids = moved.ids
        self._tamper = tamper
        self._store = moved.server.folder / "store"
        self._kept: dict[Path, bytes] = {}

    def __enter__(self) -> None:
        self._server.stop()
        self._kept = {
            self._store / name: (self._store / name).read_bytes() for name in ("customary.db", "keys.db")
        }
        with closing(sqlite3.connect(self._store / "customary.db")) as file:
            file.execute("ATTACH ? AS keys", (str(self._store / "keys.db"),))
            rows = dict(file.execute("SELECT customer_id, row_no FROM customers").fetchall())
            with file:
                self._tamper(file, {name: rows[customer_id] for name, customer_id in self._ids.items()})
        self._server.start()

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        for path, content in self._kept.items():
            path.write_bytes(content)
            for behind in ("-wal", "-shm"):
                path.with_name(path.name + behind).unlink(missing_ok=True)
        self._server.start()


def _last_detail(server: Server) -> str:
    lines = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    told = [line for line in lines if line["level"] == "error"]
    assert told
    assert "detail" in told[-1], told[-1]
    detail: str = told[-1]["detail"]
    return detail
