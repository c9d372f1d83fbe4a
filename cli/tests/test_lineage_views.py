"""The graph as a tree and as drawings, from answers alone."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from floe_cli.lineage_views.column_words import column_parts, impact_parts, is_what
from floe_cli.lineage_views.drawings import dot, mermaid
from floe_cli.lineage_views.graph_tree import graph_parts
from floe_contracts.lineage_requests import (
    ColumnAnswer,
    ColumnEdge,
    DerivedClassification,
    Direction,
    GraphEdge,
    GraphNode,
    Impact,
    ImpactEntry,
    LineageGraph,
    NodeField,
    NodeKind,
    NodeRun,
    PathStep,
)


def node(name: str, distance: int, kind: NodeKind = "dataset", run: NodeRun | None = None) -> GraphNode:
    return GraphNode(id=name, kind=kind, namespace="db", name=name, distance=distance, last_run=run)


def graph(*edges: tuple[str, str], roots: tuple[str, ...] = ("a",), truncated: bool = False) -> LineageGraph:
    names = dict.fromkeys(name for edge in edges for name in edge)
    return LineageGraph(
        root=roots[0],
        nodes=tuple(
            node(name, 0 if name in roots else 1, "job" if name.startswith("j") else "dataset") for name in names
        ),
        edges=tuple(GraphEdge(source=source, target=target) for source, target in edges),
        truncated=truncated,
    )


def printed(*parts: object) -> list[str]:
    console = Console(file=StringIO(), width=200)
    for part in parts:
        console.print(part, markup=False)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def names(answer: LineageGraph, direction: Direction = "both") -> list[str]:
    return [line.split("  db")[0].rstrip() for line in printed(*graph_parts(answer, direction))]


def test_what_is_reached_on_two_ways_is_shown_once_and_circles_end() -> None:
    answer = graph(("a", "j1"), ("j1", "b"), ("j1", "c"), ("b", "j2"), ("c", "j2"), ("j2", "d"), ("d", "j1"))
    assert names(answer) == [
        "dataset a",
        "└── goes into",
        "    └── job j1",
        "        ├── dataset b",
        "        │   └── job j2",
        "        │       └── dataset d",
        "        │           └── job j1  (above)",
        "        └── dataset c",
        "            └── job j2  (above)",
    ]


def test_what_reads_the_relation_that_a_table_is_landed_from_stands_below_the_table() -> None:
    answer = graph(("raw", "j1"), ("j1", "relation"), ("relation", "jland"), ("jland", "table"), ("relation", "j2"),
                   ("j2", "mart"), roots=("table", "relation"))  # fmt: skip
    assert [line.strip("│├└─ ") for line in names(answer)] == [
        "dataset table",
        "made of",
        "job jland",
        "dataset relation",
        "job j1",
        "dataset raw",
        "goes into",
        "job j2",
        "dataset mart",
    ]
    answer = graph(("relation", "jland"), ("jland", "table"), ("relation", "j2"), roots=("table", "relation"))
    assert names(answer, "downstream") == ["dataset table", "└── goes into", "    └── job j2"]


def test_a_node_that_nothing_is_known_of_is_itself() -> None:
    alone = LineageGraph(root="a", nodes=(node("a", 0),), edges=())
    assert names(alone) == ["dataset a"]
    run = NodeRun(run_id="r", event_type="FAIL", at="2026-11-21 ten o'clock")
    told = printed(*graph_parts(LineageGraph(root="a", nodes=(node("a", 0, run=run),), edges=()), "both"))
    assert told == ["dataset a  db  FAIL 2026-11-21 ten o'clock"]


def test_a_graph_that_is_cut_off_says_so() -> None:
    assert names(graph(("a", "j"), truncated=True))[-1].startswith("there is more")


def test_a_drawing_that_is_cut_off_says_so_in_a_comment() -> None:
    for draw, comment in ((dot, "  // truncated"), (mermaid, "  %% truncated")):
        assert comment not in draw(graph(("a", "j")))
        assert any(line.startswith(comment) for line in draw(graph(("a", "j"), truncated=True)).splitlines())


def test_names_cannot_break_a_drawing() -> None:
    name = 'a"] --> x["\\<b>&#35;`\n;'
    answer = LineageGraph(root=name, nodes=(node(name, 0),), edges=(), column_edges=(
        ColumnEdge(source=name, source_field='"', target=name, target_field="", type="INDIRECT", subtype="FILTER"),
        ColumnEdge(source=name, source_field="x", target="elsewhere", target_field="y", type="DIRECT"),
    ))  # fmt: skip
    lines = mermaid(answer).splitlines()
    assert lines == [
        "flowchart LR",
        '  n0["a#quot;] --#gt; x[#quot;\\#lt;b#gt;&#35;35;#96; ;"]',
        '  n0 -. "#quot; → (all rows): filter" .-> n0',
        "  style n0 stroke-width:3px",
    ]
    drawn = dot(answer).splitlines()
    assert drawn[2].startswith('  n0 [label="a\\"] --> x[\\"\\\\<b>&#35;` ;", tooltip=')
    assert len(drawn) == 5


def test_a_column_is_told_in_words() -> None:
    assert is_what(NodeField(name="x", classification="pii", derived="internal")) == (
        "pii, and internal by what it is made of"
    )
    path = tuple(PathStep(namespace="db", dataset=name, field="email") for name in ("a", "b"))
    answer = ColumnAnswer(
        root="b",
        field=NodeField(name="email", derived="pii"),
        nodes=(node("a", 1), node("b", 0)),
        edges=(ColumnEdge(source="a", source_field="email", target="b", target_field="email", type="DIRECT",
                          subtype="TRANSFORMATION", masking=True),),
        derived=(DerivedClassification(classification="pii", path=path, masked=True),),
        truncated=True,
    )  # fmt: skip
    told = printed(*column_parts(answer))
    assert told[0] == "b.email  pii, by what it is made of"
    assert told[1] == "pii, because a.email is: a.email → b.email; values are made unreadable on the way"
    assert told[3].split() == ["a.email", "b.email", "transformation,", "masked"]
    assert told[-1] == "there is more than is shown"
    hidden = DerivedClassification(classification="pii", path=(), masked=True)
    told = printed(*column_parts(answer.model_copy(update={"derived": (hidden,)})))
    assert told[1] == "pii, because of a column that is not shown here; values are made unreadable on the way"
    lonely = ColumnAnswer(root="b", field=NodeField(name="x"), nodes=(), edges=())
    assert printed(*column_parts(lonely))[-1] == "nothing is known of where it comes from or goes"


def test_an_impact_says_how_sure_it_is() -> None:
    entries = (
        ImpactEntry(node=node("b", 2), columns=("x", "y")),
        ImpactEntry(node=node("c", 4), indirect=True),
        ImpactEntry(node=node("d", 4), certain=False),
    )
    told = printed(*impact_parts(Impact(root="a", entries=entries, truncated=True)))
    assert [line.split()[:3] for line in told[1:4]] == [
        ["2", "dataset", "b"],
        ["4", "dataset", "c"],
        ["4", "dataset", "d"],
    ]
    assert told[2].rstrip().endswith("by filters, joins and the like alone")
    assert told[3].rstrip().endswith("perhaps: its columns are not known")
    assert told[4] == "there is more than is shown"
