"""What the standard demands of the values of a contract, beyond the fields that it has."""

from __future__ import annotations

import re
import reprlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from open_data_contract_standard import model as odcs

from floe_compiler.core.data_contracts.compiling import PlacedField, placed_fields, relation_name
from floe_compiler.core.data_contracts.errors import ContractFieldInvalid, ContractNameTwice
from floe_compiler.core.data_contracts.standard import (
    LOGICAL_TYPES,
    OTHER_WORDS,
    QUALITY_METRICS,
    QUALITY_OPERATORS,
    QUALITY_TYPES,
    VERSIONS,
)
from floe_contracts.documents.yaml_tree import Path, Tree
from floe_contracts.errors import FloeError
from floe_contracts.sections import PATTERN_HINTS, SEMVER_PATTERN
from floe_contracts.suggestions import meant_or_known

_LONGEST_VERSION: Final = 64


def other_word(name: str, known: Iterable[str]) -> str | None:
    """The hint for a field that other formats call `name`, if there is one among `known`."""
    meant = OTHER_WORDS.get(name)
    return f"did you mean {meant!r}?" if meant in set(known) else None


def broken_rules(tree: Tree, document: odcs.OpenDataContractStandard) -> Iterator[FloeError]:
    """What is wrong with a document whose fields are all of the right sort."""
    version = document.version
    if version is not None and (len(version) > _LONGEST_VERSION or not re.fullmatch(SEMVER_PATTERN, version)):
        text = f"the version of the contract is {reprlib.repr(version)}"
        yield ContractFieldInvalid(text, where=tree.where(("version",)), hint=PATTERN_HINTS[SEMVER_PATTERN])
    yield from _twice(tree, document)
    for number, table in enumerate(document.schema_ or ()):
        yield from _quality(tree, table.quality, ("schema", number, "quality"))
    for placed in placed_fields(document):
        yield from _field(tree, placed, document.apiVersion or "")


def _twice(tree: Tree, document: odcs.OpenDataContractStandard) -> Iterator[FloeError]:
    tables = Counter(relation_name(table).casefold() for table in document.schema_ or ())
    for number, table in enumerate(document.schema_ or ()):
        if table.name and tables[relation_name(table).casefold()] > 1:
            text = f"more than one table is called {relation_name(table)!r}"
            yield ContractNameTwice(text, where=tree.where(("schema", number, "name")))
    fields = list(placed_fields(document))
    counted = Counter((placed.model, placed.name.casefold()) for placed in fields)
    for placed in fields:
        if placed.property.name and counted[(placed.model, placed.name.casefold())] > 1:
            text = f"{placed.model} has more than one field {placed.name!r}"
            yield ContractNameTwice(text, where=tree.where((*placed.path, "name")))


def _field(tree: Tree, placed: PlacedField, version: str) -> Iterator[FloeError]:
    entry = placed.property
    if not entry.name and placed.path[-1] != "items":
        yield ContractFieldInvalid("the field 'name' is missing", where=tree.where(placed.path), hint="add `name:`")
    if entry.logicalType is not None:
        since = LOGICAL_TYPES.get(entry.logicalType)
        where = tree.where((*placed.path, "logicalType"))
        if since is None:
            hint = meant_or_known(entry.logicalType, LOGICAL_TYPES)
            yield ContractFieldInvalid(f"{entry.logicalType!r} is no logical type", where=where, hint=hint)
        elif VERSIONS.index(version) < VERSIONS.index(since):
            text = f"the logical type {entry.logicalType!r} came with {since}, and apiVersion says {version}"
            yield ContractFieldInvalid(text, where=where, hint=f"write `apiVersion: {since}`")
    yield from _quality(tree, entry.quality, (*placed.path, "quality"))


def _quality(tree: Tree, rules: Iterable[odcs.DataQuality] | None, path: Path) -> Iterator[FloeError]:
    for number, rule in enumerate(rules or ()):
        place = (*path, number)
        kind = rule.type or "library"
        metric = rule.metric or rule.rule
        if kind not in QUALITY_TYPES:
            hint = meant_or_known(kind, QUALITY_TYPES)
            yield ContractFieldInvalid(f"{kind!r} is no type of quality", where=tree.where((*place, "type")), hint=hint)
            continue
        for name, value in (("engine", rule.engine), ("implementation", rule.implementation)):
            if kind == "custom" and value is None:
                yield _missing(tree, place, name)
        if kind == "sql" and rule.query is None:
            yield _missing(tree, place, "query")
        if kind == "library" and metric is None and (rule.type or rule.description is None):
            yield _missing(tree, place, "metric")
        if kind == "library" and rule.metric is not None and rule.metric not in QUALITY_METRICS:
            text, hint = f"{rule.metric!r} is no metric of the standard", meant_or_known(rule.metric, QUALITY_METRICS)
            yield ContractFieldInvalid(text, where=tree.where((*place, "metric")), hint=hint)
        operators = [name for name in QUALITY_OPERATORS if getattr(rule, name) is not None]
        if len(operators) > 1:
            text = f"a rule has one operator, and this one has {', '.join(operators)}"
            yield ContractFieldInvalid(text, where=tree.where(place), hint="write a rule for each")


def _missing(tree: Tree, path: Path, name: str) -> FloeError:
    return ContractFieldInvalid(f"the field {name!r} is missing", where=tree.where(path), hint=f"add `{name}:`")
