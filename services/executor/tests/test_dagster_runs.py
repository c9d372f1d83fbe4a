"""Runs in a real Dagster instance, read back as Dagster's UI reads them."""

from __future__ import annotations

import queue
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster
import pytest
from dagster._core.storage.compute_log_manager import ComputeIOType

from floe_chassis.testing_postgres import PostgresDatabase
from floe_contracts.compiled_product import CompiledPartitions
from floe_contracts.events import LandedTable
from floe_contracts.nodes import Check, Column, Node, NodeGraph
from floe_executor.adapters.dagster_graph.instance import open_instance
from floe_executor.adapters.dagster_graph.live_definitions import kept_definitions
from floe_executor.adapters.dagster_graph.product_definition import ProductDefinition
from floe_executor.adapters.dagster_graph.runs import DEFINITIONS_FILE, BuildRun, DagsterRuns, Telling
from floe_executor.core.node_reports import NodeBegan, NodeDone, NodeReport, NodeStatus
from floe_executor.errors import BuildStillRunning

JOB = "default__dev__shop"
ORDERS = dagster.AssetKey(["default", "dev", "shop", "orders"])
PAYMENTS = dagster.AssetKey(["default", "dev", "shop", "payments"])
AT = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def _node(name: str, kind: str = "model", **changes: object) -> Node:
    fields: dict[str, object] = {
        "unique_id": f"{kind}.shop.{name}",
        "name": name,
        "resource_type": kind,
        "materialized": "table",
        "database": "shop",
        "schema_name": "main",
        "identifier": name,
        "path": f"models/{name}.sql",
    }
    return Node.model_validate(fields | changes)


def _check(name: str) -> Check:
    return Check(unique_id=f"test.shop.{name}.1", name=name, column="id")


def _product(**changes: object) -> ProductDefinition:
    graph = NodeGraph(
        project="shop",
        nodes=(
            _node("orders", columns=(Column(name="id", description="Names it."),), checks=(_check("unique_id"),)),
            _node("payments", checks=(_check("not_null_id"), _check("positive"))),
            _node("raw.orders", "source", checks=(_check("fresh"),)),
        ),
        checks=(),
    )
    fields: dict[str, object] = {
        "tenant": "default",
        "environment": "dev",
        "product": "shop",
        "artifact_digest": "sha256:a",
        "compute": "duckdb",
        "graph": graph,
    }
    return ProductDefinition.model_validate(fields | changes)


def _done(unique_id: str, status: NodeStatus = NodeStatus.SUCCESS, **changes: object) -> NodeDone:
    return NodeDone(unique_id, AT, status, 0.25, **changes)  # type: ignore[arg-type]


def _telling(*told: NodeReport | str, failure: str | None = None) -> Telling:
    on_its_way: queue.SimpleQueue[NodeReport | str | None] = queue.SimpleQueue()
    for one in (*told, None):
        on_its_way.put(one)
    return Telling(on_its_way, lambda: failure)


def _run(floe_run: str, **changes: object) -> BuildRun:
    fields: dict[str, object] = {
        "product": _product(),
        "tags": {"floe/run_id": floe_run},
        "facts": {"floe/run_id": floe_run, "floe/artifact": "sha256:a", "floe/commit": "c0ffee"},
    }
    return BuildRun(**(fields | changes))  # type: ignore[arg-type]


