"""Runs one job against one connection: hands it answers and refusals until it is done.

It must never know of transactions' ends, threads or waiters.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import apsw
from apsw import Connection

from customary.app import ports
from customary.app.ports import (
    ChangeTags,
    Job,
    MarkUsed,
    Pause,
    ReadAnswer,
    ReadBlocks,
    ReadCheckpoints,
    ReadCredentials,
    ReadEarlierVersions,
    ReadGeneration,
    ReadKeys,
    ReadLeaves,
    ReadMerchants,
    ReadNote,
    ReadNotes,
    ReadPage,
    ReadPosted,
    ReadRecord,
    ReadRecords,
    ReadTagged,
    ReadTagsHeld,
    ReadTail,
    ReadTenantKeys,
    ReadTenants,
    ReadUnsealed,
    ReadVersion,
    ReadVersionAt,
    ReadVersions,
    Reseal,
    RewrapKeys,
    RewrapSecrets,
    RewrapTenantKeys,
    Sweep,
    TagTaken,
    Write,
    WriteBlocks,
    WriteCredential,
    WriteMerchant,
    WriteNote,
    WriteTenant,
    WriteTenantKeys,
)
from customary.domain.errors import CustomaryError
from customary.storage.sqlite import erasures, history, reads, registry, trail, turning, writes

T = TypeVar("T")
Answering = Callable[[Connection, Any], Any]

READS: Mapping[type, Answering] = {
    Pause: lambda _connection, _request: None,
    ReadRecord: reads.read_record,
    ReadTagged: reads.read_tagged,
    ReadVersion: reads.read_version,
    ReadVersionAt: history.read_version_at,
    ReadVersions: history.read_versions,
    ReadPage: reads.read_page,
    ReadAnswer: reads.read_answer,
    ports.ReadAnnouncements: reads.read_announcements,
    ReadLeaves: trail.read_leaves,
    ReadUnsealed: trail.read_unsealed,
    ReadBlocks: trail.read_blocks,
    ReadCheckpoints: trail.read_checkpoints,
    ReadTail: trail.read_tail,
    ReadPosted: trail.read_posted,
    ReadTenants: registry.read_tenants,
    ReadMerchants: registry.read_merchants,
    ReadTenantKeys: registry.read_tenant_keys,
    ReadCredentials: registry.read_credentials,
    ReadGeneration: registry.read_generation,
    ReadNote: turning.read_note,
    ReadNotes: turning.read_notes,
    ReadKeys: turning.read_keys,
    ReadRecords: turning.read_records,
    ReadEarlierVersions: turning.read_earlier_versions,
    ReadTagsHeld: turning.read_tags_held,
    ports.ReadErasable: erasures.read_erasable,
    ports.ReadHold: erasures.read_hold,
    ports.ReadRules: erasures.read_rules,
    ports.ReadAnswersOf: erasures.read_answers_of,
    ports.ReadMentions: erasures.read_mentions,
    ports.ReadTombstone: erasures.read_tombstone,
    ports.ReadTombstones: erasures.read_tombstones,
    ports.ReadErased: erasures.read_erased,
    ports.ReadUnscrubbed: erasures.read_unscrubbed,
    ports.ReadKept: erasures.read_kept,
    ports.ReadKeptKeys: erasures.read_kept_keys,
}
WRITES: Mapping[type, Answering] = {
    Write: writes.write,
    WriteBlocks: trail.write_blocks,
    Sweep: writes.sweep,
    WriteTenant: registry.write_tenant,
    WriteMerchant: registry.write_merchant,
    WriteCredential: registry.write_credential,
    MarkUsed: registry.mark_used,
    WriteNote: turning.write_note,
    WriteTenantKeys: turning.write_tenant_keys,
    RewrapTenantKeys: turning.rewrap_tenant_keys,
    RewrapKeys: turning.rewrap_keys,
    RewrapSecrets: turning.rewrap_secrets,
    ChangeTags: turning.change_tags,
    Reseal: turning.reseal,
    ports.WriteHold: erasures.write_hold,
    ports.DropHold: erasures.drop_hold,
    ports.WriteRules: erasures.write_rules,
    ports.Destroy: erasures.destroy,
    ports.WriteTombstone: erasures.write_tombstone,
    ports.MarkScrubbed: erasures.mark_scrubbed,
    ports.DropKept: erasures.drop_kept,
    ports.RewrapKeptKeys: erasures.rewrap_kept_keys,
}


FORESEEABLE: Mapping[type, Answering] = {
    kind: READS[kind] for kind in (Pause, ReadRecord, ReadTagged, ReadTenantKeys, ReadMerchants)
}
"""What a job may read ahead of its turn: should it change, the job's write is refused."""


