"""docs/reference/dialects.md says of every field of the older forms, and of every rule, what becomes of it."""

from __future__ import annotations

import re
import typing
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import BaseModel

from floe_contracts import dialects
from floe_contracts.dialects.flat_models import FlatPlatform, FlatSpec
from floe_contracts.dialects.manifest_models import Manifest, NamedSpec

PAGE: Final = Path(__file__).parents[3] / "docs" / "reference" / "dialects.md"
RULE: Final = re.compile(r"\b(?:flat|manifest|secret)-[a-z]+(?:-[a-z]+)*\b")
CODE: Final = Path(dialects.__file__).parent


def fields(model: Any, seen: set[type[BaseModel]]) -> set[str]:
    if isinstance(model, type) and issubclass(model, BaseModel):
        if model in seen:
            return set()
        seen.add(model)
        found = {field.alias or name for name, field in model.model_fields.items()}
        return found.union(*(fields(field.annotation, seen) for field in model.model_fields.values()))
    return set().union(*(fields(argument, seen) for argument in typing.get_args(model)))


@pytest.mark.parametrize("model", [FlatSpec, FlatPlatform, NamedSpec, Manifest])
def test_every_field_of_an_older_form_is_on_the_page(model: type[BaseModel]) -> None:
    named = {word for code in re.findall(r"`([^`]+)`", PAGE.read_text("utf-8")) for word in re.findall(r"\w+", code)}
    assert fields(model, set()) - named == set()


def test_every_rule_that_a_note_or_a_refusal_names_is_on_the_page() -> None:
    rules = {rule for file in CODE.glob("*.py") for rule in RULE.findall(file.read_text("utf-8"))}
    assert len(rules) > 20
    assert sorted(rule for rule in rules if f"`{rule}`" not in PAGE.read_text("utf-8")) == []
