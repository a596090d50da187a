"""The command that lists entries of the audit trail."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from customary.app.entries import Entry, Sought, found, with_reasons
from customary.app.ports import LeafRow, ReadLeaves
from customary.app.postings import leaf_of
from customary.cli.certificates import named
from customary.cli.chosen import Chosen, choose
from customary.cli.frame import AsJson, Data, harmless, open_house
from customary.cli.refusals import WrongUsage
from customary.cli.registry import OnlyTenantOption
from customary.domain.access import Permission
from customary.domain.audit import Action
from customary.domain.errors import NotFound
from customary.domain.ids import is_customer_id

if TYPE_CHECKING:
    from customary.bootstrap.house import House

PAGE_SIZE = 1_000
LOOKED_AT_MAX = 20_000

Numbered = tuple[int, Entry]


_ACTIONS = tuple(action.value for action in Action)


def list_entries(
    *,
    tenant_id: OnlyTenantOption = None,
    customer: Annotated[
        str | None,
        Parameter(help="Only entries about the customer of that id, number or GUID, erased or not."),
    ] = None,
    actor: Annotated[str | None, Parameter(help="Only deeds of that key id, or of cli.")] = None,
    action: Annotated[str | None, Parameter(help="Only deeds of that kind, as customer.updated.")] = None,
    since: Annotated[str | None, Parameter(help="Not before that day or instant (UTC if not said).")] = None,
    until: Annotated[str | None, Parameter(help="Before that day or instant.")] = None,
    newest_first: Annotated[bool, Parameter(help="Begin with the newest.", show_default=False)] = False,
    after: Annotated[int, Parameter(help="Only entries after that number.")] = 0,
    limit: Annotated[int | None, Parameter(help="How many at most; all if not given.")] = None,
    reasons: Annotated[
        bool, Parameter(help="Show the reasons that were given, in clear.", show_default=False)
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List who did what to whom, the oldest first; no entry has a value of a customer.

    A condition or --reasons is about one tenant's entries.

    Example: customary audit list --after 1200 --limit 100 --json
    Example: customary audit list --customer 3kTp9j2mN5xR --newest-first --limit 10
    Example: customary audit list --action customer.revealed --since 2026-03-01
    """
    if after < 0 or (limit is not None and limit < 1):
        raise WrongUsage("--after is a whole number from 0, --limit one from 1")
    if newest_first and after:
        raise WrongUsage("--after counts from the oldest: it does not go with --newest-first")
    if action is not None and action not in _ACTIONS:
        raise WrongUsage(f"--action is one of {', '.join(_ACTIONS)}")
    sought = Sought(customer, actor, action, _instant(since), _instant(until))
    with open_house(data) as house:
        if customer is not None and not is_customer_id(customer):
            with suppress(NotFound):  # then it is the id of whatever else has entries: a key, a merchant
                sought = msgspec.structs.replace(sought, subject=named(house, tenant_id, customer)[1])
        if tenant_id is None and sought == Sought() and not newest_first and not reasons:
            entries = _of_all(house, after)
        else:
            chosen = choose(house, tenant_id)
            entries = _of_tenant(house, chosen, sought, after, newest_first=newest_first, reasons=reasons)
        shown = islice(entries, limit)
        if as_json:
            _print_json_array(view(number, entry) for number, entry in shown)
        else:
            for number, entry in shown:
                print(harmless(_told(number, entry)))


def _of_all(house: "House", after: int) -> Iterator[Numbered]:
    """Yield the entries of all tenants page by page, so that a long trail takes no memory."""
    while True:
        rows: list[LeafRow] = house.engine.read_now(partial(_leaves, after))
        for row in rows:
            leaf = leaf_of(row)
            if leaf is not None:
                yield row.leaf_no, Entry(leaf)
        if len(rows) < PAGE_SIZE:
            return
        after = rows[-1].leaf_no


def _leaves(after: int) -> Any:
    rows: list[LeafRow] = yield ReadLeaves(after, PAGE_SIZE)
    return rows


def _of_tenant(
    house: "House", chosen: Chosen, sought: Sought, after: int, *, newest_first: bool, reasons: bool
) -> Iterator[Numbered]:
    principal = chosen.operator(Permission.READ_CUSTOMERS_UNMASKED)
    beyond = after or None
    while True:
        page = partial(
            found,
            chosen.tenant_id,
            sought,
            beyond,
            PAGE_SIZE,
            newest_first=newest_first,
            looked_at_max=LOOKED_AT_MAX,
        )
        # In one state of the store: what is sealed in between must not slip through.
        numbered, beyond = asyncio.run(house.engine.scan(page))
        entries = [Entry(leaf) for _, leaf in numbered]
        if reasons:
            opened = house.performer.read_now(principal, partial(with_reasons, principal, entries))
            entries = list(opened)
        yield from zip((number for number, _ in numbered), entries, strict=True)
        if beyond is None:
            return


def _instant(text: str | None) -> datetime | None:
    """Return the instant that a day or an instant in ISO 8601 names; WrongUsage for any other text."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongUsage("--since and --until are days or instants, as 2026-03-01T12:00:00Z") from None


def view(number: int, entry: Entry) -> dict[str, Any]:
    """Return an entry for programs."""
    leaf = entry.leaf
    view: dict[str, Any] = {
        "number": number,
        "at": leaf.at,
        "tenantId": leaf.tenant_id,
        "actor": leaf.actor,
        "action": leaf.action,
        "subject": leaf.subject,
        "outcome": leaf.outcome,
        "fields": list(leaf.fields),
    }
    if leaf.version:
        view["version"] = leaf.version
    if leaf.request_id:
        view["requestId"] = leaf.request_id
    if leaf.digest:
        view["digest"] = leaf.digest
    if leaf.sealed_reason:
        view["reason"] = True if entry.reason is None else entry.reason
    return view


def _told(number: int, entry: Entry) -> str:
    leaf = entry.leaf
    version = f" v{leaf.version}" if leaf.version else ""
    fields = f"  ({', '.join(leaf.fields)})" if leaf.fields else ""
    outcome = "" if leaf.outcome == "done" else f"  {leaf.outcome}"
    reason = "" if entry.reason is None else f'  "{entry.reason}"'
    place = f"{number:>8}  {leaf.at}  {leaf.actor}  {leaf.action}  {leaf.subject}"
    return f"{place}{version}{outcome}{fields}{reason}"


def _print_json_array(items: Iterator[dict[str, Any]]) -> None:
    """Print a JSON array, an item a line, without holding it."""
    opening = "[\n  "
    for item in items:
        sys.stdout.write(opening + msgspec.json.encode(item).decode())
        opening = ",\n  "
    sys.stdout.write("[]\n" if opening.startswith("[") else "\n]\n")
