"""The erasure ledger: which erasures were promised and which are settled, kept outside of the databases.

An erasure is promised by a line with its certificate, on the disk before the databases commit it, and settled
by another line afterwards. So after a crash whatever was promised and not settled is done again; and a
database that lacks what was settled is an older one that somebody has brought back. Certificates are numbered
within their tenant, name the digest of the one before, and are signed: what was cut out or edited is noticed.

It must never know where the lines are, nor what an erasure does.
"""

import hashlib
from collections.abc import Iterable

import msgspec

from customary.app.ports import Composing, LedgerLines, Vault
from customary.domain.erasure import NO_PREVIOUS, Certificate
from customary.domain.errors import Unavailable


class LedgerBroken(Unavailable):
    """The ledger was cut or edited: it is not the one that was written."""

    public = "The erasure ledger is not as it was written: bring back the whole of it, unchanged"


class UndoneErasures(Unavailable):
    """The store lacks erasures that were settled: an older state of it was brought back."""

    public = "An older state of the data was brought back: people in it were erased since"

    def __init__(self, public: str = "", *, detail: str = "", count: int = 0) -> None:
        super().__init__(public, detail=detail or f"{count} erasures must be replayed first")


class Promise(msgspec.Struct, rename="camel"):
    """An erasure that the ledger knows; the tags are those of its request, in hexadecimal, or empty."""

    certificate: Certificate
    key_tag: str = ""
    request_tag: str = ""


class Settlement(msgspec.Struct, frozen=True, rename="camel"):
    """Says that the databases have committed the erasure of that number."""

    settled: int
    tenant_id: str
    signature: str

    def signed_bytes(self) -> bytes:
        """Return what the signature is over."""
        return f"customary erasure settled\n{self.tenant_id}\n{self.settled}".encode()


class Comparison(msgspec.Struct, frozen=True):
    """What was settled and a store does not know, and how many erasures it knows that were never promised."""

    undone: tuple[Promise, ...]
    unknown: int


