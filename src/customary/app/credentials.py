"""Tenants, merchants and their credentials: made, listed, rotated, revoked, and looked up for each request.

The use cases here yield engine requests themselves, because nothing in them is a customer's. Secrets leave
this module once, when they are made. It must never know how a secret is presented or compared on the wire.
"""

from collections.abc import Generator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from customary.app import roots
from customary.app.performing import instant_text
from customary.app.ports import (
    CredentialRow,
    Dice,
    Engine,
    LeafRow,
    MarkUsed,
    ReadCredentials,
    ReadMerchants,
    ReadTenantKeys,
    ReadTenants,
    SecretRow,
    Vault,
    WriteCredential,
    WriteMerchant,
    WriteTenant,
)
from customary.domain.access import (
    CUSTOMER_PERMISSIONS,
    PAYMENT_PERMISSIONS,
    Credential,
    Merchant,
    Permission,
    Principal,
    Scheme,
    Tenant,
)
from customary.domain.audit import Action, Leaf
from customary.domain.customer import TenantID
from customary.domain.errors import Conflict, CustomaryError, Invalid, NotFound, Violation
from customary.domain.ids import guid_from, is_digits, key_id_from, merchant_id_from, secret_from
from customary.domain.reach import canonical, reach_of

NAME_MAX = 100
OPERATOR = "cli"
"""The actor of deeds done on the command line, where whoever holds the root key may do anything."""


class Issued(msgspec.Struct, frozen=True):
    """A credential with its secret, which is shown this once."""

    credential: Credential
    secret: str
    merchant_id: str | None


class KnownKey(msgspec.Struct, frozen=True):
    """A credential as requests need it: whose it is, and what its secrets are compared with.

    ``secrets`` are ``(kept or opened secret, expiry)``: keyed hashes for Basic, clear secrets for HMAC.
    """

    credential: Credential
    principal: Principal
    secrets: tuple[tuple[bytes, datetime | None], ...]

    def secrets_at(self, instant: datetime) -> list[bytes]:
        """Return the secrets that are live at ``instant``: none if the key was revoked or has expired."""
        return [secret for secret, _ in self.live_at(instant)]

    def live_at(self, instant: datetime) -> list[tuple[bytes, datetime | None]]:
        """Return the secrets that are live at ``instant``, with their expiries."""
        if not self.credential.usable_at(instant):
            return []
        return [secret for secret in self.secrets if secret[1] is None or instant < secret[1]]


def create_tenant(
    vault: Vault, dice: Dice, name: str, *, tenant_id: TenantID | None = None
) -> Generator[Any, Any, Tenant]:
    """Store a new tenant with fresh keys of its own."""
    _check_name(name)
    instant = dice.now()
    tenant = Tenant(tenant_id or TenantID(guid_from(dice.random_bytes(16))), name, instant)
    leaf = _leaf(tenant.tenant_id, instant, Action.TENANT_CREATED, tenant.tenant_id)
    yield from roots.confirmed(vault)
    yield WriteTenant(tenant, vault.fresh_tenant_keys(tenant.tenant_id), leaf)
    return tenant


def create_merchant(
    dice: Dice, tenant_id: str, name: str, *, merchant_id: str | None = None
) -> Generator[Any, Any, Merchant]:
    """Store a new merchant of a tenant; its id is drawn unless given."""
    _check_name(name)
    if merchant_id is not None and not (is_digits(merchant_id) and len(merchant_id) <= 15):
        raise Invalid(Violation("merchant_id", "digits", "A merchant id is 1 to 15 digits"))
    yield from _tenant(tenant_id)
    existing: list[Merchant] = yield ReadMerchants(tenant_id)
    instant = dice.now()
    merchant = Merchant(
        tenant_id=TenantID(tenant_id),
        merchant_no=max((m.merchant_no for m in existing), default=0) + 1,
        merchant_id=merchant_id or merchant_id_from(dice.random_bytes(16)),
        name=name,
        created_at=instant,
    )
    yield WriteMerchant(merchant, _leaf(tenant_id, instant, Action.MERCHANT_CREATED, merchant.merchant_id))
    return merchant


def create_key(
    vault: Vault,
    dice: Dice,
    *,
    tenant_id: str,
    scheme: Scheme,
    merchant_id: str | None = None,
    permissions: frozenset[Permission] = frozenset(),
    fields: Sequence[str] = (),
    expires_at: datetime | None = None,
    key_id: str | None = None,
    secret: str | None = None,
) -> Generator[Any, Any, Issued]:
    """Store a new credential and return it with its secret.

    A Basic credential is a merchant's: without ``merchant_id`` that of the only merchant of the tenant.
    Without ``permissions`` it may read and write customers; a merchant's HMAC key, payments. With ``fields``
    it is limited to these (``domain.reach``).
    """
    yield from _tenant(tenant_id)
    merchants: list[Merchant] = yield ReadMerchants(tenant_id)
    merchant = _merchant_for(merchants, scheme, merchant_id)
    instant = dice.now()
    if expires_at is not None and expires_at <= instant:
        raise Invalid(Violation("expires_on", "future", "The expiry must be in the future"))
    if not permissions:
        of_merchant = merchant is not None and scheme is Scheme.HMAC
        permissions = PAYMENT_PERMISSIONS if of_merchant else CUSTOMER_PERMISSIONS
    credential = Credential(
        tenant_id=TenantID(tenant_id),
        key_id=key_id or _key_id(dice, scheme),
        scheme=scheme,
        merchant_no=None if merchant is None else merchant.merchant_no,
        permissions=permissions,
        created_at=instant,
        expires_at=expires_at,
        fields=canonical(fields),
    )
    secret = secret or secret_from(dice.random_bytes(32))
    kept = yield from _kept(vault, credential, secret)
    yield WriteCredential(
        CredentialRow(credential, (SecretRow(kept),)),
        _leaf(tenant_id, instant, Action.KEY_CREATED, credential.key_id),
    )
    return Issued(credential, secret, None if merchant is None else merchant.merchant_id)


