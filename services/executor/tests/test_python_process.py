"""Python transforms in real children, on a real DuckDB file."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from floe_chassis.testing import eventually
from floe_contracts.transform_context import TransformContext
from floe_dbt.environment import system_environment
from floe_executor.adapters.building.python_process import (
    PlannedTransform,
    PythonCommand,
    PythonProcess,
    TransformCheck,
)
from floe_executor.core.node_reports import NodeBegan, NodeDone, NodeReport, NodeStatus
from floe_executor.transform_child.job import CheckJob, TransformJob

CONTEXT = TransformContext(
    run_id="run-1",
    attempt=1,
    tenant="default",
    environment="dev",
    product="shop",
    partition="2026-11-20",
    partition_start=datetime(2026, 11, 20, tzinfo=UTC),
    partition_end=datetime(2026, 11, 21, tzinfo=UTC),
    vars={"limit": 2},
)
Plan = Callable[..., PlannedTransform]


@dataclasses.dataclass(frozen=True)
class Product:
    """A product's folder and its DuckDB file, with the table `orders` in it."""

    folder: Path
    database: Path

    def plan(
        self,
        code: str,
        name: str = "scores",
        *,
        inputs: tuple[str, ...] = ("orders",),
        checks: tuple[CheckJob, ...] = (),
        critical: bool = True,
        reads: tuple[str, ...] = (),
        **job: Any,
    ) -> PlannedTransform:
        (self.folder / f"{name}.py").write_text(textwrap.dedent(code))
        return PlannedTransform(
            unique_id=f"python.shop.{name}",
            job=TransformJob(
                name=name,
                module=name,
                folder=str(self.folder),
                database=str(self.database),
                schema="main",
                inputs={each: ("main", each) for each in inputs},
                checks=checks,
                context=CONTEXT,
                **job,
            ),
            checks={
                check.name: TransformCheck(unique_id=f"python_test.shop.{name}.{check.name}", critical=critical)
                for check in checks
            },
            reads=frozenset(reads),
        )

    def query(self, query: str) -> list[Any]:
        with duckdb.connect(self.database, read_only=True) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def product(tmp_path: Path) -> Product:
    folder = tmp_path / "product"
    folder.mkdir()
    database = tmp_path / "warehouse" / "shop.duckdb"
    database.parent.mkdir()
    with duckdb.connect(database) as connection:
        connection.execute("create table orders as select i as id, i * 1.5::decimal(9, 2) as amount from range(5) t(i)")
        connection.execute("create view open_orders as from orders where id > 2")
    return Product(folder, database)


def process_of(*planned: PlannedTransform, environment: dict[str, str] | None = None) -> PythonProcess:
    return PythonProcess(
        PythonCommand(transforms=planned, environment=system_environment(os.environ) | (environment or {}))
    )


def run(*planned: PlannedTransform) -> tuple[list[NodeReport], PythonProcess]:
    process = process_of(*planned)
    return list(process.events()), process


def only(reports: list[NodeReport]) -> NodeDone:
    (done,) = (report for report in reports if isinstance(report, NodeDone))
    return done


