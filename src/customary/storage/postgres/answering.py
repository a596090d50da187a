"""Which function answers which request, and for whom it works.

It must never know of batches, or of what a request means.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from customary.app import ports
from customary.storage.postgres import erasures, history, reads, registry, trail, turning
from customary.storage.postgres.links import HOUSE, Link, Whom
from customary.storage.postgres.rows import tenant_of

Answering = Callable[[Link, Any], Awaitable[Any]]

READS: Mapping[type, Answering] = {
    ports.ReadVersion: reads.read_version,
    ports.ReadVersionAt: history.read_version_at,
    ports.ReadVersions: history.read_versions,
    ports.ReadPage: reads.read_page,
    ports.ReadLeaves: trail.read_leaves,
    ports.ReadUnsealed: trail.read_unsealed,
    ports.ReadBlocks: trail.read_blocks,
    ports.ReadCheckpoints: trail.read_checkpoints,
    ports.ReadTail: trail.read_tail,
    ports.ReadPosted: trail.read_posted,
    ports.ReadTenants: registry.read_tenants,
    ports.ReadMerchants: registry.read_merchants,
    ports.ReadTenantKeys: registry.read_tenant_keys,
    ports.ReadCredentials: registry.read_credentials,
    ports.ReadGeneration: registry.read_generation,
    ports.ReadNote: turning.read_note,
    ports.ReadNotes: turning.read_notes,
    ports.ReadKeys: turning.read_keys,
    ports.ReadRecords: turning.read_records,
    ports.ReadEarlierVersions: turning.read_earlier_versions,
    ports.ReadTagsHeld: turning.read_tags_held,
    ports.ReadErasable: erasures.read_erasable,
    ports.ReadHold: erasures.read_hold,
    ports.ReadRules: erasures.read_rules,
    ports.ReadAnswersOf: erasures.read_answers_of,
    ports.ReadMentions: erasures.read_mentions,
    ports.ReadAnnouncements: erasures.read_announcements,
    ports.ReadTombstone: erasures.read_tombstone,
    ports.ReadTombstones: erasures.read_tombstones,
    ports.ReadErased: erasures.read_erased,
    ports.ReadUnscrubbed: erasures.read_unscrubbed,
    ports.ReadKept: erasures.read_kept,
    ports.ReadKeptKeys: erasures.read_kept_keys,
}
"""But for what is read for many jobs at once (``overlay``)."""

WRITES: Mapping[type, Answering] = {
    ports.WriteBlocks: trail.write_blocks,
    ports.Sweep: trail.sweep,
    ports.WriteTenant: registry.write_tenant,
    ports.WriteMerchant: registry.write_merchant,
    ports.WriteCredential: registry.write_credential,
    ports.MarkUsed: registry.mark_used,
    ports.WriteNote: turning.write_note,
    ports.WriteTenantKeys: turning.write_tenant_keys,
    ports.RewrapTenantKeys: turning.rewrap_tenant_keys,
    ports.RewrapKeys: turning.rewrap_keys,
    ports.RewrapSecrets: turning.rewrap_secrets,
    ports.ChangeTags: turning.change_tags,
    ports.Reseal: turning.reseal,
    ports.WriteHold: erasures.write_hold,
    ports.DropHold: erasures.drop_hold,
    ports.WriteRules: erasures.write_rules,
    ports.Destroy: erasures.destroy,
    ports.WriteTombstone: erasures.write_tombstone,
    ports.MarkScrubbed: erasures.mark_scrubbed,
    ports.DropKept: erasures.drop_kept,
    ports.RewrapKeptKeys: erasures.rewrap_kept_keys,
}
REGISTERS: Final = frozenset(
    {
        ports.WriteTenant,
        ports.WriteMerchant,
        ports.WriteCredential,
        ports.WriteTenantKeys,
        ports.WriteNote,
    }
)
"""What may change the registry, of which all processes are to hear."""

_HOUSEHOLD: Final = REGISTERS | {
    *(ports.ReadTenants, ports.ReadMerchants, ports.ReadTenantKeys, ports.ReadCredentials),
    *(ports.ReadUnsealed, ports.ReadCheckpoints, ports.WriteBlocks, ports.Sweep, ports.MarkUsed),
    *(ports.ReadNote, ports.ReadNotes, ports.RewrapTenantKeys, ports.RewrapSecrets),
    *(ports.ReadErased, ports.ReadUnscrubbed, ports.MarkScrubbed, ports.DropKept),
}
"""The house's requests: they are of many tenants, or of what a tenant's work may not touch."""


def whom(request: Any) -> Whom:
    """Return for whom a request works: for a tenant, or for the house."""
    kind = type(request)
    if kind in _HOUSEHOLD:
        return HOUSE
    if kind is ports.WriteHold:
        request = request.hold
    elif kind is ports.WriteTombstone:
        request = request.row
    elif kind is ports.ReadKept and request.due is not None:
        return HOUSE
    tenant_id = getattr(request, "tenant_id", None)
    return HOUSE if tenant_id is None else tenant_of(tenant_id)
