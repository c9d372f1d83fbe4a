"""Asking for runs, backfills and cancellations on the bus."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

from floe_cli.stack.connection import Connection
from floe_contracts.errors import WrongUsage
from floe_contracts.events import LATEST, CancellationRequested, PartitionChoice, RunOptions, RunRequested
from floe_contracts.live_products import LiveProduct
from floe_contracts.openlineage.naming import Place, run_id
from floe_contracts.runs import RunRecord, RunStatus

REASON = "asked for on the command line"


@dataclass(frozen=True, slots=True)
class Asking:
    """A request and its id."""

    request: RunRequested
    cause: str

    @property
    def place(self) -> Place:
        """Where it is to be run."""
        return Place(self.request.tenant, self.request.environment, self.request.product)

    @property
    def run_id(self) -> str:
        """The run that it leads to, or the backfill."""
        return run_id(self.place, self.cause)

    async def publish(self, connection: Connection) -> None:
        """Have the request stored on the bus; one that is there already is not stored again."""
        await connection.bus.publish(self.request, id=self.cause)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants of a run beside its place.

    Attributes:
        options: what is built, and how.
        reason: in the words of who asks; None: the command line's.
        request_id: chosen by who asks; None makes a new one.
        partitions: asks for a backfill.
    """

    options: RunOptions
    reason: str | None = None
    request_id: str | None = None
    partitions: PartitionChoice | None = None


def run_of_live(live: LiveProduct, wanted: Wanted, requester: str) -> Asking:
    """The request for a run, or a backfill, of what is live."""
    request = RunRequested(
        tenant=live.tenant,
        environment=live.environment,
        product=live.product,
        artifact_digest=LATEST,
        requester=requester,
        reason=wanted.reason or REASON,
        trigger="backfill" if wanted.partitions else "manual",
        options=wanted.options,
        partitions=wanted.partitions,
    )
    cause = wanted.request_id or f"{live.product}:{live.environment}:request:{uuid.uuid4()}"
    return Asking(request, cause)


def retry_of(record: RunRecord, requester: str, *, latest: bool, reason: str | None = None) -> Asking:
    """The request for what failed or was skipped in a run; of its own artifact, or of the latest.

    Raises:
        WrongUsage: the run has not failed.
    """
    if record.status is not RunStatus.FAILED:
        told = f"is {record.status}" if not record.status.terminal else f"was {record.status}"
        hint = "floe runs list --status failed shows those that can be retried"
        raise WrongUsage(f"run {record.run_id} {told}, and only a failed run can be retried", hint=hint)
    request = RunRequested(
        tenant=record.tenant,
        environment=record.environment,
        product=record.product,
        artifact_digest=LATEST if latest else record.artifact_digest,
        requester=requester,
        reason=reason or REASON,
        trigger="retry",
        options=retry_options(record),
        nominal_time=record.nominal_time,
        source=None if latest else record.source,
    )
    return Asking(request, f"{record.run_id}:retry:{uuid.uuid4()}")


def retry_options(record: RunRecord) -> RunOptions:
    """The options of a run that retries another one: the same, for what is left."""
    return record.options.model_copy(update={"retry_of": record.run_id})


async def ask_to_cancel(connection: Connection, place: Place, run: str, requester: str, reason: str | None) -> None:
    """Ask for the end of a run or of a backfill."""
    request = CancellationRequested(
        tenant=place.tenant,
        environment=place.environment,
        product=place.product,
        run_id=run,
        requester=requester,
        reason=reason or REASON,
    )
    await connection.bus.publish(request, id=f"{run}:cancel")


def read_vars(text: str | None) -> dict[str, Any]:
    """The variables of `--vars`: a YAML or JSON object; dates become text, as dbt's own JSON has them.

    Raises:
        WrongUsage: it is none.
    """
    if text is None:
        return {}
    hint = "as in --vars '{country: de}'"
    try:
        found = yaml.safe_load(text)
        if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
            raise WrongUsage(f"--vars is no object: {text!r}", hint=hint)
        values: dict[str, Any] = json.loads(json.dumps(dict(found), default=_as_json, allow_nan=False))
    except (yaml.YAMLError, TypeError, ValueError) as error:
        said = getattr(error, "problem", None) or error  # without the places, which take many lines for one
        raise WrongUsage(f"--vars is neither YAML nor JSON: {said}", hint=hint) from error
    return values


def _as_json(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")
