"""The events that everything here sends: START and COMPLETE of runs, five kilobytes each, like those of dbt models."""

from __future__ import annotations

from collections.abc import Iterator

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    datasource_dataset,
    documentation_dataset,
    job_type_job,
    parent_run,
    processing_engine_run,
    schema_dataset,
    sql_job,
)
from openlineage.client.serde import Serde

PRODUCER = "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/client/python"
JOB = "orders.order_totals"
PRODUCTS = 64
"""So many products run at the same time: as many runs are at the top of the chain of all others."""
_NAMESPACE = "floe://bench/dev"
_WAREHOUSE = "duckdb:///work/warehouse.duckdb"
_COLUMNS = tuple(f"measured_value_{number:02}" for number in range(5))
_SUMS = ", ".join(f"sum({column}) as {column}" for column in _COLUMNS)
_SQL = f"select customer_id, {_SUMS} from main.orders join main.customers using (customer_id) group by customer_id"  # noqa: S608 - never run


def run_events(count: int, *, first: int = 0) -> Iterator[RunEvent]:
    """So many events: START, then COMPLETE of run after run. Their datasets are shared, so that many fit into memory.

    Args:
        count: how many.
        first: number of the first run; other numbers are other runs.
    """
    job = _job()
    inputs = [_input("orders"), _input("customers")]
    outputs = [_output()]
    for number in range(count):
        pair = first + number // 2
        yield RunEvent(
            eventTime=f"2026-11-21T10:00:{number % 60:02}.000Z",
            producer=PRODUCER,
            eventType=RunState.COMPLETE if number % 2 else RunState.START,
            run=Run(f"01890000-0000-7000-9000-{pair:012x}", _run_facets(root_run_id(pair))),
            job=job,
            inputs=inputs,
            outputs=outputs,
        )


def root_run_id(number: int) -> str:
    """The run at the top of the chain of that run."""
    return f"01890000-0000-7000-8000-{number % PRODUCTS:012x}"


def body_of(event: RunEvent) -> bytes:
    """The event as the client of OpenLineage writes it."""
    return Serde.to_json(event).encode()


def _run_facets(root: str) -> dict[str, object]:
    job, root_job = parent_run.Job(_NAMESPACE, "orders"), parent_run.RootJob(_NAMESPACE, "orders")
    top = parent_run.Root(parent_run.RootRun(root), root_job)
    return {
        "parent": parent_run.ParentRunFacet(parent_run.Run(root), job, root=top),
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet("1.11.16", "dbt", "0.1.0"),
    }


def _job() -> Job:
    facets = {
        "jobType": job_type_job.JobTypeJobFacet("BATCH", "DBT", "MODEL"),
        "sql": sql_job.SQLJobFacet(_SQL, dialect="duckdb"),
    }
    return Job(_NAMESPACE, JOB, facets)


def _schema() -> schema_dataset.SchemaDatasetFacet:
    fields = [schema_dataset.SchemaDatasetFacetFields(name, "DOUBLE") for name in _COLUMNS]
    return schema_dataset.SchemaDatasetFacet(fields)


def _input(name: str) -> InputDataset:
    facets = {"schema": _schema(), "dataSource": datasource_dataset.DatasourceDatasetFacet("duckdb", _WAREHOUSE)}
    return InputDataset(_WAREHOUSE, f"main.{name}", facets=facets)


def _output() -> OutputDataset:
    lineage = {
        column: column_lineage_dataset.Fields([column_lineage_dataset.InputField(_WAREHOUSE, "main.orders", column)])
        for column in _COLUMNS[:2]
    }
    facets = {
        "schema": _schema(),
        "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(lineage),
        "documentation": documentation_dataset.DocumentationDatasetFacet("What each customer has ordered so far."),
    }
    return OutputDataset(_WAREHOUSE, "main.order_totals", facets=facets)
