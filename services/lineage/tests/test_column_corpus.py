"""Column lineage on the corpus: each case is told exactly as the corpus says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from floe_contracts.lineage_states import JobState
from floe_lineage.core.columns.extraction import extract
from floe_lineage.core.graph.findings import columns_of_sql
from floe_lineage.core.graph.knowledge import Knowledge
from floe_lineage.core.graph.telling import telling

_CORPUS = Path(__file__).parent / "column_corpus" / "corpus.py"
_VALIDATOR = Path(__file__).parents[3] / "libs" / "contracts" / "tests" / "conftest.py"
_WANTED_OF_COLUMNS = 0.95
_GROUPS = {"star", "cte", "union", "window", "lateral", "struct", "pivot", "incremental", "subquery", "quoted"}
_WAREHOUSES = {"bigquery", "databricks", "duckdb", "postgres", "redshift", "snowflake", "spark"}


def _module(name: str, file: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, file)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


corpus = _module("column_corpus", _CORPUS)
CASES = corpus.all_cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label.replace(" ", "-"))
def test_a_statement_is_told_as_the_corpus_says(case) -> None:
    lineage = extract(case.statement)

    assert lineage.unparsed is None
    assert corpus.told_edges(lineage) == case.expected()
    assert set(lineage.fields) == set(case.columns)
    assert {name for _, name in lineage.tables} == case.tables()
    assert len(lineage.unresolved) == len(case.unresolved)
    assert all(told in problem for told, problem in zip(case.unresolved, lineage.unresolved, strict=True))


def test_the_corpus_has_all_groups_and_all_warehouses() -> None:
    assert len(CASES) >= 60
    assert {case.group for case in CASES} >= _GROUPS
    assert {case.statement.dialect for case in CASES} >= _WAREHOUSES


def test_all_tables_and_nearly_all_columns_are_told_and_true() -> None:
    told_tables, true_tables, told, true = set(), set(), set(), set()
    for case in CASES:
        lineage = extract(case.statement)
        told_tables |= {(case.label, name) for _, name in lineage.tables}
        true_tables |= {(case.label, name) for name in case.tables()}
        told |= {(case.label, *edge) for edge in corpus.told_edges(lineage)}
        true |= {(case.label, *edge) for edge in case.truth()}

    assert told_tables == true_tables
    assert len(told & true) / len(told) >= _WANTED_OF_COLUMNS
    assert len(told & true) / len(true) >= _WANTED_OF_COLUMNS


def test_what_is_told_of_them_is_as_the_specification_has_it() -> None:
    schemas = _module("floe_contracts_tests_conftest", _VALIDATOR).OpenLineageSchemas()
    problems = {case.label: schemas.problems(told_of(case)) for case in CASES}

    assert {label: found for label, found in problems.items() if found} == {}


def test_what_could_not_be_told_is_not_told_to_be_made_of_nothing() -> None:
    (case,) = (case for case in CASES if case.name == "an alias that may be a column, which goes before it")

    (output,) = told_of(case)["outputs"]

    assert list(output["facets"]["columnLineage"]["fields"]) == ["id"]


def told_of(case) -> dict[str, Any]:
    """The event that the lineage service tells of a job with that SQL."""
    output = columns_of_sql(case.statement, extract(case.statement))
    place = {"tenant": "default", "environment": "dev", "environments": ("dev",), "product": "shop"}
    job = JobState(
        namespace="floe://default/dev", name="shop.model", sequence=1, stored_at=1, columns=(output,), **place
    )
    told = telling(Knowledge(), job, None, "2026-01-01T00:00:00Z")
    assert told is not None
    return dict(told.event)
