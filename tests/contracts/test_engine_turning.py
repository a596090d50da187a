"""The contract of every engine: what is asked for when keys turn, beside others who change and destroy."""

import uuid
from collections.abc import Generator
from typing import Any

import pytest
from msgspec.structs import replace

from contracts.rows import NOON, Store, external, leaf, next_version, page, record, replaced, stored, tag
from customary.app.ports import (
    ChangeTags,
    CredentialRow,
    KeyRow,
    ReadCredentials,
    ReadEarlierVersions,
    ReadKeys,
    ReadLeaves,
    ReadNote,
    ReadNotes,
    ReadRecord,
    ReadRecords,
    ReadTagged,
    ReadTagsHeld,
    ReadTenantKeys,
    ReadVersion,
    Reseal,
    RewrapKeys,
    RewrapSecrets,
    RewrapTenantKeys,
    SealedCustomer,
    SecretRow,
    TagChange,
    TagKind,
    TagTaken,
    TenantKeyRow,
    Write,
    WriteCredential,
    WriteNote,
    WriteTenantKeys,
)
from customary.domain.access import Credential, Scheme
from customary.domain.customer import TenantID
from customary.domain.errors import Conflict, Outdated


def told(store: Store, tenant: str) -> list[bytes]:
    """The bodies of the tenant's leaves."""
    return [row.body for row in store.ask(ReadLeaves(tenant_id=tenant))]


def several(store: Store, tenant: str, count: int) -> list[SealedCustomer]:
    """New records, in the order of their creation."""
    made = [record(tenant) for _ in range(count)]
    store.perform(*(stored(one) for one in made))
    return made


# ── Notes ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_note_is_kept_replaced_and_taken_away(store: Store) -> None:
    """The last value under a name is read; one that was taken away is not there."""
    assert store.ask(ReadNote("turning a")) is None
    for value in (b"one", b"", b"\0two"):
        store.perform(WriteNote("turning a", value))
        assert store.ask(ReadNote("turning a")) == value
    store.perform(WriteNote("turning b", b"b"), WriteNote("turned", b"c"), WriteNote("turning", b"d"))
    assert store.ask(ReadNotes("turning ")) == [("turning a", b"\0two"), ("turning b", b"b")]
    store.perform(WriteNote("turning a", None), WriteNote("never there", None))
    assert store.ask(ReadNote("turning a")) is None
    assert store.ask(ReadNotes("turning ")) == [("turning b", b"b")]


def test_only_an_announced_note_changes_the_generation(store: Store) -> None:
    """What a walk notes as it goes is its own affair; what others must notice is announced."""
    before = store.engine.generation()
    store.perform(WriteNote("a", b"1"))
    assert store.engine.generation() == before
    store.perform(WriteNote("a", b"2", announced=True))
    assert store.engine.generation() > before


# ── Tenants' keys ───────────────────────────────────────────────────────────────────────────────────────


def test_keys_of_a_tenant_are_taken_away_and_stored_in_one(store: Store, tenant: str) -> None:
    """All of it is stored, with its leaves, and told to every process; a purpose and version may return."""
    other = store.new_tenant()
    before, generation = store.ask(ReadTenantKeys(other)), store.engine.generation()
    added = (TenantKeyRow(tenant, "seal", 2, b"new"), TenantKeyRow(tenant, "index", 1, b"again"))
    store.perform(
        WriteTenantKeys(tenant, (("index", 1), ("no such", 7)), added, (leaf(tenant, "key turned"),))
    )
    rows = {(row.purpose, row.key_version): row.wrapped for row in store.ask(ReadTenantKeys(tenant))}
    assert rows == {("seal", 1): b"sealed", ("seal", 2): b"new", ("index", 1): b"again"}
    assert store.ask(ReadTenantKeys(other)) == before
    assert told(store, tenant)[-1] == b"key turned"
    assert store.engine.generation() > generation


