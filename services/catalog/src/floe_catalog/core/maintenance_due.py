"""When a table is to be maintained: after so many commits, and at the ticks of a schedule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Final

from floe_catalog.core.maintenance_actions import (
    BY_COMMITS,
    BY_SCHEDULE,
    TableWork,
    enabled_actions,
    options_of,
)
from floe_contracts.catalog_products import CatalogProduct
from floe_contracts.compiled_product import CompiledSchedule
from floe_contracts.maintenance import CompiledMaintenance
from floe_contracts.schedule_ticks import ticks_after
from floe_contracts.table_states import TableState

_FIRST_WINDOW: Final = timedelta(hours=1)
_WIDEST_WINDOW: Final = timedelta(days=16 * 366)
_FIRST_PAUSE: Final = timedelta(minutes=1)
_LONGEST_PAUSE: Final = timedelta(hours=6)
_NEVER: Final = "the beginning"


def due_work(product: CatalogProduct, policy: CompiledMaintenance, state: TableState) -> TableWork | None:
    """What is to be done to a table now; None if nothing is.

    A tick concerns the tables that were there when it came, until they are maintained: whoever took it up may have died
    in between, and whoever comes next finishes it. It wins over the commits, since it stands for more.
    """
    if not state.table_uuid or state.snapshot_id is None:
        return None
    tick = product.last_maintenance_tick
    if tick is not None and _concerns(tick, state):
        return _work(policy, state, BY_SCHEDULE, tick)
    if state.commits_since_maintenance >= policy.after_commits:
        return _work(policy, state, BY_COMMITS, state.maintained_at or _NEVER)
    return None


def _concerns(tick: str, state: TableState) -> bool:
    time = datetime.fromisoformat(tick)
    if state.since is not None and datetime.fromisoformat(state.since) > time:
        return False
    return state.maintained_at is None or datetime.fromisoformat(state.maintained_at) < time


def _work(policy: CompiledMaintenance, state: TableState, requester: str, since: str) -> TableWork | None:
    actions = enabled_actions(policy, requester)
    if not actions:
        return None
    return TableWork(
        place=state.place,
        identifier=state.identifier,
        actions=actions,
        options=options_of(policy),
        requester=requester,
        cause=f"{requester}:{since}",
    )


def maintained_state(state: TableState | None, at: datetime) -> TableState | None:
    """What is remembered of a table once its maintenance has come to its end; None if it is gone."""
    if state is None:
        return None
    ended = at.astimezone(UTC).isoformat()
    return state.model_copy(update={"commits_since_maintenance": 0, "maintained_at": ended})


def latest_tick(policy: CompiledMaintenance, at: datetime) -> datetime | None:
    """The last tick of the schedule until `at`; None if there was none in the last years.

    Raises:
        CronSimError: the cron expression is none.
        ZoneInfoNotFoundError: there is no such time zone.
    """
    # Forward in windows that grow: cronsim's way back differs from its way forward where summer time is half an hour.
    window = _FIRST_WINDOW
    while window < _WIDEST_WINDOW:
        if found := list(takewhile(lambda tick: tick <= at, _ticks(policy, at - window))):
            return found[-1]
        window *= 4
    return None


def next_tick(policy: CompiledMaintenance, at: datetime) -> datetime | None:
    """The first tick after `at`; None if none comes, or nothing is maintained. Raises as `latest_tick`."""
    return next(_ticks(policy, at), None) if policy.enabled else None


def with_tick(product: CatalogProduct | None, tick: datetime) -> CatalogProduct | None:
    """The product with a tick taken up; None where it is gone, or this tick or a later one was taken up already."""
    if product is None:
        return None
    last = product.last_maintenance_tick
    if last is not None and datetime.fromisoformat(last) >= tick:
        return None
    return product.model_copy(update={"last_maintenance_tick": tick.isoformat()})


def pause_after(failures: int) -> timedelta:
    """How long a table is left alone after it has failed so many times in a row."""
    doubled: timedelta = _FIRST_PAUSE * (1 << min(failures - 1, 16))
    return min(doubled, _LONGEST_PAUSE)


def _ticks(policy: CompiledMaintenance, time: datetime) -> Iterator[datetime]:
    return ticks_after(CompiledSchedule(cron=policy.schedule, timezone=policy.timezone, enabled=True), time)
