"""When a table is due, and for what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from cronsim import CronSimError

from floe_catalog.core.maintenance_due import (
    due_work,
    latest_tick,
    maintained_state,
    next_tick,
    pause_after,
    with_tick,
)
from floe_contracts.catalog_products import CatalogProduct
from floe_contracts.events.tables import TableSchema
from floe_contracts.maintenance import CompiledMaintenance
from floe_contracts.table_states import TableState

TICK = "2026-03-01T03:17:00+00:00"
BEFORE = "2026-03-01T03:16:00+00:00"
AFTER = "2026-03-01T03:18:00+00:00"


def product(tick: str | None = None) -> CatalogProduct:
    return CatalogProduct(
        tenant="t", environment="dev", product="p", artifact_digest="d", sequence=1, last_maintenance_tick=tick
    )


def state(commits: int = 0, since: str | None = BEFORE, maintained_at: str | None = None) -> TableState:
    return TableState(
        tenant="t",
        environment="dev",
        product="p",
        identifier="t.dev.p.main.orders",
        table_uuid="u",
        snapshot_id=1,
        table_schema=TableSchema(schema_id=0, columns=()),
        commits_since_maintenance=commits,
        since=since,
        maintained_at=maintained_at,
    )


def policy(**said: Any) -> CompiledMaintenance:
    return CompiledMaintenance.model_validate(said)


def test_a_table_is_due_after_so_many_commits() -> None:
    few = policy(after_commits=3)
    assert due_work(product(), few, state(commits=2)) is None
    work = due_work(product(), few, state(commits=3))
    assert work is not None
    assert (work.requester, work.actions) == ("commits", ("compaction", "manifests", "expiry"))
    assert str(work.place) == "t.dev.p"


def test_the_cause_is_the_same_until_the_table_is_maintained() -> None:
    few = policy(after_commits=3)
    causes = [
        work.cause
        for one in (state(3), state(7), state(3, maintained_at=TICK))
        if (work := due_work(product(), few, one)) is not None
    ]
    assert causes[0] == causes[1] != causes[2]


@pytest.mark.parametrize(
    ("one", "due"),
    [
        (state(), True),
        (state(since=None), True),
        (state(since=AFTER), False),
        (state(maintained_at=BEFORE), True),
        (state(maintained_at=AFTER), False),
        (state(maintained_at="2026-03-01T05:16:00+02:00"), True),
    ],
    ids=["never", "since ever", "came later", "before", "after", "before, in another time zone"],
)
def test_a_tick_concerns_the_tables_that_were_there_until_they_are_maintained(one: TableState, due: bool) -> None:
    work = due_work(product(TICK), policy(), one)
    assert (work is not None) is due
    if work is not None:
        assert (work.requester, work.cause) == ("schedule", f"schedule:{TICK}")
        assert work.actions == ("compaction", "manifests", "expiry", "orphans")


def test_a_table_without_rows_or_that_is_gone_is_never_due() -> None:
    for update in ({"snapshot_id": None}, {"table_uuid": ""}):
        assert due_work(product(TICK), policy(), state(commits=99).model_copy(update=update)) is None


def test_a_tick_stands_for_more_than_commits() -> None:
    work = due_work(product(TICK), policy(after_commits=1), state(commits=5))
    assert work is not None
    assert work.requester == "schedule"


def test_what_is_switched_off_is_left_out() -> None:
    off: dict[str, Any] = {"enabled": False}
    work = due_work(product(TICK), policy(manifests=off, orphans=off), state())
    assert work is not None
    assert work.actions == ("compaction", "expiry")
    assert due_work(product(TICK), policy(enabled=False), state(commits=99)) is None
    assert due_work(product(TICK), policy(compaction=off, manifests=off, expiry=off, orphans=off), state()) is None


def test_the_options_are_those_of_the_policy() -> None:
    said = policy(
        compaction={"target_file_size_mb": 3, "min_input_files": 4},
        manifests={"min_manifests": 5},
        expiry={"max_age_days": 2, "min_snapshots": 6},
        orphans={"min_age_days": 7},
    )
    work = due_work(product(TICK), said, state())
    assert work is not None
    options = work.options
    assert (options.target_file_size_bytes, options.min_input_files, options.min_manifests) == (3 * 2**20, 4, 5)
    assert (options.max_age_seconds, options.min_snapshots, options.orphan_age_seconds) == (172_800, 6, 604_800)


def test_the_latest_tick_is_found_however_rare_they_are() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert latest_tick(policy(schedule="*/5 * * * *"), at) == at
    assert latest_tick(policy(), at) == datetime(2026, 3, 1, 3, 17, tzinfo=UTC)
    assert latest_tick(policy(schedule="0 0 29 2 *"), at) == datetime(2024, 2, 29, tzinfo=UTC)
    berlin = policy(schedule="0 6 * * *", timezone="Europe/Berlin")
    assert latest_tick(berlin, at) == datetime(2026, 3, 1, 5, tzinfo=UTC)
    assert next_tick(berlin, at) == datetime(2026, 3, 2, 5, tzinfo=UTC)
    assert next_tick(policy(enabled=False), at) is None
    with pytest.raises(CronSimError):
        latest_tick(policy(schedule="never"), at)


def test_a_tick_is_taken_up_once() -> None:
    tick = datetime.fromisoformat(TICK)
    taken = with_tick(product(), tick)
    assert taken is not None
    assert taken.last_maintenance_tick == TICK
    assert with_tick(taken, tick) is None
    assert with_tick(taken, tick - timedelta(hours=1)) is None
    assert with_tick(taken, tick + timedelta(hours=1)) is not None
    assert with_tick(None, tick) is None


def test_maintenance_that_ended_is_written_down() -> None:
    done = maintained_state(state(commits=9), datetime.fromisoformat(AFTER))
    assert done == state(maintained_at=AFTER)
    assert maintained_state(None, datetime.fromisoformat(AFTER)) is None


def test_a_table_that_fails_is_left_alone_for_longer_and_longer() -> None:
    pauses = [pause_after(times) for times in range(1, 40)]
    assert pauses[0] == timedelta(minutes=1)
    assert pauses[-1] == timedelta(hours=6)
    assert all(one <= following for one, following in pairwise(pauses))