def test_a_key_of_a_tenant_is_never_written_over(store: Store, tenant: str) -> None:
    """A key that is there already, or of a tenant that is not, is a conflict and changes nothing."""
    before = store.ask(ReadTenantKeys(tenant))
    again = TenantKeyRow(tenant, "index", 1, b"again")
    with pytest.raises(Conflict):
        store.perform(WriteTenantKeys(tenant, (("seal", 1),), (again,), (leaf(tenant, "no"),)))
    nobody = str(uuid.uuid4())
    with pytest.raises(Conflict):
        store.perform(WriteTenantKeys(nobody, (), (TenantKeyRow(nobody, "seal", 1, b""),)))
    assert store.ask(ReadTenantKeys(tenant)) == before
    assert told(store, tenant) == [b"tenant"]


def test_another_wrapping_of_a_tenants_key_replaces_only_the_one_that_was_read(
    store: Store, tenant: str
) -> None:
    """A key that was changed, or is no longer there, is left alone; nobody need notice the others."""
    index, seal = store.ask(ReadTenantKeys(tenant))
    generation = store.engine.generation()
    rows = (
        (seal, b"wrapped anew"),
        (replace(index, wrapped=b"not this"), b"no"),
        (replace(seal, key_version=9), b"no"),
        (replace(seal, tenant_id=str(uuid.uuid4())), b"no"),
    )
    assert store.perform(RewrapTenantKeys(rows)) == 1
    assert store.ask(ReadTenantKeys(tenant)) == [index, replace(seal, wrapped=b"wrapped anew")]
    assert store.engine.generation() == generation


# ── Customers' keys ─────────────────────────────────────────────────────────────────────────────────────


def test_keys_are_walked_in_the_order_of_creation(store: Store, tenant: str) -> None:
    """Page by page every key of the tenant's customers comes once, and no other tenant's."""
    made = several(store, tenant, 5)
    other = store.new_tenant()
    several(store, other, 2)
    made += several(store, tenant, 2)
    seen: list[KeyRow] = []
    after = 0
    while page_of_keys := store.ask(ReadKeys(tenant, after, 3)):
        seen += page_of_keys
        after = page_of_keys[-1].place
    assert [(row.customer_id, row.wrapped) for row in seen] == [
        (one.customer_id, one.wrapped_key) for one in made
    ]
    assert [row.place for row in seen] == sorted({row.place for row in seen})
    assert len(store.ask(ReadKeys(other, 0, 10))) == 2
    assert store.ask(ReadKeys("no GUID", 0, 10)) == []


def test_another_wrapping_of_a_key_replaces_only_the_one_that_was_read(store: Store, tenant: str) -> None:
    """Counted is what was changed; a key that was wrapped by somebody else meanwhile stays as it is."""
    several(store, tenant, 2)
    first, second = store.ask(ReadKeys(tenant, 0, 10))
    assert store.perform(RewrapKeys(tenant, ((first, b"one"), (replace(second, wrapped=b"?"), b"no")))) == 1
    assert store.perform(RewrapKeys(tenant, ((first, b"late"), (second, b"two")))) == 1
    assert [row.wrapped for row in store.ask(ReadKeys(tenant, 0, 10))] == [b"one", b"two"]
    assert store.ask(ReadRecord(tenant, first.customer_id)).wrapped_key == b"one"


def test_a_change_beside_another_wrapping_is_outdated(store: Store, tenant: str) -> None:
    """Who sealed under the key as it was wrapped before reads again first: no old wrapping comes back."""
    (made,) = several(store, tenant, 1)
    (key,) = store.ask(ReadKeys(tenant, 0, 10))
    store.perform(RewrapKeys(tenant, ((key, b"anew"),)))
    with pytest.raises(Outdated):
        store.perform(replaced(made, next_version(made)))
    store.perform(replaced(made, next_version(made, wrapped_key=b"anew")))
    assert store.ask(ReadVersion(tenant, made.customer_id, 1)).wrapped_key == b"anew"


