"""What erasing a customer means: the rules by which parts are kept for a while, the plan, the certificate.

A rule says what it covers, for how long it is kept, and counted from what. Times come in from outside; how a
part is sealed, destroyed or signed for is not known here.
"""

import calendar
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec

from customary.domain.errors import Invalid, Violation

RULES_MAX = 50
TEXT_MAX = 500
_RULE_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", re.ASCII)
_PERIOD = re.compile(r"P([1-9][0-9]{0,4})([YMD])", re.ASCII)
_YEARS_MAX = 100
_LAST = datetime(9999, 12, 31, tzinfo=UTC)


class Part(StrEnum):
    """The parts of what is held about one person, in the order in which a plan names them.

    A rule may keep those of ``COVERABLE``. Names are stored and signed: never reuse one.
    """

    KEY = "key"
    RECORD = "record"
    VERSIONS = "versions"
    TAGS = "tags"
    ANSWERS = "answers"
    ANNOUNCEMENTS = "announcements"
    IDENTITY = "identity"
    AML = "aml"
    SESSIONS = "sessions"
    PAYMENTS = "payments"
    DELIVERIES = "deliveries"


COVERABLE = (
    Part.RECORD,
    Part.VERSIONS,
    Part.IDENTITY,
    Part.AML,
    Part.SESSIONS,
    Part.PAYMENTS,
    Part.DELIVERIES,
)


class Origin(StrEnum):
    """The event from which a period is counted; without an end on record, the request itself is the end."""

    RELATIONSHIP_ENDED = "relationship_ended"
    ERASURE_REQUESTED = "erasure_requested"


class Rule(msgspec.Struct, frozen=True, rename="camel"):
    """One line of a tenant's retention table; ``period`` is ISO 8601 in one unit, such as ``P5Y``."""

    rule_id: str
    covers: Part
    period: str
    counted_from: Origin
    basis: str


DEFAULT_RULES: tuple[Rule, ...] = (
    Rule(
        "identity-evidence",
        Part.IDENTITY,
        "P5Y",
        Origin.RELATIONSHIP_ENDED,
        "UK: Money Laundering Regulations 2017, reg. 40. US: 31 CFR 1020.220(a)(3)(ii).",
    ),
    Rule(
        "money-laundering-records",
        Part.AML,
        "P5Y",
        Origin.RELATIONSHIP_ENDED,
        "UK: Money Laundering Regulations 2017, reg. 40. US: 31 CFR 1010.430(d).",
    ),
    Rule(
        "payment-records",
        Part.PAYMENTS,
        "P6Y",
        Origin.RELATIONSHIP_ENDED,
        "UK: Finance Act 1998, sch. 18, para. 21 (six years). US: 31 CFR 1010.430(d) (five).",
    ),
)
"""What holds until a tenant says otherwise; nobody's legal advice."""


def check_rule(rule: Rule) -> None:
    """Raise Invalid for a rule that could not be kept.

    >>> check_rule(Rule("a", Part.RECORD, "five years", Origin.ERASURE_REQUESTED, "b"))
    Traceback (most recent call last):
    customary.domain.errors.Invalid: A period is P, a number and Y, M or D: P5Y, P18M, P30D, at most 100 years
    """
    if _RULE_ID.fullmatch(rule.rule_id) is None:
        text = "A rule's id is 1 to 64 lower-case letters, digits and hyphens"
        raise Invalid(Violation("ruleId", "range", text), public=text)
    if rule.covers not in COVERABLE:
        text = f"A rule covers one of {', '.join(COVERABLE)}"
        raise Invalid(Violation("covers", "enumeration", text), public=text)
    match = _PERIOD.fullmatch(rule.period)
    if match is None or int(match[1]) > _YEARS_MAX * {"Y": 1, "M": 12, "D": 366}[match[2]]:
        text = f"A period is P, a number and Y, M or D: P5Y, P18M, P30D, at most {_YEARS_MAX} years"
        raise Invalid(Violation("period", "range", text), public=text)
    if not rule.basis.strip() or len(rule.basis) > TEXT_MAX or not rule.basis.isprintable():
        text = f"A rule's legal basis is 1 to {TEXT_MAX} printable characters"
        raise Invalid(Violation("basis", "max_length", text), public=text)


