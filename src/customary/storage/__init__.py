"""Engines: what stores sealed rows and lookup tags. Engines do not know each other.

It must never know customers or keys, only the rows and requests of ``app.ports``.
"""