class Ledger:
    """The ledger of one store, read as far as it goes."""

    def __init__(self, lines: LedgerLines, vault: Vault) -> None:
        """Read and verify it; LedgerBroken if it is not as it was written."""
        self._lines = lines
        self._vault = vault
        self._promises: dict[str, list[Promise]] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._settled: set[tuple[str, int]] = set()
        self._unsettled: set[tuple[str, int]] = set()
        self._count = 0
        self.look()

    def look(self) -> None:
        """Read what was appended since, by other processes too; LedgerBroken if it does not fit."""
        newest: dict[str, Certificate] = {}
        for line in self._lines.fresh():
            self._count += 1
            tenant_id = self._read(line)
            if tenant_id is not None:
                newest[tenant_id] = self._promises[tenant_id][-1].certificate
        # Each certificate holds the digest of the one before: the last signature speaks for all of them.
        for certificate in newest.values():
            self._check_signature(certificate.signed_bytes(), certificate.signature)

    def promise(
        self, tenant_id: str, customer_id: str, tags: tuple[bytes, bytes], compose: Composing
    ) -> bytes:
        """Return the certificate of an erasure that is on the disk as promised.

        ``compose`` makes it for a number; asked again for the same customer before it is settled, it keeps
        that. Raises Unavailable when it cannot be written, or was settled and the store does not know.
        """
        with self._lines:
            self.look()
            known = self._promises.setdefault(tenant_id, [])
            number = self._numbers.get((tenant_id, customer_id), len(known) + 1)
            found = known[number - 1] if number <= len(known) else None
            if (tenant_id, number) in self._settled:
                raise Unavailable(detail=f"erasure {number} of tenant {tenant_id} was undone by a restore")
            previous = _digest(known[number - 2].certificate) if number > 1 else NO_PREVIOUS
            encoded = compose(number, previous)
            if found is not None and (found.certificate.encoded() == encoded or number < len(known)):
                # Another one may already hold its digest; then it stays as it was written.
                return found.certificate.encoded()
            certificate = msgspec.json.decode(encoded, type=Certificate)
            promise = Promise(certificate, tags[0].hex(), tags[1].hex())
            self._lines.append(msgspec.json.encode(promise, order="sorted"))
            self._count += 1
            self._know(promise)
            return encoded

    def settle(self, tenant_id: str, number: int) -> None:
        """Write down that the databases have it; nothing if that is known."""
        with self._lines:
            self.look()
            if (tenant_id, number) in self._settled:
                return
            settlement = Settlement(number, tenant_id, "")
            signature = self._vault.signed(settlement.signed_bytes()).hex()
            settlement = msgspec.structs.replace(settlement, signature=signature)
            self._lines.append(msgspec.json.encode(settlement, order="sorted"))
            self._count += 1
            self._note_settled(tenant_id, number)

    def is_promised(self, tenant_id: str, customer_id: str) -> bool:
        """Return whether the erasure of that customer was promised."""
        self.look()
        return (tenant_id, customer_id) in self._numbers

    def unsettled(self) -> list[Promise]:
        """Return the promises of which nobody has said that the databases have them."""
        self.look()
        return [self._promises[tenant_id][number - 1] for tenant_id, number in sorted(self._unsettled)]

    def promises(self) -> list[Promise]:
        """Return all promises, tenant by tenant, in the order of their numbers."""
        self.look()
        return [one for known in self._promises.values() for one in known]

    def compared(self, erased: Iterable[tuple[str, int]]) -> Comparison:
        """Compare it with the erasures that a store knows, ``(tenant, number)`` each."""
        there = set(erased)
        promised = {(one.certificate.tenant_id, one.certificate.number): one for one in self.promises()}
        undone = tuple(one for key, one in promised.items() if key in self._settled and key not in there)
        return Comparison(undone, len(there - promised.keys()))

    def verify(self) -> int:
        """Check every signature that the ledger has; return how many erasures that are."""
        for promise in self.promises():
            certificate = promise.certificate
            self._check_signature(certificate.signed_bytes(), certificate.signature)
        return sum(map(len, self._promises.values()))

    def _read(self, line: bytes) -> str | None:
        """Take in one line; return the tenant whose newest promise it is, or None for a settlement."""
        try:
            if line.startswith(b'{"certificate"'):
                promise = msgspec.json.decode(line, type=Promise)
                return self._take(promise)
            settlement = msgspec.json.decode(line, type=Settlement)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise self._broken("it is neither a promise nor a settlement") from None
        known = self._promises.get(settlement.tenant_id, [])
        if not 1 <= settlement.settled <= len(known):
            raise self._broken("it settles what was not promised")
        self._check_signature(settlement.signed_bytes(), settlement.signature)
        self._note_settled(settlement.tenant_id, settlement.settled)
        return None

    def _take(self, promise: Promise) -> str:
        certificate = promise.certificate
        tenant_id, number = certificate.tenant_id, certificate.number
        known = self._promises.setdefault(tenant_id, [])
        again = number == len(known) and number > 0
        if again and (
            known[-1].certificate.customer_id != certificate.customer_id
            or (tenant_id, number) in self._settled
        ):
            raise self._broken("its number is another erasure's")
        if not again and number != len(known) + 1:
            raise self._broken("a line before it is missing")
        before = known[number - 2].certificate if number > 1 else None
        if certificate.previous != (NO_PREVIOUS if before is None else _digest(before)):
            raise self._broken("the one before it is another")
        self._know(promise)
        return tenant_id

    def _know(self, promise: Promise) -> None:
        certificate = promise.certificate
        tenant_id, number = certificate.tenant_id, certificate.number
        self._promises.setdefault(tenant_id, [])[number - 1 :] = [promise]
        self._numbers[tenant_id, certificate.customer_id] = number
        self._unsettled.add((tenant_id, number))

    def _note_settled(self, tenant_id: str, number: int) -> None:
        self._settled.add((tenant_id, number))
        self._unsettled.discard((tenant_id, number))

    def _check_signature(self, message: bytes, signature: str) -> None:
        try:
            if self._vault.is_signed(message, bytes.fromhex(signature)):
                return
        except ValueError:
            pass
        raise self._broken("its signature is not the trail's")

    def _broken(self, what: str) -> LedgerBroken:
        return LedgerBroken(detail=f"line {self._count}: {what}")


def _digest(certificate: Certificate) -> str:
    return hashlib.sha256(certificate.encoded()).hexdigest()
