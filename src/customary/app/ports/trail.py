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


class ReadTail(msgspec.Struct, frozen=True, gc=False):
    """``list[LeafRow]`` of one tenant that come after its last block, from ``beyond`` on, which is left out.

    ``newest_first`` turns the order round: then they are those before ``beyond``.
    """

    tenant_id: str
    beyond: int
    newest_first: bool
    limit: int


class Posting(msgspec.Struct, frozen=True, gc=False):
    """The numbers of one tenant's leaves, in order, that are found under ``key``, a number of 64 bits.

    What the key stands for is the trail's business (``app.postings``); two things may have one key.
    """

    tenant_id: str
    key: int
    leaf_nos: tuple[int, ...]


class ReadPosted(msgspec.Struct, frozen=True, gc=False):
    """``list[LeafRow]`` of one tenant under that key, in order, beyond a number as in ``ReadTail``."""

    tenant_id: str
    key: int
    beyond: int
    newest_first: bool
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


class CheckpointRow(msgspec.Struct, frozen=True, gc=False):
    """What was signed over the heads of the trails at one instant: ``line`` is all of it.

    A ``complete`` one has the heads of all tenants, any other those that moved since the one before it.
    """

    checkpoint_no: int
    at: datetime
    complete: bool
    line: bytes


class ReadCheckpoints(msgspec.Struct, frozen=True, gc=False):
    """``list[CheckpointRow]`` after that number in order, or the last ones, newest first.

    With ``complete`` only complete ones; ``after`` is not looked at with ``newest_first``.
    """

    after: int = 0
    limit: int = 1000
    newest_first: bool = False
    complete: bool = False


class WriteBlocks(msgspec.Struct, frozen=True, gc=False):
    """Append blocks with the checkpoint over them and the postings of their leaves: all of it or nothing.

    Conflict when a block or checkpoint of that number exists: another sealer was first. A posting that is
    there already stays as it is.
    """

    blocks: tuple[BlockRow, ...]
    checkpoint: CheckpointRow | None = None
    postings: tuple[Posting, ...] = ()
