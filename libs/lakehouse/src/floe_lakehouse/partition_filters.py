"""Partitions of Dagster as row filters of Iceberg: which rows of a table belong to the partitions of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce

import dagster
from pyiceberg.expressions import AlwaysFalse, And, BooleanExpression, Or
from pyiceberg.schema import Schema
from pyiceberg.types import DateType, IcebergType, StringType, TimestampType, TimestamptzType

from floe_contracts.suggestions import meant_or_known
from floe_lakehouse.errors import AssetMetadataInvalid
from floe_lakehouse.row_filters import at_least, below, one_of

PARTITION_EXPR = "partition_expr"


def partition_filter(
    asset: str,
    definition: dagster.PartitionsDefinition[str],
    keys: Iterable[str],
    expression: object,
    schema: Schema,
) -> BooleanExpression:
    """What holds of the rows of the partitions `keys`, and of no others.

    Of a time partition, a date column holds the day and a timestamp without time zone the wall time of the partition's
    own time zone; a text column holds the key.

    Args:
        asset: what messages call the asset.
        definition: its partitions.
        keys: those that are meant.
        expression: its metadata `partition_expr`.
        schema: of its rows.

    Raises:
        AssetMetadataInvalid: `expression` names no column for a dimension, or one that cannot tell its partitions.
    """
    dimensions = _dimensions(asset, definition, expression)
    types = {name: _type(asset, column, schema) for name, (column, _) in dimensions.items()}
    found: BooleanExpression = AlwaysFalse()
    if len(dimensions) == 1 and not isinstance(definition, dagster.MultiPartitionsDefinition):
        ((column, own),) = dimensions.values()
        if not isinstance(own, dagster.TimeWindowPartitionsDefinition) or isinstance(types[""], StringType):
            return one_of(column, keys)
    for key in keys:
        parts = key.keys_by_dimension if isinstance(key, dagster.MultiPartitionKey) else {"": key}
        held = [
            _held(asset, column, types[name], own, parts[name]) for name, (column, own) in sorted(dimensions.items())
        ]
        found = Or(found, reduce(And, held))
    return found


def _dimensions(
    asset: str, definition: dagster.PartitionsDefinition[str], expression: object
) -> dict[str, tuple[str, dagster.PartitionsDefinition[str]]]:
    if isinstance(definition, dagster.MultiPartitionsDefinition):
        given = expression if isinstance(expression, Mapping) else {}
        parts = {each.name: each.partitions_def for each in definition.partitions_defs}
        if missing := sorted(name for name in parts if not isinstance(given.get(name), str)):
            raise AssetMetadataInvalid(
                f"the metadata {PARTITION_EXPR} of {asset} names no column for the dimension {missing[0]!r}",
                hint=f"give it as a map, as in {{{', '.join(f'{name!r}: column' for name in sorted(parts))}}}",
            )
        return {name: (given[name], part) for name, part in parts.items()}
    if not isinstance(expression, str):
        raise AssetMetadataInvalid(
            f"{asset} has partitions, and its metadata {PARTITION_EXPR} names no column that tells them apart",
            hint=f"add metadata={{'{PARTITION_EXPR}': column}} to the asset",
        )
    return {"": (expression, definition)}


def _type(asset: str, column: str, schema: Schema) -> IcebergType:
    names = [field.name for field in schema.fields]
    if column not in names:
        raise AssetMetadataInvalid(
            f"the metadata {PARTITION_EXPR} of {asset} names {column!r}, which is no column",
            hint=meant_or_known(column, names),
        )
    return schema.find_type(column)


def _held(
    asset: str, column: str, kind: IcebergType, definition: dagster.PartitionsDefinition[str], key: str
) -> BooleanExpression:
    if not isinstance(definition, dagster.TimeWindowPartitionsDefinition) or isinstance(kind, StringType):
        return one_of(column, [key])
    window = definition.time_window_for_partition_key(key)
    if isinstance(kind, DateType):
        return And(at_least(column, window.start.date().isoformat()), below(column, window.end.date().isoformat()))
    if isinstance(kind, TimestampType):
        start, end = window.start.replace(tzinfo=None), window.end.replace(tzinfo=None)
        return And(at_least(column, start.isoformat()), below(column, end.isoformat()))
    if isinstance(kind, TimestamptzType):
        return And(at_least(column, window.start.isoformat()), below(column, window.end.isoformat()))
    raise AssetMetadataInvalid(
        f"the metadata {PARTITION_EXPR} of {asset} names {column!r}, which is {kind} and holds no time",
        hint="name a date, a timestamp, or a text that is the key",
    )
