"""What is known of columns, in words."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from floe_contracts.lineage_requests import (
    ColumnAnswer,
    ColumnEdge,
    DerivedClassification,
    GraphNode,
    Impact,
    ImpactEntry,
    NodeField,
)


def is_what(field: NodeField) -> str:
    """What a column is, and whether its owner says so."""
    if field.classification and field.derived and field.classification != field.derived:
        return f"{field.classification}, and {field.derived} by what it is made of"
    if field.classification:
        return field.classification
    return f"{field.derived}, by what it is made of" if field.derived else ""


def how(edge: ColumnEdge) -> str:
    """How one column comes to another."""
    kind = (edge.subtype or edge.type).lower()
    return f"{kind}, masked" if edge.masking else kind


def column_parts(answer: ColumnAnswer) -> list[RenderableType]:
    """The column, why it is what it is, and the edges that lead to it and from it."""
    nodes = {node.id: node for node in answer.nodes}
    name = f"{_name(nodes, answer.root)}.{answer.field.name}"
    head = Text(name, style="bold")
    for fact in (answer.field.type, is_what(answer.field)):
        if fact:
            head.append(f"  {fact}", style="not bold")
    parts: list[RenderableType] = [head, *(_because(each) for each in answer.derived)]
    parts.append(_edges(answer, nodes) if answer.edges else Text("nothing is known of where it comes from or goes"))
    if answer.truncated:
        parts.append(Text("there is more than is shown", style="yellow"))
    return parts


def impact_parts(impact: Impact) -> list[RenderableType]:
    """What a change reaches, the nearest first."""
    if not impact.entries:
        return [Text("nothing that is known of depends on it")]
    table = _table("steps", "kind", "name", "columns", "how")
    for entry in impact.entries:
        node = entry.node
        table.add_row(str(node.distance), node.kind, node.name, ", ".join(entry.columns), _reached(entry))
    parts: list[RenderableType] = [table]
    if impact.truncated:
        parts.append(Text("there is more than is shown", style="yellow"))
    return parts


def _because(derived: DerivedClassification) -> Text:
    way = [f"{step.dataset}.{step.field}" for step in derived.path]
    if way:
        told = Text(f"{derived.classification}, because {way[0]} is: {' → '.join(way)}", style="yellow")
    else:
        told = Text(f"{derived.classification}, because of a column that is not shown here", style="yellow")
    return told.append("; values are made unreadable on the way") if derived.masked else told


def _edges(answer: ColumnAnswer, nodes: Mapping[str, GraphNode]) -> Table:
    table = _table("column", "goes into", "how")
    for edge in answer.edges:
        target = _name(nodes, edge.target)
        into = f"{target}.{edge.target_field}" if edge.target_field else f"{target} (all rows)"
        table.add_row(f"{_name(nodes, edge.source)}.{edge.source_field}", into, how(edge))
    return table


def _reached(entry: ImpactEntry) -> str:
    if not entry.certain:
        return "perhaps: its columns are not known"
    return "by filters, joins and the like alone" if entry.indirect else ""


def _name(nodes: Mapping[str, GraphNode], node: str) -> str:
    return nodes[node].name if node in nodes else node


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, justify="right" if title == "steps" else "left")
    return table
