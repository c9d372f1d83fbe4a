"""Reading the runs that the bus knows of, and what is live there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import ValidationError

from floe_chassis.key_values import entries_below, keys_below
from floe_chassis.topology import LIVE_PRODUCTS_BUCKET, RUNS_BUCKET
from floe_cli.stack.connection import Connection
from floe_contracts.data import Data
from floe_contracts.errors import WrongUsage
from floe_contracts.live_products import LiveProduct
from floe_contracts.openlineage.naming import Place
from floe_contracts.runs import RunRecord, RunStatus
from floe_contracts.subjects import escape, unescape
from floe_contracts.suggestions import did_you_mean

_BACKFILLS: Final = "backfill"
_LIST_HINT: Final = "floe runs list shows them"
DataT = TypeVar("DataT", bound=Data)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are wanted; None and empty take all."""

    product: str | None = None
    environment: str | None = None
    statuses: frozenset[RunStatus] = frozenset()

    @property
    def pattern(self) -> str:
        """The keys of these runs below the tenant."""
        return ".".join("*" if name is None else escape(name) for name in (self.environment, self.product))


async def read_runs(connection: Connection, wanted: RunFilter | None = None) -> list[RunRecord]:
    """The runs of the tenant, the newest first."""
    wanted = wanted or RunFilter()
    pattern = f"{escape(connection.settings.tenant)}.{wanted.pattern}.*"
    records = await _read(connection, RUNS_BUCKET, pattern, RunRecord)
    fitting = (record for record in records if not wanted.statuses or record.status in wanted.statuses)
    return sorted(fitting, key=lambda record: (record.requested_at, record.run_id), reverse=True)


async def find_run(connection: Connection, name: str) -> RunRecord:
    """The run that an id, or the beginning of one, names.

    Raises:
        WrongUsage: none has it, or several have.
    """
    records = [record for record in await read_runs(connection) if record.run_id.startswith(name)]
    return _only(name, records, [record.run_id for record in records])


async def last_failed_run(connection: Connection, product: str, environment: str) -> RunRecord:
    """The newest run of a place that failed.

    Raises:
        WrongUsage: none has.
    """
    failed = await read_runs(connection, RunFilter(product, environment, frozenset({RunStatus.FAILED})))
    if not failed:
        raise WrongUsage(f"no run of {product} in {environment} has failed", hint="floe run without --retry")
    return failed[0]


async def find_run_or_backfill(connection: Connection, name: str) -> tuple[Place, str, RunRecord | None]:
    """The place and whole id of a run or a backfill; the record of a run too.

    Raises:
        WrongUsage: none has it, or several have.
    """
    records = await read_runs(connection)
    found: dict[str, tuple[Place, str, RunRecord | None]] = {
        record.run_id: (record.place, record.run_id, record) for record in records if record.run_id.startswith(name)
    }
    tenant = connection.settings.tenant
    bucket = await connection.bus.key_value(RUNS_BUCKET)
    for key in await keys_below(bucket, f"{_BACKFILLS}.{escape(tenant)}.*.*.*"):
        _, _, environment, product, backfill = key.split(".")
        if backfill.startswith(name):
            found.setdefault(backfill, (Place(tenant, unescape(environment), unescape(product)), backfill, None))
    return _only(name, list(found.values()), list(found))


async def read_live(connection: Connection, environment: str | None = None) -> list[LiveProduct]:
    """What is live for the tenant, by product and environment."""
    pattern = f"{escape(connection.settings.tenant)}.{'*' if environment is None else escape(environment)}.*"
    products = await _read(connection, LIVE_PRODUCTS_BUCKET, pattern, LiveProduct)
    return sorted((one for one in products if not one.retired), key=lambda one: (one.product, one.environment))


async def find_live(connection: Connection, product: str, environment: str | None) -> LiveProduct:
    """What is live of a product: in the environment that was asked for, else in `dev`, else in the only one.

    Raises:
        WrongUsage: nothing is, or it is not clear which one is meant.
    """
    live = await read_live(connection)
    own = {one.environment: one for one in live if one.product == product}
    if not own:
        hint = did_you_mean(product, {one.product for one in live}) or "floe products shows what is live"
        raise WrongUsage(f"no product {product!r} is live", hint=hint)
    chosen = environment or ("dev" if "dev" in own or len(own) > 1 else min(own))
    if chosen not in own:
        raise WrongUsage(
            f"{product} is not live in the environment {chosen!r}", hint=f"name one with -e: {', '.join(sorted(own))}"
        )
    return own[chosen]


FoundT = TypeVar("FoundT")


def _only(name: str, found: list[FoundT], ids: Iterable[str]) -> FoundT:
    if not found:
        raise WrongUsage(f"there is no run {name!r}", hint=_LIST_HINT)
    if len(found) > 1:
        raise WrongUsage(f"{len(found)} runs begin with {name!r}", hint=f"as in {', '.join(sorted(ids)[:3])}")
    return found[0]


async def _read(connection: Connection, name: str, pattern: str, model: type[DataT]) -> list[DataT]:
    found = []
    for entry in await entries_below(await connection.bus.key_value(name), pattern):
        with contextlib.suppress(ValidationError):  # a newer floe wrote it
            found.append(model.model_validate_json(entry.value or b"", extra="ignore"))
    return found
