"""Column lineage on the corpus: each case is told exactly as the corpus says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from floe_lineage.core.columns.extraction import extract
from floe_lineage.core.columns.facets import column_lineage_facet

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


def test_the_facets_are_as_the_specification_has_them() -> None:
    schemas = _module("floe_contracts_tests_conftest", _VALIDATOR).OpenLineageSchemas()
    facets = [column_lineage_facet(extract(case.statement)) for case in CASES]
    written = [
        {"namespace": "warehouse", "name": "mart.result", "facets": {"columnLineage": facet}}
        for facet in facets
        if facet is not None
    ]

    assert len(written) == len(CASES)
    assert schemas.problems(_job_event(written)) == []


def _job_event(outputs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "eventTime": "2026-01-01T00:00:00Z",
        "producer": "https://floe.dev/lineage",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent",
        "job": {"namespace": "floe://default/dev", "name": "mart.result"},
        "inputs": [],
        "outputs": outputs,
    }