FORMS = {
    "relation": "def scores(orders):\n    return orders.filter('id > 1')",
    "sql": "def scores(orders):\n    return orders.query('o', 'select o.* from o join main.open_orders using (id) "
    "union all select * from o where id = 2')",
    "table": "import pyarrow as pa\nimport pyarrow.compute as pc\n"
    "def scores(orders: pa.Table) -> pa.Table:\n    return orders.filter(pc.greater(orders['id'], 1))",
    "reader": "import pyarrow as pa\n"
    "def scores(orders: pa.RecordBatchReader) -> pa.RecordBatchReader:\n"
    "    kept = (batch.filter(pa.array([v > 1 for v in batch['id'].to_pylist()])) for batch in orders)\n"
    "    return pa.RecordBatchReader.from_batches(orders.schema, kept)",
    "batches": "from __future__ import annotations\nfrom typing import TYPE_CHECKING\n"
    "if TYPE_CHECKING:\n    import pyarrow as pa\n"
    "def scores(orders: pa.RecordBatchReader):\n    for batch in orders:\n        yield batch.slice(2)",
    "other connection": "import duckdb, pyarrow as pa\n"
    "def scores(orders: pa.Table):\n    return duckdb.connect().from_arrow(orders).filter('id > 1')",
    "only function": "def _aside(): pass\ndef build(orders):\n    return orders.filter('id > 1')",
    "asset": "import dagster, pyarrow as pa\n"
    "@dagster.asset(ins={'given': dagster.AssetIn(key=['shop', 'orders'])})\n"
    "def scores(context: dagster.AssetExecutionContext, given: pa.Table):\n"
    "    assert context.partition_key == '2026-11-20'\n"
    "    return dagster.Output(given.slice(2))",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_transform_takes_and_gives_rows_in_any_form(product: Product, form: str) -> None:
    reports, process = run(product.plan(FORMS[form]))
    done = only(reports)
    assert (done.status, done.rows, done.message) == (NodeStatus.SUCCESS, 3, None)
    assert [column for column, _ in done.columns] == ["id", "amount"]
    assert done.columns[0][1] == "BIGINT"
    assert process.wait() == 0
    assert isinstance(reports[0], NodeBegan)
    assert [int(id_) for (id_,) in product.query("select id from scores order by id")] == [2, 3, 4]
    assert product.query("select count(*) from information_schema.tables where table_name like '%floe%'") == [(0,)]


def test_a_transform_knows_its_run(product: Product) -> None:
    code = """
        import duckdb
        from floe_contracts.transform_context import TransformContext

        def scores(orders: duckdb.DuckDBPyRelation, context: TransformContext):
            window = (context.partition_end - context.partition_start).days
            return orders.limit(context.vars["limit"]).project(f"*, '{context.partition}' as day, {window} as days")
    """
    run(product.plan(code))
    assert product.query("select distinct day, days from scores") == [("2026-11-20", 1)]
    assert product.query("select count(*) from scores") == [(2,)]


def test_one_transform_reads_another_and_modules_share_code(product: Product) -> None:
    (product.folder / "shared").mkdir()
    (product.folder / "shared" / "rules.py").write_text("LEAST = 3\n")
    first = product.plan("from shared.rules import LEAST\ndef scores(orders): return orders.filter(f'id >= {LEAST}')")
    second = product.plan("def totals(scores): return scores.sum('amount')", "totals", inputs=("scores",))
    reports, _ = run(first, dataclasses.replace(second, reads=frozenset({"python.shop.scores"})))
    assert [type(report).__name__ for report in reports] == ["NodeBegan", "NodeDone"] * 2
    assert product.query("from totals")[0][0] == pytest.approx(10.5)
    assert not list(product.folder.rglob("__pycache__"))


def test_the_table_is_replaced_whatever_stood_there(product: Product) -> None:
    with duckdb.connect(product.database) as connection:
        connection.execute("create view scores as select 'old' as state")
    for limit in (3, 1):
        run(product.plan(f"def scores(orders): return orders.limit({limit})"))
        assert product.query("select count(*) from scores") == [(limit,)]


FAILURES = {
    "raises": ("def scores(orders):\n    raise ValueError('boom')", "ValueError: boom", 2),
    "raises midway": (
        "import pyarrow as pa\ndef scores(orders):\n    yield pa.record_batch({'a': [1]})\n    raise KeyError('late')",
        "KeyError: 'late'",
        4,
    ),
    "syntax": ("def scores(:\n", "SyntaxError", 1),
    "import": ("import no_such_module\n", "No module named 'no_such_module'", 1),
    "no function": ("def other(): pass\ndef third(): pass", "no function scores", None),
    "no input": ("def scores(order): pass", "wants 'order', which dependsOn does not name; did you mean", None),
    "annotation": ("def scores(orders: dict): pass", "annotated as dict", None),
    "returns nothing": ("def scores(orders): pass", "returned NoneType", None),
    "yields nothing": ("def scores(orders):\n    return iter(())", "yielded no batch", None),
    "bad sql": ("def scores(orders):\n    return orders.project('nothing')", "BinderException", 2),
    "bad rows": ("def scores(orders):\n    return orders.project(\"'x'::int as a\")", "Could not convert", None),
    "exit": ("import sys\ndef scores(orders):\n    sys.exit(3)", "SystemExit: 3", 3),
    "hard exit": (
        "import os\ndef scores(orders):\n    print('last words')\n    os._exit(0)",
        "returned nothing\nlast",
        None,
    ),
    "no asset": (
        "import dagster\n@dagster.asset\ndef score(): pass\n",
        "has no asset scores; did you mean 'score'",
        None,
    ),
    "resources": (
        "import dagster\n@dagster.asset(required_resource_keys={'http'})\ndef scores(context): pass",
        "wants the resources http",
        None,
    ),
    "reads outside": (
        "def scores(orders):\n    return orders.query('o', \"select * from read_text('/etc/hostname')\")",
        "Permission",
        2,
    ),
    "reads outside as CSV": (
        "def scores(orders):\n    return orders.query('o', 'from read_csv(\\'/etc/passwd\\')')",
        "Permission",
        2,
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_told_with_its_line_and_leaves_the_table_alone(product: Product, failure: str) -> None:
    with duckdb.connect(product.database) as connection:
        connection.execute("create table scores as select 'before' as state")
    code, message, line = FAILURES[failure]
    check = CheckJob(name="rows", type="not_null", column="state")
    reports, process = run(product.plan(code, checks=(check,)))
    began, done, checked = reports
    assert isinstance(began, NodeBegan)
    assert isinstance(done, NodeDone)
    assert isinstance(checked, NodeDone)
    assert (done.status, checked.status) == (NodeStatus.FAILED, NodeStatus.SKIPPED)
    assert message in (done.message or "")
    where = process.where_of(done)
    assert (where.line if where else None) == line
    if where is not None:
        assert where.file == "scores.py"
        assert f"scores.py:{line}" in (done.message or "")
    assert process.failed() == (done,)
    assert process.wait() == 1
    assert product.query("from scores") == [("before",)]


def test_what_a_transform_prints_is_no_answer(product: Product) -> None:
    code = """
        import os, sys
        print('{"kind": "built", "rows": 99}')
        os.write(1, b'{"kind": "end"}\\n' * 3 + b"\\xff\\xfe garbage \\x00\\n")
        sys.__stdout__.write('{"kind": "failed", "message": "no"}\\n')
        def scores(orders):
            print("x" * 500_000)
            print("the last line", file=sys.stderr)
            return orders
    """
    reports, process = run(product.plan(code))
    assert (only(reports).status, only(reports).rows) == (NodeStatus.SUCCESS, 5)
    assert process.last_words().splitlines()[-1] == "the last line"
    assert len(process.last_words()) <= 20_000


def test_a_transform_may_close_its_output_and_leave_a_thread(product: Product) -> None:
    code = """
        import sys, threading, time
        def scores(orders):
            threading.Thread(target=time.sleep, args=(600,)).start()
            sys.stdout = None
            return orders
    """
    reports, process = run(product.plan(code))
    assert (only(reports).status, process.wait()) == (NodeStatus.SUCCESS, 0)


def test_a_transform_sees_nothing_of_the_executors_environment(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOE_NATS_URL", "nats://user:canary@localhost")
    code = """
        import os, pyarrow as pa, sys
        def scores():
            seen = {**os.environ, "initial": open("/proc/self/environ").read(), "argv": " ".join(sys.argv)}
            return pa.table({"name": list(seen), "value": list(seen.values())})
    """
    run(product.plan(code, inputs=()))
    seen = dict(product.query("from scores"))
    assert set(seen) <= {"HOME", "LANG", "PATH", "TMPDIR", "TZ", "LC_ALL", "LC_CTYPE", "initial", "argv"}
    assert not any("canary" in value for value in seen.values())


CHECKED = (
    CheckJob(name="named", type="not_null", column="id"),
    CheckJob(name="once", type="unique", column="id"),
    CheckJob(name="known", type="accepted_values", column="state", values=("new", "done")),
    CheckJob(name="broken", type="unique", column="nothing"),
)
ODD = """
    import pyarrow as pa
    def scores():
        return pa.table({"id": [1, 1, None, 2, 2], "state": ["new", "lost", None, "odd", "odd"]})
"""


@pytest.mark.parametrize(
    ("critical", "status", "code"), [(True, NodeStatus.FAILED, 1), (False, NodeStatus.WARNED, 0)], ids=["fail", "warn"]
)
def test_checks_look_at_the_written_table(product: Product, critical: bool, status: NodeStatus, code: int) -> None:
    planned = product.plan(ODD, inputs=(), checks=CHECKED, critical=critical)
    reports, process = run(planned)
    done = {report.unique_id.rpartition(".")[2]: report for report in reports if isinstance(report, NodeDone)}
    assert {name: report.failures for name, report in done.items()} == {
        "scores": None,
        "named": 1,
        "once": 2,
        "known": 2,
        "broken": None,
    }
    assert done["scores"].status is NodeStatus.SUCCESS
    assert {report.status for name, report in done.items() if name != "scores"} == {status}
    assert done["named"].message == "Got 1 results"
    assert "could not be made" in (done["broken"].message or "")
    assert process.wait() == code


def test_checks_that_hold_pass(product: Product) -> None:
    checks = (CheckJob(name="named", type="not_null", column="id"), CheckJob(name="once", type="unique", column="id"))
    reports, process = run(product.plan("def scores(orders): return orders", checks=checks))
    assert [report.status for report in reports if isinstance(report, NodeDone)] == [NodeStatus.SUCCESS] * 3
    assert process.wait() == 0


def test_what_reads_a_failed_transform_is_skipped(product: Product) -> None:
    checks = (CheckJob(name="once", type="unique", column="id"),)
    reads = ("python.shop.scores",)
    reports, _ = run(
        product.plan(ODD, inputs=(), checks=checks),
        product.plan("def totals(scores): return scores", "totals", inputs=("scores",), reads=reads, checks=checks),
        product.plan("def other(orders): return orders", "other"),
    )
    done = {report.unique_id: report.status for report in reports if isinstance(report, NodeDone)}
    assert done == {
        "python.shop.scores": NodeStatus.SUCCESS,
        "python_test.shop.scores.once": NodeStatus.FAILED,
        "python.shop.totals": NodeStatus.SKIPPED,
        "python_test.shop.totals.once": NodeStatus.SKIPPED,
        "python.shop.other": NodeStatus.SUCCESS,
    }
    assert {report.unique_id for report in reports if isinstance(report, NodeBegan)}.isdisjoint(
        {"python.shop.totals", "python_test.shop.totals.once"}
    )


def test_a_signal_ends_the_phase_without_an_outcome(product: Product) -> None:
    code = "import os, signal\ndef scores(orders):\n    os.kill(os.getpid(), signal.SIGKILL)"
    reports, process = run(product.plan(code), product.plan("def other(orders): return orders", "other"))
    assert [type(report) for report in reports] == [NodeBegan]
    assert process.wait() == -signal.SIGKILL


SLEEPY = """
    import subprocess, sys, time
    NEW = False
    def scores(orders):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=NEW)
        print(f"pids {child.pid}", flush=True)
        time.sleep(600)
"""


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize("session", ["same", "another"])
async def test_kill_ends_the_transform_and_all_that_it_started(product: Product, session: str) -> None:
    code = SLEEPY.replace("NEW = False", f"NEW = {session == 'another'}")
    process = process_of(product.plan(code), product.plan("def other(orders): return orders", "other"))
    reports: list[NodeReport] = []
    reading = threading.Thread(target=lambda: reports.extend(process.events()))
    reading.start()

    async def started() -> str | None:
        return process.last_words() or None

    grandchild = int((await eventually(started, timeout=30) or "").split()[1])
    process.kill()
    reading.join(timeout=30)
    assert [type(report) for report in reports] == [NodeBegan]
    assert process.wait() == -signal.SIGKILL

    async def gone() -> bool:
        return not _alive(grandchild)

    await eventually(gone)
    assert product.query("select count(*) from orders") == [(5,)], "the file is free again"


async def test_nothing_outlives_a_transform_that_ends(product: Product) -> None:
    code = SLEEPY.replace("NEW = False", "NEW = True").replace("        time.sleep(600)\n", "        return orders\n")
    reports, process = run(product.plan(code))
    assert only(reports).status is NodeStatus.SUCCESS
    left = int(process.last_words().split()[1])

    async def gone() -> bool:
        return not _alive(left)

    await eventually(gone)


def test_what_was_killed_before_does_not_begin(product: Product) -> None:
    process = process_of(product.plan("def scores(orders): return orders"))
    process.kill()
    assert list(process.events()) == []
    assert process.wait() == -signal.SIGKILL


async def test_a_transform_ends_with_the_executor(product: Product, tmp_path: Path) -> None:
    """The executor is killed: nobody is left to end the child."""
    (product.folder / "scores.py").write_text(textwrap.dedent(SLEEPY).replace("pids", str(tmp_path / "pid")))
    program = f"""
        import subprocess, sys, json
        child = subprocess.Popen([sys.executable, "-I", "-m", "floe_executor.transform_child"], stdin=subprocess.PIPE,
                                 stderr=subprocess.PIPE, start_new_session=True)
        child.stdin.write({job_line(product)!r})
        child.stdin.flush()
        print(child.pid, child.stderr.readline().decode().split()[1], flush=True)
        child.wait()
    """
    executor = subprocess.Popen(  # noqa: ASYNC220 - it only starts
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    )
    assert executor.stdout is not None
    child, grandchild = map(int, executor.stdout.readline().split())
    assert _alive(child)
    executor.kill()
    executor.wait()

    async def gone() -> bool:
        return not _alive(child) and not _alive(grandchild)

    await eventually(gone)


def job_line(product: Product) -> bytes:
    code = (product.folder / "scores.py").read_text()
    return json.dumps(product.plan(code).job.to_json()).encode() + b"\n"


def test_a_transform_that_wants_too_much_memory_fails_alone(product: Product) -> None:
    code = "def scores(orders):\n    return bytearray(4 * 2**30)"
    reports, process = run(
        product.plan(code, memory_bytes=2 * 2**30), product.plan("def other(orders): return orders", "other")
    )
    done = [report for report in reports if isinstance(report, NodeDone)]
    assert [report.status for report in done] == [NodeStatus.FAILED, NodeStatus.SUCCESS]
    assert "MemoryError" in (done[0].message or "")
    assert process.wait() == 1


def test_a_transform_that_writes_too_large_a_file_fails_alone(product: Product) -> None:
    rows = "def scores(orders):\n    return orders.query('o', 'select random() as r from range(3000000)')"
    reports, _ = run(
        product.plan(rows, file_bytes=4 * 2**20, open_files=200),
        product.plan("def other(orders): return orders", "other"),
    )
    done = [report for report in reports if isinstance(report, NodeDone)]
    assert [report.status for report in done] == [NodeStatus.FAILED, NodeStatus.SUCCESS]
