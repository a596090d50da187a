"""The native operations on a customer's past: versions, what changed between two, and one brought back."""

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from customary.app import history
from customary.app.history import Comparison, Entry
from customary.app.performing import instant_text
from customary.domain.access import Permission
from customary.domain.customer import GUARDED_FIELDS, Customer
from customary.domain.errors import Invalid, NotFound, Violation
from customary.domain.ids import is_digits
from customary.domain.masking import BIRTH_MASK
from customary.http.body import parsed
from customary.http.exchange import Exchange, Reply
from customary.http.fields import Fields
from customary.http.shell import Operation, as_body, body_of, check_json_type, deed_of
from customary.native import wire
from customary.native.paging import cursor, limit_of, position_of, unknown_cursor
from customary.native.subject import NOTHING, Subject, customer_id, etag, expected_versions, is_known

_READ = frozenset({Permission.READ_CUSTOMERS})

OPERATIONS = (
    Operation("GET", "/customers/{id}/versions", _READ, "list_versions"),
    Operation("GET", "/customers/{id}/versions/{version}", _READ, "get_version"),
    Operation("GET", "/customers/{id}/diff", _READ, "diff_versions"),
    Operation(
        "POST",
        "/customers/{id}/restore",
        frozenset({Permission.UPDATE_CUSTOMER}),
        "restore_version",
        mutates=True,
    ),
)

_LIST = "versions"
_VERSION_DIGITS_MAX = 15


class VersionView(msgspec.Struct, omit_defaults=True):
    """One version in a history."""

    version: Annotated[int, Meta(ge=1)]
    updatedAt: Annotated[str, Meta(description="When this version was made, in UTC")]
    changedFields: Annotated[
        list[str] | UnsetType,
        Meta(description="What changed in it; left out where the version before is gone"),
    ] = UNSET


class VersionsPage(msgspec.Struct):
    """One page of a history, newest first; the next one begins at the cursor, if there is one."""

    versions: list[VersionView]
    nextCursor: str | None


class Moment(msgspec.Struct):
    """A version and when it was made."""

    version: Annotated[int, Meta(ge=1)]
    updatedAt: Annotated[str, Meta(description="When this version was made, in UTC")]


class ChangeView(msgspec.Struct, rename={"before": "from", "after": "to"}):
    """One field that differs; null stands for a field that is not set."""

    field: Annotated[str, Meta(description="The member, a part of the address as address.city")]
    before: Annotated[Any, Meta(description="The value of the one version, as it is shown")]
    after: Annotated[Any, Meta(description="The value of the other, as it is shown")]
    masked: Annotated[
        bool, Meta(description="Whether masks are shown: then the value changed, though they may be equal")
    ]


class DiffView(msgspec.Struct, rename={"one": "from", "other": "to"}):
    """What differs between two versions of one customer."""

    id: str
    one: Moment
    other: Moment
    changes: list[ChangeView]


class RestoreSent(msgspec.Struct):
    """Which version's contents shall be current again."""

    version: Annotated[int, Meta(ge=1)]