def test_secrets_are_replaced_where_they_are_as_they_were_read(store: Store, tenant: str) -> None:
    """Each live secret of a credential of the tenant, and no other's; expiries stay."""
    credential = Credential(TenantID(tenant), f"k{tenant}", Scheme.HMAC, None, frozenset(), NOON)
    row = CredentialRow(credential, (SecretRow(b"new"), SecretRow(b"old", NOON)))
    store.perform(WriteCredential(row, leaf(tenant, "key")))
    key_id, other = credential.key_id, store.new_tenant()
    assert store.perform(RewrapSecrets(other, ((key_id, b"new", b"no"),))) == 0
    changes = ((key_id, b"new", b"NEW"), (key_id, b"old", b"OLD"), (key_id, b"gone", b"no"))
    assert store.perform(RewrapSecrets(tenant, changes)) == 2
    (after,) = store.ask(ReadCredentials(key_id=key_id))
    assert after.secrets == (SecretRow(b"NEW"), SecretRow(b"OLD", NOON))


# ── Records, versions and tags ──────────────────────────────────────────────────────────────────────────


def test_records_and_earlier_versions_are_walked_whole(store: Store, tenant: str) -> None:
    """Every record comes with its place, and by the place its superseded versions in order."""
    first, second = several(store, tenant, 2)
    versions = [first]
    for _ in range(4):
        versions.append(next_version(versions[-1]))
        store.perform(replaced(versions[-2], versions[-1]))
    (place, found), (place_of_second, other) = store.ask(ReadRecords(tenant, 0, 10))
    assert (found, other) == (versions[-1], second)
    assert [row.place for row in store.ask(ReadKeys(tenant, 0, 10))] == [place, place_of_second]
    assert store.ask(ReadRecords(tenant, place, 10)) == [(place_of_second, second)]
    assert store.ask(ReadEarlierVersions(tenant, place, 0, 3)) == versions[:3]
    assert store.ask(ReadEarlierVersions(tenant, place, 3, 3)) == versions[3:4]
    assert store.ask(ReadEarlierVersions(tenant, place_of_second, 0, 3)) == []
    assert store.ask(ReadEarlierVersions(store.new_tenant(), place, 0, 3)) == []


def test_tags_are_given_and_taken(store: Store, tenant: str) -> None:
    """A record is found by each tag it has; giving it again or taking what is not there is no fault."""
    (made,) = several(store, tenant, 1)
    ((place, _),) = store.ask(ReadRecords(tenant, 0, 1))
    email, org = tag(TagKind.EMAIL, "a"), tag(TagKind.ORG_ID, "o")
    given = TagChange(place, (external("x"),), (email, org))
    store.perform(ChangeTags(tenant, (given,)), ChangeTags(tenant, (given,)))
    assert store.ask(ReadTagged(tenant, external("x"))) == made
    assert store.ask(page(tenant, tags=(email, org))) == ([made], 1)
    asked = ReadTagsHeld(tenant, place, (external("x"), external("y")), (email, tag(TagKind.EMAIL, "b"), org))
    assert store.ask(asked) == [True, False, True, False, True]
    assert store.ask(replace(asked, place=place + 1)) == [False] * 5
    assert store.ask(replace(asked, tenant_id=store.new_tenant())) == [False] * 5
    taken = TagChange(place, (), (), (external("x"), external("y")), (email,))
    store.perform(ChangeTags(tenant, (taken,)), ChangeTags(tenant, (taken,)))
    assert store.ask(asked) == [False, False, False, False, True]


