"""The semantic models of a project, read and laid beside the dbt models that they describe."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from floe_semantic.core.rendering.metricflow.elements import Element, Entity, SemanticMeasure, SemanticModel

ElementT = TypeVar("ElementT", bound=Element)


KEYS: Final = frozenset({"primary", "unique"})
"""Kinds of entities that have each value once."""


@dataclass(frozen=True)
class SemanticLayer:
    """Semantic models by the unique id of the served dbt model, in the order of their own ids."""

    models: Mapping[str, tuple[SemanticModel, ...]]

    def measure(self, name: str) -> tuple[str, SemanticModel, SemanticMeasure] | None:
        """The measure of that name, with the unique id of its dbt model and its semantic model."""
        return self._measures.get(name)

    def named(self, name: str) -> tuple[str, SemanticModel] | None:
        """The semantic model of that name, with the unique id of its dbt model."""
        return self._named.get(name)

    def keys(self, entity: str) -> Sequence[tuple[str, Entity]]:
        """The entities of that name that name a row, with the unique ids of their dbt models."""
        return self._keys.get(entity, ())

    @cached_property
    def _measures(self) -> dict[str, tuple[str, SemanticModel, SemanticMeasure]]:
        found: dict[str, tuple[str, SemanticModel, SemanticMeasure]] = {}
        for node_id, model in self._placed:
            for measure in model.measures:
                found.setdefault(measure.name, (node_id, model, measure))
        return found

    @cached_property
    def _named(self) -> dict[str, tuple[str, SemanticModel]]:
        found: dict[str, tuple[str, SemanticModel]] = {}
        for node_id, model in self._placed:
            found.setdefault(model.name, (node_id, model))
        return found

    @cached_property
    def _keys(self) -> dict[str, list[tuple[str, Entity]]]:
        found: dict[str, list[tuple[str, Entity]]] = {}
        for node_id, model in self._placed:
            for entity in model.entities:
                if entity.type in KEYS:
                    found.setdefault(entity.name, []).append((node_id, entity))
        return found

    @property
    def _placed(self) -> Iterator[tuple[str, SemanticModel]]:
        return ((node_id, model) for node_id, models in self.models.items() for model in models)


def read_elements(cls: type[ElementT], documents: Iterable[dict[str, Any]], skipped: list[str]) -> list[ElementT]:
    """Read what can be read, in the order of unique ids; what cannot is told of in `skipped`."""
    elements = []
    for document in sorted(documents, key=lambda item: str(item.get("unique_id"))):
        try:
            elements.append(cls.model_validate(document))
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            skipped.append(f"{document.get('unique_id', cls.__name__)}: cannot be read: {place}: {first['msg']}")
    return elements


def semantic_layer(documents: Iterable[dict[str, Any]], served: Collection[str], skipped: list[str]) -> SemanticLayer:
    """The semantic models whose dbt models are `served` (unique ids); the others are told of in `skipped`."""
    models: dict[str, tuple[SemanticModel, ...]] = dict.fromkeys(sorted(served), ())
    for model in read_elements(SemanticModel, documents, skipped):
        node_id = next((node for node in model.depends_on.nodes if node in served), None)
        if node_id is None:
            skipped.append(f"{model.unique_id}: its model is not served")
        else:
            models[node_id] = (*models[node_id], model)
    return SemanticLayer(models)
