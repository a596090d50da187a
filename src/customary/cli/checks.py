"""What the doctor looks at, one check a function: each tells what it found and what to do about it.

Nothing here changes the data folder, or makes one. No finding contains a secret or a customer's datum.
"""

import os
import random
import shutil
import stat
from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from customary.app import credentials, roots, rotation
from customary.app.ledger import UndoneErasures
from customary.app.ports import BlockRow, ReadBlocks, ReadPage, ReadTenantKeys
from customary.bootstrap.roots import source_of
from customary.cli.advice import root_key_source
from customary.cli.frame import instant_text
from customary.cli.started import data_option, program
from customary.config import Settings
from customary.domain.customer import TenantID
from customary.domain.errors import CustomaryError, Unavailable

if TYPE_CHECKING:
    from customary.bootstrap.house import House

State = Literal["fine", "advice", "problem"]

DISK_BYTES_MIN = 100 << 20
DISK_BYTES_ADVISED = 1 << 30
EXPIRY_ADVISED = timedelta(days=14)
CLOCK_BEHIND_MAX = timedelta(seconds=2)
RECORDS_DRAWN = 50
RELEASED_AT = datetime(2025, 1, 1, tzinfo=UTC)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Finding(msgspec.Struct, frozen=True):
    """What one look found: ``advice`` can wait, a ``problem`` cannot; ``next`` says what to do."""

    check: str
    state: State
    what: str
    next: str = ""


def examined(settings: Settings) -> Iterator[Finding]:
    """Yield what all checks find, from the folder inwards; what cannot be looked at is not guessed at."""
    yield from folder(settings)
    if settings.database_url is not None:
        for check in (root_key, network, postgres):
            yield from check(settings)
        return
    if not (settings.data / "customary.db").exists():
        yield Finding(
            "database",
            "problem",
            "there is none in the data folder",
            f"start the server once, it makes one: {program()} serve{data_option(settings)}",
        )
        return
    for check in (root_key, files, witness, disk, server, network, database):
        yield from check(settings)


def postgres(settings: Settings) -> Iterator[Finding]:
    """Look whether the database can be reached, has this program's schema and keeps tenants apart."""
    from customary.bootstrap.house import House

    try:
        with House(settings, may_make=False) as house:
            if house.vault is None:
                return  # which was found above
    except CustomaryError as error:
        yield Finding("database", "problem", error.public, error.detail)
        return
    yield Finding("database", "fine", "PostgreSQL answers, and keeps tenants apart")


def folder(settings: Settings) -> Iterator[Finding]:
    """Look at the data folder itself."""
    path = settings.data
    try:
        found = path.stat()
    except OSError as error:
        yield Finding(
            "folder",
            "problem",
            f"{path}: {(error.strerror or '').lower()}",
            "name the right one with --data or CUSTOMARY_DATA",
        )
        return
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            "folder",
            "problem",
            f"{path} cannot be written",
            f"run as its owner, user {found.st_uid}",
        )
    elif found.st_mode & _OTHERS:
        yield Finding("folder", "problem", f"{path} is open to other users", f"chmod 700 {path}")
    else:
        yield Finding("folder", "fine", f"{path} is this user's alone")


def root_key(settings: Settings) -> Iterator[Finding]:
    """Look where the root key is and who may read it."""
    source = source_of(settings)
    if settings.root_key is not None or settings.root_key_command is not None:
        yield Finding("root key", "fine", f"given by {source.told()}")
        return
    path = settings.root_key_file
    if not path.exists():
        yield Finding(
            "root key",
            "problem",
            f"it is not at {source.told()}, so the data are sealed",
            "bring it back from where you keep it; there is no other way to open the data",
        )
        return
    found = path.stat()
    if found.st_mode & _OTHERS:
        yield Finding("root key", "problem", f"{path} can be read by other users", f"chmod 600 {path}")
    else:
        yield Finding("root key", "fine", f"{path} is its owner's alone")
    locked = settings.root_key_kms is not None or settings.root_key_transit is not None
    if locked:
        yield Finding("root key", "fine", f"it opens with {source.told().partition(' by ')[2]} alone")
    elif path.parent.resolve() == settings.data.resolve():
        yield Finding(
            "root key",
            "advice",
            "it lies beside the data, so whoever copies the folder can open it",
            "move it elsewhere, name it in CUSTOMARY_ROOT_KEY_PATH, and keep a copy apart from the backups",
        )


