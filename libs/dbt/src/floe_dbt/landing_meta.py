"""What `meta.floe.landing` of a dbt node says: how its rows come into its Iceberg table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from floe_contracts.errors import FloeError, Where
from floe_contracts.nodes import NodeLanding
from floe_contracts.suggestions import meant_or_known
from floe_dbt.errors import DbtMetaProblem

_KEYS: Final = ("mode", "watermark", "partition_by")
_MODES: Final = ("replace", "upsert", "append")
_GROWING: Final = ("incremental", "snapshot")
"""Materialisations whose rows stay from build to build; of all others a row that went would stay in Iceberg."""
_CALL: Final = re.compile(r"(?P<transform>[^()]+)\((?P<column>.+)\)")
_TRANSFORMS: Final = ("year", "month", "day", "hour", "bucket[n]", "truncate[n]")
_TRANSFORM: Final = re.compile(r"year|month|day|hour|(bucket|truncate)\[[1-9]\d{0,8}\]")


@dataclass(frozen=True, slots=True)
class _Problem:
    message: str
    key: str | None = None
    hint: str | None = None


def read_landing(
    stated: Mapping[str, Any] | None, resource: Mapping[str, Any], file: str, problems: list[FloeError]
) -> NodeLanding | None:
    """How a node lands, as its meta says; None where it says nothing, or something that is wrong.

    Args:
        stated: `meta.floe.landing`.
        resource: the node in the manifest.
        file: the file that documents it.
        problems: where to add what is wrong.
    """
    if stated is None:
        return None
    found = list(_wrong(stated, resource))
    for problem in found:
        path = f"{resource['name']}.meta.floe.landing"
        where = Where(file=file, path=f"{path}.{problem.key}" if problem.key else path)
        problems.append(DbtMetaProblem(f"{resource['name']}: {problem.message}", where=where, hint=problem.hint))
    if found:
        return None
    return NodeLanding(mode=stated.get("mode"), watermark=stated.get("watermark"), partition_by=tuple(_fields(stated)))


def _wrong(stated: Mapping[str, Any], resource: Mapping[str, Any]) -> Iterator[_Problem]:
    if resource["resource_type"] == "source":
        yield _Problem("a source does not land", hint="leave `landing` out")
        return
    for key in stated:
        if key not in _KEYS:
            yield _Problem(f"{key!r} is no key of meta.floe.landing", hint=meant_or_known(str(key), _KEYS))
    yield from _wrong_mode(stated, resource)
    yield from _wrong_partitions(stated)
    yield from _unknown_columns(stated, resource)


def _wrong_mode(stated: Mapping[str, Any], resource: Mapping[str, Any]) -> Iterator[_Problem]:
    mode, watermark = stated.get("mode"), stated.get("watermark")
    if mode is not None and mode not in _MODES:
        yield _Problem(f"mode is {mode!r}, not one of {', '.join(_MODES)}", "mode", meant_or_known(str(mode), _MODES))
        return
    if watermark is not None and not (isinstance(watermark, str) and watermark.strip()):
        yield _Problem(f"watermark is {watermark!r}, not the name of a column", "watermark")
    elif watermark is not None and mode != "append":
        yield _Problem("a watermark is of no use without `mode: append`", "watermark", "add the mode, or leave it out")
    if mode == "append" and watermark is None:
        yield _Problem("append needs a watermark", "mode", "add `watermark:` with a column that only grows")
    if mode == "upsert":
        materialized = resource["config"].get("materialized") or resource["resource_type"]
        if materialized not in _GROWING:
            yield _Problem(
                f"upsert is for incremental models and snapshots, and this is a {materialized}",
                "mode",
                "leave the mode out: the table is replaced",
            )
        elif not resource["config"].get("unique_key"):
            yield _Problem("upsert needs a unique_key", "mode", "add `unique_key` to the config of the model")


def _wrong_partitions(stated: Mapping[str, Any]) -> Iterator[_Problem]:
    given = stated.get("partition_by")
    fields = _fields(stated)
    if given is not None and not (fields and all(isinstance(field, str) and field.strip() for field in fields)):
        yield _Problem(f"partition_by is {given!r}, not a list of partition fields", "partition_by")
        return
    for field in fields:
        call = _CALL.fullmatch(field)
        if call and not _TRANSFORM.fullmatch(call["transform"]):
            hint = meant_or_known(call["transform"], _TRANSFORMS)
            yield _Problem(f"{field!r} is no partition field: it has no transform of Iceberg's", "partition_by", hint)


def _unknown_columns(stated: Mapping[str, Any], resource: Mapping[str, Any]) -> Iterator[_Problem]:
    """Columns that the node does not have; known for certain only where it enforces a contract with all of them."""
    if not (resource["config"].get("contract") or {}).get("enforced"):
        return
    columns = [str(column["name"]) for column in resource["columns"].values()]
    known = {column.casefold() for column in columns}
    named = [("watermark", stated.get("watermark"))]
    named += [("partition_by", _column_of(field)) for field in _fields(stated) if isinstance(field, str)]
    for key, column in named:
        if isinstance(column, str) and column.casefold() not in known:
            message = f"{key} names the column {column!r}, which the contract does not have"
            yield _Problem(message, key, meant_or_known(column, columns))


def _fields(stated: Mapping[str, Any]) -> list[Any]:
    given = stated.get("partition_by")
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


def _column_of(field: str) -> str:
    call = _CALL.fullmatch(field)
    return call["column"] if call else field
