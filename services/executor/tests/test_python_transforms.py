"""dbt models and Python transforms in one product, from the request to the tables and events at the other end."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from floe_contracts.artifacts import read_artifact
from floe_contracts.compiled_product import CompiledPythonTransform
from floe_contracts.events import NodeEvent, RunCompleted, RunOptions
from floe_contracts.nodes import QualityCheck

SOURCES = """
version: 2
sources:
  - name: floe
    schema: main
    tables: [{name: scores, columns: [{name: id, data_tests: [unique]}]}]
models:
  - name: ranked
    columns: [{name: id, data_tests: [not_null]}]
"""
SCORES = """
    import pyarrow as pa
    import pyarrow.compute as pc
    from floe_contracts.transform_context import TransformContext

    def scores(orders: pa.Table, context: TransformContext) -> pa.Table:
        score = pc.multiply(orders["amount"], 2)
        return orders.append_column("score", score).append_column("run", pa.array([context.run_id] * len(orders)))
"""
TOTALS = """
    def totals(ranked, scores):
        return ranked.join(scores, "id").aggregate("sum(place) as places, count(*) as n")
"""
PROJECT = {
    "models/orders.sql": "select i as id, i * 10 as amount from range(4) t(i)",
    "models/alone.sql": "select 1 as x",
    "models/ranked.sql": "select id, rank() over (order by score) as place from {{ source('floe', 'scores') }}",
    "models/sources.yml": SOURCES,
}
CHECKS = (
    QualityCheck(name="once", type="unique", column="id", severity="critical"),
    QualityCheck(name="small", type="accepted_values", column="score", severity="warning", parameters={"values": "0"}),
)


class Stack(Protocol):
    """The executor of the fixture `stack`."""

    environment: dict[str, str]
    blobs: Any

    async def start(self, **variables: str) -> Any: ...
    async def compile(self, files: Mapping[str, str]) -> str: ...
    async def request(self, artifact: str, cause: str = ..., **fields: Any) -> str: ...
    async def events(self, run: str) -> list[Any]: ...
    async def completed(self, run: str) -> RunCompleted: ...
    async def failed(self, run: str) -> Any: ...
    async def until_started(self, run: str, unique_id: str) -> None: ...
    async def lineage(self, run: str) -> list[dict[str, Any]]: ...
    def catalog(self) -> Any: ...
    def tables(self) -> list[str]: ...


async def compiled(
    stack: Stack, *, scores: str = SCORES, totals: str = TOTALS, checks: tuple[QualityCheck, ...] = CHECKS
) -> str:
    """orders -> scores (Python) -> ranked -> totals (Python)."""
    modules = {"../transforms/scores.py": textwrap.dedent(scores), "../transforms/totals.py": textwrap.dedent(totals)}
    digest = await stack.compile(PROJECT | modules)
    artifact = read_artifact(await stack.blobs.get(digest), digest)
    transforms = (
        CompiledPythonTransform(
            name="scores", module="transforms.scores", depends_on=("orders",), quality_checks=checks, tags=("daily",)
        ),
        CompiledPythonTransform(name="totals", module="transforms.totals", depends_on=("ranked", "scores")),
    )
    made: str = await stack.blobs.put(artifact.model_copy(update={"python_transforms": transforms}).to_bytes())
    return made


def rows(stack: Stack, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        stack.catalog().load_table(("default", "dev", "shop", "main", table)).scan().to_arrow().to_pylist()
    )
    return found


async def nodes(stack: Stack, run: str) -> list[tuple[str, str]]:
    """Kind and id of each node's event, in order."""
    return [(event.kind, event.unique_id) for event in await stack.events(run) if isinstance(event, NodeEvent)]


async def test_models_and_transforms_are_one_graph(stack: Stack) -> None:
    await stack.start()
    run = await stack.request(await compiled(stack))
    completed = await stack.completed(run)
    status = {outcome.unique_id: outcome.status for outcome in completed.nodes}
    built = ("model.shop.orders", "model.shop.alone", "python.shop.scores", "model.shop.ranked", "python.shop.totals")
    assert {status[unique_id] for unique_id in built} == {"success"}
    assert status["python_test.shop.scores.once"] == "success"
    assert status["python_test.shop.scores.small"] == "warned"
    assert stack.tables() == ["alone", "orders", "ranked", "scores", "totals"]
    assert {(row["id"], row["score"]) for row in rows(stack, "scores")} == {(i, i * 20) for i in range(4)}
    assert {row["run"] for row in rows(stack, "scores")} == {run}
    assert rows(stack, "totals") == [{"places": 10, "n": 4}]
    told = await nodes(stack, run)
    order = [
        ("node.completed", "model.shop.orders"),
        ("node.started", "python.shop.scores"),
        ("node.completed", "python.shop.scores"),
        ("node.started", "model.shop.ranked"),
        ("node.completed", "model.shop.ranked"),
        ("node.completed", "python.shop.totals"),
    ]
    assert [event for event in told if event in order] == order
    assert len([event for event in told if event == ("node.completed", "model.shop.orders")]) == 1
    scores = next(
        event
        for event in await stack.events(run)
        if event.kind == "node.completed" and event.unique_id == "python.shop.scores"
    )
    assert scores.rows == 4


