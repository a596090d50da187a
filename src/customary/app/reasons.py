"""The reasons that are given for deeds: sealed into the leaves that tell of them, and opened for who may see.

A reason may name people and cases, so it is kept as the record is: under the key of the customer it is about,
bound to its leaf. When that key is destroyed the leaf still tells the deed, and nobody can tell the reason.
It must never know how a reason was brought here, or how a leaf is shown.
"""

from collections.abc import Generator, Sequence
from typing import Any

import msgspec

from customary.app.ports import ReadRecord, SealedCustomer, TenantVault
from customary.domain.access import Permission, Principal
from customary.domain.audit import Leaf
from customary.domain.customer import Customer
from customary.domain.errors import CustomaryError, Invalid, Unavailable, Violation


def wanted() -> Invalid:
    """Return the refusal of who gives no reason where guarded fields are shown in clear for one only."""
    public = "A reason is required to see guarded fields in clear"
    return Invalid(Violation("reason", "required", public), public=public)


def reasoned(
    tenant: TenantVault,
    wrapped_keys: dict[str, bytes],
    leaf: Leaf,
    record: SealedCustomer | None,
    reason: str,
) -> Leaf:
    """Return the leaf with its reason, sealed under the key of its subject.

    ``wrapped_keys`` are those of the customers that were met, by their ids; ``record`` adds its own.
    """
    if record is not None:
        wrapped_keys[record.customer_id] = record.wrapped_key
    sealed = tenant.sealed_reason(leaf, wrapped_keys[leaf.subject], reason)
    return msgspec.structs.replace(leaf, sealed_reason=sealed)


def find_key(wrapped_keys: dict[str, bytes], customer: Customer) -> Generator[Any, Any, None]:
    """Have the key of a customer who was read in an earlier performance; Unavailable if it is gone since."""
    if customer.customer_id not in wrapped_keys:
        record: SealedCustomer | None = yield ReadRecord(customer.tenant_id, customer.customer_id)
        if record is None or not record.wrapped_key:
            raise Unavailable(detail="a customer that is being shown was erased meanwhile")
        wrapped_keys[customer.customer_id] = record.wrapped_key


def opened_reasons(
    principal: Principal, tenant: TenantVault, leaves: Sequence[Leaf]
) -> Generator[Any, Any, list[str | None]]:
    """Return the reason of each leaf in clear, or None; Forbidden to who may neither unmask nor export.

    To a key of named fields none is opened: a reason may speak of any.

    None stands where none was given (``sealed_reason`` is empty then), and where it no longer opens: its
    customer was erased, is another merchant's, or the leaf was altered, which is what a verification finds.
    Yields one engine request for each customer that has a reason in these leaves.
    """
    principal.require(Permission.READ_CUSTOMERS_UNMASKED, Permission.EXPORT_CUSTOMERS)
    if principal.reach is not None and principal.reach.is_limited:
        return [None] * len(leaves)
    wrapped_keys: dict[str, bytes] = {}
    for leaf in leaves:
        if leaf.sealed_reason and leaf.subject not in wrapped_keys:
            record: SealedCustomer | None = yield ReadRecord(principal.tenant_id, leaf.subject)
            visible = record is not None and principal.owns(record.merchant_no)
            wrapped_keys[leaf.subject] = record.wrapped_key if record is not None and visible else b""
    return [_opened(tenant, leaf, wrapped_keys) for leaf in leaves]


def _opened(tenant: TenantVault, leaf: Leaf, wrapped_keys: dict[str, bytes]) -> str | None:
    wrapped_key = wrapped_keys.get(leaf.subject)
    if not leaf.sealed_reason or not wrapped_key:
        return None
    try:
        return tenant.opened_reason(leaf, wrapped_key)
    except CustomaryError:
        return None
