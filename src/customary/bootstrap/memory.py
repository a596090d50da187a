"""Keeps what the process has in memory, keys and opened records, from being written to a disk by others.

It must never know what that is.
"""

import ctypes
import resource
import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4
"""``man 2 prctl``."""


def forbid_core() -> None:
    """Have no core written when this process dies, by the kernel or by a program that it pipes cores to.

    A limit of size alone does not hold where ``core_pattern`` names a program; not being dumpable does, and
    it keeps other processes of the same user from reading the memory as well.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