def rotate_key(vault: Vault, dice: Dice, key_id: str, *, overlap: timedelta) -> Generator[Any, Any, Issued]:
    """Give a credential a new secret; the one it had goes on working for ``overlap``, older ones do not."""
    row = yield from _row(key_id)
    instant = dice.now()
    if not row.credential.usable_at(instant):
        raise Conflict("The key is revoked or has expired", field="key_id")
    secret = secret_from(dice.random_bytes(32))
    kept = yield from _kept(vault, row.credential, secret)
    last = row.secrets[0]
    until = instant + overlap if last.expires_at is None else min(last.expires_at, instant + overlap)
    secrets = (SecretRow(kept), SecretRow(last.kept, until))
    yield WriteCredential(
        CredentialRow(row.credential, secrets),
        _leaf(row.credential.tenant_id, instant, Action.KEY_ROTATED, key_id),
    )
    merchants: list[Merchant] = yield ReadMerchants(row.credential.tenant_id)
    numbered = {m.merchant_no: m.merchant_id for m in merchants}
    return Issued(row.credential, secret, numbered.get(row.credential.merchant_no or 0))


def revoke_key(dice: Dice, key_id: str) -> Generator[Any, Any, Credential]:
    """Make a credential useless, at once in this process and within a second in others."""
    row = yield from _row(key_id)
    if row.credential.revoked_at is not None:
        return row.credential
    instant = dice.now()
    revoked = msgspec.structs.replace(row.credential, revoked_at=instant)
    yield WriteCredential(
        CredentialRow(revoked, row.secrets), _leaf(revoked.tenant_id, instant, Action.KEY_REVOKED, key_id)
    )
    return revoked


def list_tenants() -> Generator[Any, Any, list[Tenant]]:
    """Return all tenants."""
    tenants: list[Tenant] = yield ReadTenants()
    return tenants


def list_merchants(tenant_id: str | None = None) -> Generator[Any, Any, list[Merchant]]:
    """Return all merchants, or those of one tenant."""
    merchants: list[Merchant] = yield ReadMerchants(tenant_id)
    return merchants


def list_keys(tenant_id: str | None = None) -> Generator[Any, Any, list[Credential]]:
    """Return all credentials, or those of one tenant, without their secrets."""
    rows: list[CredentialRow] = yield ReadCredentials(tenant_id=tenant_id)
    return [row.credential for row in rows]


def find_key(vault: Vault, key_id: str) -> Generator[Any, Any, KnownKey | None]:
    """Return what a request needs of that credential, or None if there is none."""
    rows: list[CredentialRow] = yield ReadCredentials(key_id=key_id)
    if not rows:
        return None
    credential, secrets = rows[0].credential, rows[0].secrets
    live = [(row.kept, row.expires_at) for row in secrets]
    if credential.scheme is Scheme.HMAC:
        keys = yield ReadTenantKeys(credential.tenant_id)
        tenant = vault.tenant(credential.tenant_id, keys)
        live = [(tenant.opened_secret(credential.terms, kept), expires_at) for kept, expires_at in live]
    principal = Principal(
        credential.tenant_id,
        key_id,
        credential.merchant_no,
        credential.permissions,
        reach_of(credential.fields),
    )
    return KnownKey(credential, principal, tuple(live))


