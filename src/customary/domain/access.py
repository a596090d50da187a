"""Who may do what: tenants, merchants, credentials, permissions and the principal of one request.

It must never know how a credential is presented or a secret is kept.
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from customary.domain.customer import Customer, TenantID
from customary.domain.errors import Forbidden
from customary.domain.reach import Reach

HOME_MERCHANT_NO = 1
"""The tenant's first merchant, to which customers belong that a tenant key creates.

Merchants are numbered within their tenant, so that the number is known before the merchant exists.
"""


class Permission(StrEnum):
    """What a credential may be allowed to do; the names are those of the contract.

    The last four are our own, and only the native API asks for them.
    """

    CREATE_CUSTOMER = "create_customer"
    READ_CUSTOMERS = "read_customers"
    READ_CUSTOMERS_UNMASKED = "read_customers:unmasked"
    UPDATE_CUSTOMER = "update_customer"
    CREATE_ONBOARD_SESSION = "create_onboard_session"
    READ_ONBOARD_SESSIONS = "read_onboard_sessions"
    READ_BANK_ACCOUNTS = "read_bank_accounts"
    MANAGE_WEBHOOKS = "manage_webhooks"
    CREATE_PAYMENT = "create_payment"
    READ_PAYMENTS = "read_payments"
    CREATE_STANDING_ORDER = "create_standing_order"
    READ_STANDING_ORDERS = "read_standing_orders"
    EXPORT_CUSTOMERS = "export_customers"
    ERASE_CUSTOMERS = "erase_customers"
    READ_AUDIT = "read_audit"
    MANAGE_HOLDS = "manage_holds"


CUSTOMER_PERMISSIONS = frozenset(
    {Permission.CREATE_CUSTOMER, Permission.READ_CUSTOMERS, Permission.UPDATE_CUSTOMER}
)
"""What a credential that reads and writes customers needs; what a new one gets unless told otherwise."""

PAYMENT_PERMISSIONS = frozenset(
    {
        Permission.CREATE_PAYMENT,
        Permission.READ_PAYMENTS,
        Permission.CREATE_STANDING_ORDER,
        Permission.READ_STANDING_ORDERS,
    }
)
"""What a merchant's HMAC key gets unless told otherwise."""


class Scheme(StrEnum):
    """How a credential is presented."""

    BASIC = "basic"
    HMAC = "hmac"


class Tenant(msgspec.Struct, frozen=True, gc=False):
    """An isolation boundary: no datum, key or answer crosses it."""

    tenant_id: TenantID
    name: str
    created_at: datetime


class Merchant(msgspec.Struct, frozen=True, gc=False):
    """A business inside a tenant, numbered from 1 within it; ``merchant_id`` is public digits."""

    tenant_id: TenantID
    merchant_no: int
    merchant_id: str
    name: str
    created_at: datetime


class Credential(msgspec.Struct, frozen=True):
    """One key of a tenant (``merchant_no`` is None) or of a merchant; secrets are elsewhere, sealed.

    ``fields`` are those that it is limited to (see ``domain.reach``); without any it is not limited.
    """

    tenant_id: TenantID
    key_id: str
    scheme: Scheme
    merchant_no: int | None
    permissions: frozenset[Permission]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    fields: tuple[str, ...] = ()

    @property
    def terms(self) -> str:
        """Return everything that was settled when the credential was made, in one text.

        Its secrets are hashed and sealed with it, so that a row whose tenant, merchant, permissions or expiry
        were edited in the store opens nothing. Fields have a blank before them, and no permission has one.
        """
        expires_at = "" if self.expires_at is None else self.expires_at.isoformat()
        merchant_no = "" if self.merchant_no is None else str(self.merchant_no)
        settled = (self.key_id, self.tenant_id, self.scheme.value, merchant_no, expires_at)
        fields = [f"field {field}" for field in self.fields]
        return "\n".join((*settled, *sorted(self.permissions), *fields))

    def usable_at(self, instant: datetime) -> bool:
        """Return whether the key was neither revoked nor expired at ``instant``."""
        return self.revoked_at is None and (self.expires_at is None or instant < self.expires_at)


class Principal(msgspec.Struct, frozen=True):
    """Who makes a request: made from the credential alone, never from what a caller claims.

    Without a ``reach`` it is not limited to named fields.
    """

    tenant_id: TenantID
    key_id: str
    merchant_no: int | None
    permissions: frozenset[Permission]
    reach: Reach | None = None

    def require(self, *alternatives: Permission) -> None:
        """Raise Forbidden unless one of ``alternatives`` is held."""
        if self.permissions.isdisjoint(alternatives):
            raise Forbidden(detail="missing permission " + " or ".join(alternatives))

    def require_everything(self) -> None:
        """Raise Forbidden if a field is out of reach: for deeds that are about all of a record."""
        if self.reach is not None and self.reach.is_limited:
            raise Forbidden(detail="a key that is limited to named fields")

    def clear_to(self, fields: frozenset[str]) -> frozenset[str]:
        """Return which of these guarded fields are shown in clear to this principal, where the room would."""
        reach = self.reach
        return fields if reach is None else (fields & reach.fields) - reach.veiled - reach.covered

    def sight_of(self, customer: Customer) -> Customer:
        """Return the customer as this principal may see it; nothing else may be shown to it."""
        return customer if self.reach is None else self.reach.sight_of(customer)

    def owns(self, merchant_no: int) -> bool:
        """Return whether customers of that merchant are visible: to the merchant itself and to its tenant."""
        return self.merchant_no is None or self.merchant_no == merchant_no

    @property
    def home_merchant_no(self) -> int:
        """Return the merchant that gets the customers this principal creates."""
        return HOME_MERCHANT_NO if self.merchant_no is None else self.merchant_no
