"""Which fields the sections of a platform have, by their kind."""

from __future__ import annotations

import types
import typing
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel

from floe_contracts.platform_spec import PlatformSpec


@lru_cache(maxsize=64)
def fields_of_kind(section: str, kind: str) -> frozenset[str] | None:
    """The names of the fields of a profile.

    Args:
        section: where it stands: compute, storage or catalogs.
        kind: its `type`; None is told of one that there is not.
    """
    for model in _models(PlatformSpec.model_fields[section].annotation):
        fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
        if kind in typing.get_args(fields["type"]):
            return frozenset(fields)
    return None


def _models(annotation: Any) -> list[type[BaseModel]]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _models(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return [model for argument in arguments for model in _models(argument)]
    if origin is dict:
        return _models(arguments[1])
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []
