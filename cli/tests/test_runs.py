"""`floe runs` and `floe products`, against a real bus with the test in the place of the executor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import LIVE_PRODUCTS_BUCKET, RUNS, RUNS_BUCKET
from floe_cli.exit_codes import ExitCode
from floe_contracts.cloudevents import Received, decode
from floe_contracts.compiled_product import CompiledSchedule, CompiledTrigger
from floe_contracts.digests import digest_of, short
from floe_contracts.events import (
    BackfillCompleted,
    CancellationRequested,
    LandedTable,
    NodeCompleted,
    NodeFailed,
    NodeOutcome,
    PartitionChoice,
    PartitionResult,
    Problem,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunOptions,
    RunQueued,
    RunRequested,
    RunSeconds,
    RunStarted,
    RunSuperseded,
    TableCommitted,
)
from floe_contracts.live_products import LiveProduct
from floe_contracts.openlineage.naming import Place, run_id
from floe_contracts.runs import RunRecord, RunStatus, place_key, run_key

pytestmark = [pytest.mark.bus, pytest.mark.usefixtures("configured")]

Floe = Callable[..., Any]
DIGEST = digest_of(b"artifact")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECONDS = RunSeconds(run=1.5, land=0.5)
TABLE: dict[str, Any] = {
    "identifier": "default.dev.shop.main.orders",
    "table_uuid": "u",
    "snapshot_id": 2**62 + 1,
    "rows": 1234,
    "files": 1,
    "bytes": 9,
}


def where(product: str = "shop", environment: str = "dev") -> dict[str, str]:
    return {"tenant": "default", "environment": environment, "product": product}


async def record(bus: Bus, cause: str, status: RunStatus, *, product: str = "shop", **fields: Any) -> RunRecord:
    """A run in the bucket, as the executor leaves it; each one is asked for a minute after the one before."""
    place = Place("default", fields.get("environment", "dev"), product)
    minutes = int(cause.rpartition(":")[2])
    ended = {"ended_at": (NOON + timedelta(minutes=minutes, seconds=9)).isoformat()} if status.terminal else {}
    made = RunRecord(
        **(
            where(product)
            | {
                "run_id": run_id(place, cause),
                "artifact_digest": DIGEST,
                "status": status,
                "attempt": 1,
                "cause": cause,
                "requested_at": (NOON + timedelta(minutes=minutes)).isoformat(),
                "started_at": (NOON + timedelta(minutes=minutes, seconds=2)).isoformat(),
                "requester": "me",
                "reason": "a test",
            }
            | ended
            | fields
        )
    )
    await (await bus.key_value(RUNS_BUCKET)).put(run_key(place, made.run_id), made.model_dump_json().encode())
    return made


async def live(bus: Bus, product: str = "shop", environment: str = "dev", **fields: Any) -> LiveProduct:
    made = LiveProduct(
        **where(product, environment), artifact_digest=DIGEST, sequence=1, since=NOON.isoformat(), **fields
    )
    bucket = await bus.key_value(LIVE_PRODUCTS_BUCKET)
    await bucket.put(place_key(made.place), made.model_dump_json().encode())
    return made


async def asked(bus: Bus, count: int = 1) -> list[Received[Any]]:
    """What stands on FLOE_RUNS, once it is there."""

    async def there() -> list[Received[Any]]:
        read = read_stream(bus.js, RUNS, "floe.v1.>")
        found = [decode(message.subject, message.headers, message.data) async for message in read]
        return found if len(found) >= count else []

    found = await eventually(there)
    assert len(found) == count
    return found


async def call(floe: Floe, *arguments: object) -> Any:
    return await asyncio.to_thread(floe, *arguments)


# ---- list and show


async def test_runs_are_listed_the_newest_first(bus: Bus, floe: Floe) -> None:
    assert (await call(floe, "runs", "list")).out == "no runs\n"
    options = RunOptions(partition="2026-11-01", select=("orders+",), full_refresh=True)
    old = await record(bus, "a:1", RunStatus.COMPLETED, options=options, trigger="schedule")
    new = await record(bus, "a:2", RunStatus.FAILED, product="other")
    await (await bus.key_value(RUNS_BUCKET)).put("default.dev.shop.strange", b'{"version": "9.0"}')
    said = await call(floe, "runs", "list")
    header, first, second = said.out.splitlines()
    assert header.split() == ["run", "product", "environment", "status", "asked", "for", "seconds", "by", "what"]
    assert first.split()[:6] == [new.run_id[:8], "other", "dev", "failed", "2026-11-20", "12:02:00Z"]
    assert second.split()[6:] == ["7.0", "schedule", "partition", "2026-11-01", "--select", "orders+", "--full-refresh"]
    for arguments, runs in {
        ("--limit", "1"): [new],
        ("--product", "shop"): [old],
        ("--status", "failed", "--status", "queued"): [new],
        ("--environment", "prod"): [],
    }.items():
        document = json.loads((await call(floe, "runs", "list", "--json", *arguments)).out)
        assert [run["run_id"] for run in document["runs"]] == [run.run_id for run in runs], arguments


async def test_a_run_is_shown_with_all_that_it_told(bus: Bus, floe: Floe) -> None:
    made = await record(
        bus,
        "a:1",
        RunStatus.FAILED,
        options=RunOptions(vars={"country": "de"}),
        chain=("raw",),
        nominal_time="2026-11-20",
    )
    await record(bus, "a:2", RunStatus.COMPLETED)
    run: dict[str, Any] = where() | {"run_id": made.run_id, "artifact_digest": DIGEST}
    problem = Problem(code="FLOE-RUN-001", message="1 node failed", hint="mend it")
    well = NodeCompleted(**run, attempt=1, unique_id="model.shop.orders", seconds=0.25, status="success")
    ill = NodeFailed(**run, attempt=1, unique_id="model.shop.broken", seconds=0.5, message="no such column")
    other = NodeFailed(**run | {"run_id": "another"}, attempt=1, unique_id="model.shop.other", seconds=1)
    failed = RunFailed(
        **run,
        attempt=1,
        nodes=tuple(
            NodeOutcome(unique_id=node.unique_id, status=status, seconds=node.seconds)
            for node, status in ((well, "success"), (ill, "failed"))
        ),
        problems=(problem,),
        tables=(LandedTable(**TABLE, unique_id="model.shop.orders"),),
        lineage_events=5,
        seconds=SECONDS,
    )
    for number, event in enumerate((well, ill, other, failed)):
        await bus.publish(event, id=f"event:{number}")
    said = await call(floe, "runs", "show", made.run_id[:6])
    assert said.code == 0
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    for line in (
        f"run {made.run_id}",
        "product shop in dev",
        "status failed",
        "asked for 2026-11-20 12:01:00Z by me: a test",
        "what --vars country",
        "nominal time 2026-11-20",
        "chain raw",
        "ended 2026-11-20 12:01:09Z, 7.0 s",
        "model.shop.orders success 0.25",
        "model.shop.broken failed 0.50",
        f"{TABLE['identifier']} 1,234 {TABLE['snapshot_id']}",
    ):
        assert line in lines
    assert "model.shop.other" not in said.out
    assert "error FLOE-RUN-001" in said.err
    document = json.loads((await call(floe, "runs", "show", made.run_id, "--json")).out)
    assert document["run"]["options"]["vars"] == {"country": "de"}
    assert [(node["unique_id"], node["status"], node["message"]) for node in document["nodes"]] == [
        ("model.shop.orders", "success", None),
        ("model.shop.broken", "failed", "no such column"),
    ]
    assert document["tables"][0]["rows"] == 1234
    assert document["problems"] == [problem.model_dump(exclude_none=True)]


async def test_a_run_that_works_is_shown_as_far_as_it_is(bus: Bus, floe: Floe) -> None:
    made = await record(bus, "a:1", RunStatus.STARTED)
    run: dict[str, Any] = where() | {"run_id": made.run_id, "artifact_digest": DIGEST}
    done = NodeCompleted(**run, attempt=1, unique_id="model.shop.orders", seconds=0.25, status="success")
    await bus.publish(done, id="done")
    document = json.loads((await call(floe, "runs", "show", made.run_id, "--json")).out)
    assert (document["run"]["status"], [node["status"] for node in document["nodes"]]) == ("started", ["success"])


@pytest.mark.parametrize("command", ["show", "cancel", "retry"])
async def test_a_run_is_named_by_a_beginning_that_no_other_has(bus: Bus, floe: Floe, command: str) -> None:
    for number in range(17):  # two of them begin with the same digit
        await record(bus, f"a:{number}", RunStatus.FAILED)
    runs = json.loads((await call(floe, "runs", "list", "--json")).out)["runs"]
    digits = [run["run_id"][0] for run in runs]
    twice = next(digit for digit in digits if digits.count(digit) > 1)
    said = await call(floe, "runs", command, twice)
    assert said.code == ExitCode.WRONG_USAGE
    assert f"{digits.count(twice)} runs begin with '{twice}'" in said.err
    said = await call(floe, "runs", command, "nothing")
    assert said.code == ExitCode.WRONG_USAGE
    assert "there is no run 'nothing'" in said.err


# ---- cancel and retry


async def test_a_run_or_a_backfill_is_cancelled(bus: Bus, floe: Floe) -> None:
    ended = await record(bus, "a:1", RunStatus.COMPLETED)
    said = await call(floe, "runs", "cancel", ended.run_id)
    assert (said.code, said.out) == (0, f"run {ended.run_id} has ended already: completed\n")
    made = await record(bus, "a:2", RunStatus.STARTED, environment="prod")
    for _ in range(2):
        said = await call(floe, "runs", "cancel", made.run_id[:12], "--reason", "too late")
        assert (said.code, said.out) == (0, f"asked for the end of run {made.run_id}\n")
    whole = run_id(Place("default", "dev", "shop"), "the whole")
    await (await bus.key_value(RUNS_BUCKET)).put(f"backfill.default.dev.shop.{whole}", b"{}")
    said = await call(floe, "runs", "cancel", whole[:12])
    assert said.out == f"asked for the end of backfill {whole}\n"
    cancelling = {"requester": "floe runs cancel"}
    assert [received.event for received in await asked(bus, 2)] == [
        CancellationRequested(**where(environment="prod"), run_id=made.run_id, reason="too late", **cancelling),
        CancellationRequested(**where(), run_id=whole, reason="asked for on the command line", **cancelling),
    ]


async def test_a_failed_run_is_retried_as_it_was_asked_for(bus: Bus, floe: Floe) -> None:
    options = RunOptions(select=("orders+",), vars={"country": "de"}, partition="2026-11-01")
    made = await record(bus, "a:1", RunStatus.FAILED, options=options, nominal_time="2026-11-20")
    said = json.loads((await call(floe, "runs", "retry", made.run_id, "--json")).out)
    await call(floe, "runs", "retry", made.run_id[:12], "--latest", "--reason", "mended")
    first, second = await asked(bus, 2)
    assert first.event == RunRequested(
        **where(),
        artifact_digest=DIGEST,
        requester="floe runs retry",
        reason="asked for on the command line",
        trigger="retry",
        options=options.model_copy(update={"retry_of": made.run_id}),
        nominal_time="2026-11-20",
    )
    assert said == {"request": first.attributes.id, "run_id": run_id(made.place, first.attributes.id)}
    assert (second.event.artifact_digest, second.event.reason) == ("latest", "mended")
    well = await record(bus, "a:2", RunStatus.COMPLETED)
    said = await call(floe, "runs", "retry", well.run_id)
    assert said.code == ExitCode.WRONG_USAGE
    assert "was completed, and only a failed run can be retried" in said.err


# ---- request and backfill


async def test_what_is_live_is_asked_for(bus: Bus, floe: Floe) -> None:
    await live(bus)
    await live(bus, environment="prod")
    arguments = [
        *("--select", "orders+", "-s", "tag:daily", "--exclude", "stg_*", "--full-refresh", "--allow-breaking"),
        *("--vars", "{country: de, day: 2026-11-01, depth: 2}", "--partition", "2026-11-01", "--id", "mine"),
    ]
    said = await call(floe, "runs", "request", "shop", "-e", "prod", "--reason", "late data", *arguments)
    assert said.code == 0, said.err
    assert await call(floe, "runs", "request", "shop", "-e", "prod", "--id", "mine") == said
    (received,) = await asked(bus)
    assert received.attributes.id == "mine"
    assert said.out == f"asked for run {run_id(Place('default', 'prod', 'shop'), 'mine')} of shop\n"
    assert received.event == RunRequested(
        **where(environment="prod"),
        artifact_digest="latest",
        requester="floe runs request",
        reason="late data",
        options=RunOptions(
            select=("orders+", "tag:daily"),
            exclude=("stg_*",),
            full_refresh=True,
            vars={"country": "de", "day": "2026-11-01", "depth": 2},
            partition="2026-11-01",
            allow_breaking=True,
        ),
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["request", "shoop"], "did you mean 'shop'?"),
        (["request", "shop", "-e", "staging"], "not live in the environment 'staging'"),
        (["request", "gone"], "no product 'gone' is live"),
        (["request", "shop", "--vars", "[1]"], "--vars is no object"),
        (["request", "shop", "--vars", "{1: 2}"], "--vars is no object"),
        (["request", "shop", "--vars", "{a: .nan}"], "neither YAML nor JSON"),
        (["request", "shop", "--vars", "{a: !!binary aGk=}"], "neither YAML nor JSON"),
        (["request", "shop", "--vars", "{a"], "neither YAML nor JSON"),
        (["backfill", "shop"], "name the partitions"),
        (["backfill", "shop", "--from", "a"], "needs both --from and --to"),
        (["backfill", "shop", "--from", "a", "--to", "b", "--keys", "c"], "name the partitions"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
async def test_what_cannot_be_asked_for(bus: Bus, floe: Floe, arguments: list[str], told: str) -> None:
    await live(bus)
    await live(bus, "gone", retired=True)
    said = await call(floe, "runs", *arguments)
    assert said.code == ExitCode.WRONG_USAGE
    assert told in said.err
    assert (await bus.js.stream_info(RUNS)).state.messages == 0


async def answer(bus: Bus, *events: Callable[[dict[str, Any]], Any]) -> None:
    """Play the executor: publish these events of the run that is asked for."""
    (received,) = await asked(bus)
    place = Place("default", received.event.environment, received.event.product)
    run: dict[str, Any] = where() | {"run_id": run_id(place, received.attributes.id), "artifact_digest": DIGEST}
    for number, make in enumerate(events):
        await bus.publish(make(run), id=f"answer:{number}")


async def test_a_request_is_followed_to_its_end(bus: Bus, floe: Floe) -> None:
    await live(bus)
    following = asyncio.create_task(call(floe, "runs", "request", "shop", "--follow", "--partition", "2026-11-01"))
    await answer(
        bus,
        lambda run: RunQueued(**run),
        lambda run: RunStarted(**run, attempt=1),
        lambda run: NodeCompleted(**run, attempt=1, unique_id="model.shop.orders", seconds=0.25, status="success"),
        lambda run: TableCommitted(**run, **TABLE, operation="append"),
        lambda run: RunCompleted(
            **run,
            partition="2026-11-01",
            attempt=1,
            nodes=(),
            tables=(LandedTable(**TABLE, unique_id="model.shop.orders"),),
            lineage_events=3,
            seconds=SECONDS,
        ),
    )
    said = await asyncio.wait_for(following, 60)
    assert said.code == 0, said.err
    assert "  success  model.shop.orders 0.25 s" in said.out
    assert "partition    2026-11-01" in said.out
    assert "compile" not in said.out
    assert "dbt 1.50 s · land 0.50 s · total" in said.out


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [
        (
            lambda run: RunCancelled(**run, attempt=1, requester="you", reason="too slow", seconds=SECONDS),
            "cancelled",
            "you: too slow",
        ),
        (lambda run: RunSuperseded(**run, by="r2"), "superseded", "the run r2 took its place"),
    ],
    ids=["cancelled", "superseded"],
)
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "text"])
async def test_following_ends_with_a_run_that_was_ended(
    bus: Bus, floe: Floe, end: Callable[[dict[str, Any]], Any], status: str, reason: str, as_json: bool
) -> None:
    await live(bus)
    options = ["--follow", *(["--json"] if as_json else [])]
    following = asyncio.create_task(call(floe, "runs", "request", "shop", *options))
    await answer(bus, lambda run: RunQueued(**run), end)
    said = await asyncio.wait_for(following, 60)
    assert said.code == ExitCode.RUN_FAILED
    if as_json:
        document = json.loads(said.out)
        assert (document["status"], document["reason"], document["nodes"]) == (status, reason, [])
    else:
        assert f"was {status}; {reason}" in said.err
        assert "build    cancelled" in said.out


@pytest.mark.parametrize("failing", [False, True], ids=["all well", "one failed"])
async def test_a_backfill_has_a_named_result_for_each_partition(bus: Bus, floe: Floe, failing: bool) -> None:
    await live(bus)
    following = asyncio.create_task(
        call(floe, "runs", "backfill", "shop", "--from", "2026-11-01", "--to", "2026-11-02", "--follow")
    )
    (received,) = await asked(bus)
    assert received.event.trigger == "backfill"
    assert received.event.partitions == PartitionChoice(first="2026-11-01", last="2026-11-02")
    whole = run_id(Place("default", "dev", "shop"), received.attributes.id)
    results = []
    for number, key in enumerate(("2026-11-01", "2026-11-02")):
        run: dict[str, Any] = where() | {"run_id": f"r{number}", "artifact_digest": DIGEST}
        run |= {"partition": key, "backfill": whole}
        ends_well = RunCompleted(**run, attempt=1, nodes=(), tables=(), lineage_events=1, seconds=SECONDS)
        ends_ill = RunFailed(**run, attempt=1, nodes=(), problems=(), lineage_events=1, seconds=SECONDS)
        ends = ends_ill if failing and number else ends_well
        for event in (RunQueued(**run), RunStarted(**run, attempt=1), ends):
            await bus.publish(event, id=f"{event.kind}:{number}")
        status = ends.kind.value.partition(".")[2]
        results.append(PartitionResult(partition=key, run_id=f"r{number}", status=status))
    await bus.publish(
        BackfillCompleted(**where(), backfill=whole, artifact_digest=DIGEST, results=tuple(results)), id="whole"
    )
    said = await asyncio.wait_for(following, 60)
    assert said.code == (ExitCode.RUN_FAILED if failing else ExitCode.OK)
    lines = [line.split() for line in said.out.splitlines()]
    assert [line for line in lines if line[1:] == ["2026-11-01"]] == [
        [status, "2026-11-01"] for status in ("queued", "started", "completed")
    ]
    assert lines[-2:] == [["2026-11-01", "completed", "r0"], ["2026-11-02", "failed" if failing else "completed", "r1"]]


async def test_a_backfill_that_cannot_begin_says_why(bus: Bus, floe: Floe) -> None:
    await live(bus)
    following = asyncio.create_task(
        call(floe, "runs", "backfill", "shop", "--keys", "de, fr", "--keys", "xx", "--follow", "--json")
    )
    problem = Problem(code="FLOE-RUN-015", message="there is no partition 'xx'")
    await answer(
        bus,
        lambda run: RunFailed(**run, attempt=0, nodes=(), problems=(problem,), lineage_events=0, seconds=SECONDS),
    )
    said = await asyncio.wait_for(following, 60)
    assert said.code == ExitCode.RUN_FAILED
    (received,) = await asked(bus)
    assert received.event.partitions == PartitionChoice(keys=("de", "fr", "xx"))
    document = json.loads(said.out)
    assert (document["status"], document["results"]) == ("failed", [])
    assert document["problems"] == [problem.model_dump(exclude_none=True)]


# ---- what is live


async def test_products_show_what_starts_them(bus: Bus, floe: Floe, configured: ChassisSettings) -> None:
    assert (await call(floe, "products")).out == "no product is live\n"
    schedule = CompiledSchedule(cron="0 6 * * *", timezone="Europe/Berlin", enabled=True)
    triggers = (
        CompiledTrigger(type="compile", environments=("dev",)),
        CompiledTrigger(type="event", event="table.committed", product="raw", table="orders"),
        CompiledTrigger(type="manual"),
    )
    await live(bus, schedule=schedule, triggers=triggers)
    await live(bus, environment="prod", schedule=schedule.model_copy(update={"enabled": False}), triggers=triggers)
    await live(bus, "retired", retired=True)
    lines = [line.split() for line in (await call(floe, "products")).out.splitlines()]
    assert [line[:3] for line in lines[1:]] == [["shop", "dev", short(DIGEST)], ["shop", "prod", short(DIGEST)]]
    assert " ".join(lines[1]).endswith("0 6 * * * Europe/Berlin compile, table.committed of raw (orders)")
    assert " ".join(lines[2][3:]) == "0 6 * * * Europe/Berlin, disabled table.committed of raw (orders)"
    document = json.loads((await call(floe, "products", "--json", "-e", "dev")).out)
    (product,) = document["products"]
    tick = datetime.fromisoformat(product["next_tick"])
    assert datetime.now(UTC) < tick < datetime.now(UTC) + timedelta(hours=25)
    assert tick.hour in {4, 5}
