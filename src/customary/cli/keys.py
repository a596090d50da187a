"""The commands that make, list, rotate and revoke credentials. Secrets are printed once, and never logged."""

import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from customary.app.credentials import Issued
from customary.cli.chosen import known_tenant
from customary.cli.frame import (
    AsJson,
    Data,
    date_text,
    done,
    instant_text,
    open_house,
    print_facts,
    print_json,
    print_table,
)
from customary.cli.limits import FieldsOption, fields_of, limit_of
from customary.cli.refusals import Advised, WrongUsage
from customary.cli.registry import OnlyTenantOption
from customary.cli.started import data_option, program
from customary.domain.access import CUSTOMER_PERMISSIONS, Credential, Merchant, Permission, Scheme
from customary.domain.errors import Invalid

if TYPE_CHECKING:
    from customary.bootstrap.house import House

key = App(name="key", help="Make, list, rotate and revoke credentials.")

_PERMISSIONS = tuple(permission.value for permission in Permission)
_IN_USE = CUSTOMER_PERMISSIONS | {
    Permission.READ_CUSTOMERS_UNMASKED,
    Permission.EXPORT_CUSTOMERS,
    Permission.ERASE_CUSTOMERS,
    Permission.READ_AUDIT,
    Permission.MANAGE_HOLDS,
}


def _named(permissions: Iterable[Permission]) -> str:
    return ", ".join(permission.value for permission in permissions)


_PERMISSION_HELP = (
    "What the key may do; may be repeated. If not given, it reads and writes customers, but a merchant's hmac"
    f" key makes and reads payments. In use now: {_named(one for one in Permission if one in _IN_USE)}. For"
    f" routes to come: {_named(one for one in Permission if one not in _IN_USE)}."
)


_PermissionsOption = Annotated[
    list[str] | None,
    Parameter(
        name="--permission",
        choices=_PERMISSIONS,
        show_choices=False,
        consume_multiple=True,
        help=_PERMISSION_HELP,
    ),
]


