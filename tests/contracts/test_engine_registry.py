"""The contract of every engine: tenants, merchants, credentials, and the number that tells of a change."""

import uuid
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from contracts.rows import NOON, Store, later, leaf
from customary.app.ports import (
    CredentialRow,
    MarkUsed,
    ReadCredentials,
    ReadLeaves,
    ReadMerchants,
    ReadTenantKeys,
    ReadTenants,
    SecretRow,
    TenantKeyRow,
    WriteCredential,
    WriteMerchant,
    WriteTenant,
)
from customary.domain.access import Credential, Merchant, Permission, Scheme, Tenant
from customary.domain.customer import TenantID
from customary.domain.errors import Conflict


@dataclass
class Made:
    """Rows of one tenant."""

    tenant: Tenant
    keys: tuple[TenantKeyRow, ...]
    merchants: list[Merchant]
    credentials: list[CredentialRow]


def made(store: Store, merchant_ids: tuple[str, str], key_ids: tuple[str, str]) -> Made:
    """Store a tenant with two merchants and two credentials."""
    tenant_id = TenantID(str(uuid.uuid4()))
    tenant = Tenant(tenant_id, "Großhandel", NOON)
    keys = (TenantKeyRow(tenant_id, "index", 1, b"i"), TenantKeyRow(tenant_id, "seal", 1, b"\0s"))
    merchants = [
        Merchant(tenant_id, number, merchant_id, f"Shop {number}", later(number))
        for number, merchant_id in enumerate(merchant_ids, 1)
    ]
    credentials = [
        CredentialRow(
            Credential(tenant_id, key_ids[0], Scheme.HMAC, None, frozenset(Permission), NOON),
            (SecretRow(b"new"), SecretRow(b"old", later(60))),
        ),
        CredentialRow(
            Credential(
                tenant_id, key_ids[1], Scheme.BASIC, 2, frozenset(), later(1), later(99), fields=("a:b", "é")
            ),
            (SecretRow(b"hashed"),),
        ),
    ]
    store.perform(
        WriteTenant(tenant, keys, leaf(tenant_id, "tenant")),
        *(WriteMerchant(merchant, leaf(tenant_id, "merchant")) for merchant in merchants),
        *(WriteCredential(row, leaf(tenant_id, "key")) for row in credentials),
    )
    return Made(tenant, keys, merchants, credentials)


@pytest.fixture
def mine(store: Store) -> Made:
    """One tenant with all that belongs to it."""
    return made(store, ("1001", "1002"), ("k1", "k2"))


@pytest.fixture
def theirs(store: Store) -> Made:
    """Another."""
    return made(store, ("2001", "2002"), ("k3", "k4"))


def test_the_registry_comes_back_as_it_was_stored(store: Store, mine: Made, theirs: Made) -> None:
    """All rows of all tenants, of one tenant, or the one of an id are read as they were written."""
    assert store.ask(ReadTenants(mine.tenant.tenant_id)) == [mine.tenant]
    assert store.ask(ReadTenants()) in ([mine.tenant, theirs.tenant], [theirs.tenant, mine.tenant])
    assert store.ask(ReadMerchants(mine.tenant.tenant_id)) == mine.merchants
    assert set(store.ask(ReadMerchants())) == {*mine.merchants, *theirs.merchants}
    assert store.ask(ReadTenantKeys(mine.tenant.tenant_id)) == list(mine.keys)
    assert store.ask(ReadCredentials(tenant_id=mine.tenant.tenant_id)) == mine.credentials
    assert store.ask(ReadCredentials(key_id="k3")) == theirs.credentials[:1]
    assert {row.credential.key_id for row in store.ask(ReadCredentials())} == {"k1", "k2", "k3", "k4"}


def test_unknown_ids_find_nothing(store: Store, mine: Made, theirs: Made) -> None:
    """An unknown tenant or key, or a key that is another tenant's, is an empty list."""
    for tenant_id in (str(uuid.uuid4()), "no GUID"):
        assert store.ask(ReadTenants(tenant_id)) == []
        assert store.ask(ReadMerchants(tenant_id)) == []
        assert store.ask(ReadTenantKeys(tenant_id)) == []
        assert store.ask(ReadCredentials(tenant_id=tenant_id)) == []
    assert store.ask(ReadCredentials(key_id="unknown")) == []
    assert store.ask(ReadCredentials(tenant_id=mine.tenant.tenant_id, key_id="k3")) == []


