"""The semantic models of a project, read and laid beside the dbt models that they describe."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from floe_semantic.core.rendering.metricflow.elements import Element, SemanticMeasure, SemanticModel

ElementT = TypeVar("ElementT", bound=Element)


@dataclass(frozen=True, slots=True)
class SemanticLayer:
    """Semantic models by the unique id of the served dbt model, in the order of their own ids."""

    models: Mapping[str, tuple[SemanticModel, ...]]

    def measure(self, name: str) -> tuple[str, SemanticModel, SemanticMeasure] | None:
        """The measure of that name, with the unique id of its dbt model and its semantic model."""
        for node_id, models in self.models.items():
            for model in models:
                for measure in model.measures:
                    if measure.name == name:
                        return node_id, model, measure
        return None

    def named(self, name: str) -> tuple[str, SemanticModel] | None:
        """The semantic model of that name, with the unique id of its dbt model."""
        for node_id, models in self.models.items():
            for model in models:
                if model.name == name:
                    return node_id, model
        return None


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