def files(settings: Settings) -> Iterator[Finding]:
    """Look who may read the files of the data folder."""
    open_ones = [
        path
        for path in sorted(settings.data.iterdir())
        if path.is_file() and path != settings.root_key_file and path.stat().st_mode & _OTHERS
    ]
    if open_ones:
        names = ", ".join(path.name for path in open_ones)
        yield Finding(
            "files",
            "problem",
            f"open to other users: {names}",
            f"chmod 600 {settings.data}/*, and find out why",
        )
    else:
        yield Finding("files", "fine", "all are their owner's alone")


def witness(settings: Settings) -> Iterator[Finding]:
    """Look whether there is the folder to which checkpoints are appended, if one is set."""
    path = settings.checkpoint_dir
    if path is None:
        return
    if path.is_dir() and os.access(path, os.W_OK | os.X_OK):
        yield Finding("checkpoints", "fine", f"{path} can be written")
        return
    yield Finding(
        "checkpoints",
        "problem",
        f"{path} is no folder that can be written, so a server refuses changes and clear readings",
        "mount it again, or correct the setting CUSTOMARY_CHECKPOINT_DIR",
    )


def disk(settings: Settings) -> Iterator[Finding]:
    """Look how much room is left."""
    free = shutil.disk_usage(settings.data).free
    told = f"{free / (1 << 30):.1f} GiB free"
    if free < DISK_BYTES_MIN:
        yield Finding("disk", "problem", told, "make room: writes are refused when the disk is full")
    elif free < DISK_BYTES_ADVISED:
        yield Finding("disk", "advice", told, "make room soon")
    else:
        yield Finding("disk", "fine", told)


def server(settings: Settings) -> Iterator[Finding]:
    """Look whether a server serves this folder; either is fine, but it explains much."""
    from customary.storage.sqlite.files import is_served

    running = is_served(settings.data)
    yield Finding("server", "fine", "one serves this folder" if running else "none serves this folder")


def network(settings: Settings) -> Iterator[Finding]:
    """Look whether secrets could travel in clear."""
    from customary.bootstrap.serving import is_loopback  # the server's own judgement, and the server with it

    if settings.allow_clear_http and "basic" in settings.presentations and not is_loopback(settings.host):
        yield Finding(
            "network",
            "advice",
            "Basic credentials may be sent in clear over the network",
            "put a TLS proxy before the server and unset allow_clear_http",
        )
    else:
        yield Finding("network", "fine", "credentials stay on this machine, or the server refuses to start")


def database(settings: Settings) -> Iterator[Finding]:
    """Look whether the databases are sound and of this program's schema, then what is in them."""
    from customary.cli.soundness import schema_steps_missing, unsound

    broken = list(unsound(settings.data))
    for told in broken:
        yield Finding("database", "problem", told, "stop the server; restore both files from one backup")
    if broken:
        return
    yield Finding("database", "fine", "both files pass SQLite's quick check")
    missing = schema_steps_missing(settings.data)
    if missing:  # opening the house would take them
        yield Finding(
            "schema",
            "advice",
            f"{missing} steps are not taken yet",
            "make a backup; the next start of this version takes them",
        )
        return
    yield Finding("schema", "fine", "of this version")
    yield from _in_the_house(settings)


def _in_the_house(settings: Settings) -> Iterator[Finding]:
    from customary.bootstrap.house import House

    if not _has_root_key(settings):
        return  # said already; and a house in which nothing is sealed yet would make itself a key
    try:
        with House(settings, may_make=False) as house:
            yield Finding("root key", "fine", "it is the one under which the data are sealed")
            yield from clock(house)
            yield from keys(house)
            yield from turnings(house)
            yield from records(house)
    except UndoneErasures as error:
        step = f"{program()} erasure replay{data_option(settings)}"
        yield Finding("erasures", "problem", error.public, step)
    except Unavailable as error:
        yield Finding(
            "store",
            "problem",
            f"{error.public}{f' ({error.detail})' if error.detail else ''}",
            "bring it back, or correct the setting that says where it is; nothing opens before",
        )
    except CustomaryError as error:
        yield Finding(
            "root key",
            "problem",
            f"{error.public} ({root_key_source(settings)})",
            "bring back the key that the folder was made with",
        )


def _has_root_key(settings: Settings) -> bool:
    given = (settings.root_key, settings.root_key_command, settings.root_key_previous)
    return any(one is not None for one in given) or settings.root_key_file.exists()


def clock(house: "House") -> Iterator[Finding]:
    """Look whether the clock is where the store has left it: signatures and instants go by it."""
    now = house.dice.now()
    latest = house.engine.read_now(_latest_instant)
    if now < RELEASED_AT or (latest is not None and now + CLOCK_BEHIND_MAX < latest):
        yield Finding("clock", "problem", "it is behind what is stored", "set it, and let NTP keep it right")
    else:
        yield Finding("clock", "fine", now.strftime("%Y-%m-%dT%H:%M:%SZ"))


