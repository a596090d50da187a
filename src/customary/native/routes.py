"""The routes of the native API: those of its subjects, put together."""

from collections.abc import Awaitable, Callable
from functools import wraps

from customary.app.certificates import find_gone
from customary.app.erasing import gone
from customary.domain.errors import Gone, NotFound
from customary.http.exchange import Exchange, Reply
from customary.native import audit, customers, erasure, history, rights
from customary.native.subject import PREFIX, Means

__all__ = ["CONTENT_TYPE", "OPERATIONS", "PREFIX", "REQUEST_ID_HEADER", "Means", "Routes"]

CONTENT_TYPE = "application/json; charset=utf-8"
REQUEST_ID_HEADER = b"x-request-id"

OPERATIONS = (
    *customers.OPERATIONS,
    *history.OPERATIONS,
    *audit.OPERATIONS,
    *rights.OPERATIONS,
    *erasure.OPERATIONS,
)
"""Every operation; a subject that is added stands here and among the bases of ``Routes``."""


class Routes(customers.Customers, history.PastVersions, audit.Audit, rights.Rights, erasure.Erasures):
    """The handlers of all subjects, each under a name of its own."""

    def __init__(self, means: Means) -> None:
        """Have each handler of a customer tell, of one that was erased, that it was."""
        super().__init__(means)
        for operation in OPERATIONS:
            if operation.path.startswith("/customers/{id}"):
                setattr(self, operation.handler, _telling(getattr(self, operation.handler), means))


def _telling(
    handler: Callable[[Exchange], Awaitable[Reply]], means: Means
) -> Callable[[Exchange], Awaitable[Reply]]:
    """Return a handler that looks, where there is no such customer, whether there was one."""

    @wraps(handler)
    async def told(exchange: Exchange) -> Reply:
        try:
            return await handler(exchange)
        except Gone:
            raise
        except NotFound:
            principal, customer_id = exchange.caller, exchange.path_id
            stone = await means.eraser.engine.read(lambda: find_gone(principal, customer_id))
            if stone is None:
                raise
            raise gone(stone) from None

    return told
