"""The look before a start: whether the database really keeps tenants apart, else nothing may start.

It must never leave a row behind.
"""

from typing import Final
from uuid import UUID

import asyncpg

from customary.domain.errors import Unavailable
from customary.storage.postgres.links import HOUSE, Link
from customary.storage.schema.postgres import APP_ROLE, HOUSE_ROLE, TENANT_TABLES

PLANT: Final = """
INSERT INTO customary.answers (tenant_id, key_tag, request_tag, customer_id, version, at)
VALUES ($1, $2, $2, '', 0, 0)
"""
LOOK: Final = "SELECT count(*) FROM customary.answers WHERE tenant_id = $1"
UNGUARDED: Final = """
SELECT count(*) FROM unnest($1::text[]) AS named (name)
LEFT JOIN pg_class AS c ON c.oid = to_regclass(named.name)
WHERE c.oid IS NULL OR NOT (c.relrowsecurity AND c.relforcerowsecurity)
"""
OVERPOWERED: Final = """
SELECT count(*) FROM pg_roles AS r
WHERE r.rolname = ANY($1::text[]) AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole
    OR EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
               WHERE c.relowner = r.oid AND n.nspname LIKE 'customary%'))
"""
_MINE: Final = UUID("a3c9f7d0-0000-4000-8000-000000000001")
_THEIRS: Final = UUID("a3c9f7d0-0000-4000-8000-000000000002")


async def check(link: Link) -> None:
    """Plant a row of one tenant, look for it as another, and take it back; Unavailable if it is seen."""
    try:
        await link.begin(HOUSE)
        overpowered = await link.value(OVERPOWERED, [APP_ROLE, HOUSE_ROLE])
        unguarded = await link.value(UNGUARDED, list(TENANT_TABLES))
        await link.turn_to(_MINE)
        await link.execute(PLANT, _MINE, b"self-check")
        mine = await link.value(LOOK, _MINE)
        await link.turn_to(_THEIRS)
        theirs = await link.value(LOOK, _MINE)
    except asyncpg.InsufficientPrivilegeError:
        raise Unavailable(
            f"The database user may not work as {APP_ROLE} and {HOUSE_ROLE}: grant it both roles",
            detail="PostgreSQL: 42501",
        ) from None
    finally:
        await link.roll_back()
    if (overpowered, unguarded, mine, theirs) != (0, 0, 1, 0):
        raise Unavailable(
            "The database does not keep tenants apart: row-level security is off, or a role may pass it by",
            detail=f"roles {overpowered}, tables {unguarded}, own rows {mine}, foreign rows {theirs}",
        )
