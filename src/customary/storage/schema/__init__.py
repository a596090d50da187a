"""What engines create in their databases, as numbered steps, and how a step is known again.

It must never know what a row means, and never change a step that was released: a new step is added instead.
"""

import hashlib

import msgspec


class Step(msgspec.Struct, frozen=True, gc=False):
    """One statement that changes a schema; ``number`` counts from 1 without gaps, within one database."""

    number: int
    sql: str

    @property
    def checksum(self) -> str:
        """Return the SHA-256 of the statement, in hexadecimal, by which a changed step is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def numbered(*statements: str) -> tuple[Step, ...]:
    """Return the statements as steps, in their order.

    >>> [step.number for step in numbered("CREATE TABLE a (b)", "CREATE TABLE c (d)")]
    [1, 2]
    """
    return tuple(Step(number, sql.strip()) for number, sql in enumerate(statements, 1))
