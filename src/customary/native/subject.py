"""What the subjects of this API share: their means, and how a customer is found, conditioned and answered.

A subject is a module with ``OPERATIONS`` and a class of handlers over ``Means``; ``routes`` joins them.
"""

import re

import msgspec

from customary.app.credentials import Registry
from customary.app.customers import Disclosure
from customary.app.erasure import Eraser
from customary.app.performer import Performer
from customary.app.ports import Dice
from customary.domain.access import Principal
from customary.domain.customer import Customer, CustomerID
from customary.domain.errors import Malformed, NotFound
from customary.domain.ids import is_customer_id
from customary.http.exchange import Exchange, Reply
from customary.http.shell import as_body, check_json_type
from customary.native import wire

PREFIX = "/native/v1"

NOTHING = Disclosure()
"""Every guarded field is shown as its mask."""

Headers = tuple[tuple[bytes, bytes], ...]


class Means(msgspec.Struct, frozen=True):
    """What the handlers work with."""

    performer: Performer
    registry: Registry
    dice: Dice
    eraser: Eraser


class Subject:
    """The base of each subject's handlers."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def _view(self, principal: Principal, customer: Customer) -> wire.CustomerView:
        """Return a customer as this API shows it, every guarded field as its mask."""
        merchant = await self._means.registry.merchant(principal, customer.merchant_no)
        return wire.shown(customer, "" if merchant is None else merchant.merchant_id)

    async def _answer(
        self, principal: Principal, customer: Customer, *, status: int = 200, headers: Headers = ()
    ) -> Reply:
        """Return the answer that is one version of one customer, with its ETag."""
        body = as_body(await self._view(principal, customer))
        return Reply(status, body, (etag(customer), *headers))


def customer_id(exchange: Exchange) -> CustomerID:
    """Return the first id in the path; one that is no id is answered like an unknown one."""
    if not is_customer_id(exchange.path_id):
        raise NotFound
    return CustomerID(exchange.path_id)


def check_patch_type(exchange: Exchange) -> None:
    """Refuse a Content-Type that is given and is not that of a merge patch: a JSON Patch is another thing."""
    check_json_type(exchange)
    content_type = exchange.headers.get(b"content-type", b"")
    if content_type.partition(b";")[0].strip().lower().endswith(b"json-patch+json"):
        raise Malformed("A patch is a JSON Merge Patch (RFC 7396)", part="header", kind="media_type")


# ── Versions as entity tags (RFC 9110, 8.8.3 and 13.1) ──────────────────────────────────────────────────

_ENTITY_TAG = r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
_ENTITY_TAGS = re.compile(rf"[ \t,]*{_ENTITY_TAG}(?:[ \t]*,[ \t,]*{_ENTITY_TAG})*[ \t,]*")
_EACH = re.compile(_ENTITY_TAG)
_VERSION = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def etag(customer: Customer) -> tuple[bytes, bytes]:
    """Return the header that names a customer's version."""
    return b"etag", b'"%d"' % customer.version


def expected_versions(exchange: Exchange) -> frozenset[int] | None:
    """Return the versions of which If-Match says that one must be the current, or None if any may be.

    Weak tags match nothing, because If-Match compares strongly; nor does a tag that is none of ours.
    """
    tags = _tags(exchange, b"if-match")
    if tags is None or tags == _ANY:
        return None
    return frozenset(int(text) for weak, text in tags if not weak and _VERSION.fullmatch(text))


def is_known(exchange: Exchange, customer: Customer) -> bool:
    """Return whether If-None-Match says that the caller has this version already; it compares weakly."""
    tags = _tags(exchange, b"if-none-match")
    return tags is not None and (tags == _ANY or any(text == str(customer.version) for _, text in tags))


_Tags = list[tuple[str, str]]
_ANY: _Tags = [("*", "*")]


def _tags(exchange: Exchange, name: bytes) -> _Tags | None:
    """Return the entity tags of a header, which may stand several times; None if it does not stand at all."""
    if name not in exchange.headers:
        return None
    text = ",".join(value.decode("latin-1") for value in exchange.header_values(name))
    if text.strip(" \t") == "*":
        return _ANY
    if _ENTITY_TAGS.fullmatch(text) is None:
        raise Malformed(f"The header {name.decode().title()} has no list of entity tags", part="header")
    return [(match[1] or "", match[2]) for match in _EACH.finditer(text)]
