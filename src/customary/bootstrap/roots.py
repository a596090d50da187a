"""Brings together the root keys that a store names and those that the settings lead to.

The one place that chooses a source of root keys, and that finds which of its keys is the store's.
"""

import shlex
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from customary.app import roots
from customary.app.ports import Engine, ReadNote
from customary.config import Settings
from customary.shapes import ConfigurationError
from customary.vault import RootVault, fingerprint_of
from customary.vault.rootkey import RootKeyRefused
from customary.vault.sources import GivenRootKey, RootKeySource, WithPrevious
from customary.vault.sources.files import RootKeyFile

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

_ALTERNATIVES = ("root_key", "root_key_command", "root_key_kms", "root_key_transit")


def source_of(settings: Settings) -> RootKeySource:
    """Return where these settings say the root key is; nothing is read or asked yet.

    Raises ConfigurationError for settings that contradict each other.
    """
    source = _source_of(settings)
    if settings.root_key_previous is not None:
        return WithPrevious(source, bytes(settings.root_key_previous))
    return source


def _source_of(settings: Settings) -> RootKeySource:
    given = [name for name in _ALTERNATIVES if getattr(settings, name) is not None]
    if len(given) > 1:
        raise ConfigurationError(given[1], "the settings", f"it contradicts {given[0]}: give one of them")
    if settings.root_key is not None:
        return GivenRootKey(bytes(settings.root_key), "the setting root_key")
    # The rest is imported where it is needed: most servers have a file, and a start should be quick.
    if settings.root_key_command is not None:
        from customary.vault.sources.command import PrintedRootKey

        return PrintedRootKey(_words(settings.root_key_command))
    if settings.root_key_kms is not None:
        from customary.vault.sources.kms import KmsLock

        return RootKeyFile(settings.root_key_file, KmsLock(settings.root_key_kms))
    if settings.root_key_transit is not None:
        from customary.vault.sources.transit import TransitLock

        token = settings.root_key_transit_token
        if token is None:
            raise ConfigurationError("root_key_transit_token", "the settings", "root_key_transit needs it")
        _refuse_clear(settings.root_key_transit)
        lock = TransitLock(settings.root_key_transit, bytes(token).decode())
        return RootKeyFile(settings.root_key_file, lock)
    return RootKeyFile(settings.root_key_file)


def opened_vault(engine: Engine, source: RootKeySource, *, may_found: bool) -> tuple[RootVault | None, bool]:
    """Return the vault of the store, None while its root key is not here, and whether a key was just made.

    A store without a root key is founded, if that is allowed. Raises RootKeyRefused if the keys that are here
    are not the store's.
    """
    known = engine.read_now(roots.list_roots)
    keys = source.keys()
    made = False
    if not known:
        if not keys:
            keys, made = [source.draw()], True
            source.settle(keys[0])
        vault = RootVault(keys[0], founding=True)
    elif not keys:
        return None, False
    else:
        vault = _vault_of(engine, known, keys)
    if may_found or not known:
        engine.perform_now([partial(roots.found, vault)])
    return vault, made


def _vault_of(engine: Engine, known: list[roots.Root], keys: list[bytes]) -> RootVault:
    house_keys: bytes | None = engine.read_now(_house_keys)
    current, version, others = matched(known, keys)
    return RootVault(current, version=version, others=others, house_keys=house_keys)


def matched(known: list[roots.Root], keys: list[bytes]) -> tuple[bytes, int, dict[int, bytes]]:
    """Return the store's current root key among ``keys``, its version, and the others by version.

    RootKeyRefused if one is missing under which something may be sealed.
    """
    by_fingerprint = {fingerprint_of(key): key for key in keys}
    at_hand = [root for root in known if root.fingerprint in by_fingerprint]
    found = {root.version: by_fingerprint[root.fingerprint] for root in at_hand}
    missing = {root.state for root in known if root.version not in found}
    if "current" in missing:
        raise RootKeyRefused("This is not the root key under which the data folder was sealed")
    if "leaving" in missing:
        raise RootKeyRefused(
            "The root key is being changed, and the previous one is needed until that is done: give it as"
            " root_key_previous"
        )
    (current,) = [root.version for root in known if root.state == "current"]
    return found.pop(current), current, found


def _house_keys() -> "Generator[Any, Any, bytes | None]":
    note: bytes | None = yield ReadNote(roots.HOUSE_KEYS)
    return note


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words:
        raise ConfigurationError("root_key_command", "the settings", "expected the words of a command")
    return words


def _refuse_clear(address: str) -> None:
    """Refuse to send a token, and to be sent a root key, in clear over a network."""
    parts = urlsplit(address)
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ConfigurationError(
            "root_key_transit",
            "the settings",
            "https://, or loopback: the root key would be sent in clear",
        )