def test_a_unique_tag_is_given_to_one_record_only(store: Store, tenant: str) -> None:
    """A tag that is another's is refused with its kind, and is not taken from who does not hold it."""
    mine, yours = record(tenant), record(tenant)
    store.perform(stored(mine, unique_tags=(external("x"),)), stored(yours))
    (_, _), (place, _) = store.ask(ReadRecords(tenant, 0, 10))
    with pytest.raises(TagTaken) as caught:
        store.perform(ChangeTags(tenant, (TagChange(place, (external("z"), external("x"))),)))
    assert caught.value.kind == TagKind.EXTERNAL_ID
    assert store.ask(ReadTagged(tenant, external("z"))) is None
    store.perform(ChangeTags(tenant, (TagChange(place, unique_tags_dropped=(external("x"),)),)))
    assert store.ask(ReadTagged(tenant, external("x"))) == mine


# ── Sealing anew ────────────────────────────────────────────────────────────────────────────────────────


def history(store: Store, tenant: str, length: int) -> tuple[KeyRow, list[SealedCustomer]]:
    """A record with that many versions, and its key."""
    versions = several(store, tenant, 1)
    for _ in range(length - 1):
        versions.append(next_version(versions[-1]))
        store.perform(replaced(versions[-2], versions[-1]))
    return store.ask(ReadKeys(tenant, 0, 1))[0], versions


def resealed(versions: list[SealedCustomer]) -> tuple[SealedCustomer, ...]:
    """The same versions in other bytes; the guarded part comes and goes."""
    return tuple(
        replace(
            one, sealed=b"anew " + one.sealed, guarded=None if one.version % 2 else b"anew", wrapped_key=b"k2"
        )
        for one in versions
    )


def test_a_record_is_sealed_anew_whole(store: Store, tenant: str) -> None:
    """All versions get their other bytes and the key its replacement; nothing else of the rows changes."""
    key, versions = history(store, tenant, 4)
    bystander = several(store, tenant, 1)[0]
    anew = resealed(versions)
    store.perform(Reseal(tenant, key, b"k2", anew, (leaf(tenant, "resealed"),)))
    for one in anew:
        assert store.ask(ReadVersion(tenant, one.customer_id, one.version)) == one
    assert store.ask(ReadRecord(tenant, key.customer_id)) == anew[-1]
    assert store.ask(ReadRecord(tenant, bystander.customer_id)) == bystander
    assert told(store, tenant)[-1] == b"resealed"


def test_what_does_not_cover_the_whole_record_is_not_stored(store: Store, tenant: str) -> None:
    """A version more or less, another key, or none: outdated, and not a byte is changed."""
    key, versions = history(store, tenant, 3)
    anew = resealed(versions)
    unknown = replace(anew[-1], version=9)
    attempts = [
        (key, anew[:-1]),
        (key, anew[1:]),
        (key, (anew[0], anew[0], anew[2])),
        (key, (*anew, unknown)),
        (key, (*anew[:-1], unknown)),
        (replace(key, wrapped=b"another"), anew),
        (replace(key, place=key.place + 100), anew),
    ]
    for of_key, records in attempts:
        with pytest.raises(Outdated):
            store.perform(Reseal(tenant, of_key, b"k2", records, (leaf(tenant, "no"),)))
    stranger = store.new_tenant()
    with pytest.raises(Outdated):
        store.perform(Reseal(stranger, key, b"k2", anew, ()))
    for one in versions:
        assert store.ask(ReadVersion(tenant, one.customer_id, one.version)) == one
    assert told(store, tenant) == [b"tenant"]


def test_a_refused_sealing_anew_does_not_spoil_its_transaction(store: Store, tenant: str) -> None:
    """The job may go on after the refusal, and what else it writes is stored."""
    key, versions = history(store, tenant, 2)

    def job() -> Generator[Any, Any, None]:
        try:
            yield Reseal(tenant, key, b"k2", resealed(versions)[:1], ())
        except Outdated:
            yield Write(tenant, leaves=(leaf(tenant, "went on"),))

    store.run(store.engine.perform(job))
    assert told(store, tenant)[-1] == b"went on"
    assert store.ask(ReadVersion(tenant, key.customer_id, 1)) == versions[0]
