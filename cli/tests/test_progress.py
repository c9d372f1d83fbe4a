from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from floe_cli.follow.live_view import LiveView
from floe_cli.follow.plain_view import PlainView
from floe_cli.follow.progress import Progress, StageName, StageStatus, after, after_lineage
from floe_cli.follow.result import result_document
from floe_cli.follow.summary import show_summary
from floe_cli.semantic.run_waiting import CubeAnswer
from floe_contracts.digests import digest_of, short
from floe_contracts.events import (
    ArtifactCompiled,
    ArtifactRejected,
    Event,
    LandedTable,
    NodeCompleted,
    NodeFailed,
    NodeOutcome,
    NodeSkipped,
    NodeStarted,
    Problem,
    RunCompleted,
    RunFailed,
    RunQueued,
    RunRequested,
    RunSeconds,
    RunStarted,
    SemanticFailed,
    SemanticRendered,
    SemanticSynced,
    SemanticSyncFailed,
    TableCommitted,
)

PLACE = {"tenant": "default", "environment": "dev", "product": "shop"}
RUN: dict[str, Any] = PLACE | {"run_id": "r1", "artifact_digest": digest_of(b"artifact")}
TABLE = LandedTable(
    identifier="default.dev.shop.main.orders",
    unique_id="model.shop.orders",
    table_uuid="u",
    snapshot_id=2**62 + 1,
    rows=1234,
    files=1,
    bytes=10,
    mode="replace",
)
ATTACHED = TABLE.model_copy(update={"identifier": "gold.customers", "mode": "attached"})
DIGEST = digest_of(b"former cubes")
SECONDS = RunSeconds(run=1.25, land=0.5)
PROBLEM = Problem(code="FLOE-RUN-001", message="1 node failed")
RENDERED = SemanticRendered(
    **PLACE,
    artifact_digest=digest_of(b"artifact"),
    bundle_digest=digest_of(b"cubes"),
    cubes=("orders",),
    views=(),
    skipped=(),
)
BUNDLE: dict[str, Any] = PLACE | {"artifact_digest": digest_of(b"artifact"), "bundle_digest": digest_of(b"cubes")}
SYNCED = SemanticSynced(**BUNDLE, cubes=("orders",), views=(), members=3, policies=1, seconds=1.5)
REFUSED = SemanticSyncFailed(**BUNDLE, problems=(PROBLEM,))


def node(unique_id: str, status: str = "success") -> NodeOutcome:
    return NodeOutcome(unique_id=unique_id, status=status, seconds=0.25)


def completed() -> RunCompleted:
    nodes = (node("model.shop.orders"), node("test.shop.unique", "warned"))
    return RunCompleted(**RUN, attempt=1, nodes=nodes, tables=(TABLE,), lineage_events=9, seconds=SECONDS)


def failed(*nodes: NodeOutcome) -> RunFailed:
    return RunFailed(**RUN, attempt=1, nodes=nodes, problems=(PROBLEM,), lineage_events=5, seconds=SECONDS)


def rejected() -> ArtifactRejected:
    return ArtifactRejected(tenant="default", product="shop", submission="s1", stage="load", problems=(PROBLEM,))


def well(compiled: ArtifactCompiled) -> list[Event]:
    attempt = {"attempt": 1}
    orders, unique = {"unique_id": "model.shop.orders"}, {"unique_id": "test.shop.unique"}
    return [
        compiled,
        RunQueued(**RUN),
        RunStarted(**RUN, **attempt),
        NodeStarted(**RUN, **attempt, **orders),
        NodeCompleted(**RUN, **attempt, **orders, seconds=0.25, status="success"),
        NodeStarted(**RUN, **attempt, **unique),
        NodeCompleted(**RUN, **attempt, **unique, seconds=0.25, status="warned"),
    ]


def fold(*events: Event, progress: Progress | None = None) -> Progress:
    progress = progress or Progress()
    for event in events:
        progress = after(progress, event)
    return progress


def statuses(progress: Progress) -> str:
    return " ".join(progress.stages.values())


