"""What an engine is asked for about the trail: leaves in the order of commits, and blocks that seal them."""

from datetime import datetime

import msgspec


class LeafRow(msgspec.Struct, frozen=True, gc=False):
    """One entry of the trail as it is stored: ``leaf_no`` is given by the engine, in the order of commits."""

    tenant_id: str
    at: datetime
    body: bytes
    leaf_no: int = 0


class ReadLeaves(msgspec.Struct, frozen=True, gc=False):
    """``list[LeafRow]`` after that number, of all tenants or of one, in order."""

    after: int = 0
    limit: int = 1000
    tenant_id: str | None = None


class ReadUnsealed(msgspec.Struct, frozen=True, gc=False):
    """``list[LeafRow]`` that come after their tenant's last block, of all tenants, each tenant's in order.

    Numbers are those of one tenant's trail: only within it does a later number mean a later commit.
    """

    limit: int


class BlockRow(msgspec.Struct, frozen=True, gc=False):
    """A stretch of a tenant's trail: the digests of its leaves, chained and signed (``app.trail``)."""

    tenant_id: str
    block_no: int
    leaf_no_first: int
    leaf_no_last: int
    at: datetime
    digests: bytes
    link: bytes
    signature: bytes


class ReadBlocks(msgspec.Struct, frozen=True, gc=False):
    """``list[BlockRow]``: those of one tenant in order, or with ``tenant_id`` None the last one of each.

    The last ones come without their digests: they are asked for to go on from.
    """

    tenant_id: str | None = None
    after: int = 0
    limit: int = 1000


class WriteBlocks(msgspec.Struct, frozen=True, gc=False):
    """Append blocks; Conflict when a block of that number exists (another sealer was first)."""

    blocks: tuple[BlockRow, ...]
