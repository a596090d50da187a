"""Backups of a house that is in use, and the way back: copied, opened, counted, and only then called good.

A restored state is made ready in a folder beside the data, and takes the place of what was there as the last
step: whatever is refused or interrupted before that has changed nothing. It must never know how a database is
copied, nor what a record says.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from customary.app.ports import ReadTenantKeys, ReadTenants, SealedCustomer, TenantKeyRow
from customary.bootstrap.auditing import accept_older, checkpoint_file
from customary.bootstrap.house import House, SystemDice
from customary.config import Settings
from customary.domain.access import Tenant
from customary.domain.errors import Conflict, Unavailable
from customary.storage import ledger
from customary.storage.sqlite import copies, files
from customary.storage.sqlite.copies import Copied, Pair, Told, Unsound
from customary.vault import RootVault
from customary.vault.records import OpenedTenant

KEYS_SUFFIX = ".keys"
LEDGER_SUFFIX = ".erasures"
STAGING = "restoring"
ASIDE = "before-restore"


class Account(msgspec.Struct, frozen=True, rename="camel"):
    """What is in a copy. ``opened`` is how many records were opened, or None without the root key.

    ``erased_meanwhile`` is how many more there are that were erased while it was made: without their keys.
    """

    tenants: int
    customers: int
    versions: int
    keys: int
    entries: int
    erased_meanwhile: int
    opened: int | None


class Restored(msgspec.Struct, frozen=True, rename="camel"):
    """What is in the data folder after a restore, and where that is kept which was there before."""

    account: Account
    erased_again: int
    set_aside: Path | None


def pair_of(store: Path, keys: Path | None) -> Pair:
    """Return the two files of the backup of that name; the keys' is beside it unless it is given."""
    return Pair(store, keys or store.with_name(store.name + KEYS_SUFFIX))


def ledger_of(pair: Pair) -> Path:
    """Return where the erasure ledger of a backup is, if there was one when it was made."""
    return pair.store.with_name(pair.store.name + LEDGER_SUFFIX)


# ── Out ─────────────────────────────────────────────────────────────────────────────────────────────────


def back_up(house: House, pair: Pair, told: Told) -> Account:
    """Copy both databases of an open house, look whether the copy is good, and give it its names.

    Until then, it has others: no file of these names is ever less than a whole backup. The erasure ledger is
    copied last, so that it knows of every erasure that the copy knows. Raises Conflict if one is there
    already, Unavailable if a disk does not take it, Unsound if the copy is no good.
    """
    for path in pair:
        if path.exists():
            raise Conflict(f"There is a file at {path} already; no backup is ever overwritten")
    mark = secrets.token_hex(4)
    unproven = Pair(*(path.with_name(f"{path.name}.{mark}.partial") for path in (pair.store, pair.keys)))
    try:
        copies.copy(house.settings.data, unproven, told)
        with Copied(unproven) as copied:
            account = _account(copied, house, told)
        _copy_ledger(house.settings.data / ledger.NAME, ledger_of(pair))
        for source, path in zip(unproven, pair, strict=True):
            # A link, unlike a new name, does not replace what somebody has put there meanwhile.
            os.link(source, path)
            source.unlink()
            copies.sync_folder(path.parent)
    except FileExistsError:
        raise Conflict(f"There is a file at {pair.store} already; no backup is ever overwritten") from None
    finally:
        copies.discard(unproven)
    return account


def _account(copied: Copied, house: House, told: Told) -> Account:
    """Count what is in a copy and open every record of it, if there is a root key.

    A record without a key is no flaw if the ledger knows why.
    """
    counts = copied.counts()
    opened, erased = None, 0
    if house.vault is not None:
        opened = 0
        check = _opener(copied, house.vault)
        for number, record in enumerate(copied.records(), 1):
            if any(record.wrapped_key) or not house.ledger.is_promised(record.tenant_id, record.customer_id):
                check(record)
                opened += 1
            else:
                erased += 1
            if number % copies.RECORDS_AT_ONCE == 0 or number == counts["customers"]:
                told("records", number, counts["customers"])
        if opened + erased != counts["customers"]:
            raise Unsound(detail=f"{opened} records were opened, {counts['customers']} counted")
    elif counts["keys"] < counts["customers"]:
        raise Unsound(detail=f"{counts['keys']} keys, {counts['customers']} records")
    return Account(**counts, erased_meanwhile=erased, opened=opened)