def _run_of(instance: dagster.DagsterInstance, floe_run: str) -> dagster.DagsterRun:
    (found,) = instance.get_runs(dagster.RunsFilter(tags={"floe/run_id": floe_run}))
    return found


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an instance as floe makes it."""
    return tmp_path_factory.mktemp("dagster") / "home"


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresDatabase) -> Iterator[Path]:
    """The folder of an instance as an operator makes it: history in PostgreSQL, storages of Dagster."""
    folder = tmp_path_factory.mktemp("dagster") / "home"
    folder.mkdir()
    history = f"dagster_history_{secrets.token_hex(8)}"
    postgres_server.run(f"create database {history}")
    url = f"postgresql+psycopg2{postgres_server.url.removeprefix('postgresql').rpartition('/')[0]}/{history}"
    (folder / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\n"
        f"storage: {{postgres: {{postgres_url: '{url}'}}}}\n"
        "compute_logs: {module: floe_executor.adapters.dagster_graph.build_logs, class: BuildLogManager,\n"
        f"  config: {{base_dir: '{folder}/logs'}}}}\n"
    )
    yield folder
    postgres_server.run(f"drop database {history} with (force)")


@pytest.fixture(params=["own", "postgres"])
def runs(request: pytest.FixtureRequest) -> Iterator[DagsterRuns]:
    """On SQLite as floe makes it, and on PostgreSQL as an operator does."""
    home = request.getfixturevalue("own_home" if request.param == "own" else "shared_home")
    made = DagsterRuns(home, wait_seconds=0.3)
    yield made
    made.close()


@pytest.fixture
def own_runs(own_home: Path) -> Iterator[DagsterRuns]:
    made = DagsterRuns(own_home, wait_seconds=0.3)
    yield made
    made.close()


def test_what_was_built_is_what_dagster_shows(runs: DagsterRuns) -> None:
    told = (
        "12:00:00  1 of 5 START sql table model main.orders",
        NodeBegan("model.shop.orders", AT),
        _done("model.shop.orders", rows=42, columns=(("id", "BIGINT"), ("made_at", "DATE"))),
        _done("test.shop.unique_id.1", failures=0),
        _done("test.shop.fresh.1", failures=0),
        _done("model.shop.payments", rows=3),
        _done("test.shop.not_null_id.1", NodeStatus.WARNED, failures=2, message="Got 2 results"),
        _done("test.shop.positive.1", NodeStatus.SKIPPED),
        _done("operation.shop.hook", NodeStatus.SUCCESS),
    )
    assert runs.execute(_run("all"), _telling(*told))
    instance = runs.instance()
    run = _run_of(instance, "all")
    assert run.status is dagster.DagsterRunStatus.SUCCESS
    assert run.job_name == JOB
    assert run.remote_job_origin is not None
    origin = run.remote_job_origin.repository_origin
    assert (origin.code_location_origin.location_name, origin.repository_name) == ("floe", "__repository__")

    built = instance.get_latest_materialization_event(ORDERS)
    assert built is not None
    assert built.run_id == run.run_id
    assert built.timestamp == AT.timestamp()
    assert built.asset_materialization is not None
    metadata = {name: value.value for name, value in built.asset_materialization.metadata.items()}
    assert metadata["dagster/row_count"] == 42
    assert (metadata["floe/run_id"], metadata["floe/artifact"], metadata["floe/commit"]) == (
        "all",
        "sha256:a",
        "c0ffee",
    )
    number, made_at = metadata["dagster/column_schema"].columns
    assert (number.name, number.type, number.description) == ("id", "BIGINT", "Names it.")
    assert (made_at.name, made_at.type) == ("made_at", "DATE")

    checks = {
        key.name: record.event.dagster_event.event_specific_data
        for key, record in _executions(instance, run.run_id).items()
        if record.event is not None and record.status.value != "PLANNED"
    }
    assert checks.keys() == {"unique_id", "not_null_id", "fresh"}
    assert checks["unique_id"].passed
    assert checks["unique_id"].target_materialization_data.run_id == run.run_id
    assert not checks["not_null_id"].passed
    assert checks["not_null_id"].severity is dagster.AssetCheckSeverity.WARN
    assert checks["not_null_id"].metadata["floe/failures"].value == 2
    assert checks["not_null_id"].description == "Got 2 results"
    assert checks["fresh"].target_materialization_data is None

    (record,) = instance.get_asset_records([ORDERS])
    assert record.asset_entry.last_run_id == run.run_id
    assert record.asset_entry.last_materialization == built
    assert instance.get_run_stats(run.run_id).materializations == 2
    kinds = {one.dagster_event_type for one in instance.all_logs(run.run_id)}
    assert None not in kinds, "Dagster complains of checks that did not go through its engine"
    assert dagster.DagsterEventType.STEP_OUTPUT not in kinds


def _executions(instance: dagster.DagsterInstance, run_id: str) -> dict[dagster.AssetCheckKey, object]:
    keys = [
        dagster.AssetCheckKey(ORDERS, "unique_id"),
        dagster.AssetCheckKey(PAYMENTS, "not_null_id"),
        dagster.AssetCheckKey(PAYMENTS, "positive"),
        dagster.AssetCheckKey(dagster.AssetKey(["default", "dev", "shop", "raw", "orders"]), "fresh"),
    ]
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    return {key: record for key, record in found.items() if record.run_id == run_id}


def test_what_failed_is_told_where_dagster_tells_it(runs: DagsterRuns) -> None:
    failed = _done("model.shop.orders", NodeStatus.FAILED, message="Binder Error: no such column")
    skipped = _done("model.shop.payments", NodeStatus.SKIPPED)
    assert not runs.execute(_run("failed"), _telling(failed, skipped, failure="model.shop.orders: Binder Error"))
    instance = runs.instance()
    run = _run_of(instance, "failed")
    assert run.status is dagster.DagsterRunStatus.FAILURE
    logs = instance.all_logs(run.run_id)
    assert not [one for one in logs if one.dagster_event_type is dagster.DagsterEventType.ASSET_MATERIALIZATION]
    assert [one.user_message for one in logs if one.dagster_event is None] == [
        "model.shop.orders: Binder Error: no such column"
    ]
    (step,) = [one for one in logs if one.dagster_event_type is dagster.DagsterEventType.STEP_FAILURE]
    assert "FLOE-RUN-001" in str(step.get_dagster_event().step_failure_data.error)
    assert runs.execute(_run("next"), _telling(_done("model.shop.orders")))


def test_what_landed_is_observed_in_the_run_that_built_it(runs: DagsterRuns) -> None:
    landed = LandedTable(
        identifier="default.dev.shop.main.orders",
        unique_id="model.shop.orders",
        table_uuid="u",
        snapshot_id=2**62 + 1,
        rows=42,
        files=1,
        bytes=1000,
    )
    gone = landed.model_copy(update={"unique_id": "model.shop.gone"})
    build = _run("landed")
    runs.landed(build, [landed])
    instance = runs.instance()
    before = {one.storage_id for one in instance.fetch_observations(ORDERS, limit=10).records}
    assert runs.execute(build, _telling(_done("model.shop.orders")))
    runs.landed(build, [landed, gone])
    observed = [one for one in instance.fetch_observations(ORDERS, limit=10).records if one.storage_id not in before]
    assert [one.run_id for one in observed] == [_run_of(instance, "landed").run_id]
    assert observed[0].asset_observation is not None
    metadata = observed[0].asset_observation.metadata
    assert metadata["floe/snapshot"].value == "4611686018427387905"
    assert metadata["dagster/row_count"].value == 42
    assert metadata["floe/commit"].value == "c0ffee"


def test_the_output_of_dbt_is_the_output_of_the_step(runs: DagsterRuns) -> None:
    assert runs.execute(_run("lines"), _telling("one line", "another", _done("model.shop.orders")))
    instance = runs.instance()
    run_id = _run_of(instance, "lines").run_id
    (captured,) = instance.all_logs(run_id, of_type=dagster.DagsterEventType.LOGS_CAPTURED)
    key = captured.get_dagster_event().logs_captured_data.file_key
    logs = instance.compute_log_manager
    log_key = logs.build_log_key_for_run(run_id, key)
    assert logs.is_capture_complete(log_key)
    data, _ = logs.get_log_data_for_type(log_key, ComputeIOType.STDOUT, 0, None)
    assert data == b"one line\nanother\n"


@pytest.mark.parametrize(
    ("partitions", "key"),
    [
        pytest.param(CompiledPartitions(type="daily", start="2026-01-01", timezone="UTC"), "2026-01-02", id="daily"),
        pytest.param(CompiledPartitions(type="static", keys=("north", "south")), "south", id="static"),
        pytest.param(CompiledPartitions(type="dynamic", name="stores"), "store 7", id="dynamic"),
    ],
)
def test_a_partition_is_what_is_materialised(runs: DagsterRuns, partitions: CompiledPartitions, key: str) -> None:
    product = _product(product=f"parts-{partitions.type}", partitions=partitions)
    build = _run(f"part {partitions.type}", product=product, partition=key)
    done = (_done("model.shop.orders"), _done("test.shop.unique_id.1"))
    assert runs.execute(build, _telling(*done))
    instance = runs.instance()
    run = _run_of(instance, f"part {partitions.type}")
    assert run.tags["dagster/partition"] == key
    asset = dagster.AssetKey(["default", "dev", product.product, "orders"])
    assert instance.get_materialized_partitions(asset) == {key}
    if partitions.type == "dynamic":
        assert instance.get_dynamic_partitions(f"default/dev/{product.product}/stores") == [key]
    whole = _run(f"whole {partitions.type}", product=product)
    assert runs.execute(whole, _telling(_done("model.shop.orders")))
    assert instance.get_materialized_partitions(asset) == {key}


def test_a_part_of_a_product_is_a_selection_of_its_assets(own_runs: DagsterRuns) -> None:
    chosen = frozenset({"model.shop.payments", "test.shop.positive.1"})
    assert own_runs.execute(_run("part", selected=chosen), _telling(_done("model.shop.payments")))
    run = _run_of(own_runs.instance(), "part")
    assert run.asset_selection == {PAYMENTS}
    planned = own_runs.instance().all_logs(run.run_id, of_type=dagster.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    assert [one.get_dagster_event().asset_key for one in planned] == [PAYMENTS]


def test_a_part_of_a_partitioned_product_is_built_without_a_partition_too(own_runs: DagsterRuns) -> None:
    graph = NodeGraph(
        project="shop",
        nodes=(_node("orders"), _node("payments", depends_on=("model.shop.orders",))),
        checks=(),
    )
    daily = CompiledPartitions(type="daily", start="2026-01-01", timezone="UTC")
    product = _product(product="unparted", partitions=daily, graph=graph)
    assert own_runs.execute(_run("all of it", product=product), _telling(_done("model.shop.orders")))
    build = _run("unparted", product=product, selected=frozenset({"model.shop.payments"}))
    assert own_runs.execute(build, _telling(_done("model.shop.payments")))
    payments = dagster.AssetKey(["default", "dev", "unparted", "payments"])
    assert own_runs.instance().get_latest_materialization_event(payments) is not None


def test_a_product_is_defined_once_and_anew_when_it_changes(own_runs: DagsterRuns, own_home: Path) -> None:
    product = _product(product="defined")
    sign = own_home / DEFINITIONS_FILE
    assert own_runs.execute(_run("first", product=product), _telling())
    first = sign.read_text()
    assert first.split() == ["default.dev.defined", "sha256:a"]
    sign.unlink()
    assert own_runs.execute(_run("again", product=product), _telling())
    assert not sign.exists()
    newer = product.model_copy(update={"artifact_digest": "sha256:b"})
    assert own_runs.execute(_run("newer", product=newer), _telling())
    assert sign.read_text().split()[1] == "sha256:b"


def test_a_retired_product_is_shown_no_more_until_it_is_built_again(own_runs: DagsterRuns) -> None:
    product = _product(product="retired")
    assert own_runs.execute(_run("before", product=product), _telling())
    assert "retired" in {kept.product for kept in kept_definitions(own_runs.instance())}
    own_runs.forget(product.place)
    own_runs.forget(product.place)
    assert "retired" not in {kept.product for kept in kept_definitions(own_runs.instance())}
    assert own_runs.execute(_run("after", product=product), _telling())
    assert "retired" in {kept.product for kept in kept_definitions(own_runs.instance())}


def test_definitions_are_kept_for_some_products_only(own_runs: DagsterRuns) -> None:
    for number in range(10):
        product = _product(product=f"many{number % 9}")
        assert own_runs.execute(_run(f"many {number}", product=product), _telling(_done("model.shop.orders")))


# ---- one build at a time


def test_a_duckdb_file_has_a_pool_of_one_place(runs: DagsterRuns) -> None:
    assert runs.execute(_run("pooled"), _telling())
    assert runs.execute(_run("open", product=_product(product="open", compute="postgres")), _telling())
    limits = {pool.name: pool.limit for pool in runs.instance().event_log_storage.get_pool_limits()}
    assert limits["duckdb/default__dev__shop"] == 1
    assert "duckdb/default__dev__open" not in limits
    info = runs.instance().event_log_storage.get_concurrency_info("duckdb/default__dev__shop")
    assert (info.slot_count, info.claimed_slots) == (1, [])


_EXECUTOR = """
import sys, time
from pathlib import Path
from test_dagster_runs import DagsterRuns, Telling, _product, _run
import queue
runs = DagsterRuns(Path(sys.argv[1]))
told = queue.SimpleQueue()
if sys.argv[3] == "ends":
    told.put(None)
