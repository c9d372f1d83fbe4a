"""What `floe run` says at the end: the chain of ids, the tables, the times, and what to try next."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from floe_contracts.digests import short


def show_summary(console: Console, document: dict[str, Any], path: Path) -> None:
    """Show the result document of a completed run."""
    console.print()
    for name, value in _chain(document):
        console.print(f"[dim]{name:12}[/dim] {value}", highlight=False, soft_wrap=True)
    console.print()
    if document["tables"]:
        console.print(_tables(document))
        console.print()
    named = {"compile": "compile", "run": "dbt", "land": "land", "total": "total"}
    seconds = ((name, document["seconds"][key]) for key, name in named.items())
    console.print(" · ".join(f"{name} {took:.2f} s" for name, took in seconds if took is not None), highlight=False)
    console.print("\nTry next:", style="bold")
    floe = _how_to_call()
    suggestions = [
        (f"{floe} trace {document['run_id']} {path}", "verify the chain of ids, offline"),
        (f"{floe} catalog tables {path}", "what the tables hold; also snapshots, and reading them as they were"),
        (f"{floe} semantic status {path}", "what Cube serves; docs/how-to/serve-through-cube.md says how to start one"),
        (f"{floe} lineage export --run {document['run_id']} {path}", "the OpenLineage events, one JSON a line"),
    ]
    if document["source_digest"] is not None:
        suggestions.append((f"{floe} run {path} --if-changed", "nothing to do, until something changes"))
    for command, purpose in suggestions:
        console.print(f"  {command}", style="cyan", highlight=False, soft_wrap=True)
        console.print(f"      {purpose}", style="dim")


def _how_to_call() -> str:
    """`floe`, or the path of the one that is running where the shell would not find it."""
    running = Path(sys.argv[0])
    found = shutil.which("floe") is not None or running.name != "floe"
    return "floe" if found else os.path.relpath(running)


def _chain(document: dict[str, Any]) -> list[tuple[str, str]]:
    tables = document["tables"]
    compiled = document["source_digest"] is not None
    chain = [
        ("source", document["source_digest"]),
        ("artifact", document["artifact_digest"]),
        ("run", document["run_id"]),
        ("partition", document["partition"]),
        ("snapshots", _snapshots(tables)),
        ("lineage", f"{document['lineage_events']} OpenLineage events, each names the run and the artifact"),
        ("Cube bundle", _bundle(document) if compiled else None),
        ("left out", _left_out(document)),
    ]
    return [(name, value) for name, value in chain if value is not None]


def _bundle(document: dict[str, Any]) -> str:
    """The bundle, and what Cube made of it; whether one runs is not known where nothing was heard."""
    digest, serving = document["cube_bundle_digest"], document["cube_serving"]
    goes_on = f"Cube goes on with {short(serving)}" if serving else "Cube has served nothing yet"
    if digest is None:
        return f"not rendered; {goes_on}" if document["cube_outcome"] == "not_rendered" else "not served"
    told = {
        "served": "; Cube serves it",
        "refused": f"; Cube refuses it: {goes_on}",
        "replaced": "; a newer one is offered to Cube",
        "pinned": f"; it waits until floe semantic sync, for somebody rolled back: {goes_on}",
        "undecided": "; Cube has not answered with it yet, floe semantic status shows what becomes of it",
    }
    return f"{digest}{told.get(document['cube_outcome'], '')}"


def _left_out(document: dict[str, Any]) -> str | None:
    """How much of the models Cube cannot say."""
    count = len(document["cube_skipped"])
    return f"{count} of what Cube was to serve; floe semantic render says what, and why" if count else None


def _snapshots(tables: list[dict[str, Any]]) -> str:
    """How many there are, and which of them name the run: dbt's own commits in an attached catalog do not."""
    if not tables:
        return "none: nothing of this run lands"
    count = f"{len(tables)} table{'s' if len(tables) > 1 else ''}, below"
    attached = sum(table["mode"] == "attached" for table in tables)
    if not attached:
        return f"{count}; each snapshot carries the run and the artifact"
    if attached == len(tables):
        return f"{count}; written in the catalog by dbt itself"
    return f"{count}; those that landed carry the run and the artifact, {attached} dbt wrote in the catalog itself"


def _tables(document: dict[str, Any]) -> Table:
    tables = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    tables.add_column("table")
    tables.add_column("rows", justify="right")
    tables.add_column("snapshot", justify="right")
    for table in document["tables"]:
        tables.add_row(table["identifier"], f"{table['rows']:,}", str(table["snapshot_id"]))
    return tables