def keys(house: "House") -> Iterator[Finding]:
    """Look whether anybody can use the server, and whose key ends soon."""
    option = data_option(house.settings)
    if not house.engine.read_now(credentials.list_tenants):
        yield Finding(
            "tenants", "advice", "there is none yet", f"{program()} tenant create 'Acme Group'{option}"
        )
        return
    now = house.dice.now()
    usable = [key for key in house.engine.read_now(credentials.list_keys) if key.usable_at(now)]
    ending = [key for key in usable if key.expires_at is not None and key.expires_at < now + EXPIRY_ADVISED]
    for key in ending:
        yield Finding(
            "keys",
            "advice",
            f"{key.key_id} works until {instant_text(key.expires_at)}",
            f"make another in time: {program()} key create --tenant {key.tenant_id}"
            f" --scheme {key.scheme.value}{option}",
        )
    if not ending:
        yield Finding("keys", "fine", f"{len(usable)} usable, none ends within {EXPIRY_ADVISED.days} days")


def turnings(house: "House") -> Iterator[Finding]:
    """Look whether keys have turned half the way, or a root key is still given that is not needed."""
    option = data_option(house.settings)
    known = house.engine.read_now(roots.list_roots)
    if len(known) > 1:
        yield Finding(
            "keys",
            "advice",
            "a change of the root key is unfinished; do not take away the old one",
            f"{program()} keys rotate root{option} goes on with it",
        )
    elif house.settings.root_key_previous is not None:
        yield Finding(
            "keys", "advice", "nothing is sealed under root_key_previous any more", "take the setting away"
        )
    under_way = house.engine.read_now(rotation.list_turnings)
    if under_way:
        yield Finding(
            "keys",
            "advice",
            f"{len(under_way)} tenants have keys that were turned half the way",
            f"{program()} keys status{option} says how to go on",
        )


def records(house: "House") -> Iterator[Finding]:
    """Look whether customers open, all of a few or some drawn at random; nothing of them is shown."""
    drawn = house.engine.read_now(_drawn)
    broken = [told for told in (_unopened(house, *one) for one in drawn.places) if told]
    for told in broken:
        yield Finding("records", "problem", told, "keep the folder as it is, and restore it from a backup")
    if not broken:
        yield Finding("records", "fine", f"{len(drawn.places)} of {drawn.total} were looked at, and open")


class _Drawn(msgspec.Struct, frozen=True):
    """Which customers are looked at, each a tenant and a place in the order of creation, out of how many."""

    places: tuple[tuple[TenantID, int], ...]
    total: int


def _drawn() -> Generator[Any, Any, _Drawn]:
    counts: dict[TenantID, int] = {}
    for tenant in (yield from credentials.list_tenants()):
        _, counts[tenant.tenant_id] = yield _place(tenant.tenant_id, 0, counted=True)
    total = sum(counts.values())
    chance = random.SystemRandom()
    chosen = sorted(chance.sample(range(total), min(total, RECORDS_DRAWN)))
    places: list[tuple[TenantID, int]] = []
    start = 0
    for tenant_id, count in counts.items():
        places += [(tenant_id, one - start) for one in chosen if start <= one < start + count]
        start += count
    return _Drawn(tuple(places), total)


def _place(tenant_id: TenantID, offset: int, *, counted: bool = False) -> ReadPage:
    return ReadPage(
        tenant_id,
        merchant_no=None,
        unique_tags=(),
        tags=(),
        newest_first=False,
        offset=offset,
        limit=1,
        counted=counted,
    )


def _unopened(house: "House", tenant_id: TenantID, offset: int) -> str:
    """Return in words why the customer there does not open, by its ids and reason; nothing if it does."""
    try:
        house.engine.read_now(partial(_opened, house, tenant_id, offset))
    except CustomaryError as error:
        return error.detail or error.public
    return ""


def _opened(house: "House", tenant_id: TenantID, offset: int) -> Generator[Any, Any, None]:
    keys = yield ReadTenantKeys(tenant_id)
    found, _ = yield _place(tenant_id, offset)
    for record in found:
        house.unsealed.tenant(tenant_id, keys).opened(record, None)


def _latest_instant() -> Generator[Any, Any, datetime | None]:
    """Return the latest instant that the store knows of, among those that are quick to find."""
    heads: list[BlockRow] = yield ReadBlocks()
    known = yield from credentials.list_keys()
    instants = [head.at for head in heads] + [key.last_used_at or key.created_at for key in known]
    return max(instants, default=None)