def test_a_tenant_is_stored_once(store: Store, mine: Made) -> None:
    """A second tenant of the same id is a conflict and changes nothing."""
    with pytest.raises(Conflict):
        store.perform(WriteTenant(replace(mine.tenant, name="Other"), (), leaf(mine.tenant.tenant_id, "no")))
    assert store.ask(ReadTenants()) == [mine.tenant]


def test_a_merchant_id_is_unique_among_all_tenants(store: Store, mine: Made, theirs: Made) -> None:
    """A merchant id or number that is taken is a conflict; the refused merchant leaves no leaf."""
    tenant_id = theirs.tenant.tenant_id
    before = store.ask(ReadLeaves(tenant_id=tenant_id))
    for number, merchant_id, field in ((3, "1001", "merchant_id"), (2, "2003", "merchant_no")):
        refused = Merchant(tenant_id, number, merchant_id, "Late", NOON)
        with pytest.raises(Conflict) as caught:
            store.perform(WriteMerchant(refused, leaf(tenant_id, "no")))
        assert caught.value.field == field
    assert store.ask(ReadMerchants(tenant_id)) == theirs.merchants
    assert store.ask(ReadLeaves(tenant_id=tenant_id)) == before


def test_merchants_and_credentials_need_their_tenant(store: Store, mine: Made) -> None:
    """Nothing is stored for a tenant that does not exist, and no credential moves to another tenant."""
    nobody = TenantID(str(uuid.uuid4()))
    with pytest.raises(Conflict):
        store.perform(WriteMerchant(Merchant(nobody, 1, "3001", "Shop", NOON), leaf(nobody, "no")))
    for tenant_id, key_id in ((nobody, "k9"), (TenantID(store.new_tenant()), "k1")):
        moved = replace(mine.credentials[0].credential, tenant_id=tenant_id, key_id=key_id)
        with pytest.raises(Conflict):
            store.perform(WriteCredential(CredentialRow(moved, ()), leaf(tenant_id, "no")))
    assert store.ask(ReadCredentials(tenant_id=mine.tenant.tenant_id)) == mine.credentials


def test_a_changed_credential_replaces_its_secrets(store: Store, mine: Made) -> None:
    """A rotation or revocation is stored whole: the secrets are those given last, in their order."""
    tenant_id = mine.tenant.tenant_id
    credential = replace(mine.credentials[0].credential, revoked_at=later(5), permissions=frozenset())
    changed = CredentialRow(credential, (SecretRow(b"newest", later(9)),))
    store.perform(WriteCredential(changed, leaf(tenant_id, "rotated")))
    assert store.ask(ReadCredentials(key_id="k1")) == [changed]


def test_the_last_use_never_goes_back(store: Store, mine: Made) -> None:
    """An earlier use, or a change that was read before the use, does not forget the latest one."""
    tenant_id = mine.tenant.tenant_id

    def last_used_at() -> object:
        return store.ask(ReadCredentials(key_id="k1"))[0].credential.last_used_at

    assert last_used_at() is None
    store.perform(MarkUsed(((tenant_id, "k1", later(10)), (tenant_id, "unknown", later(10)))))
    store.perform(MarkUsed(((tenant_id, "k1", later(5)), (store.new_tenant(), "k1", later(20)))))
    assert last_used_at() == later(10)
    store.perform(WriteCredential(mine.credentials[0], leaf(tenant_id, "rotated")))
    assert last_used_at() == later(10)


def test_a_change_of_the_registry_changes_the_generation(store: Store, mine: Made) -> None:
    """Tenants, merchants and credentials bump the number at once, when they are stored; a use does not."""
    tenant_id = mine.tenant.tenant_id
    numbers = [store.engine.generation()]

    def stores(request: object) -> None:
        store.perform(request)
        numbers.append(store.engine.generation())

    stores(WriteMerchant(Merchant(tenant_id, 3, "1003", "Shop", NOON), leaf(tenant_id, "merchant")))
    stores(WriteCredential(mine.credentials[0], leaf(tenant_id, "key")))
    store.new_tenant()
    numbers.append(store.engine.generation())
    assert len(set(numbers)) == 4
    with pytest.raises(Conflict):
        stores(WriteTenant(mine.tenant, (), leaf(tenant_id, "no")))
    stores(MarkUsed(((tenant_id, "k1", later(10)),)))
    assert numbers[-1] == numbers[-2]
