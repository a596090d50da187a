"""What two tenants know of one person cannot be put together by whoever reads the file."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing

import asyncpg

from coverage.walked import Voices
from customary.app.ports import TagKind
from serving import Server, Tenancy

EMAIL = "the.same.person@example.com"
EXTERNAL_ID = "the-same-external-id"
ORG = "the-same-branch"


def _tags(server: Server, tenancy: Tenancy) -> dict[int, set[bytes]]:
    """Return a tenant's tags by their kind, as they stand in the file or the database."""
    url = server.settings.get("CUSTOMARY_DATABASE_URL")
    if url is not None:
        return asyncio.run(_tags_in(url, tenancy.tenant_id))
    tenant = bytes.fromhex(tenancy.tenant_id.replace("-", ""))
    found: dict[int, set[bytes]] = {}
    path = server.folder / "store" / "customary.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        for table in ("tags", "unique_tags"):
            for kind, tag in file.execute(f"SELECT kind, tag FROM {table} WHERE tenant_id = ?", (tenant,)):
                found.setdefault(kind, set()).add(tag)
    return found


async def _tags_in(url: str, tenant_id: str) -> dict[int, set[bytes]]:
    found: dict[int, set[bytes]] = {}
    connection = await asyncpg.connect(url)
    for table in ("tags", "unique_tags"):
        sql = f"SELECT kind, tag FROM customary.{table} WHERE tenant_id = $1"
        for kind, tag in await connection.fetch(sql, tenant_id):
            found.setdefault(kind, set()).add(tag)
    await connection.close()
    return found


def test_equal_data_of_two_tenants_leave_different_tags(
    server: Server, tenant: Callable[..., Tenancy]
) -> None:
    """Equal e-mail addresses, external ids and branches have one tag in a tenant, and another in the next."""
    found = []
    for _ in range(2):
        tenancy = tenant()
        voices = Voices(tenancy)
        voices.usual("trustly").create(email=EMAIL, externalId=EXTERNAL_ID)
        for _ in range(2):
            voices.usual("trustist").create(emailAddress=EMAIL, orgId=ORG)
        found.append(_tags(server, tenancy))
    one, other = found
    for kind in (TagKind.EMAIL, TagKind.EXTERNAL_ID, TagKind.ORG_ID):
        assert len(one[kind]) == len(other[kind]) == 1, (
            "equal data of one tenant share a tag, or nothing is found by it"
        )
        assert one[kind].isdisjoint(other[kind])
    assert set().union(*one.values()).isdisjoint(set().union(*other.values()))


def test_equal_data_of_two_kinds_leave_different_tags(server: Server, tenant: Callable[..., Tenancy]) -> None:
    """A branch that is called like an external id or an e-mail address has another tag than these."""
    tenancy = tenant()
    voices = Voices(tenancy)
    voices.usual("trustly").create(email=EMAIL, externalId=EMAIL)
    voices.usual("trustist").create(emailAddress=EMAIL, orgId=EMAIL)
    tags = _tags(server, tenancy)
    kinds = [tags[TagKind.EMAIL], tags[TagKind.EXTERNAL_ID], tags[TagKind.ORG_ID]]
    assert len(set().union(*kinds)) == sum(map(len, kinds)) == 3
