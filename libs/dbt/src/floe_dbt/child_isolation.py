"""What keeps a child from its surroundings where no other user, container or machine does. Linux only.

A child runs code that somebody else wrote, as the same user as floe. Without more, that user may read the environment
and the memory of every process of its own, signal them, and leave processes behind. What the kernel lets an ordinary
process give up is given up here:

- *privileges*: none can be gained, and none are left, also when floe runs as root;
- *other processes*: a Landlock domain of its own, in which nothing outside can be traced, read through `/proc`, or
  signalled. It restricts no file. Kernels before 6.12 do not know it for signals, those before 5.19 not at all;
- *descendants*: those that outlive their parent become children of this process, and after it of the fork server.

A process that holds secrets hides itself besides (`conceal`), for kernels without Landlock.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import struct
from pathlib import Path
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_CHILD_SUBREAPER: Final = 36

_CAPABILITY_VERSION: Final = 0x20080522

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_CREATE_RULESET_VERSION: Final = 1
_RULE_PATH_BENEATH: Final = 1
_ACCESS_FS_REFER: Final = 1 << 13
_SCOPE_SIGNAL: Final = 1 << 1
_REFER_IS_ALWAYS_DENIED: Final = 1
_SCOPES_SINCE: Final = 6

_OOM_SCORE: Final = Path("/proc/self/oom_score_adj")
_FIRST_TO_GO: Final = 500


def isolate() -> None:
    """Give up, in this process and in all that it starts, what a dbt child does not need. Only one thread may run.

    Raises:
        OSError: the kernel refused one of the steps that every supported kernel has.
    """
    drop_privileges()
    adopt_descendants()
    enter_domain(landlock_version())


def end_with_parent(number: int = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when the thread that started it ends; 0 takes that back.

    Raises:
        OSError: the kernel refused.
    """
    _prctl(_PR_SET_PDEATHSIG, int(number))


def adopt_descendants() -> None:
    """Become the parent of every descendant whose own parent ends, so that none can slip away.

    Raises:
        OSError: the kernel refused.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def conceal() -> None:
    """Close this process's memory, environment and descriptors to other processes of its user; no core dumps either.

    Raises:
        OSError: the kernel refused.
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def volunteer_for_memory_shortage() -> None:
    """When the machine or container runs out of memory, have the kernel end this process and its children first."""
    with contextlib.suppress(OSError):  # a sandbox may have no such file: then it chooses by size alone
        _OOM_SCORE.write_text(str(min(1000, int(_OOM_SCORE.read_text()) + _FIRST_TO_GO)))


def children_of(pid: int) -> list[int]:
    """The process ids of the children of a process that has one thread.

    Raises:
        FileNotFoundError: it is gone, or the kernel does not tell.
    """
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def descends_from(pid: int, ancestor: int) -> bool:
    """Whether a process is `ancestor` or was started below it.

    Raises:
        OSError: the process is gone.
    """
    while pid > 1:
        if pid == ancestor:
            return True
        # The second field is the name of the program, which may hold anything; the parent is the second one after it.
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def landlock_version() -> int:
    """The version of Landlock that the kernel offers; 0 without it."""
    return max(0, _syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION))


def drop_privileges() -> None:
    """Keep no privilege of root, and gain none by starting a program.

    Raises:
        OSError: the kernel refused.
    """
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    if _LIBC.capset(header, bytes(24)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def enter_domain(version: int) -> None:
    """Enter a Landlock domain in which nothing outside can be traced or, from version 6 on, signalled.

    Args:
        version: of Landlock. A domain has to govern something. From version 6 on that can be signals alone. Before, it
            is moving files between folders, which is then allowed below the root; version 1 could not allow it.

    Raises:
        OSError: the kernel refused, or the process may still gain privileges.
    """
    if version <= _REFER_IS_ALWAYS_DENIED:
        return
    governed = (0, 0, _SCOPE_SIGNAL) if version >= _SCOPES_SINCE else (_ACCESS_FS_REFER,)
    attributes = struct.pack(f"={len(governed)}Q", *governed)
    ruleset = _landlock(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        if version < _SCOPES_SINCE:
            _allow_below_root(ruleset)
        _landlock(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow_below_root(ruleset: int) -> None:
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        _landlock(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, struct.pack("=Qi", _ACCESS_FS_REFER, root), 0)
    finally:
        os.close(root)


def _landlock(number: int, *arguments: int | bytes) -> int:
    result = _syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "Landlock")
    return result


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    converted = [ctypes.c_long(part) if isinstance(part, int) else part for part in arguments]
    result: int = _LIBC.syscall(ctypes.c_long(number), *converted)
    return result


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")
