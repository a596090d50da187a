"""What every room shares: limits, bounded reading, verification of credentials, one request's way.

It must never know a dialect: how a room says no, and what its bodies mean, are the room's.
"""
