"""From a contract of the standard to what the artifact carries of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from open_data_contract_standard import model as odcs

from floe_contracts.data_contracts import (
    CompiledDataContract,
    ContractedField,
    ContractedModel,
    ContractedQuality,
    ServiceLevel,
)
from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.documents.yaml_tree import Path

_TEXTS_OF_RULES = frozenset(
    {"authoritativeDefinitions", "businessImpact", "customProperties", "description", "id", "name", "tags"}
)
"""What of a quality rule says nothing about when it holds."""


@dataclass(frozen=True, slots=True)
class PlacedField:
    """A field of a table, at any depth, and where it stands in the document."""

    model: str
    name: str
    path: Path
    property: odcs.SchemaProperty


def compile_contract(document: odcs.OpenDataContractStandard, file: str) -> CompiledDataContract:
    """What `document` promises; it has passed all checks of reading.

    The digest is that of the content, so that neither the layout of the file nor the order of its keys counts.
    """
    content = document.model_dump(mode="json", by_alias=True, exclude_none=True)
    identity = document.id or ""
    return CompiledDataContract(
        id=identity,
        name=document.name or identity,
        version=document.version or "",
        status=document.status,
        standard=document.apiVersion or "",
        file=file,
        digest=digest_of(canonical_json(content)),
        models=tuple(sorted(map(_model, document.schema_ or ()), key=lambda model: model.name)),
        service_levels=tuple(sorted(map(_service_level, document.slaProperties or ()), key=_level_key)),
    )


def placed_fields(document: odcs.OpenDataContractStandard) -> Iterator[PlacedField]:
    """Every field of every table, nested ones after the one that holds them."""
    for number, table in enumerate(document.schema_ or ()):
        yield from _placed(table.name or "", table.properties, "", ("schema", number, "properties"))


def relation_name(part: odcs.SchemaObject | odcs.SchemaProperty) -> str:
    """The name in the warehouse: the physical one, where the contract gives one."""
    return part.physicalName or part.name or ""


def _placed(
    model: str, properties: Iterable[odcs.SchemaProperty] | None, prefix: str, path: Path
) -> Iterator[PlacedField]:
    for number, entry in enumerate(properties or ()):
        yield from _field_and_below(model, entry, f"{prefix}{relation_name(entry)}", (*path, number))


def _field_and_below(model: str, entry: odcs.SchemaProperty, name: str, path: Path) -> Iterator[PlacedField]:
    yield PlacedField(model, name, path, entry)
    yield from _placed(model, entry.properties, f"{name}.", (*path, "properties"))
    if entry.items is not None:
        yield from _field_and_below(model, entry.items, f"{name}[]", (*path, "items"))


def _model(table: odcs.SchemaObject) -> ContractedModel:
    placed = list(_placed(table.name or "", table.properties, "", ()))
    keys = [entry for entry in table.properties or () if entry.primaryKey]
    keys.sort(key=lambda entry: (entry.primaryKeyPosition or 0, relation_name(entry)))
    return ContractedModel(
        name=table.name or "",
        relation=relation_name(table),
        fields=tuple(sorted((_field(one) for one in placed), key=lambda field: field.name)),
        primary_key=tuple(relation_name(entry) for entry in keys),
        quality=_quality(table.quality),
    )


def _field(placed: PlacedField) -> ContractedField:
    entry = placed.property
    return ContractedField(
        name=placed.name,
        type=entry.logicalType,
        physical_type=entry.physicalType,
        required=bool(entry.required or entry.primaryKey),
        unique=bool(entry.unique),
        classification=entry.classification,
        quality=_quality(entry.quality),
    )


def _quality(rules: Iterable[odcs.DataQuality] | None) -> tuple[ContractedQuality, ...]:
    found = []
    for rule in rules or ():
        content: dict[str, Any] = rule.model_dump(mode="json", by_alias=True, exclude_none=True)
        name = rule.name or rule.metric or rule.rule or rule.type or "quality"
        texts = _TEXTS_OF_RULES if rule.type != "text" else _TEXTS_OF_RULES - {"description"}
        said = {key: value for key, value in content.items() if key not in texts}
        found.append(ContractedQuality(name=name, rule=canonical_json(said).decode()))
    return tuple(sorted(found, key=lambda quality: (quality.name, quality.rule)))


def _service_level(level: odcs.ServiceLevelAgreementProperty) -> ServiceLevel:
    return ServiceLevel(property=level.property or "", element=level.element, value=str(level.value), unit=level.unit)


def _level_key(level: ServiceLevel) -> tuple[str, str]:
    return level.property, level.element or ""
