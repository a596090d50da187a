"""A connection to PostgreSQL, held and prepared, and the lanes in which connections wait for work.

A link always works for somebody: for one tenant, in the role that row-level security binds to that tenant, or
for the house. Behind a pooler nothing may outlive a transaction, so there every piece of work is one, and no
statement is prepared.

It must never know what a statement means.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from customary.domain.errors import OutcomeUnknown, Unavailable
from customary.storage.postgres.failures import FAILURES, connection_is_gone, translated
from customary.storage.schema.postgres import APP_ROLE, HOUSE_ROLE, TENANT_SETTING

HOUSE: Final = None
"""For whom a link works when it is no tenant."""

Whom = UUID | None
Row = Any

CONNECT_SECONDS_MAX: Final = 5.0
STATEMENT_SECONDS_MAX: Final = 10.0
COMMIT_SECONDS_MAX: Final = 10.0
"""How long a commit may wait, for a standby say; no timeout of the server bounds that wait."""

WAITS_FOR_STANDBY: Final = """
SELECT current_setting('synchronous_standby_names') <> ''
    AND current_setting('synchronous_commit') IN ('on', 'remote_apply')
"""
_STATEMENTS_KEPT: Final = 256
_CANCELLED_WAIT: Final = "01000"


class Address(msgspec.Struct, frozen=True):
    """Where the database is, and how it may be worked with. ``url`` may name several hosts.

    ``name`` is how the database's administrator sees whose connection it is. With ``replicated`` nothing is
    committed unless the server says that it waits for a standby.
    """

    url: str
    pooler: bool = False
    name: str = "customary"
    replicated: bool = False
    commit_seconds_max: float = COMMIT_SECONDS_MAX


class Link:
    """One connection. ``gone`` is true once it is of no more use."""

    def __init__(self, connection: Any, address: Address) -> None:
        self._connection = connection
        self._address = address
        self._whom: Whom | str = ""  # nobody yet
        self._in_transaction = False
        self._warned = False
        self.gone = False
        connection.add_log_listener(self._hear)

    @classmethod
    async def open(cls, address: Address, *, owner: bool = False) -> "Link":
        """Return a new link to the server that takes writes; Unavailable if there is none.

        ``owner`` keeps the role that the address gives, which makes schemas.
        """
        try:
            connection = await asyncpg.connect(
                address.url,
                timeout=CONNECT_SECONDS_MAX,
                command_timeout=STATEMENT_SECONDS_MAX,
                statement_cache_size=0 if address.pooler else _STATEMENTS_KEPT,
                target_session_attrs=None if "target_session_attrs" in address.url else "read-write",
                server_settings={"application_name": address.name},
            )
        except (*FAILURES, ValueError, asyncpg.ClientConfigurationError) as failure:
            raise Unavailable(
                "The database cannot be reached", detail=f"PostgreSQL: {type(failure).__name__}"
            ) from None
        link = cls(connection, address)
        if owner:
            link._whom = "owner"
        return link

    # ── For whom ────────────────────────────────────────────────────────────────────────────────────────

    async def begin(self, whom: Whom, *, how: str = "", also: str = "") -> None:
        """Begin a transaction for somebody; ``how`` is its isolation, ``also`` what else holds in it."""
        parts = [f"BEGIN {how}", *([also] if also else [])]
        if self._whom != "owner" and (self._address.pooler or whom != self._whom):
            parts += _turned_to(whom, "LOCAL ")
        self._in_transaction = True
        self._working_for: Whom | str = whom
        await self._told(self._connection.execute("; ".join(parts)))

    async def turn_to(self, whom: Whom) -> None:
        """Work for somebody from here on: to the end of the transaction, or outside of one for good."""
        if self._in_transaction:
            if whom != self._working_for:
                self._working_for = whom
                await self._told(self._connection.execute("; ".join(_turned_to(whom, "LOCAL "))))
        elif whom != self._whom:
            self._whom = ""
            await self._told(self._connection.execute("; ".join(_turned_to(whom, ""))))
            self._whom = whom

    @property
    def whom(self) -> "Whom | str":
        """Return for whom the link works outside of a transaction."""
        return self._whom

    @asynccontextmanager
    async def reading(self, whom: Whom, *, how: str = "") -> AsyncIterator[None]:
        """Work for somebody who only reads: in a transaction where ``how`` or a pooler asks for one."""
        if not (how or self._address.pooler):
            await self.turn_to(whom)
            yield
            return
        await self.begin(whom, how=how)
        try:
            yield
        finally:
            await self.roll_back()

    # ── Statements ──────────────────────────────────────────────────────────────────────────────────────

    async def fetch(self, sql: str, *arguments: Any) -> Sequence[Row]:
        """Return all rows."""
        rows: Sequence[Row] = await self._told(self._connection.fetch(sql, *arguments))
        return rows

    async def fetch_row(self, sql: str, *arguments: Any) -> Row | None:
        """Return the first row, or None."""
        return await self._told(self._connection.fetchrow(sql, *arguments))

    async def value(self, sql: str, *arguments: Any) -> Any:
        """Return the first column of the first row, or None."""
        return await self._told(self._connection.fetchval(sql, *arguments))

    async def execute(self, sql: str, *arguments: Any) -> int:
        """Execute a statement; return how many rows it touched."""
        status: str = await self._told(self._connection.execute(sql, *arguments))
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def _told(self, answer: Any) -> Any:
        """Await an answer; remember when it shows that the connection is of no more use."""
        try:
            return await answer
        except (*FAILURES, asyncio.CancelledError) as failure:
            if connection_is_gone(failure) or isinstance(failure, asyncio.CancelledError):
                self.abandon()
            raise

    # ── The end of a transaction ────────────────────────────────────────────────────────────────────────

    async def commit(self) -> None:
        """Commit; raises OutcomeUnknown when nobody can tell whether the commit holds.

        A lost connection, an answer that does not come, and the warning that the wait for a standby was
        cancelled all mean that. The deadline closes the connection, since a cancelled wait commits as well.
        """
        if self._address.replicated and not await self.value(WAITS_FOR_STANDBY):
            raise Unavailable(detail="PostgreSQL: commits do not wait for a standby, as durability asks for")
        self._warned = False
        answer = asyncio.ensure_future(self._connection.execute("COMMIT"))
        try:
            await asyncio.wait({answer}, timeout=self._address.commit_seconds_max)
        finally:
            if not answer.done():
                self.abandon()
        if not answer.done():
            with suppress(*FAILURES, asyncio.CancelledError):
                await answer
            raise OutcomeUnknown(detail="PostgreSQL: COMMIT was not answered in time")
        self._in_transaction = False
        try:
            status = answer.result()
        except asyncpg.PostgresError as failure:
            if not connection_is_gone(failure) and (failure.sqlstate or "")[:2] in ("23", "40", "25"):
                raise  # the server says that it did not commit
            self.abandon()
            raise OutcomeUnknown(detail=translated(failure).detail) from None
        except (*FAILURES, asyncio.CancelledError) as failure:
            self.abandon()
            raise OutcomeUnknown(detail=translated(failure).detail) from None
        if self._warned:
            raise OutcomeUnknown(detail="PostgreSQL: the wait for a standby was cancelled")
        if status != "COMMIT":
            raise Unavailable(detail="PostgreSQL: the transaction was rolled back")

    async def roll_back(self) -> None:
        """End the transaction without a trace; a connection that cannot even do that is given up."""
        if not self._in_transaction:
            return
        self._in_transaction = False
        if self.gone:
            return
        try:
            await self._connection.execute("ROLLBACK")
        except FAILURES:
            self.abandon()

    def abandon(self) -> None:
        """Cut the connection at once."""
        if not self.gone:
            self.gone = True
            with suppress(RuntimeError):  # its event loop is closed, and it with the loop
                self._connection.terminate()

    async def close(self) -> None:
        """Part from the server."""
        if not self.gone:
            self.gone = True
            with suppress(*FAILURES):
                await self._connection.close(timeout=2)

    def _hear(self, _: Any, message: Any) -> None:
        if message.sqlstate == _CANCELLED_WAIT:
            self._warned = True


def _turned_to(whom: Whom, span: str) -> list[str]:
    # A UUID's text has no character that could end the literal.
    if whom is HOUSE:
        return [f"SET {span}ROLE {HOUSE_ROLE}", f"SET {span}{TENANT_SETTING} = ''"]
    return [f"SET {span}ROLE {APP_ROLE}", f"SET {span}{TENANT_SETTING} = '{UUID(str(whom))}'"]


class Lane:
    """So many links for one kind of work, opened when they are first needed and again when they broke."""

    def __init__(self, address: Address, size: int) -> None:
        self._address = address
        self._idle: list[Link] = []
        self._free = asyncio.Semaphore(size)
        self.size = size

    @asynccontextmanager
    async def link(self, whom: "Whom | str" = "") -> AsyncIterator[Link]:
        """Lend a link, one that works for ``whom`` already if there is one idle."""
        async with self._free:
            link = self._taken(whom) or await Link.open(self._address)
            try:
                yield link
            except BaseException:
                await link.roll_back()
                raise
            finally:
                if not link.gone:
                    self._idle.append(link)

    def _taken(self, whom: "Whom | str") -> Link | None:
        idle = self._idle
        for place in range(len(idle) - 1, -1, -1):
            if idle[place].whom == whom:
                return idle.pop(place)
        return idle.pop() if idle else None

    async def close(self) -> None:
        """Part from the server, once nobody works any more."""
        while self._idle:
            await self._idle.pop().close()

    def abandon(self) -> None:
        """Cut all idle links at once."""
        while self._idle:
            self._idle.pop().abandon()