def end_of(period: str, start: datetime) -> datetime:
    """Return the instant at which a period ends that begins at ``start``; at the latest, the last there is.

    >>> end_of("P1Y", datetime(2024, 2, 29, 12, tzinfo=UTC)).isoformat()
    '2025-02-28T12:00:00+00:00'
    """
    match = _PERIOD.fullmatch(period)
    if match is None:
        raise ValueError("no period")
    count = int(match[1])
    if match[2] == "D":
        return start + min(timedelta(days=count), _LAST - start)
    months = start.month - 1 + count * (12 if match[2] == "Y" else 1)
    year, month = start.year + months // 12, months % 12 + 1
    if year > _LAST.year:
        return _LAST
    return start.replace(year=year, month=month, day=min(start.day, calendar.monthrange(year, month)[1]))


class Keeping(msgspec.Struct, frozen=True, rename="camel"):
    """A part that is kept for a while, and why; ``count`` 0 means that there is nothing of it."""

    part: Part
    count: int
    until: str
    rule_id: str
    basis: str


class Going(msgspec.Struct, frozen=True, rename="camel"):
    """A part that is destroyed; ``digest`` is the SHA-256 of its sealed bytes, where they were at hand."""

    part: Part
    count: int
    digest: str = ""


class Block(msgspec.Struct, frozen=True, rename="camel"):
    """What stands in the way of an erasure: a legal hold, since when and by whom."""

    kind: str
    at: str
    actor: str


class Plan(msgspec.Struct, frozen=True, rename="camel"):
    """What an erasure would do, and what blocks it."""

    customer_id: str
    erased: tuple[Going, ...]
    kept: tuple[Keeping, ...]
    blocked: tuple[Block, ...]


def keepings(
    rules: tuple[Rule, ...], counts: Mapping[Part, int], requested_at: datetime, ended_at: datetime | None
) -> tuple[Keeping, ...]:
    """Return which parts are kept until when: of several rules for one part, that which keeps it longest.

    A period that is over keeps nothing.
    """
    longest: dict[Part, tuple[datetime, Rule]] = {}
    for rule in rules:
        start = requested_at
        if rule.counted_from is Origin.RELATIONSHIP_ENDED and ended_at is not None:
            start = ended_at
        until = end_of(rule.period, start)
        if until > requested_at and (rule.covers not in longest or until > longest[rule.covers][0]):
            longest[rule.covers] = (until, rule)
    return tuple(
        Keeping(part, counts.get(part, 0), instant_text(until), rule.rule_id, rule.basis)
        for part in COVERABLE
        if part in longest
        for until, rule in (longest[part],)
    )


def instant_text(instant: datetime) -> str:
    """Return an instant as RFC 3339 in UTC with milliseconds."""
    return instant.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def instant_of(text: str) -> datetime:
    """Return the instant that ``instant_text`` has written."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


# ── The certificate ─────────────────────────────────────────────────────────────────────────────────────

FORM = "customary erasure certificate 1"
NO_PREVIOUS = "0" * 64


class Certificate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What is signed when a customer is erased. It holds ids and names of parts, and no value.

    ``number`` is the certificate's place among those of its tenant, without gaps, and ``previous`` the
    SHA-256 of the one before it, so that they are a chain. Instants are RFC 3339 in UTC; digests, key and
    signature are hexadecimal.
    """

    form: str
    number: int
    tenant_id: str
    customer_id: str
    customer_number: str
    merchant_no: int
    erased_at: str
    actor: str
    request_id: str
    destroyed: tuple[Going, ...]
    kept: tuple[Keeping, ...]
    previous: str
    public_key: str
    signature: str = ""

    def signed_bytes(self) -> bytes:
        """Return what the signature is over: the form, a newline, and the rest as JSON, members in order.

        The JSON has no white space, its members are sorted by name, and ``signature`` is an empty text in it.
        """
        unsigned = msgspec.structs.replace(self, signature="")
        return self.form.encode() + b"\n" + msgspec.json.encode(unsigned, order="sorted")

    def encoded(self) -> bytes:
        """Return the certificate as JSON in the one form in which it is kept and digested."""
        return msgspec.json.encode(self, order="sorted")
