"""Commits that others overtook: what pyiceberg raises then, and how long to wait before the next try.

Iceberg has no locks: a commit asserts what it looked at, and whoever comes second loads the table and starts over.
"""

from __future__ import annotations

import random
import time
from typing import Final

from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    TableAlreadyExistsError,
    ValidationException,
)

OVERTAKEN: Final = (CommitFailedException, TableAlreadyExistsError, ValidationException)
"""The commit did not arrive: the table changed, somebody else created it, or a file to replace is gone from it."""
CONFLICTS: Final = (*OVERTAKEN, CommitStateUnknownException)
"""Reasons to start over. An unknown outcome is one: the next look at the table says whether the commit arrived."""

_LONGEST_WAIT_SECONDS: Final = 1.0
_FIRST_WAIT_SECONDS: Final = 0.02


def wait_to_retry(attempt: int) -> None:
    """Sleep before the next try of a commit: a random moment, so that those who collided do not collide again.

    Args:
        attempt: the try that was lost, from 0; the longest moment doubles with it, up to a second.
    """
    longest = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2**attempt)
    time.sleep(random.uniform(0, longest))  # noqa: S311 - jitter, not a secret
