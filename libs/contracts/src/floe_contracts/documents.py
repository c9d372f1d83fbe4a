"""Reading `floe.yaml` and `platform.yaml`: text in, a model out, or every problem at once with its place."""

from __future__ import annotations

import difflib
import reprlib
import types
import typing
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from floe_contracts.errors import DocumentInvalid, FloeError, Permanent, Where
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.placed import Placed
from floe_contracts.platform.checks import check_platform_spec
from floe_contracts.platform_spec import PlatformSpec
from floe_contracts.product.checks import Violation, check_floe_spec
from floe_contracts.sections import PATTERN_HINTS
from floe_contracts.suggestions import meant_or_known
from floe_contracts.yaml_tree import MAX_PROBLEMS, Path, read_tree

_EXPECTED: Final = {
    "model_type": "should be a mapping",
    "model_attributes_type": "should be a mapping",
    "dict_type": "should be a mapping",
    "tuple_type": "should be a list",
    "string_type": "should be a text",
}
"""What pydantic calls by Python's names, in the words of YAML."""

_UNION_TAGS: Final = frozenset({"union_tag_invalid", "union_tag_not_found"})

DocumentT = TypeVar("DocumentT", FloeSpec, PlatformSpec)
ModelT = TypeVar("ModelT", bound=BaseModel)


class FieldInvalid(Permanent):
    """A field of a document has a value that is not allowed, is missing, or is unknown."""

    code = "FLOE-SPEC-003"
    title = "A field of a document is not valid"


class KindUnknown(Permanent):
    """A document does not say that it is what was asked for."""

    code = "FLOE-SPEC-004"
    title = "A document is of another kind or version"


class FieldsContradict(Permanent):
    """Fields that are valid by themselves and do not go together."""

    code = "FLOE-SPEC-005"
    title = "Fields of a document do not go together"


def read_floe_spec(text: str, file: str = "floe.yaml") -> FloeSpec:
    """Read a `floe.yaml`.

    Raises:
        DocumentInvalid: with all problems.
    """
    tree = read_tree(text, file)
    spec = _read(FloeSpec, "FloeSpec", tree)
    _refuse(tree, check_floe_spec(spec))
    return spec


def read_platform_spec(text: str, file: str = "platform.yaml") -> PlatformSpec:
    """Read a `platform.yaml`.

    Raises:
        DocumentInvalid: with all problems.
    """
    return validate_platform(read_platform_tree(text, file))


def read_platform_tree(text: str, file: str) -> Placed:
    """The values of a `platform.yaml`; that they are the right ones is not looked at yet.

    Raises:
        DocumentInvalid: it is not readable, or not a platform document.
    """
    tree = read_tree(text, file)
    _check_kind("PlatformSpec", tree)
    return tree


def validate_platform(tree: Placed) -> PlatformSpec:
    """The platform of a document's values.

    Raises:
        DocumentInvalid: with all problems.
    """
    spec = validate_tree(PlatformSpec, tree)
    _refuse(tree, check_platform_spec(spec))
    return spec


def _refuse(tree: Placed, violations: Iterable[Violation]) -> None:
    problems = [
        FieldsContradict(violation.message, where=tree.where(violation.path), hint=violation.hint)
        for violation in violations
    ]
    if problems:
        raise DocumentInvalid(problems)


def read_both(
    floe_spec: Callable[[], FloeSpec], platform_spec: Callable[[], PlatformSpec]
) -> tuple[FloeSpec, PlatformSpec]:
    """Read both documents; when one is refused, the problems of the other are told as well.

    Raises:
        DocumentInvalid: with the problems of both.
    """
    problems: list[FloeError] = []
    spec, platform = None, None
    try:
        spec = floe_spec()
    except DocumentInvalid as error:
        problems += error.problems
    try:
        platform = platform_spec()
    except DocumentInvalid as error:
        problems += error.problems
    if spec is None or platform is None:
        raise DocumentInvalid(problems)
    return spec, platform


def _read(model: type[DocumentT], kind: str, tree: Placed) -> DocumentT:
    _check_kind(kind, tree)
    return validate_tree(model, tree)


def _check_kind(kind: str, tree: Placed) -> None:
    if not isinstance(tree.value, dict):
        raise DocumentInvalid([FieldInvalid(f"a {kind} is a mapping", where=tree.where(()))])
    for field, expected in (("apiVersion", "floe.dev/v1"), ("kind", kind)):
        if (found := tree.value.get(field)) != expected:
            said = f"it says {found!r}" if found is not None else "the field is missing"
            problem = KindUnknown(
                f"not a {kind}: {field} must be {expected!r}, and {said}",
                where=tree.where((field,)),
                hint=f"write `{field}: {expected}` at the top",
            )
            raise DocumentInvalid([problem])


