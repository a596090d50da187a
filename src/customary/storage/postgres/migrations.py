"""Brings a PostgreSQL database to the newest schema: a step at a time, each in a transaction with its record.

Killed between or within steps, the next start goes on where this one ended. Several hosts may start at once:
each takes an advisory lock before a step and looks again under it. A database that has another step under a
number than this program, or a number that this program does not know, is refused and not touched.

Whoever migrates owns the tables. The server may log in as another, who owns nothing and cannot migrate: then
it only looks whether all steps were taken.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import asyncpg

from customary.domain.errors import Unavailable
from customary.storage.postgres.links import HOUSE, Address, Link
from customary.storage.schema import Step
from customary.storage.schema.postgres import APP_ROLE, HOUSE_ROLE

ATTEMPTS_MAX: Final = 5

_LOCK: Final = "SELECT pg_advisory_xact_lock(1668641652)"
_HAS_RECORD: Final = "SELECT to_regclass('customary.schema_migrations') IS NOT NULL"
_HAS_SCHEMA: Final = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'customary')"
_MAKE_SCHEMA: Final = "CREATE SCHEMA IF NOT EXISTS customary"
_MAKE_RECORD: Final = """
CREATE TABLE IF NOT EXISTS customary.schema_migrations (number bigint PRIMARY KEY, checksum text NOT NULL)
"""
_LET_RECORD_BE_READ: Final = f"GRANT SELECT ON customary.schema_migrations TO {APP_ROLE}, {HOUSE_ROLE}"
_TAKEN: Final = "SELECT number, checksum FROM customary.schema_migrations ORDER BY number"
_RECORD: Final = "INSERT INTO customary.schema_migrations (number, checksum) VALUES ($1, $2)"
_HAS_ROLE: Final = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"
_IS_MEMBER: Final = "SELECT pg_has_role(current_user, $1, 'MEMBER')"


async def migrate(address: Address, steps: Sequence[Step]) -> int:
    """Take the steps that this database has not taken, and return how many those were.

    Unavailable if it is not this program's, or steps are missing and whoever the address names may not take
    them.
    """
    link = await Link.open(address, owner=True)
    try:
        return await _migrated(link, steps)
    except asyncpg.InsufficientPrivilegeError:
        raise Unavailable(
            "The database user may not make or change the schema: run `customary migrate` with the address of"
            " its owner",
            detail="PostgreSQL: 42501",
        ) from None
    finally:
        await link.close()


async def require_newest(address: Address, steps: Sequence[Step]) -> None:
    """Look whether all steps were taken; Unavailable if not."""
    link = await Link.open(address, owner=True)
    try:
        await link.begin(HOUSE)
        if await _next_step(link, steps) is not None:
            raise Unavailable(
                "The database's schema is older than this program: run `customary migrate` first",
                detail="schema steps are missing",
            )
    finally:
        await link.close()


async def _migrated(link: Link, steps: Sequence[Step]) -> int:
    await link.begin(HOUSE)  # behind a pooler a statement needs a transaction
    try:
        if await _next_step(link, steps) is None:
            return 0
    finally:
        await link.roll_back()
    await _make_roles(link)
    taken = 0
    while await _take(link, steps):
        taken += 1
    return taken


async def _take(link: Link, steps: Sequence[Step]) -> bool:
    """Take the next step under the lock; return whether there was one."""
    await link.begin(HOUSE)
    try:
        await link.execute(_LOCK)
        if not await link.value(_HAS_SCHEMA):
            await link.execute(_MAKE_SCHEMA)
        if not await link.value(_HAS_RECORD):
            await link.execute(_MAKE_RECORD)
            await link.execute(f"GRANT USAGE ON SCHEMA customary TO {APP_ROLE}, {HOUSE_ROLE}")
            await link.execute(_LET_RECORD_BE_READ)
        step = await _next_step(link, steps)
        if step is not None:
            await link.execute(step.sql)
            await link.execute(_RECORD, step.number, step.checksum)
        await link.commit()
    except BaseException:
        await link.roll_back()
        raise
    return step is not None


async def _next_step(link: Link, steps: Sequence[Step]) -> Step | None:
    """Return the first step that was not taken, or None after the last."""
    taken: dict[int, str] = {}
    if await link.value(_HAS_RECORD):
        taken = {row["number"]: row["checksum"] for row in await link.fetch(_TAKEN)}
    if len(taken) > len(steps):
        raise Unavailable(
            "The database was written by a newer version of this program; start that one",
            detail=f"{len(taken)} schema steps, {len(steps)} known",
        )
    for step in steps:
        if step.number not in taken:
            return step
        if taken[step.number] != step.checksum:
            raise Unavailable(
                "The database has another schema than this program expects",
                detail=f"schema step {step.number} has another checksum",
            )
    return None


async def _make_roles(link: Link) -> None:
    """Make the roles that work and own nothing, and let whoever logs in take them.

    Roles are the whole cluster's, so another database may have them already, or be making them just now.
    """
    for role in (APP_ROLE, HOUSE_ROLE):
        try:
            await _once(link, role, _HAS_ROLE, f"CREATE ROLE {role} NOLOGIN NOBYPASSRLS")
        except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            pass
        except asyncpg.InsufficientPrivilegeError:
            raise Unavailable(
                f"The database user may not make roles: make {APP_ROLE} and {HOUSE_ROLE} (NOLOGIN) and grant"
                " them to it",
                detail="PostgreSQL: 42501",
            ) from None
        # Who may not give it needs it only to serve, and the server's start says so then.
        with suppress(asyncpg.InsufficientPrivilegeError):
            await _grant(link, role)


async def _once(link: Link, role: str, question: str, sql: str) -> None:
    """Execute a statement about a role, unless the answer to a question is that it was."""
    await link.begin(HOUSE)
    try:
        if not await link.value(question, role):
            await link.execute(sql)
        await link.commit()
    finally:
        await link.roll_back()


async def _grant(link: Link, role: str) -> None:
    for attempt in range(ATTEMPTS_MAX):
        try:
            await _once(link, role, _IS_MEMBER, f"GRANT {role} TO CURRENT_USER")
        except asyncpg.InternalServerError:  # "tuple concurrently updated": another host grants it just now
            if attempt == ATTEMPTS_MAX - 1:
                raise
        else:
            return
