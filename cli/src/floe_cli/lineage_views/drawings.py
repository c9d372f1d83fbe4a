"""The graph as Graphviz (`dot`) and Mermaid read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from floe_cli.lineage_views.column_words import how
from floe_contracts.lineage_requests import ColumnEdge, GraphNode, LineageGraph

_MERMAID_ENTITIES = str.maketrans(
    {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;", "\n": " ", "\r": " "}
)
_TRUNCATED: Final = "truncated: there is more than is drawn"
_DOT_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": " ", "\r": " "})


def dot(graph: LineageGraph) -> str:
    """The graph in Graphviz's language: datasets are boxes, jobs ovals, columns dashed edges between datasets."""
    ids = _ids(graph)
    lines = ["digraph lineage {", "  rankdir=LR;"]
    for node in graph.nodes:
        shape = "box" if node.kind == "dataset" else "oval"
        bold = ", style=bold" if node.id == graph.root else ""
        lines.append(
            f"  {ids[node.id]} [label={_dot_text(node.name)}, tooltip={_dot_text(_tip(node))}, shape={shape}{bold}];"
        )
    lines += [f"  {ids[edge.source]} -> {ids[edge.target]};" for edge in graph.edges]
    for edge in _column_edges(graph):
        label = _dot_text(_column_label(edge))
        lines.append(f"  {ids[edge.source]} -> {ids[edge.target]} [label={label}, style=dashed, constraint=false];")
    if graph.truncated:
        lines.append(f"  // {_TRUNCATED}")
    return "\n".join([*lines, "}"])


def mermaid(graph: LineageGraph) -> str:
    """The graph as a Mermaid flowchart, which Git forges draw in Markdown: datasets are boxes, jobs rounded."""
    ids = _ids(graph)
    lines = ["flowchart LR"]
    for node in graph.nodes:
        opening, closing = ("[", "]") if node.kind == "dataset" else ("([", "])")
        lines.append(f'  {ids[node.id]}{opening}"{_mermaid_text(node.name)}"{closing}')
    lines += [f"  {ids[edge.source]} --> {ids[edge.target]}" for edge in graph.edges]
    for edge in _column_edges(graph):
        lines.append(f'  {ids[edge.source]} -. "{_mermaid_text(_column_label(edge))}" .-> {ids[edge.target]}')
    lines.append(f"  style {ids[graph.root]} stroke-width:3px")
    if graph.truncated:
        lines.append(f"  %% {_TRUNCATED}")
    return "\n".join(lines)


def _ids(graph: LineageGraph) -> dict[str, str]:
    return {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}


def _column_edges(graph: LineageGraph) -> Iterator[ColumnEdge]:
    known = {node.id for node in graph.nodes}
    return (edge for edge in graph.column_edges if edge.source in known and edge.target in known)


def _column_label(edge: ColumnEdge) -> str:
    return f"{edge.source_field} → {edge.target_field or '(all rows)'}: {how(edge)}"


def _tip(node: GraphNode) -> str:
    return f"{node.namespace} {node.name}"


def _dot_text(text: str) -> str:
    return f'"{text.translate(_DOT_ESCAPES)}"'


def _mermaid_text(text: str) -> str:
    return text.translate(_MERMAID_ENTITIES)