def _copy_ledger(source: Path, target: Path) -> None:
    """Copy the erasure ledger to a file beside a backup; nothing if there is none."""
    if not source.exists():
        return
    partial_target = target.with_name(f"{target.name}.partial")
    content = source.read_bytes()
    partial_target.unlink(missing_ok=True)
    with os.fdopen(
        os.open(partial_target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb"
    ) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial_target.rename(target)


def _opener(copied: Copied, vault: RootVault) -> Callable[[SealedCustomer], object]:
    """Return what opens a record of a copy whole; it raises SealBroken if that does not open."""
    opened_tenants: dict[str, OpenedTenant] = {}
    for tenant in copied.read(_tenants):
        keys = copied.read(partial(_tenant_keys, tenant.tenant_id))
        opened_tenants[tenant.tenant_id] = vault.tenant(tenant.tenant_id, keys)
    return lambda record: opened_tenants[record.tenant_id].opened(record, None)


def _tenants() -> Generator[Any, Any, list[Tenant]]:
    tenants: list[Tenant] = yield ReadTenants()
    return tenants


def _tenant_keys(tenant_id: str) -> Generator[Any, Any, list[TenantKeyRow]]:
    keys: list[TenantKeyRow] = yield ReadTenantKeys(tenant_id)
    return keys


# ── Back ────────────────────────────────────────────────────────────────────────────────────────────────


def restore(
    settings: Settings, pair: Pair, told: Told, *, force: bool, ledgers: Sequence[Path] = ()
) -> Restored:
    """Put a backup into the data folder; what is there is set aside, if ``force`` allows it.

    Whom the erasure ledger knows as erased is erased again. Of the ledgers that are at hand, in the folder,
    with the backup and as ``ledgers``, that which goes furthest counts; the others must begin as it does.

    Raises Conflict if a server serves the folder or it has data and ``force`` is not given, Unsound for files
    that are no backup, RootKeyRefused if they were sealed under another root key, Unavailable without any.
    """
    folder = settings.data
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _served_by_nobody(folder):
        if not force and (folder / files.STORE).exists():
            raise Conflict(f"There are data in {folder} already")
        with Copied(pair):
            pass
        staging = folder / STAGING
        if staging.exists():  # of a restore that was interrupted
            shutil.rmtree(staging)
        try:
            copies.put_into(staging, pair, told)
            for named in ledgers:
                if not ledger.copied(named, staging):
                    raise Unsound(f"There is no file at {named}")
            for source in (folder / ledger.NAME, ledger_of(pair)):
                ledger.copied(source, staging)
            account, erased_again = _made_ready(settings, staging, told)
            # Before the databases: whoever has these must have the ledger that they were compared with.
            ledger.copied(staging / ledger.NAME, folder)
            aside = folder / f"{ASIDE}-{SystemDice().now():%Y%m%dT%H%M%SZ}"
            was_there = copies.set_aside(folder, aside)
            copies.move_into(folder, staging)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        _tell_witnesses(settings)
    return Restored(account, erased_again, aside if was_there else None)


def _tell_witnesses(settings: Settings) -> None:
    """Have the file of checkpoints say that the store was put back, where there is such a file."""
    with House(settings, may_make=False) as house:
        file = checkpoint_file(settings, house.store_id)
        if file is not None:
            accept_older(house, file, "customary restore")


def _made_ready(settings: Settings, staging: Path, told: Told) -> tuple[Account, int]:
    """Bring the copy in ``staging`` to the newest schema, erase whom the ledger names, and open every record.

    Returns what is in it then, and how many were erased again.
    """
    staged = msgspec.structs.replace(settings, data=staging, root_key_path=settings.root_key_file)
    with House(staged, may_make=False, replaying=True) as house:
        if house.vault is None:
            raise Unavailable(
                f"The root key is not at hand: bring it to {settings.root_key_file}, or say in"
                " CUSTOMARY_ROOT_KEY_PATH where it is"
            )
        erased_again = house.eraser.replay_now()
        with Copied(Pair(staging / files.STORE, staging / files.KEYS)) as copied:
            return _account(copied, house, told), erased_again


@contextmanager
def _served_by_nobody(folder: Path) -> Iterator[None]:
    """Hold the right to serve a folder, so that nobody else does."""
    lock = files.server_lock(folder)
    try:
        yield
    finally:
        os.close(lock)
