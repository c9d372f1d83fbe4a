"""Reading a data contract: text in, a contract out, or every problem at once with its place."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from open_data_contract_standard.model import OpenDataContractStandard
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from floe_compiler.core.data_contracts.compiling import PlacedField, compile_contract, placed_fields
from floe_compiler.core.data_contracts.errors import ContractFieldInvalid, ContractStandardUnknown
from floe_compiler.core.data_contracts.rules import broken_rules, other_word
from floe_compiler.core.data_contracts.standard import (
    KIND,
    REQUIRED,
    VERSIONS,
    fields_of,
    section_of,
    takes_anything,
)
from floe_contracts.data_contracts import CompiledDataContract
from floe_contracts.documents.yaml_tree import MAX_PROBLEMS, Path, Tree, read_tree
from floe_contracts.errors import DocumentInvalid, FloeError, Where
from floe_contracts.suggestions import meant_or_known

_EXPECTED: Final = {
    "bool_parsing": "should be true or false",
    "bool_type": "should be true or false",
    "dict_type": "should be a mapping",
    "float_parsing": "should be a number",
    "float_type": "should be a number",
    "int_parsing": "should be a whole number",
    "int_type": "should be a whole number",
    "list_type": "should be a list",
    "model_type": "should be a mapping",
    "string_type": "should be a text",
    "too_long": "should be a list of two numbers",
    "too_short": "should be a list of two numbers",
}
"""What pydantic finds wrong, in the words of YAML."""


@dataclass(frozen=True, slots=True)
class DataContract:
    """A contract that was read.

    Attributes:
        compiled: what it promises, as the artifact carries it.
        tree: the file, for the places of its parts.
        fields: where each field of each table stands.
    """

    compiled: CompiledDataContract
    tree: Tree
    fields: Mapping[tuple[str, str], PlacedField]

    def where(self, model: str, field: str | None = None) -> Where:
        """The place of a table of the contract, or of one of its fields."""
        if field is not None and (model, field) in self.fields:
            return self.tree.where(self.fields[(model, field)].path)
        return self.tree.where(self._path_of(model))

    def _path_of(self, model: str) -> Path:
        tables = self.tree.value.get("schema") or []
        index = next((number for number, table in enumerate(tables) if table.get("name") == model), 0)
        return ("schema", index)


def read_contract(text: str, file: str) -> DataContract:
    """Read a contract of the Open Data Contract Standard.

    Args:
        text: the document.
        file: its name from the product's folder, for messages.

    Raises:
        DocumentInvalid: with all problems, each with its place.
    """
    tree = read_tree(text, file)
    _check_standard(tree)
    problems: list[FloeError] = list(_unknown_fields(tree, OpenDataContractStandard, tree.value, ()))
    try:
        document = OpenDataContractStandard.model_validate(tree.value)
    except ValidationError as error:
        problems += _wrong_values(tree, error)
    else:
        problems += broken_rules(tree, document)
        if not problems:
            fields = {(placed.model, placed.name): placed for placed in placed_fields(document)}
            return DataContract(compile_contract(document, file), tree, fields)
    raise DocumentInvalid(_in_order(problems, tree.file))


def _check_standard(tree: Tree) -> None:
    """See that the document is a contract of a known version at all; nothing else makes sense before.

    Raises:
        DocumentInvalid: it is not.
    """
    if not isinstance(tree.value, dict):
        raise DocumentInvalid([ContractStandardUnknown("a data contract is a mapping", where=tree.where(()))])
    kind, version = tree.value.get("kind"), tree.value.get("apiVersion")
    problems: list[FloeError] = []
    if kind != KIND:
        said = "the field is missing" if kind is None else f"it says {kind!r}"
        text = f"not a data contract: kind must be {KIND!r}, and {said}"
        problems.append(ContractStandardUnknown(text, where=tree.where(("kind",)), hint=f"write `kind: {KIND}`"))
    if version not in VERSIONS:
        said = "the field is missing" if version is None else f"{version!r} is not known"
        hint = meant_or_known(str(version), VERSIONS)
        text = f"apiVersion names the version of the standard, and {said}"
        problems.append(ContractStandardUnknown(text, where=tree.where(("apiVersion",)), hint=hint))
    if problems:
        raise DocumentInvalid(problems)


def _unknown_fields(tree: Tree, section: type[BaseModel], value: Mapping[str, Any], path: Path) -> Iterator[FloeError]:
    """What the standard's package would pass over in silence: unknown fields, fields without a value, missing ones."""
    known = fields_of(section)
    for name, content in value.items():
        place = (*path, name)
        if name not in known:
            hint = other_word(name, known) or meant_or_known(name, known)
            yield ContractFieldInvalid(f"{name!r} is not a field here", where=tree.where(place), hint=hint)
        elif content is None:
            if not takes_anything(known[name]):
                text = f"the field {name!r} has no value"
                yield ContractFieldInvalid(text, where=tree.where(place), hint="give it one, or leave it out")
        else:
            yield from _unknown_below(tree, section_of(known[name], content), content, place)
    for name in REQUIRED.get(section, ()):
        if name not in value:
            text = f"the field {name!r} is missing"
            yield ContractFieldInvalid(text, where=tree.where(path), hint=f"add `{name}:`")


def _unknown_below(tree: Tree, section: type[BaseModel] | None, content: Any, path: Path) -> Iterator[FloeError]:
    if section is None:
        return
    entries = enumerate(content) if isinstance(content, list) else ((None, content),)
    for index, entry in entries:
        if isinstance(entry, dict):
            yield from _unknown_fields(tree, section, entry, path if index is None else (*path, index))


def _wrong_values(tree: Tree, error: ValidationError) -> Iterator[FloeError]:
    seen: set[Path] = set()
    for detail in error.errors(include_url=False):
        path = _written_path(tree.value, detail["loc"])
        # Each way to read a value that may be of several types complains about the same place.
        if detail["type"] != "extra_forbidden" and path not in seen:
            seen.add(path)
            yield ContractFieldInvalid(_message(detail), where=tree.where(path))


def _message(detail: ErrorDetails) -> str:
    expected = _EXPECTED.get(detail["type"], detail["msg"])
    found = detail["input"]
    shown = {dict: "a mapping", list: "a list", type(None): "no value"}.get(type(found), reprlib.repr(found))
    return f"{shown}: {expected}"


def _written_path(value: Any, location: tuple[int | str, ...]) -> Path:
    """`location` without the names that pydantic adds for the options of a union."""
    path: list[int | str] = []
    for part in location:
        inside = part in value if isinstance(value, dict) else isinstance(value, list) and part in range(len(value))
        if inside:
            value = value[part]
            path.append(part)
    return tuple(path)


def _in_order(problems: list[FloeError], file: str) -> list[FloeError]:
    """The first `MAX_PROBLEMS` problems in the order of their places, and how many more there are."""

    def place(problem: FloeError) -> tuple[int, int]:
        where = problem.where or Where()
        return where.line or 0, where.column or 0

    shown = sorted(problems, key=place)[:MAX_PROBLEMS]
    if len(problems) > MAX_PROBLEMS:
        shown.append(ContractFieldInvalid(f"and {len(problems) - MAX_PROBLEMS} more problems", where=Where(file)))
    return shown