def test_a_run_that_goes_well(compiled: ArtifactCompiled) -> None:
    assert statuses(Progress()) == "running waiting waiting waiting waiting"
    progress = fold(*well(compiled)[:3])
    assert statuses(progress) == "done running waiting running waiting"
    assert (progress.run_id, progress.attempt) == ("r1", 1)
    progress = fold(*well(compiled)[3:4], progress=progress)
    assert progress.nodes["model.shop.orders"].status == "running"
    progress = fold(*well(compiled)[4:], progress=progress)
    assert [(one.status, one.seconds) for one in progress.nodes.values()] == [("success", 0.25), ("warned", 0.25)]
    progress = after_lineage(progress, "shop.model.shop.orders", "COMPLETE")
    assert (progress.lineage_events, statuses(progress)) == (1, "done running waiting running waiting")
    progress = after_lineage(progress, f"shop.land.{TABLE.identifier}", "START")
    assert (progress.landed, statuses(progress)) == ((), "done done running running waiting")
    progress = after_lineage(progress, f"shop.land.{TABLE.identifier}", "COMPLETE")
    assert after_lineage(progress, f"shop.land.{TABLE.identifier}", "COMPLETE").landed == (TABLE.identifier,)
    progress = fold(completed(), progress=progress)
    assert (statuses(progress), progress.lineage_events) == ("done done done done waiting", 9)
    committed = TableCommitted(
        **PLACE,
        identifier=TABLE.identifier,
        table_uuid="u",
        snapshot_id=TABLE.snapshot_id,
        operation="append",
        rows=1,
        files=1,
        bytes=1,
    )
    progress = fold(committed, RENDERED, progress=progress)
    assert statuses(progress) == "done done done done done"
    assert progress.committed == {(TABLE.identifier, TABLE.snapshot_id)}


def test_a_landing_that_was_given_up_has_not_landed() -> None:
    progress = after_lineage(Progress(), f"shop.land.{TABLE.identifier}", "ABORT")
    assert (progress.landed, progress.lineage_events) == ((), 1)


def test_a_node_that_fails_fails_the_build_at_once(compiled: ArtifactCompiled) -> None:
    broken = NodeFailed(**RUN, attempt=1, unique_id="model.shop.orders", seconds=0.1, message="why")
    skipped = NodeSkipped(**RUN, attempt=1, unique_id="model.shop.after", seconds=0)
    progress = fold(*well(compiled)[:3], broken, skipped)
    assert progress.stages[StageName.BUILD] is StageStatus.FAILED
    assert progress.nodes["model.shop.orders"].message == "why"
    assert progress.nodes["model.shop.after"].status == "skipped"
    ended = fold(failed(node("model.shop.orders", "failed")), progress=progress)
    assert statuses(ended) == "done failed waiting done waiting"


def test_a_node_that_works_when_its_run_ends_is_aborted(compiled: ArtifactCompiled) -> None:
    lines: list[str] = []
    view = PlainView(lines.append)
    for progress in (begun := fold(*well(compiled)[:4])), fold(failed(), progress=begun):
        view(progress)
    assert progress.nodes["model.shop.orders"].status == "aborted"
    assert lines[-1].endswith("  aborted  model.shop.orders 0.00 s")


def test_a_run_whose_nodes_are_all_well_failed_in_its_landing(compiled: ArtifactCompiled) -> None:
    progress = fold(compiled, failed(node("model.shop.orders")))
    assert statuses(progress) == "done done failed done waiting"
    assert statuses(fold(compiled, failed())) == "done failed waiting done waiting"


def test_what_is_refused(compiled: ArtifactCompiled) -> None:
    assert statuses(fold(rejected())) == "failed waiting waiting waiting waiting"
    no_cubes = SemanticFailed(**PLACE, artifact_digest=compiled.artifact_digest, problems=(PROBLEM,))
    assert fold(compiled, no_cubes).stages[StageName.RENDER] is StageStatus.FAILED


def test_other_events_change_nothing() -> None:
    asked = RunRequested(**PLACE, artifact_digest=digest_of(b"artifact"), requester="me", reason="test")
    assert after(Progress(), asked) == Progress()


