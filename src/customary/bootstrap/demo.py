"""The demo: a tenant with a merchant, two credentials and 200 made-up customers of both vendors' kinds.

Its secrets are derived from the root key, so that every start can print them and none is stored. Everything
goes through the rooms' wires and the use cases, as if clients had sent it. Nobody here is a real person:
e-mail addresses end in example domains, and identifiers are of ranges that nobody was given, where there are.
"""

import unicodedata
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from customary.app import credentials, customers
from customary.app.ports import Job
from customary.app.requests import ListPage
from customary.bootstrap.house import House
from customary.bootstrap.operator import operator
from customary.domain.access import Permission, Scheme
from customary.domain.customer import TenantID
from customary.domain.errors import Conflict
from customary.trustist import wire as trustist
from customary.trustly import wire as trustly

if TYPE_CHECKING:
    from mimesis import Generic

TENANT_ID = TenantID("de300000-0000-4000-8000-000000000001")
MERCHANT_ID = "1000000001"
BASIC_KEY_ID = "demo-merchant"
HMAC_KEY_ID = "de300000-0000-4000-8000-000000000002"
CUSTOMERS = 200

_SEED = 20_250_121
_BRANCHES = ("branch-london", "branch-manchester", "branch-lisbon", "branch-toronto")


class Country(msgspec.Struct, frozen=True):
    """Where demo customers come from; in masks ``#`` is a digit and ``@`` a letter."""

    locale: str
    code: str
    currency: str
    phone: str
    tax_id: str
    license: str


_COUNTRIES = (
    Country("en", "US", "USD", "+1202555####", "9########", "@#######"),
    Country("de", "DE", "EUR", "+4930########", "0##########", "@##@@##@@##"),
    Country("en-gb", "GB", "GBP", "+442079460###", "QQ######C", "@@@@@######@@#@@"),
    Country("fr", "FR", "EUR", "+3315550####", "0############", "############"),
    Country("pt-br", "BR", "BRL", "+5521########", "000########", "###########"),
    Country("es", "ES", "EUR", "+3491#######", "00######T", "########@"),
    Country("en-ca", "CA", "CAD", "+1613555####", "0########", "@####-#####-#####"),
    Country("it", "IT", "EUR", "+3906#######", "@@@@@@##@##@###@", "@@#######@"),
    Country("sv", "SE", "SEK", "+468#######", "19##00######", "######-####"),
    Country("nl", "NL", "EUR", "+3120#######", "000######", "##########"),
    Country("ja", "JP", "JPY", "+813########", "0###########", "############"),
)
_TIERS = ("bronze", "silver", "gold", "platinum")


class DemoKey(msgspec.Struct, frozen=True):
    """A demo credential; ``secret`` is None when it was rotated or revoked, so that nobody knows it."""

    key_id: str
    secret: str | None


class Demo(msgspec.Struct, frozen=True):
    """The demo tenant as it is: its credentials, and whether it was made just now."""

    basic: DemoKey
    signing: DemoKey
    made: bool


def prepare(house: House) -> Demo:
    """Return the demo, made first if the folder is new; Conflict if the folder is somebody's real one."""
    known = {tenant.tenant_id for tenant in house.engine.read_now(credentials.list_tenants)}
    if known and TENANT_ID not in known:
        raise Conflict(
            "This data folder has tenants of its own; give the demo another one, such as --data demo-data"
        )
    if not known:
        _make_tenant(house)
    made = _has_no_customer(house)
    if made:  # also after a start that ended between the two commits
        _make_customers(house)
    return Demo(_key(house, BASIC_KEY_ID), _key(house, HMAC_KEY_ID), made)


def _make_tenant(house: House) -> None:
    """Store tenant, merchant and credentials in one commit."""
    vault, dice = house.unsealed, house.dice
    create_key = partial(credentials.create_key, vault, dice, tenant_id=TENANT_ID)
    basic, signing = _secret(house, BASIC_KEY_ID), _secret(house, HMAC_KEY_ID)
    jobs: list[Job[Any]] = [
        partial(credentials.create_tenant, vault, dice, "Demo", tenant_id=TENANT_ID),
        partial(credentials.create_merchant, dice, TENANT_ID, "Demo Shop", merchant_id=MERCHANT_ID),
        partial(create_key, scheme=Scheme.BASIC, key_id=BASIC_KEY_ID, secret=basic),
        partial(create_key, scheme=Scheme.HMAC, key_id=HMAC_KEY_ID, secret=signing),
    ]
    house.engine.perform_now(jobs)


def _secret(house: House, key_id: str) -> str:
    return house.unsealed.demo_secret(key_id)


