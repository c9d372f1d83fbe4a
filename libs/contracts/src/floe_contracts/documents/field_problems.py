"""The problems of a document's fields: what pydantic finds, in the words of YAML and at the place in the document."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from floe_contracts.documents.model_fields import has_kinds, names_at
from floe_contracts.documents.placed import Placed
from floe_contracts.documents.secrets_scan import may_be_shown, shown, without_secrets
from floe_contracts.documents.yaml_tree import MAX_PROBLEMS, Path
from floe_contracts.errors import DocumentInvalid, FloeError, Permanent, Where
from floe_contracts.sections import PATTERN_HINTS
from floe_contracts.suggestions import did_you_mean, meant_or_known

ModelT = TypeVar("ModelT", bound=BaseModel)

_EXPECTED: Final = {
    "model_type": "should be a mapping",
    "model_attributes_type": "should be a mapping",
    "dict_type": "should be a mapping",
    "tuple_type": "should be a list",
    "string_type": "should be a text",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_parsing": "should be a number",
    "bool_parsing": "should be true or false",
    "date_parsing": "should be a date, as in 2026-12-31",
    "date_from_datetime_parsing": "should be a date, as in 2026-12-31",
}
"""What pydantic calls by Python's names, in the words of YAML."""

KINDS: Final = ("type", "mode")
"""The fields that say what kind a section is of."""
_UNION_TAGS: Final = frozenset({"union_tag_invalid", "union_tag_not_found"})


class FieldInvalid(Permanent):
    """A field of a document has a value that is not allowed, is missing, or is unknown."""

    code = "FLOE-SPEC-003"
    title = "A field of a document is not valid"


def validate_tree(model: type[ModelT], tree: Placed) -> ModelT:
    """The model that the values of a document, or of a part of one, make.

    Raises:
        DocumentInvalid: with all problems, each at its place.
    """
    try:
        return model.model_validate(tree.value)
    except ValidationError as error:
        raise DocumentInvalid(without_secrets(_problems(model, tree, error))) from None


def _problems(model: type[BaseModel], tree: Placed, error: ValidationError) -> list[FloeError]:
    """The first `MAX_PROBLEMS` problems in the order of their places, and how many more there are."""

    def place(detail: ErrorDetails) -> tuple[str, int, int]:
        where = tree.where(_written_path(model, tree.value, detail["loc"]))
        return where.file or "", where.line or 0, where.column or 0

    details = sorted(_told(error), key=place)
    problems: list[FloeError] = [_problem(model, tree, detail) for detail in details[:MAX_PROBLEMS]]
    if len(details) > MAX_PROBLEMS:
        problems.append(FieldInvalid(f"and {len(details) - MAX_PROBLEMS} more problems", where=Where(tree.file)))
    return problems


def _told(error: ValidationError) -> list[ErrorDetails]:
    """The details worth telling.

    A list is not also "too short" because its items are invalid, and a mapping where a text or a reference to a secret
    may stand is meant to be the reference.
    """
    details = error.errors(include_url=False)
    above = {detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))}
    return [
        detail
        for detail in details
        if not (detail["type"] == "too_short" and detail["loc"] in above)
        and not (detail["type"] == "string_type" and detail["loc"][-1] == "str" and isinstance(detail["input"], dict))
    ]


def _problem(model: type[BaseModel], tree: Placed, detail: ErrorDetails) -> FieldInvalid:
    path = _written_path(model, tree.value, detail["loc"], missing=detail["type"] == "missing")
    name = str(path[-1]) if path else ""
    if detail["type"] == "extra_forbidden":
        return FieldInvalid(
            f"{name!r} is not a field here", where=tree.where(path), hint=_unknown_field_hint(model, tree.value, path)
        )
    if detail["type"] == "missing":
        return FieldInvalid(f"the field {name!r} is missing", where=tree.where(path), hint=f"add `{name}:`")
    if detail["type"] in _UNION_TAGS:
        return _tag_problem(tree, path, detail)
    visible = may_be_shown(detail["input"], path)
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ").removeprefix("String ")
    hint = _value_hint(detail) if visible else None
    if detail["type"] == "string_pattern_mismatch":
        message = f"{shown(detail['input'], path)} is not allowed"
        hint = PATTERN_HINTS.get((detail.get("ctx") or {}).get("pattern", ""))
    message = _EXPECTED.get(detail["type"], message)
    if message.startswith("should"):
        found = "no value" if detail["input"] is None else shown(detail["input"], path)
        message = f"{found}: {message}"
    elif not visible and not (detail["type"] == "value_error" and isinstance(detail["input"], dict)):
        # A rule of a whole section is told all the same: it names fields and repeats no value.
        message = f"{shown(detail['input'], path)} is not allowed"
    return FieldInvalid(message, where=tree.where(path), hint=hint)


def _tag_problem(tree: Placed, path: Path, detail: ErrorDetails) -> FieldInvalid:
    """A section of several kinds that does not say which, or says one that there is not."""
    context = detail.get("ctx") or {}
    field = str(context.get("discriminator", "")).strip("'")
    if detail["type"] == "union_tag_not_found":
        return FieldInvalid(f"the field {field!r} is missing", where=tree.where((*path, field)), hint=f"add `{field}:`")
    known = [tag.strip("' ") for tag in str(context.get("expected_tags", "")).split(",")]
    found = str(context.get("tag", ""))
    message = f"{shown(found, (*path, field))} is no {field} here"
    return FieldInvalid(message, where=tree.where((*path, field)), hint=meant_or_known(found, known))


def _written_path(
    model: type[BaseModel], value: Any, location: tuple[int | str, ...], *, missing: bool = False
) -> Path:
    """`location` without the parts that pydantic adds for tagged unions and map keys.

    Args:
        model: of the document.
        value: the document.
        location: as pydantic tells it.
        missing: whether its last part is a field that was not written.
    """
    path: list[str | int] = []
    kind_at: int | None = None
    for index, part in enumerate(location):
        if kind_at != len(path) and _is_kind(model, value, path, part):
            kind_at = len(path)
            continue
        unwritten = missing and index == len(location) - 1
        if isinstance(value, dict) and isinstance(part, str) and (part in value or unwritten):
            path.append(part)
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            path.append(part)
            value = value[part]
    return tuple(path)


def _is_kind(model: type[BaseModel], value: Any, path: list[str | int], part: str | int) -> bool:
    """Whether `part` is not a field, but the kind of the section there, which may have a field of the same name."""
    if not isinstance(value, dict) or part not in value or part not in [value.get(field) for field in KINDS]:
        return False
    return has_kinds(model, tuple(0 if isinstance(one, int) else one for one in path))


def _unknown_field_hint(model: type[BaseModel], document: Any, path: Path) -> str:
    return meant_or_known(str(path[-1]), names_at(model, path[:-1], document))


def _value_hint(detail: ErrorDetails) -> str | None:
    expected = (detail.get("ctx") or {}).get("expected")
    if not expected:
        return None
    known = [word.strip("' ") for word in str(expected).replace(" or ", ", ").split(",")]
    return did_you_mean(str(detail["input"]), known) or None
