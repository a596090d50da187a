"""Answers what use cases ask of what is held about a customer beside the record: answers and announcements.

Neither is found by an index, since nobody asks for them but for one person's sake; so they are looked for a
stretch at a time, between which others have their turn. It must never know HTTP, SQL or how they are shown.
"""

from collections.abc import Callable, Generator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from customary.app.performing import Run
from customary.app.ports import (
    HoldRow,
    OutboxRow,
    ReadAnnouncements,
    ReadAnswer,
    ReadAnswersOf,
    ReadHold,
    ReadMentions,
    StoredAnswer,
)
from customary.domain.customer import CustomerID
from customary.domain.errors import CustomaryError

STRETCH = 50_000
"""How many answers or announcements are looked at at once."""

_EVER = datetime(1970, 1, 1, tzinfo=UTC)


class FindAnswers(msgspec.Struct, frozen=True, gc=False):
    """Ask for the idempotency answers that led to a customer: ``(tuple[StoredAnswer, ...], bytes | None)``.

    Those of one stretch after the tag ``after``, and where the next begins, or None at the end.
    """

    customer_id: CustomerID
    after: bytes = b""


class FindAnnouncements(msgspec.Struct, frozen=True, gc=False):
    """Ask for the announcements that name a customer: ``(tuple[OutboxRow, ...], int | None)``, as above."""

    customer_id: CustomerID
    after: int = 0


class FindHold(msgspec.Struct, frozen=True, gc=False):
    """Ask for the legal hold on a customer who was met before, as ``Held``, or None."""

    customer_id: CustomerID


class Held(msgspec.Struct, frozen=True, gc=False):
    """A legal hold: since when, by whom, and why, or None where that no longer opens."""

    at: datetime
    actor: str
    reason: str | None


def find_answers(
    run: Run, request: FindAnswers
) -> Generator[Any, Any, tuple[tuple[StoredAnswer, ...], bytes | None]]:
    """Answer with one stretch of idempotency answers."""
    tenant_id = run.principal.tenant_id
    tags, going_on = yield ReadAnswersOf(tenant_id, request.customer_id, request.after, STRETCH)
    found: list[StoredAnswer] = []
    for tag in tags:
        answer: StoredAnswer | None = yield ReadAnswer(tenant_id, tag, _EVER)
        if answer is not None:
            found.append(answer)
    return tuple(found), going_on


def find_announcements(
    run: Run, request: FindAnnouncements
) -> Generator[Any, Any, tuple[tuple[OutboxRow, ...], int | None]]:
    """Answer with one stretch of announcements."""
    tenant_id = run.principal.tenant_id
    numbers, going_on = yield ReadMentions(tenant_id, request.customer_id, request.after, STRETCH)
    rows: list[OutboxRow] = (yield ReadAnnouncements(tenant_id, tuple(numbers))) if numbers else []
    return tuple(rows), going_on


def find_hold(run: Run, request: FindHold) -> Generator[Any, Any, Held | None]:
    """Answer with the hold, its reason opened."""
    hold: HoldRow | None = yield ReadHold(run.principal.tenant_id, request.customer_id)
    if hold is None:
        return None
    wrapped_key = run.wrapped_keys[request.customer_id]
    try:
        reason = run.tenant.opened_hold(request.customer_id, wrapped_key, hold.sealed_reason)
    except CustomaryError:
        return Held(hold.at, hold.actor, None)
    return Held(hold.at, hold.actor, reason)


ANSWERS: Mapping[type, Callable[[Run, Any], Generator[Any, Any, Any]]] = {
    FindAnswers: find_answers,
    FindAnnouncements: find_announcements,
    FindHold: find_hold,
}
