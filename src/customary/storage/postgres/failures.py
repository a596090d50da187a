"""Tells what a failure of PostgreSQL or of the way to it means. The one place that translates.

It must never let a message of the database through: it may quote a row. Only the class and the SQLSTATE are
told, to the operator.
"""

from typing import Any, Final

import asyncpg

from customary.domain.errors import Conflict, CustomaryError, Unavailable

FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # so it calls what comes of a connection that ends while nobody waits
    OSError,
    TimeoutError,
)
"""Whatever a connection can raise."""

_RUN_AGAIN: Final = (
    asyncpg.SerializationError,  # 40001
    asyncpg.DeadlockDetectedError,  # 40P01
    # Who writes first has it; run again, the job reads that and is refused in its own words.
    asyncpg.UniqueViolationError,
    # Somebody held a lock for long. What waits for it is in the way of nobody, and may wait once more.
    asyncpg.LockNotAvailableError,
)
_GONE: Final = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # the server is shut down, or has cut the connection
    asyncpg.ReadOnlySQLTransactionError,  # it is no longer the primary
    asyncpg.CannotConnectNowError,
    OSError,
    TimeoutError,
)


class Lost(Exception):
    """Somebody else was first with a tag, an id, a version or a tenant's keys: the batch is run again whole.

    ``keys`` are, by tenant, what may be held by now: it is looked at first the next time.
    """

    def __init__(self, tenant_id: str = "", *keys: Any) -> None:
        super().__init__("the batch lost a race")
        self.keys: dict[str, set[Any]] = {tenant_id: set(keys)} if keys else {}

    def joined(self, before: "Lost | None") -> "Lost":
        """Return this with what was lost before it."""
        for tenant_id, keys in before.keys.items() if before is not None else ():
            self.keys.setdefault(tenant_id, set()).update(keys)
        return self


def to_be_run_again(failure: BaseException) -> bool:
    """Return whether the same transaction may well succeed when it is run again, whole."""
    return isinstance(failure, _RUN_AGAIN)


def connection_is_gone(failure: BaseException) -> bool:
    """Return whether the connection is of no more use; what was not committed with it is not stored."""
    # A query that took too long was cancelled by the server: the connection goes on.
    return isinstance(failure, _GONE) and not isinstance(failure, asyncpg.QueryCanceledError)


def translated(failure: BaseException) -> CustomaryError:
    """Return what the waiters are told of a failure before COMMIT was sent."""
    state = getattr(failure, "sqlstate", None) or "-"
    detail = f"PostgreSQL: {type(failure).__name__} {state}"
    if isinstance(failure, asyncpg.IntegrityConstraintViolationError):
        return Conflict(detail=detail)
    if isinstance(failure, asyncpg.InsufficientResourcesError):
        return Unavailable(detail=detail, retry_after_seconds=5)
    return Unavailable(detail=detail)
