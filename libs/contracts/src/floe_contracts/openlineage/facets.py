"""The facets that floe writes, each with its producer and the immutable URL of its schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from floe_contracts.nodes import Column, Node
from floe_contracts.openlineage.events import PRODUCER
from floe_contracts.openlineage.naming import Place, job_namespace

_OFFICIAL: Final = "https://openlineage.io/spec/facets"
_OWN: Final = "https://floe.dev/schemas/openlineage"

Facet = dict[str, Any]


def _facet(root: str, facet_class: str, /, **fields: Any) -> Facet:
    written = {key: value for key, value in fields.items() if value is not None}
    url = f"{root}/{facet_class}.json#/$defs/{facet_class}"
    return {"_producer": PRODUCER, "_schemaURL": url} | written


def parent(place: Place, run_id: str, root_run_id: str | None = None) -> Facet:
    """The run of the product that a node's run belongs to."""
    run = {"run": {"runId": run_id}, "job": {"namespace": job_namespace(place), "name": place.product}}
    root = {"run": {"runId": root_run_id or run_id}, "job": run["job"]}
    return _facet(f"{_OFFICIAL}/1-2-0", "ParentRunFacet", **run, root=root)


def processing_engine(version: str) -> Facet:
    """dbt, and its version. DataHub refuses events without it."""
    return _facet(f"{_OFFICIAL}/1-1-1", "ProcessingEngineRunFacet", name="dbt", version=version)


def error_message(message: str) -> Facet:
    """Why a run failed."""
    return _facet(f"{_OFFICIAL}/1-0-1", "ErrorMessageRunFacet", message=message, programmingLanguage="SQL")


def artifact(digest: str, attempt: int) -> Facet:
    """The artifact that was run."""
    return _facet(f"{_OWN}/1-0-0", "FloeArtifactRunFacet", digest=digest, attempt=attempt)


def job_type(kind: str, integration: str = "DBT") -> Facet:
    """What sort of job it is: MODEL, SEED, SNAPSHOT, TEST, or PRODUCT for the whole run."""
    return _facet(
        f"{_OFFICIAL}/2-0-4", "JobTypeJobFacet", processingType="BATCH", integration=integration, jobType=kind
    )


def sql(query: str, dialect: str) -> Facet:
    """The query as it stands in the project."""
    return _facet(f"{_OFFICIAL}/1-1-0", "SQLJobFacet", query=query, dialect=dialect)


def job_documentation(description: str) -> Facet:
    """The description of a job."""
    return _facet(f"{_OFFICIAL}/1-1-0", "DocumentationJobFacet", description=description)


def dataset_documentation(description: str) -> Facet:
    """The description of a dataset."""
    return _facet(f"{_OFFICIAL}/1-1-0", "DocumentationDatasetFacet", description=description)


def job_owners(owner: str) -> Facet:
    """Who owns a job."""
    return _facet(f"{_OFFICIAL}/1-0-1", "OwnershipJobFacet", owners=[{"name": owner}])


def schema(columns: Iterable[tuple[str, str | None, str]]) -> Facet:
    """Name, type and description of each column, in order."""
    fields = [
        {"name": name, "ordinal_position": position}
        | ({"type": data_type} if data_type else {})
        | ({"description": description} if description else {})
        for position, (name, data_type, description) in enumerate(columns, start=1)
    ]
    return _facet(f"{_OFFICIAL}/1-2-0", "SchemaDatasetFacet", fields=fields)


def data_source(uri: str) -> Facet:
    """Where a dataset lives."""
    return _facet(f"{_OFFICIAL}/1-0-1", "DatasourceDatasetFacet", name=uri, uri=uri)


def dataset_version(version: str) -> Facet:
    """The version of a dataset: the snapshot id of an Iceberg table."""
    return _facet(f"{_OFFICIAL}/1-0-1", "DatasetVersionDatasetFacet", datasetVersion=version)


def output_statistics(*, rows: int, size: int, files: int) -> Facet:
    """What was written: rows, bytes, files."""
    return _facet(f"{_OFFICIAL}/1-0-2", "OutputStatisticsOutputDatasetFacet", rowCount=rows, size=size, fileCount=files)


def assertions(results: Iterable[tuple[str, str | None, bool]]) -> Facet:
    """Results of tests: name, column if it is about one, success."""
    found = [
        {"assertion": name, "success": success} | ({"column": column} if column else {})
        for name, column, success in results
    ]
    return _facet(f"{_OFFICIAL}/1-1-0", "DataQualityAssertionsDatasetFacet", assertions=found)


def classification(columns: Iterable[Column]) -> dict[str, Facet]:
    """The classification of a dataset's columns: floe's own facet, and the tags that any backend shows."""
    classified = [(column, column.classification) for column in columns if column.classification]
    if not classified:
        return {}
    own = {
        column.name: {
            "classification": found.classification,
            "sensitivity": found.sensitivity,
        }
        | ({"piiType": found.pii_type} if found.pii_type else {})
        for column, found in classified
    }
    tags = [
        {"key": "classification", "value": found.classification, "source": "FLOE", "field": column.name}
        for column, found in classified
    ]
    return {
        "floe_classification": _facet(f"{_OWN}/1-0-1", "FloeClassificationDatasetFacet", columns=own),
        "tags": _facet(f"{_OFFICIAL}/1-0-0", "TagsDatasetFacet", tags=tags),
    }


def node_facets(node: Node, uri: str) -> dict[str, Facet]:
    """The facets of the relation that a node builds, as far as the project documents it."""
    facets = {"dataSource": data_source(uri)}
    if node.columns:
        facets["schema"] = schema((column.name, column.data_type, column.description) for column in node.columns)
    if node.description:
        facets["documentation"] = dataset_documentation(node.description)
    return facets | classification(node.columns)


def dataset(name: tuple[str, str], facets: Mapping[str, Facet], **sided: Mapping[str, Facet]) -> dict[str, Any]:
    """A dataset of an event; `sided` may hold `inputFacets` or `outputFacets`."""
    return {"namespace": name[0], "name": name[1], "facets": dict(facets)} | dict(sided)
