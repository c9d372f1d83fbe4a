"""The facets of a dataset that floe writes; those of inputs and outputs too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

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
_ASSERTIONS: Final = official("1-1-0", "DataQualityAssertionsDatasetFacet")
_METRICS: Final = official("1-0-3", "DataQualityMetricsInputDatasetFacet")
_OUTPUT_STATISTICS: Final = official("1-0-2", "OutputStatisticsOutputDatasetFacet")
_CLASSIFICATION: Final = own("1-0-1", "FloeClassificationDatasetFacet")
_FLOE: Final = "FLOE"


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


def data_source(uri: str) -> Facet:
    """Where a dataset lives."""
    return facet(_SOURCE, name=uri, uri=uri)


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


def dataset(name: tuple[str, str], facets: Mapping[str, Facet], **sided: Mapping[str, Facet]) -> dict[str, Any]:
    """A dataset of an event; `sided` may hold `inputFacets` or `outputFacets`."""
    return {"namespace": name[0], "name": name[1], "facets": facets} | sided