else:
    import threading
    def say():
        storage, pool = runs.instance().event_log_storage, "duckdb/default__dev__" + sys.argv[4]
        while not storage.get_concurrency_info(pool).claimed_slots:
            time.sleep(0.05)
        print("builds", flush=True)
    threading.Thread(target=say).start()
assert runs.execute(_run(sys.argv[2], product=_product(product=sys.argv[4])), Telling(told, lambda: None))
"""


@pytest.fixture
def executor(own_home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Another executor, in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, home: Path = own_home) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", _EXECUTOR, str(home), *arguments],
            cwd=Path(__file__).parent,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_what_a_killed_executor_left_makes_room(
    own_runs: DagsterRuns, executor: Callable[..., subprocess.Popen[str]]
) -> None:
    product = _product(product="killed")
    other = executor("dead", "hangs", "killed")
    assert other.stdout is not None
    assert other.stdout.readline() == "builds\n"
    with pytest.raises(BuildStillRunning):
        own_runs.make_room(_run("mine", product=product), given_up=lambda: False)
    own_runs.make_room(_run("mine", product=product), given_up=lambda: True)
    own_runs.make_room(_run("mine", product=product.model_copy(update={"compute": "postgres"})), given_up=lambda: False)
    other.send_signal(signal.SIGKILL)
    other.wait()
    own_runs.make_room(_run("mine", product=product), given_up=lambda: False)
    dead = _run_of(own_runs.instance(), "dead")
    assert dead.status is dagster.DagsterRunStatus.FAILURE
    assert own_runs.execute(_run("mine", product=product), _telling(_done("model.shop.orders")))


def test_executors_that_begin_at_once_make_one_instance_and_one_pool(
    tmp_path: Path, executor: Callable[..., subprocess.Popen[str]]
) -> None:
    home = tmp_path / "home"
    both = [executor(f"run {number}", "ends", "shop", home=home) for number in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    runs = DagsterRuns(home)
    try:
        assert {run.status for run in runs.instance().get_runs()} == {dagster.DagsterRunStatus.SUCCESS}
        assert len(runs.instance().get_runs()) == 2
        assert runs.instance().event_log_storage.get_concurrency_info("duckdb/default__dev__shop").slot_count == 1
    finally:
        runs.close()


def test_a_second_build_in_the_same_file_waits_for_its_place(own_runs: DagsterRuns) -> None:
    product = _product(product="crowded")
    first: queue.SimpleQueue[NodeReport | str | None] = queue.SimpleQueue()
    outcomes: list[bool] = []

    def work(name: str, telling: Telling) -> None:
        outcomes.append(own_runs.execute(_run(name, product=product), telling))

    holding = threading.Thread(target=work, args=("holds", Telling(first, lambda: None)))
    holding.start()
    storage = own_runs.instance().event_log_storage
    pool = "duckdb/default__dev__crowded"
    _until(lambda: bool(storage.get_concurrency_info(pool).claimed_slots))
    waiting = threading.Thread(target=work, args=("waits", _telling(_done("model.shop.orders"))))
    waiting.start()
    _until(lambda: bool(storage.get_concurrency_info(pool).pending_steps))
    assert outcomes == []
    first.put(None)
    holding.join(30)
    waiting.join(30)
    assert outcomes == [True, True]


def _until(fact: Callable[[], bool]) -> None:
    passed = threading.Event()
    for _ in range(600):
        if fact():
            return
        passed.wait(0.05)
    raise AssertionError("it did not come to hold")


# ---- the folder


def test_a_file_that_floe_wrote_is_kept_up_to_date_and_no_other(tmp_path: Path) -> None:
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    (earlier / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\n"
        "# The services share one process in the embedded stack: capturing its output would swallow theirs.\n"
        "event_log_storage: {module: floe_executor.adapters.moved, class: KeptEventLogStorage}\n"
    )
    open_instance(earlier).dispose()
    written = (earlier / "dagster.yaml").read_text()
    assert "moved" not in written
    assert written.startswith("# Written by floe")

    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    runs = DagsterRuns(theirs)
    assert runs.execute(_run("theirs"), _telling(_done("model.shop.orders"), _done("test.shop.unique_id.1")))
    assert (theirs / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"
    built = runs.instance().get_latest_materialization_event(ORDERS)
    assert built is not None
    assert built.run_id == _run_of(runs.instance(), "theirs").run_id
    runs.close()
