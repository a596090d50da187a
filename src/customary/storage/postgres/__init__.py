"""The engine on PostgreSQL: batches a tenant over a few held connections, for many workers and hosts.

It knows sealed rows and lookup tags; it must never know customers, keys, or what a sealed byte means.
"""

from customary.storage.postgres.engine import PostgresEngine
from customary.storage.postgres.links import Address
from customary.storage.postgres.nonces import PostgresNonces

__all__ = ["Address", "PostgresEngine", "PostgresNonces"]
