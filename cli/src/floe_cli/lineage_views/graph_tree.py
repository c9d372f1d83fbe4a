"""The graph around a dataset or a job, as a tree for people to read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from floe_cli.catalog.views import moment
from floe_cli.lineage_views.column_words import how, is_what
from floe_contracts.lineage_requests import ColumnEdge, Direction, GraphNode, LineageGraph

_STYLES = {"COMPLETE": "green", "FAIL": "red", "ABORT": "yellow", "START": "cyan", "RUNNING": "cyan"}


def graph_parts(graph: LineageGraph, direction: Direction) -> list[RenderableType]:
    """The tree; where columns were asked for, a table of them; and that there is more, if there is."""
    nodes = {node.id: node for node in graph.nodes}
    parts: list[RenderableType] = [_tree(graph, nodes, direction)]
    if any(node.fields for node in graph.nodes):
        parts.append(_columns(graph.nodes, graph.column_edges, nodes))
    if graph.truncated:
        parts.append(
            Text("there is more than is shown: ask for less depth, or from a node nearer to it", style="yellow")
        )
    return parts


def _tree(graph: LineageGraph, nodes: Mapping[str, GraphNode], direction: Direction) -> Tree:
    upstream, downstream = defaultdict(list), defaultdict(list)
    for edge in graph.edges:
        upstream[edge.target].append(edge.source)
        downstream[edge.source].append(edge.target)
    tree = Tree(_label(nodes[graph.root]))
    # A table and the relation that it is landed from are one thing here: what reads the relation is made of it, too.
    same = [graph.root, *(node.id for node in graph.nodes if node.distance == 0 and node.id != graph.root)]
    branches = (
        ("made of", "downstream", [graph.root], upstream),
        ("goes into", "upstream", same, downstream),
    )
    for title, other_way, starts, neighbours in branches:
        if direction == other_way:
            continue  # between a table and its relation there is an edge whichever way was asked for
        branch = Tree(Text(title, style="bold"))
        _grow(branch, starts, neighbours, nodes)
        if branch.children:
            tree.add(branch)
    return tree


def _grow(
    branch: Tree, starts: Sequence[str], neighbours: Mapping[str, Sequence[str]], nodes: Mapping[str, GraphNode]
) -> None:
    """Hang all that is reached from `starts` below `branch`, each with what is behind it where it first stands."""
    shown = set(starts)
    first = dict.fromkeys(node for start in starts for node in neighbours.get(start, ()))
    # What leads from one of the starts to another says nothing.
    between = {node for node in first if len(starts) > 1 and shown.issuperset(neighbours.get(node) or [""])}
    waiting = [(branch, node) for node in reversed(first) if node not in between]
    while waiting:
        above, node = waiting.pop()
        label = _label(nodes[node])
        if node in shown:
            above.add(label.append("  (above)", style="dim") if neighbours.get(node) else label)
            continue
        shown.add(node)
        below = above.add(label)
        waiting += [(below, each) for each in reversed(neighbours.get(node, ()))]


def _label(node: GraphNode) -> Text:
    label = Text(f"{node.kind} ", style="dim")
    label.append(node.name, style="not dim bold" if node.kind == "dataset" else "not dim")
    facts = [node.namespace, node.type] if node.kind == "dataset" else [node.type]
    for fact in filter(None, facts):
        label.append(f"  {fact}", style="dim")
    if node.last_run is not None:
        state = node.last_run.event_type
        label.append(f"  {state}", style=_STYLES.get(state, "")).append(f" {_when(node.last_run.at)}", style="dim")
    return label


def _when(text: str) -> str:
    try:
        return moment(text)
    except ValueError:
        return text  # as another producer writes times


def _columns(nodes: Sequence[GraphNode], edges: Sequence[ColumnEdge], known: Mapping[str, GraphNode]) -> Table:
    made_of = defaultdict(list)
    for edge in edges:
        if edge.source in known:
            source = f"{known[edge.source].name}.{edge.source_field}"
            made_of[edge.target, edge.target_field].append(f"{source} ({how(edge)})")
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("dataset", "column", "type", "is", "made of"):
        table.add_column(title)
    for node in nodes:
        for field in node.fields:
            sources = ", ".join(made_of[node.id, field.name])
            table.add_row(node.name, field.name, field.type or "", is_what(field), sources)
        if whole := made_of.get((node.id, "")):
            table.add_row(node.name, "(all rows)", "", "", ", ".join(whole))
    return table
