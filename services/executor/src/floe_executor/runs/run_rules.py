"""What a product says of the life of its runs: how often they are tried, how long they may take, what they build."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from floe_contracts.compiled_product import CompiledOrchestration, CompiledRetries
from floe_contracts.errors import FloeError
from floe_contracts.runs import RunRecord
from floe_executor.core import partitions
from floe_executor.core.retries import exhausted, tried, wait_seconds
from floe_executor.errors import AttemptDied, AttemptsExhausted, RunTimedOut
from floe_executor.runs.products import Product
from floe_executor.settings import ExecutorSettings


@dataclass(frozen=True, slots=True)
class RunRules:
    """The rules of one run.

    Attributes:
        settings: of the executor, whose bounds hold whatever the product says.
        product: what the run builds; None where it cannot be read.
        problem: why it cannot be read.
    """

    settings: ExecutorSettings
    product: Product | None = None
    problem: FloeError | None = None

    def found(self) -> Product:
        """What the run builds.

        Raises:
            FloeError: why that cannot be read.
        """
        if self.product is None:
            raise self.problem or AttemptDied("the artifact was not read")
        return self.product

    def exhausted(self, record: RunRecord) -> bool:
        """Whether no attempt is left."""
        return exhausted(record, self._retries, self.settings.max_attempts)

    def exhaustion(self, record: RunRecord, last: Exception | None) -> AttemptsExhausted:
        """The failure of a run whose last attempt ended by `last`; None where its worker died."""
        why = f": {last.message if isinstance(last, FloeError) else last}" if last is not None else ""
        count = tried(record)
        return AttemptsExhausted(
            f"{count} attempt{'s' if count != 1 else ''} ended without an outcome{why}",
            hint="the log of the executor tells what happened to each of them",
        )

    def wait(self, failed_attempts: int) -> float:
        """Seconds until the next attempt."""
        wait = wait_seconds(self._retries, failed_attempts)
        # Nobody knows what the product wants as long as its artifact cannot be read.
        return wait if self.product is not None else min(wait, self.settings.tick_seconds)

    def deadline(self, record: RunRecord) -> datetime | None:
        """When the time of the run is up, counted from its first attempt."""
        seconds = self._orchestration.timeout_seconds
        if seconds is None or record.started_at is None:
            return None
        return datetime.fromisoformat(record.started_at) + timedelta(seconds=seconds)

    def timed_out(self) -> RunTimedOut:
        """The failure of a run whose time is up."""
        return RunTimedOut(
            f"the run was ended after {self._orchestration.timeout_seconds} s, since its first attempt began",
            hint="raise orchestration.timeoutSeconds in floe.yaml, or build less in one run",
        )

    def scheduled_partition(self, record: RunRecord) -> str | None:
        """The partition of a tick of the clock: the one that had ended last by then."""
        if record.nominal_time is None or record.options.partition is not None:
            return None
        return partitions.last_closed(self._orchestration.partitions, datetime.fromisoformat(record.nominal_time))

    @property
    def _orchestration(self) -> CompiledOrchestration:
        return self.product.artifact.orchestration if self.product is not None else CompiledOrchestration()

    @property
    def _retries(self) -> CompiledRetries:
        if self.product is not None:
            return self._orchestration.retries
        return CompiledRetries(max_attempts=self.settings.max_attempts, delay_seconds=1)
