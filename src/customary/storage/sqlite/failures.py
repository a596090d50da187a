"""Tells what a failure of SQLite means: try later, nobody knows, or stop. The one place that translates.

After FULL, writes are refused until there is space. After an I/O error or a corrupt page the process must
end: what the kernel still holds of a failed fsync is unknown, and an fsync is never retried.
"""

import errno
from collections.abc import Callable

import apsw

from customary.domain.errors import Conflict, CustomaryError, OutcomeUnknown, Unavailable

FAILURES = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.FullError,
    apsw.IOError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.PermissionsError,
    apsw.ProtocolError,
    apsw.NoMemError,
    apsw.InterruptError,
)
"""Failures of the machine, which are no job's fault. Any other error of SQLite is that of the job it hit."""

_LETHAL = (apsw.IOError, apsw.CorruptError, apsw.NotADBError)
_WITHOUT_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


class Failures:
    """Translates failures, and remembers the one after which nothing may be written."""

    def __init__(self, fatal: Callable[[str], None] | None) -> None:
        self._fatal = fatal
        self.lethal = ""

    def translated(
        self, failure: apsw.Error, connection: apsw.Connection, *, committing: bool = False
    ) -> CustomaryError:
        """Return what the waiters are told; call ``fatal`` when the process must end."""
        detail = f"SQLite: {type(failure).__name__} {_name_of(failure)}"
        if isinstance(failure, apsw.ConstraintError):
            return Conflict(detail=detail)
        if _is_full(failure, connection):
            return Unavailable(detail=f"{detail}: no space left", retry_after_seconds=5)
        if isinstance(failure, _LETHAL):
            first = not self.lethal
            self.lethal = detail
            if first and self._fatal is not None:
                self._fatal(detail)
        if committing and not isinstance(failure, apsw.BusyError):
            return OutcomeUnknown(detail=detail)
        return Unavailable(detail=detail)

    def refusal(self) -> Unavailable:
        """Return what is said once a failure has shown that the files cannot be trusted."""
        return Unavailable(detail=f"stopped after {self.lethal}")


def _is_full(failure: apsw.Error, connection: apsw.Connection) -> bool:
    if isinstance(failure, apsw.FullError):
        return True
    if not isinstance(failure, apsw.IOError):
        return False
    # A quota that is used up, and the shared memory file that cannot grow on a full disk, come as IOERR.
    code = _extended(failure)
    if code == apsw.SQLITE_IOERR_SHMSIZE:
        return True
    return code == apsw.SQLITE_IOERR_WRITE and connection.system_errno in _WITHOUT_SPACE


def _name_of(failure: apsw.Error) -> str:
    return str(apsw.mapping_extended_result_codes.get(_extended(failure), ""))


def _extended(failure: apsw.Error) -> int:
    # Set on every error that SQLite itself reports, but not declared in APSW's stubs.
    return int(getattr(failure, "extendedresult", 0))
