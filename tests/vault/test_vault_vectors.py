"""Published vectors, run against the primitives that the vault is built on."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

_RFC8452 = json.loads((Path(__file__).parent / "rfc8452.json").read_text("utf-8"))["vectors"]

# RFC 5869 appendix A: input key, salt, info, length, pseudorandom key, output key.
_RFC5869 = [
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        42,
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x50)).hex(),
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        82,
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    (
        "0b" * 22,
        "",
        "",
        42,
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]


@pytest.mark.parametrize("vector", _RFC8452)
def test_aes_256_gcm_siv_gives_the_published_results(vector: dict[str, str]) -> None:
    """RFC 8452 appendices C.2 and C.3: exact, opens again, and with one bit changed does not."""
    key, nonce, aad, plaintext, result = (
        bytes.fromhex(vector[name]) for name in ("key", "nonce", "aad", "plaintext", "result")
    )
    aead = AESGCMSIV(key)
    assert aead.encrypt(nonce, plaintext, aad) == result
    assert aead.decrypt(nonce, result, aad) == plaintext
    with pytest.raises(InvalidTag):
        aead.decrypt(nonce, result[:-1] + bytes([result[-1] ^ 1]), aad)


@pytest.mark.parametrize(("ikm", "salt", "info", "length", "prk", "okm"), _RFC5869)
def test_hkdf_gives_the_published_keys(
    ikm: str, salt: str, info: str, length: int, prk: str, okm: str
) -> None:
    """RFC 5869 appendix A, for the whole and for Expand alone, as the customer key uses it."""
    whole = HKDF(SHA256(), length, salt=bytes.fromhex(salt), info=bytes.fromhex(info))
    assert whole.derive(bytes.fromhex(ikm)).hex() == okm
    assert HKDFExpand(SHA256(), length, bytes.fromhex(info)).derive(bytes.fromhex(prk)).hex() == okm


def test_one_block_of_expand_is_one_hmac() -> None:
    """RFC 5869 section 2.3: T(1) = HMAC(PRK, info | 0x01), with the SHA-512 that has no vector there."""
    key, info = bytes(range(32)), b"customary customer key v1"
    assert (
        HKDFExpand(SHA512(), 64, info).derive(key) == hmac.new(key, info + b"\x01", hashlib.sha512).digest()
    )


def test_a_copied_hmac_gives_the_published_digest() -> None:
    """RFC 4231 test case 2, through a copy as lookup tags are made; the prepared one stays usable."""
    prepared = HMAC(b"Jefe", SHA256())
    for _ in range(2):
        keyed = prepared.copy()
        keyed.update(b"what do ya want ")
        keyed.update(b"for nothing?")
        assert keyed.finalize().hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_ed25519_gives_the_published_signature() -> None:
    """RFC 8032 section 7.1, test 2."""
    key = Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    )
    assert (
        key.public_key().public_bytes_raw().hex()
        == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    )
    assert key.sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