@key.command(name="create")
def create_key(
    *,
    tenant_id: Annotated[str, Parameter(name="--tenant", help="Id of the tenant.")],
    scheme: Annotated[
        Literal["basic", "hmac"],
        Parameter(help="basic for the Trustly API; hmac (Hawk, HMAC-SHA256) for the Trustist API."),
    ],
    merchant_id: Annotated[
        str | None,
        Parameter(
            name="--merchant",
            help="Id of the merchant. A basic key always has one: the tenant's only one, if not given."
            " An hmac key is the tenant's, if not given.",
        ),
    ] = None,
    permissions: _PermissionsOption = None,
    fields: FieldsOption = None,
    expires_on: Annotated[
        str | None, Parameter(help="Last day on which the key works, in UTC: YYYY-MM-DD.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a credential and print its secret, this once.

    Example: customary key create --tenant TENANT-ID --scheme hmac
    Example: customary key create --tenant TENANT-ID --scheme basic
    Example: customary key create --tenant ID --scheme hmac --expires-on 2099-12-31
    Example: customary key create --tenant ID --scheme hmac --fields name,email
    """
    from customary.app import credentials

    with open_house(data) as house:
        creating = partial(
            credentials.create_key,
            house.unsealed,
            house.dice,
            tenant_id=tenant_id.lower(),
            scheme=Scheme(scheme),
            merchant_id=merchant_id,
            permissions=frozenset(Permission(one) for one in permissions or ()),
            fields=fields_of(fields),
            expires_at=_end_of(expires_on),
        )
        try:
            issued = done(house, creating)
        except Invalid as invalid:
            if any(violation.field == "merchant_id" for violation in invalid.violations):
                raise _merchant_wanted(house, invalid, tenant_id.lower()) from None
            raise
        option = data_option(house.settings)
    _print_issued(issued, option, as_json=as_json)
    _note_reach(issued.credential, asked=bool(permissions))


@key.command(name="list")
def list_keys(*, tenant_id: OnlyTenantOption = None, data: Data = None, as_json: AsJson = False) -> None:
    """List the credentials of all tenants, or of one; secrets are not shown.

    Example: customary key list
    """
    from customary.app import credentials

    with open_house(data) as house:
        tenant_id = known_tenant(house, tenant_id)
        keys = house.engine.read_now(partial(credentials.list_keys, tenant_id))
        merchants = house.engine.read_now(partial(credentials.list_merchants, tenant_id))
        now = house.dice.now()
    if as_json:
        print_json([_view(one, _merchant_id(one, merchants)) for one in keys])
        return
    print_table(
        ("key id", "scheme", "tenant id", "merchant id", "state", "last used", "permissions", "fields"),
        [
            (
                one.key_id,
                one.scheme.value,
                one.tenant_id,
                _merchant_id(one, merchants) or "",
                _state(one, now),
                date_text(one.last_used_at) or "never",
                " ".join(sorted(one.permissions)),
                " ".join(limit_of(one)) or "all",
            )
            for one in keys
        ],
        empty=f"There is no key. Make one: {program()} key create --tenant TENANT-ID --scheme hmac",
    )


@key.command(name="rotate")
def rotate_key(
    key_id: Annotated[str, Parameter(name="KEYID", help="Id of the key.")],
    /,
    *,
    overlap_hours: Annotated[int, Parameter(help="Hours for which the old secret goes on working.")] = 24,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Give a credential a new secret and print it, this once; the old one works on for a while.

    Example: customary key rotate KEYID --overlap-hours 1
    """
    from customary.app import credentials

    if not 0 <= overlap_hours <= _OVERLAP_HOURS_MAX:
        raise WrongUsage(f"--overlap-hours is a whole number from 0 to {_OVERLAP_HOURS_MAX}")
    with open_house(data) as house:
        overlap = timedelta(hours=overlap_hours)
        issued = done(
            house, partial(credentials.rotate_key, house.unsealed, house.dice, key_id, overlap=overlap)
        )
        option = data_option(house.settings)
    _print_issued(issued, option, as_json=as_json)


@key.command(name="revoke")
def revoke_key(
    key_id: Annotated[str, Parameter(name="KEYID", help="Id of the key.")],
    /,
    *,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a credential useless, for good; a running server notices within a second.

    Example: customary key revoke KEYID
    """
    from customary.app import credentials

    with open_house(data) as house:
        revoked = done(house, partial(credentials.revoke_key, house.dice, key_id))
        merchants = house.engine.read_now(partial(credentials.list_merchants, revoked.tenant_id))
    if as_json:
        print_json(_view(revoked, _merchant_id(revoked, merchants)))
        return
    print_facts({"key id": revoked.key_id, "revoked": instant_text(revoked.revoked_at) or ""})


_OVERLAP_HOURS_MAX = 8_760


def _note_reach(credential: Credential, *, asked: bool) -> None:
    """Say it where a new key can do nothing yet: whoever leaves the permissions out may not expect that."""
    if _IN_USE.isdisjoint(credential.permissions):
        leave_out = "" if asked else "; leave out --merchant for one that can"
        print(f"Note: this key cannot touch customers{leave_out}.", file=sys.stderr)


def _merchant_wanted(house: "House", invalid: Invalid, tenant_id: str) -> Advised:
    """Return the refusal of a Basic key that names no merchant, with the command that makes or lists them."""
    from customary.app import credentials

    option = f" --tenant {tenant_id}{data_option(house.settings)}"
    if house.engine.read_now(partial(credentials.list_merchants, tenant_id)):
        return Advised(invalid, f"`{program()} merchant list{option}` shows the merchants.")
    none_yet = Invalid(
        *invalid.violations, public="A Basic key belongs to a merchant, and this tenant has none yet"
    )
    return Advised(none_yet, f"make one: {program()} merchant create 'Acme Shop'{option}")


def _end_of(expires_on: str | None) -> datetime | None:
    """Return the instant at which that day ends."""
    if expires_on is None:
        return None
    try:
        day = date.fromisoformat(expires_on)
        if day.isoformat() != expires_on:  # 20270101 and week dates
            raise ValueError
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise WrongUsage("--expires-on is a date in the form YYYY-MM-DD") from None


def _print_issued(issued: Issued, option: str, *, as_json: bool) -> None:
    credential = issued.credential
    if as_json:
        print_json({**_view(credential, issued.merchant_id), "secret": issued.secret})
        return
    facts = {"key id": credential.key_id, "secret": issued.secret, "scheme": credential.scheme.value}
    facts |= {"tenant id": credential.tenant_id}
    if issued.merchant_id:
        facts["merchant id"] = issued.merchant_id
    facts["permissions"] = " ".join(sorted(credential.permissions))
    if credential.fields:
        facts["fields"] = " ".join(limit_of(credential))
    if credential.expires_at is not None:
        facts["expires"] = instant_text(credential.expires_at) or ""
    print_facts(facts)
    print("The secret is shown this once; keep it now. A lost one is replaced:", file=sys.stderr)
    print(f"  {program()} key rotate {credential.key_id}{option}", file=sys.stderr)


def _view(credential: Credential, merchant_id: str | None) -> dict[str, Any]:
    view: dict[str, Any] = {
        "keyId": credential.key_id,
        "scheme": credential.scheme.value,
        "tenantId": credential.tenant_id,
        "merchantId": merchant_id,
        "permissions": sorted(credential.permissions),
        "createdAt": instant_text(credential.created_at),
    }
    if credential.fields:
        view["fields"] = limit_of(credential)
    for name, instant in (
        ("expiresAt", credential.expires_at),
        ("revokedAt", credential.revoked_at),
        ("lastUsedAt", credential.last_used_at),
    ):
        if instant is not None:
            view[name] = instant_text(instant)
    return view


def _merchant_id(credential: Credential, merchants: list[Merchant]) -> str | None:
    for one in merchants:
        if (one.tenant_id, one.merchant_no) == (credential.tenant_id, credential.merchant_no):
            return one.merchant_id
    return None


def _state(credential: Credential, now: datetime) -> str:
    if credential.revoked_at is not None:
        return "revoked"
    if not credential.usable_at(now):
        return "expired"
    if credential.expires_at is None:
        return "usable"
    return f"until {date_text(credential.expires_at - timedelta(microseconds=1))}"  # the last day it works
