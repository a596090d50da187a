"""Keys, sealed records and lookup tags: the only place that can tell what a stored byte means.

It must never know how rows are stored or who asks.
"""

from customary.vault.cipher import SealBroken
from customary.vault.keyring import RootVault, fingerprint_of
from customary.vault.records import OpenedTenant
from customary.vault.rootkey import (
    RootKeyRefused,
    new_root_key_file,
    root_key_from_text,
    root_key_of_file,
)

__all__ = [
    "OpenedTenant",
    "RootKeyRefused",
    "RootVault",
    "SealBroken",
    "fingerprint_of",
    "new_root_key_file",
    "root_key_from_text",
    "root_key_of_file",
]
