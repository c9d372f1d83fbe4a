"""What one child of the fork server may use: memory, the size of a file, open files; the words of who got no memory.

Standard library only: the client of the fork server imports this module.
"""

from __future__ import annotations

import resource
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MEMORY: Final = "FLOE_DBT_CHILD_MEMORY"
FILE_SIZE: Final = "FLOE_DBT_CHILD_FILE_SIZE"
OPEN_FILES: Final = "FLOE_DBT_CHILD_OPEN_FILES"
"""Carry the limits to the client; never passed on to dbt."""

_SIGNS_OF_NO_MEMORY: Final = (
    "Out of Memory Error",
    "MemoryError",
    "Unable to allocate",
    "bad allocation",
    "bad_alloc",
    "Cannot allocate memory",
    "malloc of size",
)
"""DuckDB, Python, NumPy, C++ in two spellings, the C library, Arrow."""


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """Limits of one child; None leaves the system's own.

    Attributes:
        memory_bytes: of memory that a process has for itself alone. It is enforced by `RLIMIT_DATA`, which counts what
            is allocated and may be written: DuckDB and Python hear of it as an allocation that failed, and say so.
            `RLIMIT_AS` would count reserved addresses, of which each thread takes plenty.
        file_bytes: of a single file that it writes, so also of a DuckDB database.
        open_files: at the same time.
    """

    memory_bytes: int | None = None
    file_bytes: int | None = None
    open_files: int | None = None

    def variables(self) -> dict[str, str]:
        """The limits for the environment of the `floe-dbt` program."""
        named = {MEMORY: self.memory_bytes, FILE_SIZE: self.file_bytes, OPEN_FILES: self.open_files}
        return {name: str(limit) for name, limit in named.items() if limit is not None}

    def apply(self) -> None:
        """Limit this process and all that it starts; without core dumps in any case. Nothing takes it back.

        Raises:
            OSError: a limit is above one that this process has already.
        """
        _set(resource.RLIMIT_CORE, 0)
        _set(resource.RLIMIT_DATA, self.memory_bytes)
        _set(resource.RLIMIT_FSIZE, self.file_bytes)
        _set(resource.RLIMIT_NOFILE, self.open_files)


def limits_from(variables: Mapping[str, str]) -> ChildLimits:
    """The limits that `variables` name.

    Raises:
        ValueError: one is no number.
    """
    return ChildLimits(*(_number(variables.get(name)) for name in (MEMORY, FILE_SIZE, OPEN_FILES)))


def is_out_of_memory(message: str) -> bool:
    """Whether a failure says that memory was wanted and not given."""
    return any(sign in message for sign in _SIGNS_OF_NO_MEMORY)


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _set(limit: int, value: int | None) -> None:
    if value is None:
        return
    _soft, hard = resource.getrlimit(limit)
    allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (allowed, allowed))
