"""A data contract against the dbt project that is to keep it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from floe_compiler.core.data_contracts.column_types import agree, family_of
from floe_compiler.core.data_contracts.errors import (
    ContractClassificationMismatch,
    ContractColumnMissing,
    ContractModelMissing,
    ContractRequiredUntested,
    ContractTypeMismatch,
    ContractUniqueUntested,
)
from floe_compiler.core.data_contracts.reading import DataContract
from floe_contracts.data_contracts import ContractedField, ContractedModel
from floe_contracts.errors import FloeError, Where
from floe_contracts.governance.reports import ContractStatus
from floe_contracts.nodes import CLASSIFICATIONS, Column, Node, NodeGraph
from floe_contracts.suggestions import meant_or_known

_COMBINATION: Final = "unique_combination_of_columns"
_BUILT: Final = frozenset({"model", "seed", "snapshot"})


@dataclass(frozen=True, slots=True)
class NotChecked:
    """A promise that the dbt project says nothing about, so that nobody knows whether it is kept."""

    message: str
    where: Where


@dataclass(slots=True)
class ContractCheck:
    """What came of checking one contract.

    Attributes:
        checked: promises that were compared with the project, kept or not.
        problems: those that it does not keep.
        not_checked: those that could not be compared.
    """

    checked: int = 0
    problems: list[FloeError] = field(default_factory=list)
    not_checked: list[NotChecked] = field(default_factory=list)

    @property
    def status(self) -> ContractStatus:
        """`failed`, `passed`, or `not_checked` when there was nothing to compare: that is not a pass."""
        if self.problems:
            return "failed"
        return "passed" if self.checked else "not_checked"


def check_contract(
    contract: DataContract, graph: NodeGraph, classifications: Collection[str] = CLASSIFICATIONS
) -> ContractCheck:
    """Compare what `contract` promises with what the dbt project builds, tests and classifies.

    Args:
        contract: a contract that was read.
        graph: the nodes of one environment.
        classifications: the names that `meta.floe` may use; a contract may use others, which then are not checked.

    Returns:
        Problems of the codes FLOE-CTR-010 to 015, and what could not be checked, in the order of the contract.
    """
    check = ContractCheck()
    for model in contract.compiled.models:
        node = _node_of(model, graph)
        check.checked += 1
        if node is None:
            names = [node.name for node in graph.nodes if node.resource_type in _BUILT]
            text = f"the project builds no model {model.relation!r}"
            hint = meant_or_known(model.relation, names)
            check.problems.append(ContractModelMissing(text, where=contract.where(model.name), hint=hint))
        else:
            _ModelCheck(contract, model, node, frozenset(classifications), check).run()
    check.problems.sort(key=lambda problem: _line(problem.where))
    check.not_checked.sort(key=lambda skipped: _line(skipped.where))
    return check


@dataclass(frozen=True, slots=True)
class _ModelCheck:
    """One table of a contract and the node that builds it."""

    contract: DataContract
    model: ContractedModel
    node: Node
    classifications: frozenset[str]
    check: ContractCheck

    def run(self) -> None:
        columns = {column.name.casefold(): column for column in self.node.columns}
        for promised in self.model.fields:
            if "." in promised.name or "[]" in promised.name:
                self._skip(promised, f"{promised.name!r} is inside of a column, where dbt documents nothing")
                continue
            self.check.checked += 1
            column = columns.get(promised.name.casefold())
            if column is None:
                self._missing(promised)
                continue
            self._type(promised, column)
            self._required(promised)
            self._unique(promised)
            self._classification(promised, column)
        self._primary_key()

    def _missing(self, promised: ContractedField) -> None:
        names = [column.name for column in self.node.columns]
        known = f"{meant_or_known(promised.name, names)}; " if names else ""
        hint = f"{known}document the column in the properties file of {self.node.name}"
        text = f"the model {self.node.name!r} documents no column {promised.name!r}"
        self.check.problems.append(ContractColumnMissing(text, where=self._where(promised), hint=hint))

    def _type(self, promised: ContractedField, column: Column) -> None:
        wanted = promised.type or promised.physical_type
        if wanted is None:
            self._skip(promised, f"the contract gives {promised.name!r} no type")
            return
        if not column.data_type:
            self._skip(promised, f"the type of {promised.name!r}: the model declares no data_type for it")
            return
        if promised.type is not None:
            kept = agree(promised.type, column.data_type, self.contract.compiled.standard)
        else:
            families = family_of(wanted), family_of(column.data_type)
            kept = None if None in families else families[0] == families[1]
        if kept is None:
            self._skip(
                promised, f"the type of {promised.name!r}: floe does not know {wanted!r} or {column.data_type!r}"
            )
            return
        self.check.checked += 1
        if not kept:
            text = f"{promised.name!r} is {wanted} in the contract, and {column.data_type} in {self.node.name}"
            hint = "change the one that is wrong; a contract that changes a type is a new major version"
            self.check.problems.append(ContractTypeMismatch(text, where=self._where(promised), hint=hint))

    def _required(self, promised: ContractedField) -> None:
        if not promised.required:
            return
        self.check.checked += 1
        sole_key = self.node.primary_key == (promised.name,)
        if not sole_key and not self._tested(promised.name, "not_null") and not self._constrained(promised, "not_null"):
            text = f"{promised.name!r} is required, and nothing keeps nulls out of {self.node.name}.{promised.name}"
            hint = "add the data test not_null to the column"
            self.check.problems.append(ContractRequiredUntested(text, where=self._where(promised), hint=hint))

    def _unique(self, promised: ContractedField) -> None:
        if not promised.unique:
            return
        self.check.checked += 1
        if not self._is_unique(promised):
            text = f"{promised.name!r} is unique, and nothing keeps a value from coming twice"
            hint = "add the data test unique to the column"
            self.check.problems.append(ContractUniqueUntested(text, where=self._where(promised), hint=hint))

    def _primary_key(self) -> None:
        key = self.model.primary_key
        if not key:
            return
        self.check.checked += 1
        where = self.contract.where(self.model.name, key[0])
        if len(key) == 1:
            only = next(field for field in self.model.fields if field.name == key[0])
            if only.unique or self._is_unique(only):
                return  # said already, or kept
            hint = "add the data test unique to the column"
        elif {name.casefold() for name in self.node.primary_key} == {name.casefold() for name in key}:
            return
        elif any(check.name.split(".")[-1] == _COMBINATION for check in self.node.checks):
            text = f"that {_COMBINATION} of {self.node.name} names {', '.join(key)}"
            self.check.not_checked.append(NotChecked(text, where))
            return
        else:
            hint = f"add dbt_utils.{_COMBINATION}, or a primary_key constraint, to {self.node.name}"
        text = f"{', '.join(key)} is the primary key, and nothing keeps a key from coming twice"
        self.check.problems.append(ContractUniqueUntested(text, where=where, hint=hint))

    def _classification(self, promised: ContractedField, column: Column) -> None:
        has = column.classification.classification if column.classification else None
        if promised.classification is None:
            if has is not None:
                self._skip(
                    promised, f"{promised.name!r} is {has} in {self.node.name}, and the contract does not say so"
                )
            return
        if promised.classification not in self.classifications:
            self._skip(promised, f"the classification {promised.classification!r} is not one of floe's")
            return
        self.check.checked += 1
        if promised.classification != has:
            said = f"{has} in meta.floe of" if has else "not classified in"
            text = f"{promised.name!r} is {promised.classification} in the contract, and {said} {self.node.name}"
            hint = f"say `classification: {promised.classification}` in meta.floe of the column, or mend the contract"
            problem = ContractClassificationMismatch(text, where=self._where(promised), hint=hint)
            self.check.problems.append(problem)

    def _is_unique(self, promised: ContractedField) -> bool:
        constrained = self._constrained(promised, "unique") or self._constrained(promised, "primary_key")
        return constrained or self.node.primary_key == (promised.name,) or self._tested(promised.name, "unique")

    def _tested(self, column: str, test: str) -> bool:
        return any(
            check.name == test and (check.column or "").casefold() == column.casefold() for check in self.node.checks
        )

    def _constrained(self, promised: ContractedField, constraint: str) -> bool:
        columns = (column for column in self.node.columns if column.name.casefold() == promised.name.casefold())
        return any(constraint in column.constraints for column in columns)

    def _skip(self, promised: ContractedField, message: str) -> None:
        self.check.not_checked.append(NotChecked(message, self._where(promised)))

    def _where(self, promised: ContractedField) -> Where:
        return self.contract.where(self.model.name, promised.name)


def _line(where: Where | None) -> int:
    return (where.line if where else None) or 0


def _node_of(model: ContractedModel, graph: NodeGraph) -> Node | None:
    """The node that builds the table: by its relation, or else by its name in the project."""
    wanted = model.relation.split(".")[-1].casefold()
    built = [node for node in graph.nodes if node.resource_type in _BUILT]
    return next(_matching(built, wanted), None)


def _matching(nodes: list[Node], name: str) -> Iterator[Node]:
    yield from (node for node in nodes if node.identifier.casefold() == name)
    yield from (node for node in nodes if node.name.casefold() == name)
