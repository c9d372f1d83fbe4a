"""The errors of the catalog service."""

from __future__ import annotations

from collections.abc import Sequence

from floe_contracts.errors import Permanent, Transient


class SnapshotNotThere(Transient):
    """A run says that it landed a snapshot which the catalog does not show (yet)."""

    code = "FLOE-CAT-001"
    title = "A landed snapshot is not in the catalog"


class ClaimWrong(Permanent):
    """A run says something of its tables that the tables themselves contradict.

    Attributes:
        contradictions: one sentence each.
    """

    code = "FLOE-CAT-002"
    title = "A run's account of its tables is wrong"

    def __init__(self, contradictions: Sequence[str]) -> None:
        self.contradictions = tuple(contradictions)
        super().__init__("; ".join(self.contradictions), hint="who else publishes on this subject?")