class PastVersions(Subject):
    """The handlers of this subject."""

    async def list_versions(self, exchange: Exchange) -> Reply:
        """Return the versions of a customer, newest first, with the names of what changed in each."""
        principal = exchange.caller
        query = exchange.query("limit", "cursor")
        limit, position = limit_of(query), position_of(query, _LIST)
        below = None if position is None else version_of(position)
        if position is not None and below is None:
            raise unknown_cursor()
        use_case = partial(history.list_versions, principal, customer_id(exchange), below=below, limit=limit)
        found = await self._means.performer.scan(principal, use_case)
        views = [entry_view(entry) for entry in found.entries]
        going_on = cursor(_LIST, str(views[-1].version)) if found.goes_on else None
        return Reply(200, as_body(VersionsPage(views, going_on)))

    async def get_version(self, exchange: Exchange) -> Reply:
        """Return a customer as it was in one version."""
        principal = exchange.caller
        version = version_of(exchange.places[1])
        if version is None:
            raise NotFound
        use_case = partial(history.fetch_version, principal, customer_id(exchange), version, NOTHING)
        customer = await self._means.performer.read(principal, use_case)
        if is_known(exchange, customer):
            return Reply(304, b"", (etag(customer),))
        return await self._answer(principal, customer)

    async def diff_versions(self, exchange: Exchange) -> Reply:
        """Return what differs between two versions of a customer.

        A guarded member that differs is named with both masks, and so it is where these are equal.
        """
        principal = exchange.caller
        query = exchange.query("from", "to")
        one, other = (_version_asked(query, name) for name in ("from", "to"))
        if one is None:
            raise Invalid(Violation("from", "required", "from is required"))
        use_case = partial(history.fetch_two, principal, customer_id(exchange), one, other)
        compared = await self._means.performer.read(principal, use_case)
        return Reply(200, as_body(diff_view(compared)))

    async def restore_version(self, exchange: Exchange) -> Reply:
        """Make a new version with the contents of an earlier one.

        Nothing is rewritten: the versions in between stay. If the contents are what is current already, no
        version is made.
        """
        principal = exchange.caller
        check_json_type(exchange)
        version = _restored(parsed(await body_of(exchange)))
        expected = expected_versions(exchange)
        use_case = partial(history.restore, principal, customer_id(exchange), version, expected=expected)
        customer = await self._means.performer.perform(principal, use_case, deed_of(exchange))
        return await self._answer(principal, customer)


def version_of(text: str) -> int | None:
    """Return the number of a version that there could be, or None: no record has so many digits of them."""
    if not is_digits(text) or len(text) > _VERSION_DIGITS_MAX or text.startswith("0"):
        return None
    return int(text)


def diff_view(compared: Comparison) -> DiffView:
    """Return what differs between two versions."""
    before, after = compared.before, compared.after
    return DiffView(before.customer_id, _moment(before), _moment(after), list(_changes(compared)))


def _version_asked(query: dict[str, str], name: str) -> int | None:
    """Return the version that a parameter names, or None without one; NotFound for one that cannot be."""
    if name not in query:
        return None
    if not is_digits(query[name]):
        raise Invalid(Violation(name, "type", f"{name} is not the number of a version"))
    version = version_of(query[name])
    if version is None:
        raise NotFound
    return version


def _restored(body: dict[str, object]) -> int:
    fields = Fields(body)
    version = fields.integer("version")
    if version is None or (version is UNSET and not fields.violations):
        fields.fault("version", "required")
    fields.check()
    if not isinstance(version, int) or version < 1 or version_of(str(version)) is None:
        raise NotFound
    return version


def entry_view(entry: Entry) -> VersionView:
    """Return one version of a history as it is shown."""
    names = UNSET if entry.fields is None else [wire.camel(name) for name in entry.fields]
    return VersionView(entry.customer.version, instant_text(entry.customer.updated_at), names)


def _moment(customer: Customer) -> Moment:
    return Moment(customer.version, instant_text(customer.updated_at))


def _changes(compared: Comparison) -> Iterator[ChangeView]:
    """Yield what differs, in the order of the record; an address part by part."""
    one, other = (msgspec.to_builtins(wire.shown(each, "")) for each in (compared.before, compared.after))
    for field in compared.fields:
        name = wire.camel(field)
        was, now = one.get(name), other.get(name)
        parts: list[str] = []
        if field == "address":
            parts = [part for part in wire.ADDRESS_TEXTS if (was or {}).get(part) != (now or {}).get(part)]
        for part in parts:
            yield ChangeView(f"{name}.{part}", (was or {}).get(part), (now or {}).get(part), masked=False)
        if not parts:  # also an address without parts, which is not the same as none
            yield ChangeView(name, was, now, masked=field in GUARDED_FIELDS or BIRTH_MASK in (was, now))
