"""The routes of the native API: those of its subjects, put together."""

from customary.native import audit, customers, history, rights
from customary.native.subject import PREFIX, Means

__all__ = ["CONTENT_TYPE", "OPERATIONS", "PREFIX", "REQUEST_ID_HEADER", "Means", "Routes"]

CONTENT_TYPE = "application/json; charset=utf-8"
REQUEST_ID_HEADER = b"x-request-id"

OPERATIONS = (*customers.OPERATIONS, *history.OPERATIONS, *audit.OPERATIONS, *rights.OPERATIONS)
"""Every operation; a subject that is added stands here and among the bases of ``Routes``."""


class Routes(customers.Customers, history.PastVersions, audit.Audit, rights.Rights):
    """The handlers of all subjects, each under a name of its own."""
