"""The commands of `floe catalog` that put tables in order: what the service does by itself, now."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from floe_cli.commands.catalog import options
from floe_cli.commands.catalog.answering import ask_once
from floe_cli.commands.catalog.results import report

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_POLICY = "as the product's policy says, where left out"
_MOST_DAYS = 36_500
"""The contract's limit, written here so that `floe --help` need not load the contracts."""


class _Days(click.FloatRange):
    """A number of days; `nan` lies in every range of click's."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        days = super().convert(value, param, ctx)
        if math.isnan(days):
            self.fail(f"{value} is no number of days.", param, ctx)
        return days


def _maintenance(function: FunctionT) -> FunctionT:
    """The arguments and options of all of them."""
    table = click.option("--table", "-t", help="Only this table; all of them, where left out.")
    for option in (
        options.as_json,
        options.environment,
        options.product,
        options.dry_run,
        table,
        options.path,
    ):
        function = option(function)
    return function


@click.command()
@_maintenance
@click.option("--target-size", type=click.IntRange(min=1), metavar="MB", help=f"How large files become; {_POLICY}.")
@click.option("--min-files", type=click.IntRange(min=2), help=f"How many small files are worth it; {_POLICY}.")
def compact(
    path: Path, environment: str | None, as_json: bool, target_size: int | None, min_files: int | None, **named: Any
) -> int:
    """Make few large files of many small ones. Writers and readers go on meanwhile."""
    from floe_contracts.catalog_requests import COMPACT_TABLES, CompactTables

    request = CompactTables(target_file_size_mb=target_size, min_input_files=min_files, **named)
    return report(ask_once(path, environment, COMPACT_TABLES, request), as_json=as_json)


@click.command()
@_maintenance
@click.option("--min-manifests", type=click.IntRange(min=2), help=f"How many are worth it; {_POLICY}.")
def manifests(path: Path, environment: str | None, as_json: bool, min_manifests: int | None, **named: Any) -> int:
    """Make few manifests of many, so that reading is planned faster."""
    from floe_contracts.catalog_requests import REWRITE_MANIFESTS, RewriteManifests

    request = RewriteManifests(min_manifests=min_manifests, **named)
    return report(ask_once(path, environment, REWRITE_MANIFESTS, request), as_json=as_json)


@click.command()
@_maintenance
@click.option("--older-than", type=_Days(min=0, max=_MOST_DAYS), metavar="DAYS", help=f"How old they are; {_POLICY}.")
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help=f"How many of the newest stay; {_POLICY}.")
def expire(
    path: Path, environment: str | None, as_json: bool, older_than: float | None, keep: int | None, **named: Any
) -> int:
    """Let old snapshots go, and delete the files that only they hold. Tags and branches keep theirs."""
    from floe_contracts.catalog_requests import EXPIRE_SNAPSHOTS, ExpireSnapshots

    request = ExpireSnapshots(max_age_days=older_than, min_snapshots=keep, **named)
    return report(ask_once(path, environment, EXPIRE_SNAPSHOTS, request), as_json=as_json)


@click.command()
@_maintenance
@click.option("--older-than", type=_Days(min=1, max=_MOST_DAYS), metavar="DAYS", help=f"How old they are; {_POLICY}.")
def orphans(path: Path, environment: str | None, as_json: bool, older_than: float | None, **named: Any) -> int:
    """Delete files below tables that no snapshot holds, as a writer that died leaves them.

    None is younger than a day: a file that a run is about to commit looks like an orphan.
    """
    from floe_contracts.catalog_requests import REMOVE_ORPHANS, RemoveOrphans

    request = RemoveOrphans(min_age_days=older_than, **named)
    return report(ask_once(path, environment, REMOVE_ORPHANS, request), as_json=as_json)
