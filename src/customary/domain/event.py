"""What is announced after a change, for those who subscribe: thin, because values belong to the record."""

import msgspec


class Event(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One announcement: a ``kind`` such as ``customer.updated``, the subject and its changed fields."""

    kind: str
    customer_id: str
    version: int
    fields: tuple[str, ...] = ()
