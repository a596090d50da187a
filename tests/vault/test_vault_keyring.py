"""What comes from the root key: tenant keys, hashes of secrets, the trail's signatures."""

import os
import re
from itertools import combinations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec.structs import replace

from customary.app.ports import TenantKeyRow, Vault
from customary.domain.customer import TenantID
from customary.domain.errors import Unavailable
from customary.vault import RootKeyRefused, RootVault

ROOT = os.urandom(32)
VAULT = RootVault(ROOT)
PORT: Vault = VAULT
TENANT_ID = TenantID("0b6d7c3e-52a1-4d0e-9a57-1f0e8c2b7a11")
FOREIGN_ID = TenantID("9f1c2d4b-7e6a-4b3c-8d2e-5a4f3b2c1d0e")


def test_a_vault_asks_for_a_good_key() -> None:
    """There is no way round the refusal of weak keys: the vault itself refuses them."""
    for key in (b"", bytes(32), ROOT[:31], ROOT + b"\0"):
        with pytest.raises(RootKeyRefused):
            RootVault(key)


def test_a_tenant_gets_one_key_for_each_purpose() -> None:
    """Fresh, different at every call, named by tenant, purpose and version, and useless as they lie."""
    rows = VAULT.fresh_tenant_keys(TENANT_ID)
    assert [(row.tenant_id, row.purpose, row.key_version) for row in rows] == [
        (TENANT_ID, "seal", 1),
        (TENANT_ID, "index", 1),
    ]
    again = VAULT.fresh_tenant_keys(TENANT_ID)
    assert len({row.wrapped[14:] for row in (*rows, *again)}) == 4
    assert {len(row.wrapped) for row in rows} == {1 + 1 + 12 + 32 + 16}


def flipped(row: TenantKeyRow, place: int) -> TenantKeyRow:
    return replace(
        row, wrapped=row.wrapped[:place] + bytes([row.wrapped[place] ^ 1]) + row.wrapped[place + 1 :]
    )


def test_tenant_keys_open_in_their_own_place_only() -> None:
    """Of another tenant, purpose or version, altered, cut or missing: Unavailable, naming the tenant."""
    seal, index = VAULT.fresh_tenant_keys(TENANT_ID)
    foreign_seal, foreign_index = VAULT.fresh_tenant_keys(FOREIGN_ID)
    VAULT.tenant(TENANT_ID, [seal, index])
    VAULT.tenant(TENANT_ID, [index, seal])
    attempts = [
        [],
        [seal],
        [index],
        [foreign_seal, foreign_index],
        [replace(foreign_seal, tenant_id=TENANT_ID), index],
        [seal, replace(foreign_index, tenant_id=TENANT_ID)],
        [replace(seal, purpose="index"), replace(index, purpose="seal")],
        [replace(seal, key_version=2), index],
        [seal, replace(index, key_version=-1)],
        [replace(seal, wrapped=b""), index],
        [replace(seal, wrapped=seal.wrapped[:-1]), index],
        *([flipped(seal, place), index] for place in range(len(seal.wrapped))),
        *([seal, flipped(index, place)] for place in range(len(index.wrapped))),
    ]
    for rows in attempts:
        with pytest.raises(Unavailable) as caught:
            VAULT.tenant(TENANT_ID, rows)
        assert TENANT_ID in caught.value.detail


def test_tenant_keys_do_not_open_under_another_root_key() -> None:
    """A store that was started with the wrong key gives nothing away, and says that the key is the reason."""
    with pytest.raises(Unavailable) as caught:
        RootVault(os.urandom(32)).tenant(TENANT_ID, list(VAULT.fresh_tenant_keys(TENANT_ID)))
    assert "root key" in caught.value.detail


def test_the_fingerprint_tells_root_keys_apart() -> None:
    """Eight bytes, equal at every start with one key, different with another."""
    assert len(VAULT.fingerprint) == 8
    assert RootVault(ROOT).fingerprint == VAULT.fingerprint
    assert RootVault(bytes([ROOT[0] ^ 1]) + ROOT[1:]).fingerprint != VAULT.fingerprint


def test_a_basic_secret_is_kept_as_a_keyed_hash() -> None:
    """The same at every start; another key id, secret, cut between them or root key gives another."""
    kept = VAULT.hashed_secret("kid", b"canary secret")
    assert len(kept) == 32
    assert RootVault(ROOT).hashed_secret("kid", b"canary secret") == kept
    others = [
        VAULT.hashed_secret("kid", b"canary secre"),
        VAULT.hashed_secret("ki", b"dcanary secret"),
        VAULT.hashed_secret("kidc", b"anary secret"),
        RootVault(os.urandom(32)).hashed_secret("kid", b"canary secret"),
    ]
    assert kept not in others


def test_a_signature_holds_for_its_message_and_key_only() -> None:
    """Anyone with the public key can verify; another message, signature, length or root key does not pass."""
    signature = VAULT.signed(b"a link of the trail")
    Ed25519PublicKey.from_public_bytes(VAULT.trail_public_key).verify(signature, b"a link of the trail")
    assert RootVault(ROOT).is_signed(b"a link of the trail", signature)
    assert RootVault(ROOT).trail_public_key == VAULT.trail_public_key
    assert not VAULT.is_signed(b"a link of the trai", signature)
    assert not VAULT.is_signed(b"a link of the trail", signature[:-1] + bytes([signature[-1] ^ 1]))
    for length in (0, 1, 63):
        assert not VAULT.is_signed(b"a link of the trail", signature[:length])
    assert not VAULT.is_signed(b"a link of the trail", signature + b"\0")
    stranger = RootVault(os.urandom(32))
    assert not stranger.is_signed(b"a link of the trail", signature)
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(stranger.trail_public_key).verify(
            signature, b"a link of the trail"
        )


def test_demo_secrets_are_the_same_at_every_start() -> None:
    """One per label, of 256 bits, and safe in a URL and on a command line."""
    secret = VAULT.demo_secret("basic")
    assert RootVault(ROOT).demo_secret("basic") == secret
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secret)
    assert VAULT.demo_secret("hmac") != secret
    assert RootVault(os.urandom(32)).demo_secret("basic") != secret


def test_what_is_derived_for_one_thing_is_nothing_else() -> None:
    """No two outputs of the vault begin alike, and none shows the root key."""
    outputs = [
        VAULT.fingerprint,
        VAULT.trail_public_key,
        VAULT.hashed_secret("", b""),
        VAULT.demo_secret("").encode(),
    ]
    assert not [pair for pair in combinations(outputs, 2) if pair[0][:8] == pair[1][:8]]
    assert not [output for output in outputs if ROOT[:8] in output]
    assert ROOT.hex() not in repr(VAULT)
