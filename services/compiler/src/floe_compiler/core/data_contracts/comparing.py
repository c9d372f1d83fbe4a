"""Two versions of a data contract: what has changed for its readers, and whether the version says so.

A contract is a promise to readers. What takes a promise back, or makes it another, breaks them; what only adds one does
not. So a column that may be null now breaks a reader, and so does one that may not: whoever writes or replays by the
contract no longer keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from floe_compiler.core.data_contracts.column_types import family_of
from floe_compiler.core.data_contracts.errors import ContractVersionTooSmall
from floe_compiler.core.data_contracts.service_levels import Direction, direction
from floe_compiler.core.data_contracts.versions import Bump, bump_made, next_version, numbers
from floe_contracts.data_contracts import (
    CompiledDataContract,
    ContractedField,
    ContractedModel,
    ContractedQuality,
    ServiceLevel,
)
from floe_contracts.errors import Where

_RANKS: Final = {"public": 0, "internal": 1, "identifier": 2, "financial": 3, "pii": 3, "high_sensitivity": 4}
PartT = TypeVar("PartT")


class ChangeSeverity(StrEnum):
    """What a change means for who reads the data."""

    BREAKING = "breaking"
    COMPATIBLE = "compatible"
    EDITORIAL = "editorial"


@dataclass(frozen=True, slots=True)
class ContractChange:
    """One difference.

    Attributes:
        kind: what sort of change, as in field_removed.
        severity: what it means for readers.
        subject: the table, or `table.field`, or the service level; empty for the contract itself.
        message: the change in a sentence.
    """

    kind: str
    severity: ChangeSeverity
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class ContractComparison:
    """All differences of two versions.

    Attributes:
        changes: the breaking ones first, then by subject.
        demanded: the bump that the changes ask for.
        made: the bump that the version made; None when the version went back.
    """

    old: CompiledDataContract
    new: CompiledDataContract
    changes: tuple[ContractChange, ...]
    demanded: Bump
    made: Bump | None

    @property
    def breaking(self) -> tuple[ContractChange, ...]:
        """The changes that break readers."""
        return tuple(change for change in self.changes if change.severity is ChangeSeverity.BREAKING)

    def problem(self) -> ContractVersionTooSmall | None:
        """Why the new version is refused, if it is: it went back, or says less than has changed."""
        where = Where(self.new.file, path="version")
        if self.made is None:
            text = f"the version went back from {self.old.version} to {self.new.version}"
            return ContractVersionTooSmall(text, where=where, hint=f"make it higher than {self.old.version}")
        if self.made >= self.demanded:
            return None
        first = self.changes[0]
        more = f", and {len(self.changes) - 1} more" if len(self.changes) > 1 else ""
        text = (
            f"from {self.old.version} to {self.new.version} is {self.made.shown}, and {first.message}{more}: "
            f"that is {self.demanded.shown}"
        )
        hint = f"make the version {next_version(self.old.version, self.demanded)}"
        return ContractVersionTooSmall(text, where=where, hint=hint)


def compare_contracts(old: CompiledDataContract, new: CompiledDataContract) -> ContractComparison:
    """What has changed from `old` to `new`, two versions of one contract (the same id).

    While the major version is 0, a breaking change asks for a minor bump and any other for a patch, as semantic
    versioning has it.
    """
    changes = [
        *_models(old, new),
        *_service_levels(old, new),
        *_status(old, new),
    ]
    if not changes and old.digest != new.digest:
        changes.append(_change("text_changed", ChangeSeverity.EDITORIAL, "", "only texts have changed"))
    order = list(ChangeSeverity)
    changes.sort(key=lambda change: (order.index(change.severity), change.subject, change.kind, change.message))
    return ContractComparison(old, new, tuple(changes), _demanded(old, changes), bump_made(old.version, new.version))


def _models(old: CompiledDataContract, new: CompiledDataContract) -> Iterator[ContractChange]:
    for name, before, after in _pairs(old.models, new.models, lambda model: model.name):
        if after is None:
            yield _change("model_removed", ChangeSeverity.BREAKING, name, f"the table {name!r} is gone")
        elif before is None:
            yield _change("model_added", ChangeSeverity.COMPATIBLE, name, f"the table {name!r} is new")
        else:
            yield from _model(before, after)


def _model(old: ContractedModel, new: ContractedModel) -> Iterator[ContractChange]:
    name = new.name
    if old.relation != new.relation:
        text = f"the table {name!r} is called {new.relation!r} in the warehouse, and no longer {old.relation!r}"
        yield _change("model_renamed", ChangeSeverity.BREAKING, name, text)
    if old.primary_key != new.primary_key:
        was, now = (", ".join(key) or "none" for key in (old.primary_key, new.primary_key))
        severity = ChangeSeverity.BREAKING if old.primary_key else ChangeSeverity.COMPATIBLE
        text = f"the primary key of {name!r} is {now}, and was {was}"
        yield _change("primary_key_changed", severity, name, text)
    yield from _quality(name, old.quality, new.quality)
    for field_name, before, after in _pairs(old.fields, new.fields, lambda field: field.name):
        subject = f"{name}.{field_name}"
        if after is None:
            yield _change("field_removed", ChangeSeverity.BREAKING, subject, f"the field {subject!r} is gone")
        elif before is None:
            yield _change("field_added", ChangeSeverity.COMPATIBLE, subject, f"the field {subject!r} is new")
        else:
            yield from _field(subject, before, after)


def _field(subject: str, old: ContractedField, new: ContractedField) -> Iterator[ContractChange]:
    yield from _type(subject, old, new)
    if old.required != new.required:
        kind, now = ("required_added", "is never null") if new.required else ("required_removed", "may be null")
        yield _change(kind, ChangeSeverity.BREAKING, subject, f"{subject!r} {now} now")
    if old.unique != new.unique:
        kind, now = ("unique_added", "is") if new.unique else ("unique_removed", "is no longer")
        severity = ChangeSeverity.COMPATIBLE if new.unique else ChangeSeverity.BREAKING
        yield _change(kind, severity, subject, f"{subject!r} {now} unique")
    if old.classification != new.classification:
        yield _classification(subject, old.classification, new.classification)
    yield from _quality(subject, old.quality, new.quality)


def _type(subject: str, old: ContractedField, new: ContractedField) -> Iterator[ContractChange]:
    if old.type != new.type:
        if old.type is None:
            text = f"{subject!r} has the type {new.type}, and had none"
            yield _change("type_added", ChangeSeverity.COMPATIBLE, subject, text)
        else:
            text = f"{subject!r} is {new.type or 'of no type'}, and was {old.type}"
            yield _change("type_changed", ChangeSeverity.BREAKING, subject, text)
    elif old.physical_type != new.physical_type and None not in (old.physical_type, new.physical_type):
        families = [family_of(kind or "") for kind in (old.physical_type, new.physical_type)]
        same = families[0] is not None and families[0] == families[1]
        severity = ChangeSeverity.COMPATIBLE if same else ChangeSeverity.BREAKING
        text = f"{subject!r} is {new.physical_type} in the warehouse, and was {old.physical_type}"
        yield _change("physical_type_changed", severity, subject, text)


def _classification(subject: str, old: str | None, new: str | None) -> ContractChange:
    before, after = (-1 if name is None else _RANKS.get(name) for name in (old, new))
    text = f"{subject!r} is {new or 'not classified'}, and was {old or 'not classified'}"
    if before is None or after is None or before == after:
        return _change("classification_changed", ChangeSeverity.BREAKING, subject, text)
    if after > before:
        return _change("classification_strengthened", ChangeSeverity.COMPATIBLE, subject, text)
    return _change("classification_weakened", ChangeSeverity.BREAKING, subject, text)


def _quality(
    subject: str, old: Sequence[ContractedQuality], new: Sequence[ContractedQuality]
) -> Iterator[ContractChange]:
    rules = {rule.rule for rule in old}, {rule.rule for rule in new}
    for rule in old:
        if rule.rule not in rules[1]:
            text = f"the quality rule {rule.name!r} of {subject!r} is gone, or another"
            yield _change("quality_removed", ChangeSeverity.BREAKING, subject, text)
    for rule in new:
        if rule.rule not in rules[0]:
            text = f"{subject!r} has a new quality rule {rule.name!r}"
            yield _change("quality_added", ChangeSeverity.COMPATIBLE, subject, text)


def _service_levels(old: CompiledDataContract, new: CompiledDataContract) -> Iterator[ContractChange]:
    def key(level: ServiceLevel) -> str:
        return f"{level.property} of {level.element}" if level.element else level.property

    for name, before, after in _pairs(old.service_levels, new.service_levels, key):
        if after is None:
            yield _change("service_level_removed", ChangeSeverity.BREAKING, name, f"{name} is no longer promised")
        elif before is None:
            yield _change("service_level_added", ChangeSeverity.COMPATIBLE, name, f"{name} is promised: {after.value}")
        else:
            yield from _service_level(name, before, after)


def _service_level(name: str, old: ServiceLevel, new: ServiceLevel) -> Iterator[ContractChange]:
    text = f"{name} is {_shown(new)}, and was {_shown(old)}"
    match direction(old, new):
        case Direction.TIGHTER:
            yield _change("service_level_tightened", ChangeSeverity.COMPATIBLE, name, text)
        case Direction.LOOSER:
            yield _change("service_level_loosened", ChangeSeverity.BREAKING, name, text)
        case Direction.UNKNOWN:
            yield _change("service_level_changed", ChangeSeverity.BREAKING, name, text)
        case Direction.SAME:
            return


def _shown(level: ServiceLevel) -> str:
    return f"{level.value} {level.unit}" if level.unit else level.value


def _status(old: CompiledDataContract, new: CompiledDataContract) -> Iterator[ContractChange]:
    if old.status != new.status:
        text = f"the contract is {new.status or 'without a status'}, and was {old.status or 'without one'}"
        yield _change("status_changed", ChangeSeverity.EDITORIAL, "", text)


def _demanded(old: CompiledDataContract, changes: Sequence[ContractChange]) -> Bump:
    severities = {change.severity for change in changes}
    if not severities:
        return Bump.NONE
    bump = Bump.PATCH
    if ChangeSeverity.BREAKING in severities:
        bump = Bump.MAJOR
    elif ChangeSeverity.COMPATIBLE in severities:
        bump = Bump.MINOR
    if numbers(old.version)[0] == 0:
        return max(Bump.PATCH, Bump(bump - 1))
    return bump


def _change(kind: str, severity: ChangeSeverity, subject: str, message: str) -> ContractChange:
    return ContractChange(kind, severity, subject, message)


def _pairs(
    old: Sequence[PartT], new: Sequence[PartT], key: Callable[[PartT], str]
) -> Iterator[tuple[str, PartT | None, PartT | None]]:
    before: Mapping[str, PartT] = {key(part): part for part in old}
    after: Mapping[str, PartT] = {key(part): part for part in new}
    for name in sorted({*before, *after}):
        yield name, before.get(name), after.get(name)
