"""Our own API under ``/native/v1``: the whole record with both its ids, its history, and what befalls it."""
