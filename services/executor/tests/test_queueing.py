from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from floe_contracts.events import PartitionChoice, RunOptions
from floe_contracts.runs import RunRecord, RunStatus
from floe_executor.core.backfills import BackfillRecord, part, to_make
from floe_executor.core.queueing import decide, due, order

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def run(name: str, sequence: int, status: RunStatus = RunStatus.QUEUED, **fields: object) -> RunRecord:
    values: dict[str, object] = {
        "run_id": name,
        "tenant": "default",
        "environment": "dev",
        "product": "shop",
        "artifact_digest": "sha256:" + "0" * 64,
        "status": status,
        "cause": name,
        "requested_at": NOW.isoformat(),
        "sequence": sequence,
    }
    return RunRecord.model_validate(values | fields)


def backfill(sequence: int, keys: tuple[str, ...], parallel: int = 1, made: int = 0) -> BackfillRecord:
    return BackfillRecord(
        backfill="backfill-1",
        tenant="default",
        environment="dev",
        product="shop",
        artifact_digest="sha256:" + "0" * 64,
        cause="cause",
        sequence=sequence,
        requested_at=NOW.isoformat(),
        requester="test",
        reason="test",
        options=RunOptions(),
        choice=PartitionChoice(),
        keys=keys,
        parallel=parallel,
        made=made,
    )


def nobody(_: RunRecord) -> bool:
    return False


def test_the_stream_orders_the_runs_of_a_place_whatever_the_clocks_say() -> None:
    late = run("a", 1, requested_at=(NOW + timedelta(hours=1)).isoformat())
    assert sorted([run("c", 3), run("b", 2), late], key=order) == [late, run("b", 2), run("c", 3)]
    parts = [part(backfill(2, ("x", "y", "z")), index) for index in (2, 0, 1)]
    assert [one.options.partition for one in sorted(parts, key=order)] == ["x", "y", "z"]


def test_a_queue_changes_nothing() -> None:
    decision = decide("queue", run("b", 2), [run("a", 1), run("c", 3)])
    assert (decision.superseded, decision.superseded_by, decision.rejected_for) == ((), None, None)


def test_a_replacing_run_takes_the_place_of_those_that_wait_before_it() -> None:
    waiting, running, ended = run("a", 1), run("b", 2, RunStatus.STARTED), run("c", 3, RunStatus.COMPLETED)
    of_backfill = run("d", 4, backfill="backfill-1")
    decision = decide("replace", run("e", 5), [waiting, running, ended, of_backfill])
    assert decision.superseded == (waiting,)
    assert (decision.superseded_by, decision.rejected_for) == (None, None)


def test_of_two_replacing_runs_the_newer_one_stays_in_whichever_order_they_are_recorded() -> None:
    older, newer = run("a", 1), run("b", 2)
    assert decide("replace", newer, [older]).superseded == (older,)
    assert decide("replace", older, [newer]).superseded_by == newer
    assert decide("replace", older, [newer]).superseded == ()


def test_a_rejecting_product_lets_a_run_wait_for_none_that_came_before() -> None:
    first, second = run("a", 1, RunStatus.STARTED), run("b", 2)
    assert decide("reject", second, [first]).rejected_for == first
    assert decide("reject", first, [second]).rejected_for is None, "decided again after a redelivery"
    assert decide("reject", second, [run("a", 1, RunStatus.FAILED)]).rejected_for is None
    whole = run("backfill-1", 1, backfill="backfill-1")
    assert decide("reject", whole, [run("part", 1, backfill="backfill-1")]).rejected_for is None


def test_one_run_of_a_place_is_due_and_the_one_that_has_begun_comes_first() -> None:
    begun, first = run("b", 2, RunStatus.STARTED), run("a", 1)
    assert due([first, begun], [], NOW, nobody).runs == (begun,)
    assert due([], [], NOW, nobody).runs == ()


def test_a_run_that_waits_for_its_next_attempt_is_not_overtaken_unless_it_is_to_end() -> None:
    later = NOW + timedelta(seconds=30)
    waits = run("a", 1, RunStatus.STARTED, not_before=later.isoformat())
    held = due([waits, run("b", 2)], [], NOW, nobody)
    assert (held.runs, held.at) == ((), later)
    assert due([waits], [], later, nobody).runs == (waits,)
    assert due([waits], [], NOW, lambda _: True).runs == (waits,)


@pytest.mark.parametrize("parallel", [1, 2, 5])
def test_as_many_parts_of_a_backfill_work_at_once_as_it_says(parallel: int) -> None:
    record = backfill(1, ("x", "y", "z"), parallel, made=3)
    parts = tuple(part(record, index) for index in range(3))
    assert due([*parts, run("other", 2)], [record], NOW, nobody).runs == parts[: min(parallel, 3)]


def test_a_part_that_has_staged_is_alone_until_it_has_landed() -> None:
    record = backfill(1, ("x", "y", "z"), parallel=3, made=3)
    first, second, third = (part(record, index) for index in range(3))
    begun = first.model_copy(update={"status": RunStatus.STARTED})
    staged = second.model_copy(update={"status": RunStatus.STARTED, "landing": "sha256:0"})
    assert due([begun, staged, third], [record], NOW, nobody).runs == (staged,)


def test_a_part_that_waits_for_its_next_attempt_keeps_its_room() -> None:
    record = backfill(1, ("x", "y", "z"), parallel=2, made=3)
    first, second, third = (part(record, index) for index in range(3))
    later = NOW + timedelta(seconds=5)
    first = first.model_copy(update={"status": RunStatus.STARTED, "not_before": later.isoformat()})
    found = due([third, second, first], [record], NOW, nobody)
    assert (found.runs, found.at) == ((second,), later)


def test_no_run_overtakes_a_backfill_whose_runs_are_not_all_recorded() -> None:
    after, before = run("after", 5), run("before", 1)
    unfinished = backfill(3, ("x", "y"), made=1)
    assert due([after], [unfinished], NOW, nobody).runs == ()
    assert due([before, after], [unfinished], NOW, nobody).runs == (before,)
    assert due([after], [backfill(3, ("x", "y"), made=2)], NOW, nobody).runs == (after,)


def test_the_runs_of_a_backfill_are_recorded_a_few_ahead() -> None:
    record = backfill(1, tuple("abcdefg"), parallel=2)
    assert to_make(record, 0) == range(4)
    assert to_make(record.model_copy(update={"made": 4}), 3) == range(4, 5)
    assert not to_make(record.model_copy(update={"made": 4}), 4)
    assert to_make(record.model_copy(update={"made": 6}), 0) == range(6, 7)
    assert not to_make(record.model_copy(update={"made": 7}), 0)