def validate_tree(model: type[ModelT], tree: Placed) -> ModelT:
    """The model that the values of a document, or of a part of one, make.

    Raises:
        DocumentInvalid: with all problems, each at its place.
    """
    try:
        return model.model_validate(tree.value)
    except ValidationError as error:
        raise DocumentInvalid(_problems(model, tree, error)) from None


def _problems(model: type[BaseModel], tree: Placed, error: ValidationError) -> list[FloeError]:
    """The first `MAX_PROBLEMS` problems in the order of their places, and how many more there are."""

    def place(detail: ErrorDetails) -> tuple[str, int, int]:
        where = tree.where(_written_path(tree.value, detail["loc"]))
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
    path = _written_path(tree.value, detail["loc"])
    name = str(path[-1]) if path else ""
    if detail["type"] == "extra_forbidden":
        return FieldInvalid(
            f"{name!r} is not a field here", where=tree.where(path), hint=_unknown_field_hint(model, tree.value, path)
        )
    if detail["type"] == "missing":
        return FieldInvalid(f"the field {name!r} is missing", where=tree.where(path), hint=f"add `{name}:`")
    if detail["type"] in _UNION_TAGS:
        return _tag_problem(tree, path, detail)
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    hint = _value_hint(detail)
    if detail["type"] == "string_pattern_mismatch":
        message = f"{reprlib.repr(detail['input'])} is not allowed"
        hint = PATTERN_HINTS.get((detail.get("ctx") or {}).get("pattern", ""))
    message = _EXPECTED.get(detail["type"], message)
    if message.startswith("should"):
        found = "no value" if detail["input"] is None else reprlib.repr(detail["input"])
        message = f"{found}: {message}"
    return FieldInvalid(message, where=tree.where(path), hint=hint)


def _tag_problem(tree: Tree, path: Path, detail: ErrorDetails) -> FieldInvalid:
    """A section of several kinds that does not say which, or says one that there is not."""
    context = detail.get("ctx") or {}
    field = str(context.get("discriminator", "")).strip("'")
    if detail["type"] == "union_tag_not_found":
        return FieldInvalid(f"the field {field!r} is missing", where=tree.where((*path, field)), hint=f"add `{field}:`")
    known = [tag.strip("' ") for tag in str(context.get("expected_tags", "")).split(",")]
    found = str(context.get("tag", ""))
    message = f"{reprlib.repr(found)} is no {field} here"
    return FieldInvalid(message, where=tree.where((*path, field)), hint=meant_or_known(found, known))


def _written_path(value: Any, location: tuple[int | str, ...]) -> Path:
    """`location` without the parts that pydantic adds for tagged unions and map keys."""
    path: list[str | int] = []
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if isinstance(value, dict) and isinstance(part, str) and (part in value or last) and part != "[key]":
            path.append(part)
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            path.append(part)
            value = value[part]
    return tuple(path)


def _unknown_field_hint(model: type[BaseModel], document: Any, path: Path) -> str:
    return meant_or_known(str(path[-1]), _fields_at(model, document, path[:-1]))


def _fields_at(model: type[BaseModel], document: Any, path: Path) -> list[str]:
    """The field names that `document` may have at `path`."""
    candidates: list[Any] = [model]
    value = document
    for part in path:
        following: list[Any] = []
        for candidate in candidates:
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                fields = [f for n, f in candidate.model_fields.items() if (f.alias or n) == part]
                following += [leaf for field in fields for leaf in _leaves(field.annotation)]
            else:
                arguments = typing.get_args(candidate)
                following += _leaves(arguments[-1]) if arguments else []
        value = value.get(part) if isinstance(value, dict) else value[part]
        candidates = [candidate for candidate in following if _says_to_be(value, candidate)]
    models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
    return [field.alias or name for candidate in models for name, field in candidate.model_fields.items()]


def _says_to_be(value: Any, candidate: Any) -> bool:
    """Whether a section may be of the kind `candidate`, by the fields that name its kind."""
    if not isinstance(value, dict) or not (isinstance(candidate, type) and issubclass(candidate, BaseModel)):
        return True
    for name, field in candidate.model_fields.items():
        written = value.get(field.alias or name)
        if typing.get_origin(field.annotation) is Literal and isinstance(written, str):
            kinds = typing.get_args(field.annotation)
            if written not in kinds and field.is_required():
                return False
    return True


def _leaves(annotation: Any) -> list[Any]:
    """An annotation without its unions; containers stay, to be entered by the next part of a path."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _leaves(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [leaf for argument in typing.get_args(annotation) for leaf in _leaves(argument)]
    if origin is tuple:
        return [list[typing.get_args(annotation)[0]]]  # type: ignore[misc]  # entered like a list
    return [annotation]


def _value_hint(detail: ErrorDetails) -> str | None:
    expected = (detail.get("ctx") or {}).get("expected")
    if not expected:
        return None
    known = [word.strip("' ") for word in str(expected).replace(" or ", ", ").split(",")]
    close = difflib.get_close_matches(str(detail["input"]), known, n=1)
    return f"did you mean {close[0]!r}?" if close else None