def test_folding_the_same_events_again_changes_nothing(compiled: ArtifactCompiled) -> None:
    events = [*well(compiled), completed(), RENDERED]
    assert fold(*events[-2:], progress=fold(*events)) == fold(*events)


KEYS = [
    *("tenant", "environment", "product", "source_digest", "artifact_digest", "run_id", "status"),
    *("partition", "reason", "nodes", "tables"),
    *("lineage_events", "cube_bundle_digest", "cube_skipped", "cube_outcome", "cube_serves", "cube_serving"),
    *("problems", "seconds"),
]


def document(progress: Progress) -> dict[str, Any]:
    made = result_document(progress, **PLACE, total=3.14159)
    assert list(made) == KEYS
    assert list(made["seconds"]) == ["compile", "run", "land", "total"]
    assert json.loads(json.dumps(made)) == made
    return made


def test_the_document_of_a_completed_run(compiled: ArtifactCompiled) -> None:
    made = document(fold(*well(compiled), completed(), RENDERED))
    assert made["status"] == "completed"
    assert made["source_digest"] == digest_of(b"bundle")
    assert made["tables"] == [
        {"identifier": TABLE.identifier, "snapshot_id": 2**62 + 1, "rows": 1234, "mode": "replace"}
    ]
    assert made["nodes"][0] == {"unique_id": "model.shop.orders", "status": "success", "seconds": 0.25}
    assert made["cube_bundle_digest"] == digest_of(b"cubes")
    assert made["seconds"] == {"compile": 0.5, "run": 1.25, "land": 0.5, "total": 3.142}
    assert made["problems"] == []


@pytest.mark.parametrize(
    ("told", "serves", "problems"),
    [((), None, []), ((SYNCED,), True, []), ((REFUSED,), False, ["1 node failed"])],
    ids=["no-cube", "served", "refused"],
)
def test_what_a_cube_made_of_the_bundle(
    compiled: ArtifactCompiled, told: tuple[Event, ...], serves: bool | None, problems: list[str]
) -> None:
    made = document(fold(*well(compiled), completed(), RENDERED, *told))
    assert (made["status"], made["cube_serves"]) == ("completed", serves)
    assert [problem["message"] for problem in made["problems"]] == problems


def test_the_document_of_a_run_that_did_not_come_about(compiled: ArtifactCompiled) -> None:
    made = document(fold(rejected()))
    assert (made["status"], made["artifact_digest"], made["nodes"]) == ("rejected", None, [])
    assert made["problems"] == [{"code": "FLOE-RUN-001", "message": "1 node failed"}]
    made = document(fold(compiled, failed(node("model.shop.orders", "failed"))))
    assert (made["status"], made["lineage_events"], len(made["problems"])) == ("failed", 5, 1)


def test_the_plain_view_writes_each_thing_once(compiled: ArtifactCompiled) -> None:
    lines: list[str] = []
    view, progress = PlainView(lines.append), Progress()
    for event in [*well(compiled), completed(), RENDERED, SYNCED, REFUSED]:
        progress = after(progress, event)
        view(progress)
        view(progress)
    assert [line.partition(" s  ")[2] for line in lines] == [
        f"compile  done: artifact {short(compiled.artifact_digest)}",
        "build    queued",
        "build    running",
        "lineage  running",
        "  success  model.shop.orders 0.25 s",
        "  warned   test.shop.unique 0.25 s",
        "build    done",
        "land     done",
        "lineage  done: 9 events",
        f"  landed   {TABLE.identifier}",
        f"render   done: bundle {short(RENDERED.bundle_digest)}",
        f"  served   bundle {short(RENDERED.bundle_digest)} by Cube",
        f"  refused  bundle {short(RENDERED.bundle_digest)} by Cube",
    ]


