"""How far one attempt of a run is."""

from __future__ import annotations

from dataclasses import dataclass

from floe_chassis.leases import Lease
from floe_contracts.events import LandedTable, NodeOutcome, RunSeconds
from floe_executor.adapters.state.run_store import StoredRun
from floe_executor.core import run_states
from floe_executor.core.retries import BuiltSoFar, merged
from floe_executor.runs.telling import RunTelling


@dataclass(slots=True)
class Attempt:
    """What one attempt has gathered so far.

    Attributes:
        earlier: what was built before and stands: in other attempts, and in the run that this one retries.
        nodes: how the nodes ended in this attempt.
        whole: whether dbt came to the end of what it was asked for.
        switching: whether the tables are being switched: from then on the run is completed.
        ended: whether the attempt was given up: no table may be switched any more.
    """

    stored: StoredRun
    lease: Lease
    telling: RunTelling
    earlier: BuiltSoFar | None = None
    nodes: tuple[NodeOutcome, ...] = ()
    whole: bool = False
    tables: tuple[LandedTable, ...] = ()
    build_seconds: float = 0.0
    land_seconds: float = 0.0
    switching: bool = False
    ended: bool = False

    @property
    def seconds(self) -> RunSeconds:
        """Where the time went."""
        return RunSeconds(
            run=round(self.build_seconds, 3),
            land=round(self.land_seconds, 3),
            queued=run_states.queue_seconds(self.stored.record),
        )

    @property
    def built(self) -> BuiltSoFar:
        """What is built by now, with what was built before."""
        earlier = self.earlier or BuiltSoFar(nodes=(), whole=False)
        own = {*earlier.own, *(outcome.unique_id for outcome in self.nodes)}
        return BuiltSoFar(
            nodes=merged(earlier.nodes, self.nodes), whole=self.whole or earlier.whole, own=tuple(sorted(own))
        )

    @property
    def outcomes(self) -> tuple[NodeOutcome, ...]:
        """How the nodes ended that this run has built, in all of its attempts."""
        built = self.built
        own = set(built.own)
        return tuple(outcome for outcome in built.nodes if outcome.unique_id in own)