async def test_the_lineage_of_a_transform_is_told(stack: Stack, openlineage: Any) -> None:
    await stack.start()
    run = await stack.request(await compiled(stack))
    await stack.completed(run)
    lineage = await stack.lineage(run)
    assert not [problem for event in lineage for problem in openlineage.problems(event)]
    ended = [event for event in lineage if event["eventType"] == "COMPLETE" and "scores" in event["job"]["name"]]
    of_transform = next(event for event in ended if event["job"]["name"].endswith("python.shop.scores"))
    assert [each["name"] for each in of_transform["inputs"]] == ["shop.main.orders"]
    assert [each["name"] for each in of_transform["outputs"]] == ["shop.main.scores"]


FAILURES = {
    "raises": ("def scores(orders):\n    raise ValueError('no scores today')", "no scores today", 2),
    "prints garbage": (
        'def scores(orders):\n    print(\'{"kind": "built"}\\x00\\x1b[31m\' * 1000)\n    return 42',
        "returned int",
        None,
    ),
    "reads the machine": (
        "def scores(orders):\n    return orders.query('o', \"select * from read_text('/etc/hostname')\")",
        "Permission Error",
        2,
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failed_transform_fails_the_run_with_its_line(stack: Stack, failure: str) -> None:
    await stack.start()
    code, message, line = FAILURES[failure]
    run = await stack.request(await compiled(stack, scores=code))
    failed = await stack.failed(run)
    (problem,) = failed.problems
    assert message in problem.message
    if line is not None:
        assert (problem.file, problem.line) == ("transforms/scores.py", line)
    status = {outcome.unique_id: outcome.status for outcome in failed.nodes}
    assert status["model.shop.orders"] == "success"
    assert status["python.shop.scores"] == "failed"
    assert {status[each] for each in ("model.shop.ranked", "python.shop.totals", "python_test.shop.scores.once")} == {
        "skipped"
    }
    assert stack.tables() == [], "nothing landed"


async def test_a_failed_critical_check_fails_the_run(stack: Stack) -> None:
    await stack.start()
    check = QualityCheck(
        name="small", type="accepted_values", column="id", severity="critical", parameters={"values": "0"}
    )
    run = await stack.request(await compiled(stack, checks=(check,)))
    failed = await stack.failed(run)
    status = {outcome.unique_id: outcome.status for outcome in failed.nodes}
    assert (status["python.shop.scores"], status["python_test.shop.scores.small"]) == ("success", "failed")
    assert status["model.shop.ranked"] == "skipped"
    assert stack.tables() == []


async def test_a_transform_sees_no_credentials(stack: Stack) -> None:
    code = """
        import os, pyarrow as pa
        def scores(orders):
            seen = [f"{k}={v}" for k, v in os.environ.items()] + [open("/proc/self/environ").read()]
            return pa.table({"id": list(range(len(seen))), "score": [0] * len(seen), "seen": seen})
    """
    await stack.start()
    run = await stack.request(await compiled(stack, scores=code))
    await stack.completed(run)
    seen = " ".join(row["seen"] for row in rows(stack, "scores"))
    assert "PATH=" in seen
    for variable in stack.environment:
        assert variable not in seen
    assert "nats://" not in seen


async def test_a_killed_transform_is_built_again(stack: Stack, tmp_path: Path) -> None:
    """The machine ends the child once: the next attempt builds the product."""
    mark = tmp_path / "killed"
    code = f"""
        import os, signal
        from pathlib import Path

        def scores(orders):
            if not Path({str(mark)!r}).exists():
                Path({str(mark)!r}).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return orders.project("*, amount as score")
    """
    await stack.start()
    run = await stack.request(await compiled(stack, scores=code, checks=()))
    await stack.completed(run)
    assert mark.exists()
    assert {row["score"] for row in rows(stack, "scores")} == {0, 10, 20, 30}


async def test_a_part_of_the_product_is_built_by_selection(stack: Stack) -> None:
    await stack.start()
    artifact = await compiled(stack)
    await stack.completed(await stack.request(artifact))

    async def built(cause: str, **options: Any) -> set[str]:
        run = await stack.request(artifact, cause, options=RunOptions(**options))
        return {outcome.unique_id for outcome in (await stack.completed(run)).nodes if "test" not in outcome.unique_id}

    assert await built("one", select=("scores",)) == {"python.shop.scores"}
    assert await built("more", select=("scores+",), exclude=("totals",)) == {"python.shop.scores", "model.shop.ranked"}
    assert await built("model", select=("alone",)) == {"model.shop.alone"}


async def test_a_retry_builds_only_what_failed(stack: Stack, tmp_path: Path) -> None:
    mark = tmp_path / "mended"
    code = f"""
        from pathlib import Path

        def scores(orders):
            if not Path({str(mark)!r}).exists():
                raise ValueError("not yet")
            return orders.project("*, amount as score")
    """
    await stack.start()
    artifact = await compiled(stack, scores=code, checks=())
    failed = await stack.request(artifact)
    await stack.failed(failed)
    mark.touch()
    run = await stack.request(artifact, "again", options=RunOptions(retry_of=failed))
    await stack.completed(run)
    built = {unique_id for kind, unique_id in await nodes(stack, run) if kind == "node.started"}
    assert {"python.shop.scores", "model.shop.ranked", "python.shop.totals"} <= built
    assert not built & {"model.shop.orders", "model.shop.alone"}
    assert stack.tables() == ["alone", "orders", "ranked", "scores", "totals"]
