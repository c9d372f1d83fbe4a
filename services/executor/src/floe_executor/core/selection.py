"""What `dbt build` gets beside its profile and target: what is built, and how."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from floe_contracts.dbt_selection import dbt_selection
from floe_contracts.errors import Where
from floe_contracts.events import RunOptions
from floe_contracts.nodes import NodeGraph
from floe_executor.core.retries import BUILT_WELL, BuiltSoFar, left
from floe_executor.errors import SelectionInvalid

RESERVED: Final = ("floe_partition", "floe_partition_start", "floe_partition_end")
"""Variables that a run of a partition sets itself."""
_SECRET: Final = "DBT_ENV_SECRET_"  # noqa: S105 -- the prefix of names, no secret
_TESTS: Final = ("test.", "unit_test.")
_PYTHON: Final = ("python.", "python_test.")
"""Python transforms and their checks are not dbt's."""
_EXACTLY: Final = ("--indirect-selection", "empty")
"""Only the tests that are named: not those that belong to a named node."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is built.

    Attributes:
        arguments: for `dbt build`.
        only: the ids of what is built, where they are known.
    """

    arguments: tuple[str, ...]
    only: frozenset[str] | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing is left to build: dbt must not be asked then, since it would build everything."""
        return self.only is not None and not self.only


def check_options(options: RunOptions) -> None:
    """See that what somebody asked for is data, and nothing that dbt would take for an option of its own.

    Raises:
        SelectionInvalid: it is not.
    """
    for name, items in (("select", options.select), ("exclude", options.exclude)):
        for item in items:
            if not item.strip() or item.lstrip().startswith("-") or "\0" in item:
                raise SelectionInvalid(
                    f"{item!r} is no selection of dbt",
                    where=Where(path=f"options.{name}"),
                    hint="name models, tags or paths, as `dbt build --select` takes them",
                )
    for name, value in options.vars.items():
        if not name or name in RESERVED or _SECRET in json.dumps([name, value]):
            raise SelectionInvalid(
                f"the variable {name!r} cannot be set by a request",
                where=Where(path="options.vars"),
                hint=f"{', '.join(RESERVED)} belong to the run, and secrets come by the platform's secret_refs",
            )


def narrowed(options: RunOptions) -> bool:
    """Whether somebody asked for a part of the product only."""
    return bool(options.select or options.exclude)


def select(
    options: RunOptions,
    graph: NodeGraph,
    built: BuiltSoFar | None,
    *,
    variables: Mapping[str, Any],
    new: frozenset[str],
) -> Selection:
    """The selection of one attempt.

    Args:
        options: of the run; checked.
        graph: of the artifact.
        built: what was built before and stands; None: nothing.
        variables: of dbt, beside those of the options; they win.
        new: ids that the artifact has and the one that was built before had not.
    """
    values = {**options.vars, **variables}
    how: tuple[str, ...] = ("--full-refresh",) if options.full_refresh else ()
    how += ("--vars", json.dumps(values, sort_keys=True)) if values else ()
    asked = (*_option("--select", options.select), *_option("--exclude", options.exclude), *how)
    if built is None or (not built.whole and narrowed(options)):
        return Selection(asked)
    if built.whole:
        only = left(built) | (frozenset() if narrowed(options) else new)
        return Selection((*_option("--select", _criteria(graph, only)), *_EXACTLY, *how), only)
    done = frozenset(outcome.unique_id for outcome in built.nodes if outcome.status in BUILT_WELL)
    return Selection((*_option("--exclude", _criteria(graph, done)), *_EXACTLY, *how) if done else asked)


def _criteria(graph: NodeGraph, ids: frozenset[str]) -> tuple[str, ...]:
    tests = {unique_id for unique_id in ids if unique_id.startswith(_TESTS)}
    nodes = {unique_id for unique_id in ids - tests if not unique_id.startswith(_PYTHON)}
    return dbt_selection(graph, nodes, tests)


def _option(name: str, values: tuple[str, ...]) -> tuple[str, ...]:
    return (name, *values) if values else ()
