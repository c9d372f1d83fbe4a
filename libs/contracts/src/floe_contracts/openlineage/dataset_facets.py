"""The facets of a dataset that floe writes; those of inputs and outputs too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from floe_contracts.nodes import Column
from floe_contracts.openlineage.facet import Facet, facet, official, own

_SCHEMA: Final = official("1-2-0", "SchemaDatasetFacet")
_SOURCE: Final = official("1-0-1", "DatasourceDatasetFacet")
_DOCUMENTATION: Final = official("1-1-0", "DocumentationDatasetFacet")
_OWNERSHIP: Final = official("1-0-1", "OwnershipDatasetFacet")
_VERSION: Final = official("1-0-1", "DatasetVersionDatasetFacet")
_SYMLINKS: Final = official("1-0-1", "SymlinksDatasetFacet")
_TYPE: Final = official("1-0-1", "DatasetTypeDatasetFacet")
_LIFECYCLE: Final = official("1-0-1", "LifecycleStateChangeDatasetFacet")
_CATALOG: Final = official("1-1-0", "CatalogDatasetFacet")
_STORAGE: Final = official("1-0-1", "StorageDatasetFacet")
_HIERARCHY: Final = official("1-0-0", "HierarchyDatasetFacet")
_TAGS: Final = official("1-0-0", "TagsDatasetFacet")
_COLUMN_LINEAGE: Final = official("1-2-0", "ColumnLineageDatasetFacet")
_ASSERTIONS: Final = official("1-1-0", "DataQualityAssertionsDatasetFacet")
_METRICS: Final = official("1-0-3", "DataQualityMetricsInputDatasetFacet")
_OUTPUT_STATISTICS: Final = official("1-0-2", "OutputStatisticsOutputDatasetFacet")
_INPUT_STATISTICS: Final = official("1-0-0", "InputStatisticsInputDatasetFacet")
_COMMIT: Final = official("1-0-2", "IcebergCommitReportOutputDatasetFacet")
_CLASSIFICATION: Final = own("1-0-1", "FloeClassificationDatasetFacet")
_FLOE: Final = "FLOE"
_COMMIT_METRICS: Final = {
    "added-data-files": "addedDataFiles",
    "deleted-data-files": "removedDataFiles",
    "total-data-files": "totalDataFiles",
    "added-delete-files": "addedDeleteFiles",
    "removed-delete-files": "removedDeleteFiles",
    "total-delete-files": "totalDeleteFiles",
    "added-records": "addedRecords",
    "deleted-records": "removedRecords",
    "total-records": "totalRecords",
    "added-files-size": "addedFilesSizeInBytes",
    "removed-files-size": "removedFilesSizeInBytes",
    "total-files-size": "totalFilesSizeInBytes",
    "total-position-deletes": "totalPositionalDeletes",
    "total-equality-deletes": "totalEqualityDeletes",
}
"""What the summary of a snapshot calls its figures (Iceberg's specification, appendix F), and what the facet does."""


def schema(columns: Iterable[tuple[str, str | None, str]], *, ordered: bool = True) -> Facet:
    """Name, type and description of each column; `ordered` says that they come as they stand in the table."""
    fields = []
    for position, (name, data_type, description) in enumerate(columns, start=1):
        field: dict[str, Any] = {"name": name}
        if ordered:
            field["ordinal_position"] = position
        if data_type:
            field["type"] = data_type
        if description:
            field["description"] = description
        fields.append(field)
    return facet(_SCHEMA, fields=fields)


def data_source(namespace: str) -> Facet:
    """Where a dataset lives; some namespaces, such as `bigquery`, are the scheme of a URI and nothing more."""
    return facet(_SOURCE, name=namespace, uri=namespace if ":" in namespace else f"{namespace}:")


def documentation(description: str) -> Facet:
    """The description of a dataset."""
    return facet(_DOCUMENTATION, description=description)


def owners(owner: str) -> Facet:
    """Who owns a dataset."""
    return facet(_OWNERSHIP, owners=[{"name": owner}])


def version(dataset_version: str) -> Facet:
    """The version of a dataset: the snapshot id of an Iceberg table."""
    return facet(_VERSION, datasetVersion=dataset_version)


def symlinks(identifiers: Iterable[tuple[str, str, str]]) -> Facet:
    """Other names of the same data: namespace, name and type of each."""
    found = [{"namespace": namespace, "name": name, "type": kind} for namespace, name, kind in identifiers]
    return facet(_SYMLINKS, identifiers=found)


def dataset_type(kind: str, sub_type: str | None = None) -> Facet:
    """TABLE or VIEW, and of which sort."""
    return facet(_TYPE, datasetType=kind, subType=sub_type)


def lifecycle(change: str) -> Facet:
    """What happened to the dataset as a whole: CREATE, OVERWRITE or ALTER."""
    return facet(_LIFECYCLE, lifecycleStateChange=change)


def catalog(*, name: str, kind: str) -> Facet:
    """The Iceberg catalog that a table is registered in, as platform.yaml calls it."""
    return facet(_CATALOG, framework="iceberg", type=kind, name=name, source="floe")


def storage(layer: str, file_format: str) -> Facet:
    """How the data is stored, as in iceberg and parquet."""
    return facet(_STORAGE, storageLayer=layer, fileFormat=file_format)


def hierarchy(levels: Iterable[tuple[str, str]]) -> Facet:
    """Type and name of each level that the dataset lies in, the highest first."""
    return facet(_HIERARCHY, hierarchy=[{"type": kind, "name": name} for kind, name in levels])


def assertion(
    kind: str,
    *,
    success: bool,
    name: str | None = None,
    column: str | None = None,
    severity: str | None = None,
    actual: int | None = None,
) -> dict[str, Any]:
    """The result of one test.

    Args:
        kind: unique, not_null, ...
        success: whether it found nothing; also of one that only warns.
        name: of the test.
        column: that it looked at.
        severity: error or warn.
        actual: rows that it found.
    """
    told: dict[str, Any] = {"assertion": kind, "success": success}
    named = {"name": name, "column": column, "severity": severity, "actual": None if actual is None else str(actual)}
    return told | {key: value for key, value in named.items() if value is not None}


def assertions(results: Iterable[Mapping[str, Any]]) -> Facet:
    """Results of tests, for the input that they were made on."""
    return facet(_ASSERTIONS, assertions=[dict(result) for result in results])


def quality_metrics(*, rows: int | None, null_counts: Mapping[str, int]) -> Facet:
    """What is known of an input's rows: how many there are, and nulls by column."""
    columns = {column: {"nullCount": count} for column, count in null_counts.items()}
    return facet(_METRICS, rowCount=rows, columnMetrics=columns)


def output_statistics(*, rows: int | None = None, size: int | None = None, files: int | None = None) -> Facet:
    """What was written: rows, bytes, files."""
    return facet(_OUTPUT_STATISTICS, rowCount=rows, size=size, fileCount=files)


def input_statistics(*, rows: int) -> Facet:
    """What was read: rows."""
    return facet(_INPUT_STATISTICS, rowCount=rows)


def iceberg_commit(
    snapshot_id: int, *, operation: str, sequence_number: int | None, summary: Mapping[str, str]
) -> Facet:
    """What a commit to an Iceberg table did.

    Args:
        snapshot_id: Iceberg's id of the snapshot.
        operation: append, overwrite, replace or delete.
        sequence_number: of the commit, where the table counts them.
        summary: of the snapshot; what is not a figure that the facet knows is left out.
    """
    metrics = {key: int(summary[name]) for name, key in _COMMIT_METRICS.items() if name in summary}
    return facet(
        _COMMIT,
        snapshotId=snapshot_id,
        sequenceNumber=sequence_number,
        operation=operation,
        commitMetrics=metrics,
    )


def classification(columns: Iterable[Column]) -> Facet | None:
    """Floe's own facet of what the owner says about the columns; None where nothing is said."""
    told = {}
    for column in columns:
        if found := column.classification:
            told[column.name] = {"classification": found.classification, "sensitivity": found.sensitivity}
            if found.pii_type:
                told[column.name]["piiType"] = found.pii_type
    return facet(_CLASSIFICATION, columns=told) if told else None


def tags(dataset_tags: Iterable[tuple[str, str, str]], columns: Iterable[Column]) -> Facet | None:
    """Tags that any backend shows: key, value and source of the dataset's own, and of each column what it is."""
    found = [{"key": key, "value": value, "source": source} for key, value, source in dataset_tags]
    for column in columns:
        if told := column.classification:
            named = {"classification": told.classification, "sensitivity": told.sensitivity, "pii_type": told.pii_type}
            found += [
                {"key": key, "value": value, "source": _FLOE, "field": column.name}
                for key, value in named.items()
                if value
            ]
    return facet(_TAGS, tags=found) if found else None


def transformation(kind: Literal["DIRECT", "INDIRECT"], subtype: str, *, masking: bool = False) -> dict[str, Any]:
    """How a column has come into another one, in the specification's words.

    Args:
        kind: DIRECT where its values went in, INDIRECT where they only decided on others.
        subtype: IDENTITY, TRANSFORMATION or AGGREGATION; JOIN, GROUP_BY, FILTER, SORT, WINDOW or CONDITIONAL.
        masking: whether the values cannot be seen any more.
    """
    return {"type": kind, "subtype": subtype, "masking": masking}


def input_field(name: tuple[str, str], field: str, *transformations: Mapping[str, Any]) -> dict[str, Any]:
    """A column that another one is made of: the dataset's namespace and name, and the column's."""
    return {"namespace": name[0], "name": name[1], "field": field, "transformations": list(transformations)}


def column_lineage(fields: Mapping[str, Sequence[Mapping[str, Any]]], whole: Sequence[Mapping[str, Any]] = ()) -> Facet:
    """What the columns of a dataset are made of.

    Args:
        fields: by the name of each column, the columns that it is made of (`input_field`).
        whole: columns that decide on the dataset as a whole: filters, joins, groups.
    """
    made_of = {name: {"inputFields": list(found)} for name, found in fields.items()}
    return facet(_COLUMN_LINEAGE, fields=made_of, dataset=list(whole) or None)


def dataset(name: tuple[str, str], facets: Mapping[str, Facet], **sided: Mapping[str, Facet]) -> dict[str, Any]:
    """A dataset of an event; `sided` may hold `inputFacets` or `outputFacets`."""
    return {"namespace": name[0], "name": name[1], "facets": facets} | sided