class Registry:
    """Looks up credentials for requests and remembers them until tenants, merchants or credentials change."""

    _KNOWN_MAX = 10_000

    def __init__(self, engine: Engine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault
        self._known: dict[str, KnownKey] = {}
        self._merchants: dict[str, dict[int, Merchant]] = {}
        self._tenants: dict[str, Tenant] = {}
        self._generation = -1
        self._used: dict[tuple[str, str], datetime] = {}

    async def key(self, key_id: str) -> KnownKey | None:
        """Return the credential of that id, usable or not, or None."""
        self._forget_if_changed()
        known = self._known.get(key_id)
        if known is None:
            generation = self._generation
            known = await self._engine.read(lambda: find_key(self._vault, key_id))
            # What was read before a change that is known by now must not be remembered as if read after it.
            if known is not None and generation == self._generation:
                if len(self._known) >= self._KNOWN_MAX:
                    self._known.clear()
                self._known[key_id] = known
        return known

    @property
    def generation(self) -> int:
        """Return the number that changes when tenants, merchants or credentials do."""
        return self._engine.generation()

    async def read_again(self, known: KnownKey | None) -> None:
        """Read a remembered key once more: its refusal then takes as long as that of an unknown one."""
        if known is not None:
            await self._engine.read(lambda: find_key(self._vault, known.credential.key_id))

    async def refreshed(self) -> bool:
        """Look at the store as it is now; return whether what is remembered was out of date.

        To be asked before a credential is refused: another process may just have made or rotated it.
        """
        generation = self._engine.generation()
        await self._engine.poll()
        return self._engine.generation() != generation

    async def merchant(self, principal: Principal, merchant_no: int | None = None) -> Merchant | None:
        """Return the merchant of that number in the principal's tenant, or None.

        Without a number it is the principal's own, for a tenant's key its home merchant.
        """
        self._forget_if_changed()
        number = principal.home_merchant_no if merchant_no is None else merchant_no
        merchants = self._merchants.get(principal.tenant_id)
        if merchants is None or number not in merchants:
            generation = self._generation
            found = await self._engine.read(lambda: list_merchants(principal.tenant_id))
            merchants = {m.merchant_no: m for m in found}
            if generation == self._generation:
                self._merchants[principal.tenant_id] = merchants
        return merchants.get(number)

    async def tenant(self, principal: Principal) -> Tenant:
        """Return the principal's tenant."""
        self._forget_if_changed()
        tenant = self._tenants.get(principal.tenant_id)
        if tenant is None:
            generation = self._generation
            tenant = await self._engine.read(lambda: _tenant(principal.tenant_id))
            if generation == self._generation:
                self._tenants[principal.tenant_id] = tenant
        return tenant

    def used(self, principal: Principal, instant: datetime) -> None:
        """Remember that the credential was used; stored by the next ``store_uses``."""
        self._used[principal.tenant_id, principal.key_id] = instant

    async def store_uses(self) -> None:
        """Store when credentials were last used."""
        if self._used:
            uses, self._used = self._used, {}
            rows = tuple((tenant_id, key_id, instant) for (tenant_id, key_id), instant in uses.items())
            try:
                await self._engine.perform(lambda: _mark_used(rows))
            except CustomaryError:
                self._used = uses | self._used
                raise

    def _forget_if_changed(self) -> None:
        generation = self._engine.generation()
        if generation != self._generation:
            self._generation = generation
            self._known.clear()
            self._merchants.clear()
            self._tenants.clear()


def _mark_used(uses: tuple[tuple[str, str, datetime], ...]) -> Generator[Any, Any, None]:
    yield MarkUsed(uses)


def _tenant(tenant_id: str) -> Generator[Any, Any, Tenant]:
    tenants: list[Tenant] = yield ReadTenants(tenant_id)
    if not tenants:
        raise NotFound("There is no such tenant", kind="tenant")
    return tenants[0]


def _row(key_id: str) -> Generator[Any, Any, CredentialRow]:
    rows: list[CredentialRow] = yield ReadCredentials(key_id=key_id)
    if not rows:
        raise NotFound("There is no such key", kind="key")
    return rows[0]


def _merchant_for(merchants: list[Merchant], scheme: Scheme, merchant_id: str | None) -> Merchant | None:
    if merchant_id is not None:
        for merchant in merchants:
            if merchant.merchant_id == merchant_id:
                return merchant
        raise NotFound("There is no such merchant in this tenant", kind="merchant")
    if scheme is Scheme.HMAC:
        return None
    if len(merchants) == 1:
        return merchants[0]
    raise Invalid(
        Violation("merchant_id", "required", "A Basic credential belongs to a merchant: name it"),
        public="A Basic credential belongs to a merchant: name it with --merchant",
    )


def _kept(vault: Vault, credential: Credential, secret: str) -> Generator[Any, Any, bytes]:
    """Return the form in which a secret is stored: a keyed hash where a hash is enough, else sealed."""
    if credential.scheme is Scheme.BASIC:
        return vault.hashed_secret(credential.terms, secret.encode())
    keys = yield ReadTenantKeys(credential.tenant_id)
    return vault.tenant(credential.tenant_id, keys).sealed_secret(credential.terms, secret.encode())


def _key_id(dice: Dice, scheme: Scheme) -> str:
    """Return a fresh key id: a GUID for HMAC, as Trustist's are; 16 characters for Basic, with no colon."""
    return guid_from(dice.random_bytes(16)) if scheme is Scheme.HMAC else key_id_from(dice.random_bytes(32))


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > NAME_MAX or not name.isprintable():
        raise Invalid(
            Violation("name", "length", "A name is 1 to 100 printable characters"),
            public="A name is 1 to 100 printable characters",
        )


def _leaf(tenant_id: str, instant: datetime, action: Action, subject: str) -> LeafRow:
    leaf = Leaf(at=instant_text(instant), tenant_id=tenant_id, actor=OPERATOR, action=action, subject=subject)
    return LeafRow(tenant_id, instant, msgspec.json.encode(leaf))