def test_the_live_view_shows_where_things_are(compiled: ArtifactCompiled) -> None:
    console = Console(record=True, width=120, force_terminal=True)
    with LiveView(console) as view:
        view(fold(*well(compiled)[:4]))
        console.print(view._picture())
        view(after_lineage(fold(*well(compiled), RunStarted(**RUN, attempt=2)), "shop.land.a", "COMPLETE"))
        console.print(view._picture())
        view(fold(*well(compiled), completed(), RENDERED))
        console.print(view._picture())
    text = console.export_text()
    assert f"artifact {short(compiled.artifact_digest)}" in text
    assert "     model.shop.orders" in text
    assert "2 nodes, attempt 2" in text
    assert "1 tables" in text
    assert "9 events" in text
    assert f"bundle {short(RENDERED.bundle_digest)}" in text
    for told, shown in ((SYNCED, "served"), (REFUSED, "refused")):
        view(fold(*well(compiled), completed(), RENDERED, told))
        console.print(view._picture())
        assert f"bundle {short(RENDERED.bundle_digest)}, {shown} by Cube" in console.export_text()
    failing = LiveView(console)
    failing(fold(rejected()))
    console.print(failing._picture())
    assert "✗" in console.export_text()


@pytest.mark.parametrize(
    ("answer", "serves", "line"),
    [
        (CubeAnswer("served", DIGEST), True, "; Cube serves it"),
        (CubeAnswer("refused", None, (PROBLEM,)), False, "; Cube refuses it: Cube has served nothing yet"),
        (CubeAnswer("undecided", DIGEST), None, "; Cube has not answered with it yet"),
        (CubeAnswer("pinned", DIGEST), None, f"somebody rolled back: Cube goes on with {short(DIGEST)}"),
        (CubeAnswer("not_rendered", DIGEST), None, f"not rendered; Cube goes on with {short(DIGEST)}"),
    ],
    ids=["served", "refused", "undecided", "pinned", "not-rendered"],
)
def test_the_summary_says_what_cube_made_of_the_bundle(
    compiled: ArtifactCompiled, answer: CubeAnswer, serves: bool | None, line: str
) -> None:
    failed = SemanticFailed(**PLACE, artifact_digest=compiled.artifact_digest, problems=(PROBLEM,))
    rendered = RENDERED.model_copy(update={"skipped": ("a: no", "b: no")})
    last = failed if answer.outcome == "not_rendered" else rendered
    made = document(replace(fold(*well(compiled), completed(), last), cube=answer))
    assert made["cube_serves"] is serves
    console = Console(record=True, width=300)
    show_summary(console, made, Path("examples/orders"))
    text = console.export_text()
    assert line in text
    assert ("2 of what Cube was to serve" in text) is (last is rendered)


@pytest.mark.parametrize("served", [True, False])
def test_the_summary_names_the_whole_chain(compiled: ArtifactCompiled, served: bool) -> None:
    events = [*well(compiled), completed(), *([RENDERED] if served else [])]
    console = Console(record=True, width=120)
    show_summary(console, document(fold(*events)), Path("examples/orders"))
    text = console.export_text()
    for part in (digest_of(b"bundle"), compiled.artifact_digest, "r1", TABLE.identifier, "1,234", str(2**62 + 1)):
        assert part in text
    assert ("not served" in text) is not served
    assert "compile 0.50 s · dbt 1.25 s · land 0.50 s · total 3.14 s" in text
    assert "floe trace r1 examples/orders" in text


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ((TABLE,), "1 table, below; each snapshot carries the run and the artifact"),
        ((ATTACHED,), "1 table, below; written in the catalog by dbt itself"),
        ((TABLE, ATTACHED), "2 tables, below; those that landed carry the run and the artifact, 1 dbt wrote"),
        ((), "none: nothing of this run lands"),
    ],
    ids=["landed", "attached", "both", "neither"],
)
def test_the_summary_says_which_snapshots_name_the_run(
    compiled: ArtifactCompiled, tables: tuple[LandedTable, ...], said: str
) -> None:
    ended = completed().model_copy(update={"tables": tables})
    console = Console(record=True, width=120)
    show_summary(console, document(fold(*well(compiled), ended)), Path("examples/orders"))
    assert said in console.export_text()
