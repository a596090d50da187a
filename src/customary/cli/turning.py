"""The commands that turn keys and tell how far that is.

They work beside a server, and can be killed at any point: run again, they go on. They must never know how a
key is turned.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from customary.cli.chosen import choose_each
from customary.cli.frame import AsJson, Data, instant_text, open_house, print_facts, print_json, print_table
from customary.cli.refusals import DONE, REFUSED
from customary.cli.started import data_option, program

if TYPE_CHECKING:
    from customary.app.rotation import Turning
    from customary.bootstrap.turning import Told

keys = App(name="keys", help="Turn the keys that seal, while the server works.")
rotate = App(name="rotate", help="Put another key in the place of one; what was sealed is kept.")
keys.command(rotate)

EachTenant = Annotated[
    str | None, Parameter(name="--tenant", help="Only the tenant of that id; all if not given.")
]

_NAMES = {"seal": "tenant", "index": "index", "records": "reseal"}


@keys.command(name="status")
def status(*, data: Data = None, as_json: AsJson = False) -> None:
    """Show which keys there are, where the root key is, and what is being turned.

    Example: customary keys status
    """
    from customary.app import credentials, roots, rotation
    from customary.app.ports import ReadTenantKeys

    with open_house(data) as house:
        known = house.engine.read_now(roots.list_roots)
        turnings = house.engine.read_now(rotation.list_turnings)
        tenants = house.engine.read_now(credentials.list_tenants)
        rows = {
            tenant.tenant_id: house.engine.read_now(partial(_asked, ReadTenantKeys(tenant.tenant_id)))
            for tenant in tenants
        }
        source = house.source.told()
    of_tenants: list[dict[str, Any]] = [
        {
            "tenantId": tenant_id,
            "keys": [{"purpose": row.purpose, "version": row.key_version} for row in of_tenant],
            "turning": [_view(one) for one in turnings if one.tenant_id == tenant_id],
        }
        for tenant_id, of_tenant in rows.items()
    ]
    of_roots = [
        {"version": root.version, "state": root.state, "fingerprint": root.fingerprint.hex()}
        for root in known
    ]
    if as_json:
        print_json({"rootKey": {"source": source, "keys": of_roots}, "tenants": of_tenants})
        return
    facts = {"root key": source}
    for root in of_roots:
        facts[f"  version {root['version']}"] = f"{root['fingerprint']}, {root['state']}"
    print_facts(facts)
    print_table(
        ("tenant id", "keys", "turning"),
        [
            (
                str(one["tenantId"]),
                ", ".join(f"{key['purpose']} {key['version']}" for key in one["keys"]),
                ", ".join(f"{turning['what']} {turning['percent']} %" for turning in one["turning"]) or "-",
            )
            for one in of_tenants
        ],
        empty="There is no tenant yet.",
    )
    option = data_option(house.settings)
    if len(known) > 1:
        print(f"Next: finish what was begun: {program()} keys rotate root{option}", file=sys.stderr)
    for what in sorted({_NAMES[turning.kind] for turning in turnings}):
        command = "keys reseal" if what == "reseal" else f"keys rotate {what}"
        print(f"Next: finish what was begun: {program()} {command}{option}", file=sys.stderr)


@rotate.command(name="root")
def rotate_root(*, data: Data = None, as_json: AsJson = False) -> None:
    """Seal the keys of the house and of all tenants under another root key.

    With a key file a new key is made, and takes the file's place at the end. Keep
    the old one as long as you keep backups that were sealed under it, and a copy of
    the new one apart. With any other source see docs/keys.md.

    Example: customary keys rotate root
    """
    from customary.bootstrap.turning import turned_root

    with open_house(data, may_make=True) as house, _progress("root key", as_json=as_json) as told:
        turned = turned_root(house, told)
        source = house.source.told()
    if as_json:
        print_json(
            {
                "version": turned.version,
                "fingerprint": turned.fingerprint.hex(),
                "tenants": turned.tenants,
                "changed": turned.changed,
                "source": source,
            }
        )
        return
    print_facts(
        {
            "root key": source,
            "version": str(turned.version),
            "fingerprint": turned.fingerprint.hex(),
            "tenants": str(turned.tenants),
            "result": "nothing is sealed under the old one" if turned.changed else "was changed before",
        }
    )
    print("Backups of before open with the old root key alone; keep a copy of the new one.", file=sys.stderr)


@rotate.command(name="tenant")
def rotate_tenant(*, tenant_id: EachTenant = None, data: Data = None, as_json: AsJson = False) -> int:
    """Wrap customers' keys, and secrets of hmac credentials, under another key of the tenant.

    Records are not touched. At the end everything is opened once, and the old key
    is gone.

    Example: customary keys rotate tenant
    Example: customary keys rotate tenant --tenant TENANT-ID --json
    """
    return _turn("seal", tenant_id, data, as_json=as_json)


@rotate.command(name="index")
def rotate_index(*, tenant_id: EachTenant = None, data: Data = None, as_json: AsJson = False) -> int:
    """Make all lookup tags anew with another index key of the tenant.

    Everything is found throughout. At the end every tag was looked for once, and
    the old key is gone.

    Example: customary keys rotate index
    """
    return _turn("index", tenant_id, data, as_json=as_json)


@keys.command(name="reseal")
def reseal(*, tenant_id: EachTenant = None, data: Data = None, as_json: AsJson = False) -> int:
    """Give each customer a new key, and seal all versions of all records anew.

    The trail tells of each version and its new digest. Afterwards copies of the old
    customers' keys open nothing that is in this store but reasons in the trail.

    Example: customary keys reseal --tenant TENANT-ID
    """
    return _turn("records", tenant_id, data, as_json=as_json)


def _turn(kind: str, tenant_id: str | None, data: Any, *, as_json: bool) -> int:
    from customary.app.rotation import Kind
    from customary.bootstrap.turning import turned

    results = []
    with open_house(data) as house:
        for chosen in choose_each(house, tenant_id):
            with _progress(f"tenant {chosen.tenant_id}", as_json=as_json) as told:
                results.append(turned(house, Kind(kind), chosen.tenant_id, told))
    broken = sum(one.broken_count for one in results)
    if as_json:
        print_json([_view(one) for one in results])
        return REFUSED if broken else DONE
    print_table(
        ("tenant id", "records", "result"),
        [
            (
                one.tenant_id,
                str(one.records),
                f"{one.broken_count} do not open" if one.broken_count else "all open, the old key is gone",
            )
            for one in results
        ],
        empty="There is no tenant.",
    )
    for one in results:
        for told_of in one.broken:
            print(told_of, file=sys.stderr)
    if broken:
        print("Next: keep the data folder as it is, and compare it with a backup.", file=sys.stderr)
    return REFUSED if broken else DONE


@contextmanager
def _progress(what: str, *, as_json: bool) -> "Iterator[Told]":
    """Show a bar on a terminal, and nothing where a program reads."""
    if as_json or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=max(1, total))


def _view(turning: "Turning") -> dict[str, Any]:
    """Return a turning as programs see it."""
    return {
        "tenantId": turning.tenant_id,
        "what": _NAMES[turning.kind],
        "ended": turning.ended,
        "phase": None if turning.ended else turning.phase,
        "percent": 100 if turning.ended else min(99, 100 * turning.done // max(1, turning.total)),
        "records": turning.records,
        "beganAt": instant_text(turning.began_at),
        "brokenCount": turning.broken_count,
        "broken": list(turning.broken),
    }


def _asked(request: Any) -> Any:
    answer = yield request
    return answer