class Begun(NamedTuple):
    """A job that has come to its first write, and the write; or to a mistake of ours."""

    generator: Generator[Any, Any, Any]
    request: Any
    mistake: Exception | None = None


class Runner:
    """Runs jobs on one connection and counts their writes."""

    def __init__(self, connection: Connection, *, writing: bool) -> None:
        self.connection = connection
        self.write_count = 0
        self._reads = READS
        self._writes: Mapping[type, Answering] = WRITES if writing else {}

    def run(self, job: Job[T]) -> T:
        """Return the job's result; raises what the job raises, or the failure of SQLite that hit it.

        Refusals (``TagTaken`` and the like) are raised inside the job, which may catch them and go on.
        """
        generator = job()
        try:
            request = next(generator)
        except StopIteration as stop:
            result: T = stop.value
        else:
            result = self._driven(generator, request)
        return result

    def begun(self, jobs: Sequence[Job[Any]]) -> list[Begun | None]:
        """Run jobs up to their first ``Write`` of a record, which is not done; None for one that has none.

        All of them go a step before any goes the next. A job may be refused by what is committed now, or ask
        for what only the writer can tell. Nothing is lost: it is run again in its turn.
        """
        found: list[Begun | None] = [None] * len(jobs)
        running: list[tuple[int, Generator[Any, Any, Any], Any]]
        running = [(number, job(), None) for number, job in enumerate(jobs)]
        connection, answerings = self.connection, FORESEEABLE
        while running:
            going_on = []
            for number, generator, answer in running:
                try:
                    request = generator.send(answer)
                    if type(request) is Write and request.record is not None:
                        found[number] = Begun(generator, request)
                        continue
                    # Were what it read erased meanwhile, nothing would refuse a write without a record, and
                    # it would be shown all the same: that is run in its turn.
                    answering = answerings.get(type(request))
                    if answering is None:
                        generator.close()
                        continue
                    going_on.append((number, generator, answering(connection, request)))
                except (StopIteration, TagTaken, CustomaryError, apsw.Error):
                    continue
                except Exception as error:  # it is this job's, and must not stop the others
                    found[number] = Begun(generator, None, error)
            running = going_on
        return found

    def finish(self, begun: Begun, job: Job[T]) -> T:
        """Do the write that a begun job came to, and run the rest of it.

        What the job has read may have changed since: then its write is refused, as the version it replaces or
        the tag it takes is another's by now, and the job is run again from the start.
        """
        if begun.mistake is not None:
            raise begun.mistake
        try:
            answer = self._written(begun.request)
        except (TagTaken, CustomaryError):
            begun.generator.close()
            return self.run(job)
        try:
            request = begun.generator.send(answer)
        except StopIteration as stop:
            result: T = stop.value
        else:
            result = self._driven(begun.generator, request)
        return result

    def _driven(self, generator: Generator[Any, Any, Any], request: Any) -> Any:
        """Answer requests until the job is done; return its result."""
        connection, answerings = self.connection, self._reads
        try:
            while True:
                answering = answerings.get(type(request))
                try:
                    if answering is not None:
                        answer = answering(connection, request)
                    else:
                        answer = self._written(request)
                except (TagTaken, CustomaryError) as refusal:
                    request = generator.throw(refusal)
                else:
                    request = generator.send(answer)
        except StopIteration as stop:
            return stop.value

    def _written(self, request: Any) -> Any:
        answering = self._writes.get(type(request))
        if answering is None:
            raise TypeError(f"{type(request).__name__} is no request that may be made here")
        # Counted beforehand: what fails in the middle has written, what is refused has not.
        self.write_count += 1
        try:
            return answering(self.connection, request)
        except (TagTaken, CustomaryError):
            self.write_count -= 1
            raise
