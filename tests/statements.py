"""The statements that the conformance suites hold, and the account of which were held in a test session.

A test names what it holds: ``@pytest.mark.statement("T4", "T6")``. The texts are reminders for the table;
the contracts themselves are in ``docs/contract``. It must never know a dialect's wire.
"""

from collections import Counter
from dataclasses import dataclass, field

TRUSTLY = {
    "T1": "Basic before path and body; one 401 with a challenge, whoever is unknown",
    "T2": "create and update answer 200",
    "T3": "envelopes; a filtered list is a list, no match is an empty one",
    "T4": "POST creates, or updates whom customerId or externalId names",
    "T5": "precedence of the three names; two customers named is 400",
    "T6": "an unknown or foreign body customerId is not adopted; an unknown query externalId is",
    "T7": "parallel upserts of one externalId leave one record, all 200",
    "T8": "absent stays, null removes",
    "T9": "update requires nothing; null for a required member is 400; absent is omitted",
    "T10": "create requires name, address.country, phone, email: one error each",
    "T11": "minimum lengths and JSON types; vip and taxId also as integers",
    "T12": "address, driverLicense and customData merge by RFC 7396",
    "T13": "customData comes back equal; unsafe integers, duplicates, NaN are 400",
    "T14": "unknown and server-owned members are ignored; two ids are 400",
    "T15": "createdAt is fixed; updatedAt moves with every effective write",
    "T16": "no null in any answer",
    "T17": "customerId: unique, 10 to 15 digits, no counter",
    "T18": "externalId: byte-exact, unique per merchant, free across merchants",
    "T19": "a foreign id is like an unknown one, in bytes and in time",
    "T20": "list: newest first, count, startIndex, both filters, bad queries 400",
    "T21": "taxId masked everywhere; clear only with the permission, and audited",
    "T22": "the stored value's mask means unchanged, another mask is 400",
    "T23": "lookup is no id: 404 in the envelope",
    "T24": "what is no JSON object is 400 at body",
    "T25": "every answer: JSON, no-store, a request id",
    "T26": "Idempotency-Key replays; another body under it is 400; none is needed",
    "T27": "no delete on this surface",
    "a": "the vendor's create example on an empty server",
    "b": "the same again: the same customer",
    "c": "vip set by query externalId, then removed by null",
    "d": "GET, edit, POST back: phone changed, taxId kept",
    "e": "no or bad credentials: the live service's 401",
    "f": "four faults, four errors",
    "g": "the vendor's update example, on the customer it fits and on another",
}

TRUSTIST = {
    "S1": "Hawk without a hash passes on any method",
    "S2": "a hash that is present is verified",
    "S3": "the MAC covers raw target, host and port as the client sees them",
    "S4": "all vectors pass",
    "S5": "a skew over 60 s is 401 with ts and tsm",
    "S6": "a nonce is used once, also after a restart",
    "S7": "one 401 for unknown id and bad MAC; no computed MAC anywhere",
    "S8": "blanks, order and empty ext pass; unknown or duplicate attributes do not",
    "S9": "HMAC-SHA256 with both separators; wrong hash, date or client id refused",
    "S10": "Server-Authorization that Hawk clients verify",
    "S11": "the tenant comes from the key alone",
    "S12": "permissions, else 403; a merchant's key on tenant routes 403",
    "S13": "an empty object creates a customer",
    "S14": "duplicates are neither rejected nor merged",
    "S15": "GET returns what create returned, unset members null",
    "S16": "PUT changes what is present, clears null, keeps the rest",
    "S17": "PUT address merges; null clears it",
    "S18": "another tenant's id is like an unknown one",
    "S19": "a bare array, oldest first, with filters and pages",
    "S20": "member names in any case; unknown ones ignored",
    "S21": "date, country and e-mail are checked, per field",
    "S22": "ids: stable, random; GUID and ShortGuid spell the same record",
    "S23": "every response carries CorrelationId",
}

STATEMENTS = TRUSTLY | TRUSTIST


@dataclass
class Account:
    """What became of the tests of each statement: a test that was skipped holds nothing."""

    tests: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def note(self, statements: list[str], when: str, outcome: str) -> None:
        """Count one phase (setup, call or teardown) of one test."""
        for statement in statements:
            self.tests[statement] += when == "setup"
            self.passed[statement] += when == "call" and outcome == "passed"
            self.failed[statement] += outcome == "failed"

    def is_held(self, statement: str) -> bool:
        """Return whether a test has passed and none has failed."""
        return self.passed[statement] > 0 and self.failed[statement] == 0

    def not_held(self) -> list[str]:
        """Return the statements that no test holds, in their order."""
        return [statement for statement in STATEMENTS if not self.is_held(statement)]

    def table(self) -> list[str]:
        """Return the lines of the table that a test session ends with.

        >>> Account().table()[2]
        'T1        |     0 | NO   | Basic before path and body; one 401 with a challenge, whoever is unknown'
        """
        lines = ["statement | tests | held |", "----------|-------|------|"]
        for statement, text in STATEMENTS.items():
            held = "yes" if self.is_held(statement) else "NO"
            lines.append(f"{statement:<9} | {self.tests[statement]:>5} | {held:<4} | {text}")
        return lines
