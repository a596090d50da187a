"""The embedded engine: SQLite through APSW, in one folder, with group commit and a file of used nonces.

It knows sealed rows and lookup tags; it must never know customers, keys, or what a sealed byte means.
"""

from customary.storage.sqlite.engine import SQLiteEngine
from customary.storage.sqlite.nonces import NonceStore

__all__ = ["NonceStore", "SQLiteEngine"]
