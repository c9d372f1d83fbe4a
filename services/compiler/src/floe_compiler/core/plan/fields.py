"""Where two documents differ, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from floe_compiler.core.plan.view import EnvironmentView
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.plans import FieldChange

_OF_THE_ARTIFACT: Final = frozenset({"environments", "sources", "version"})
"""What of an artifact is told in another place, or says nothing about the product."""
_OF_AN_ENVIRONMENT: Final = frozenset({"manifest", "nodes"})


def artifact_changes(before: CompiledArtifacts, after: CompiledArtifacts) -> tuple[FieldChange, ...]:
    """What differs outside of the environments; of a data contract, its version and its digest."""
    return tuple(_differences(_product_document(before), _product_document(after), ()))


def environment_changes(before: EnvironmentView, after: EnvironmentView) -> tuple[FieldChange, ...]:
    """What differs in one environment beside its nodes: profiles, policies, refs."""
    documents = [
        one.compiled.model_dump(mode="json", exclude_none=True, exclude=set(_OF_AN_ENVIRONMENT))
        for one in (before, after)
    ]
    return tuple(_differences(documents[0], documents[1], ()))


def _product_document(artifact: CompiledArtifacts) -> dict[str, Any]:
    document = artifact.model_dump(mode="json", exclude_none=True, exclude=set(_OF_THE_ARTIFACT))
    contracts = {
        contract.id: {"version": contract.version, "digest": contract.digest} for contract in artifact.data_contracts
    }
    return document | {"data_contracts": contracts}


def _differences(before: Any, after: Any, path: tuple[str, ...]) -> Iterator[FieldChange]:
    one, other = _by_name(before), _by_name(after)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted({*one, *other}):
            yield from _differences(one.get(key), other.get(key), (*path, key))
    elif before != after:
        yield FieldChange(path=".".join(path), before=before, after=after)


def _by_name(value: Any) -> Any:
    """A list of objects that all have a name of their own, by that name; anything else as it is."""
    if not isinstance(value, list) or not value:
        return value
    names = [item.get("name") if isinstance(item, Mapping) else None for item in value]
    distinct = all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    return dict(zip(names, value, strict=True)) if distinct else value