def _key(house: House, key_id: str) -> DemoKey:
    """Return a demo credential, with its secret if that is still the one that works."""
    secret = _secret(house, key_id)
    known = house.engine.read_now(partial(credentials.find_key, house.unsealed, key_id))
    live = [] if known is None else known.secrets_at(house.dice.now())
    kept = secret.encode()
    if known is not None and key_id == BASIC_KEY_ID:
        kept = house.unsealed.hashed_secret(known.credential.terms, kept)
    return DemoKey(key_id, secret if kept in live else None)


def _has_no_customer(house: House) -> bool:
    reader = operator(TENANT_ID, Permission.READ_CUSTOMERS)
    first = partial(customers.list_page, reader, ListPage(limit=1), customers.Disclosure())
    return not house.performer.read_now(reader, first).customers


def _make_customers(house: House) -> None:
    """Store all customers in one commit, so that there are never only some of them."""
    maker = operator(TENANT_ID, Permission.CREATE_CUSTOMER)
    masking = trustly.Masking(frozenset(house.settings.trustly_masked_fields))
    disclosure = masking.disclosure(maker)
    today = house.dice.now().date()
    revisions: list[customers.Revision] = [
        trustist.revision(body, today) if "firstName" in body else trustly.revision(body, masking, disclosure)
        for body in bodies()
    ]
    house.performer.perform_now(maker, [partial(customers.create, maker, one) for one in revisions])


# ── People ──────────────────────────────────────────────────────────────────────────────────────────────


def bodies() -> Iterator[dict[str, Any]]:
    """Yield what clients would send to create the customers: both vendors' objects in turns, always alike."""
    from mimesis import (  # its tables take a while to load, and only the first start needs them
        Generic,
        Locale,
    )

    sources = {
        one.code: Generic(Locale(one.locale), seed=_SEED + place) for place, one in enumerate(_COUNTRIES)
    }
    for number in range(CUSTOMERS):
        country = _COUNTRIES[number % len(_COUNTRIES)]
        source = sources[country.code]
        yield (_trustist_body if number % 2 else _trustly_body)(source, country, number)


def _trustly_body(source: "Generic", country: Country, number: int) -> dict[str, Any]:
    given, family = source.person.first_name(), source.person.last_name()
    region = source.address.state(abbr=True).rpartition("-")[2].rjust(2, "0")
    body: dict[str, Any] = {
        "name": f"{given} {family}",
        "email": _email(given, family, number),
        "phone": source.random.generate_string_by_mask(country.phone),
        "dateOfBirth": source.person.birthdate(min_year=1942, max_year=2004).isoformat(),
        "address": {
            "country": country.code,
            "address1": source.address.address(),
            "city": source.address.city(),
            "state": region,
            "zip": source.address.postal_code(),
        },
        "externalId": f"demo-{number:04d}",
        "taxId": source.random.generate_string_by_mask(country.tax_id),
        "currency": country.currency,
        "balance": f"{source.numeric.integer_number(0, 900_000) / 100:.2f}",
        "enrollDate": source.numeric.integer_number(1_577_836_800, 1_735_689_600),
        "customData": {
            "loyalty": {
                "tier": source.random.choice(_TIERS),
                "points": source.numeric.integer_number(0, 90_000),
            },
            "newsletter": source.development.boolean(),
            "languages": [country.locale],
        },
    }
    if number % 4 == 0:
        body["driverLicense"] = {
            "number": source.random.generate_string_by_mask(country.license),
            "state": region,
        }
    if number % 6 == 0:
        body["vip"] = str(source.numeric.integer_number(1, 3))
    if number % 10 == 0:
        body["address"]["address2"] = str(source.numeric.integer_number(1, 40))
        body["externalTier"] = source.random.choice(_TIERS)
    return body


def _trustist_body(source: "Generic", country: Country, number: int) -> dict[str, Any]:
    given, family = source.person.first_name(), source.person.last_name()
    return {
        "firstName": given,
        "lastName": family,
        "emailAddress": _email(given, family, number),
        "dateOfBirth": source.person.birthdate(min_year=1942, max_year=2004).isoformat(),
        "address": {
            "addressLine1": source.address.address(),
            "addressLine2": None,
            "city": source.address.city(),
            "postalCode": source.address.postal_code(),
            "country": country.code,
        },
        "orgId": _BRANCHES[number // 2 % len(_BRANCHES)],
    }


def _email(given: str, family: str, number: int) -> str:
    """Return an address that belongs to nobody (RFC 2606), made of what of the name is ASCII."""
    folded = unicodedata.normalize("NFKD", f"{given}.{family}").encode("ascii", "ignore").decode().lower()
    local = "".join(c for c in folded if c.isalnum() or c == ".").strip(".") or "customer"
    return f"{local}.{number}@example.{('com', 'org', 'net')[number % 3]}"
