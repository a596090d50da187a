"""Every way in which customary says no.

The leaves, in order of precedence (the first that applies to a request is the one that is answered)::

    CustomaryError
    ├── Malformed         bytes that are no request: a broken header, a repeated parameter, bad JSON
    ├── Unauthenticated   nobody, or somebody who could not prove who they are
    ├── TooMany           a request quota is used up
    ├── Forbidden         somebody who may not do this
    ├── TooLarge          the request is over a limit of size, or did not arrive in time
    ├── NotFound          absent, or another tenant's or merchant's: alike
    │   └── Gone          was erased; only who may know of that is told, to all others it is absent
    ├── Invalid           well formed, but fields break rules; one violation each
    ├── Conflict          the change contradicts what is stored
    ├── Outdated          the version named by the caller is not the current one
    ├── Unavailable       the store, the keys or a limit of the machine does not allow an answer now
    └── OutcomeUnknown    the commit was interrupted; only a retry with the same key can tell

A body is read and parsed after the permission is checked, so its own faults (TooLarge, Malformed) come then;
only a signature over the body needs it before.

None of them knows a status code, a header or JSON: each room has one table from leaf to answer.
``public`` is written for the integrator and is rendered; ``detail`` is for the operator and is only logged.
Neither ever contains a value that a caller sent.
"""

from typing import Literal

import msgspec


class Violation(msgspec.Struct, frozen=True, gc=False):
    """One field that breaks one rule: ``field`` is a dotted path in the domain of the caller's room.

    >>> Violation("address.country", "required").rule
    'required'
    """

    field: str
    rule: str
    message: str = ""


class CustomaryError(Exception):
    """The root of all refusals; ``public`` may be shown to the caller, ``detail`` only to the operator."""

    public = "The request could not be carried out"

    def __init__(self, public: str = "", *, detail: str = "") -> None:
        self.public = public or type(self).public
        self.detail = detail
        super().__init__(self.public)


class Unavailable(CustomaryError):
    """The store, the keys or the machine does not allow an answer now; the same request may succeed later."""

    public = "The server cannot answer now; try again later"

    def __init__(self, public: str = "", *, detail: str = "", retry_after_seconds: int = 1) -> None:
        super().__init__(public, detail=detail)
        self.retry_after_seconds = retry_after_seconds


class TooLarge(CustomaryError):
    """The request is over a limit of size (``kind="size"``) or did not arrive in time (``kind="time"``)."""

    public = "The request is too large"

    def __init__(self, public: str = "", *, detail: str = "", kind: Literal["size", "time"] = "size") -> None:
        super().__init__(public, detail=detail)
        self.kind = kind


class Malformed(CustomaryError):
    """Bytes that are no request: ``part`` says where, ``kind`` tells an unknown media type apart."""

    public = "The request is malformed"

    def __init__(
        self,
        public: str = "",
        *,
        detail: str = "",
        part: str = "body",
        kind: Literal["syntax", "media_type"] = "syntax",
    ) -> None:
        super().__init__(public, detail=detail)
        self.part = part
        self.kind = kind


class Unauthenticated(CustomaryError):
    """Nobody, or somebody who could not prove who they are.

    ``hint`` names what was missing in the presentation (a header's name, never a value), where saying so
    helps an integrator and tells an attacker nothing. ``challenge`` replaces the room's usual challenge.
    """

    public = "Access not authorized"

    def __init__(self, public: str = "", *, detail: str = "", hint: str = "", challenge: str = "") -> None:
        super().__init__(public, detail=detail)
        self.hint = hint
        self.challenge = challenge


class TooMany(CustomaryError):
    """A request quota is used up."""

    public = "Too many requests; try again later"

    def __init__(self, public: str = "", *, detail: str = "", retry_after_seconds: int = 1) -> None:
        super().__init__(public, detail=detail)
        self.retry_after_seconds = retry_after_seconds


class Forbidden(CustomaryError):
    """Somebody who may not do this."""

    public = "Insufficient permissions"


class NotFound(CustomaryError):
    """Absent, or another's: nobody can tell which. ``kind`` names what was looked for."""

    public = "Not found"

    def __init__(self, public: str = "", *, detail: str = "", kind: str = "customer") -> None:
        super().__init__(public, detail=detail)
        self.kind = kind


class Gone(NotFound):
    """The customer was erased: by the erasure of that number of the tenant, at that instant (RFC 3339).

    Its public text is that of NotFound: a room that does not tell the two apart must not do so by a word.
    """

    def __init__(self, public: str = "", *, detail: str = "", number: int = 0, at: str = "") -> None:
        super().__init__(public, detail=detail)
        self.number = number
        self.at = at


class Invalid(CustomaryError):
    """Well formed, but fields break rules: one violation a fault, in the order of the fields."""

    public = "The request has invalid fields"

    def __init__(self, *violations: Violation, public: str = "", detail: str = "") -> None:
        super().__init__(public, detail=detail)
        self.violations = violations


class Conflict(CustomaryError):
    """The change contradicts what is stored. ``field`` names the datum, where there is one."""

    public = "The request contradicts what is stored"

    def __init__(self, public: str = "", *, detail: str = "", field: str = "") -> None:
        super().__init__(public, detail=detail)
        self.field = field


class IdempotencyMismatch(Conflict):
    """The Idempotency-Key was used before with another request."""

    public = "This Idempotency-Key was used with another request"


class Outdated(CustomaryError):
    """The version named by the caller is not the current one."""

    public = "The record has changed since it was read"


class OutcomeUnknown(CustomaryError):
    """The commit was interrupted, so nobody knows whether it holds; a retry with the same key tells."""

    public = "The outcome is unknown; repeat the request with the same Idempotency-Key"
