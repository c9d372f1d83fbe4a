"""Exceptions from rules, for a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from floe_compiler.core.governance.errors import OverrideExpired, OverrideForbidden, OverrideUnknown, OverrideUnused
from floe_compiler.core.governance.looking import Model
from floe_contracts.errors import FloeError, Where
from floe_contracts.governance.reports import Finding, OverrideResult, OverrideStatus
from floe_contracts.governance.rules import GovernanceRules, Override
from floe_contracts.governance.scopes import refused_overrides


def check_overrides(floor: GovernanceRules, own: GovernanceRules, *, file: str, path: str) -> list[FloeError]:
    """A refusal for each override of `own` that `floor` forbids.

    Args:
        floor: the rules of the document above.
        own: the rules of a document below it.
        file: that document.
        path: of its rules in the document, as in governance.rules.
    """
    refused = refused_overrides(floor, own)
    return [
        OverrideForbidden(
            f"there are no exceptions from {override.rule}: the platform forbids them",
            where=Where(file, path=f"{path}.overrides.{index}"),
            hint="mend what the rule finds, or ask the platform's owner for an exception",
        )
        for index, override in enumerate(own.overrides)
        if override in refused
    ]


@dataclass(slots=True)
class Overrides:
    """The overrides that hold on one day, and which of them made a difference.

    Attributes:
        all: every override of the rules that hold.
        today: the day.
        known: the codes of all rules.
        used: the indices of those that kept a finding from counting.
    """

    all: Sequence[Override]
    today: date
    known: Sequence[str]
    used: set[int] = field(default_factory=set)

    def of(self, code: str, model: Model) -> tuple[int, Override] | None:
        """The override of a rule for a model, and its index: one that excludes before one that downgrades."""
        held = [
            (index, override)
            for index, override in enumerate(self.all)
            if override.rule == code and override.expires >= self.today and model.is_meant_by(override.models)
        ]
        return min(held, key=lambda one: one[1].action != "exclude", default=None)

    def results(self) -> tuple[OverrideResult, ...]:
        """What became of each override, when all models have been looked at."""
        return tuple(
            OverrideResult(**override.model_dump(), status=self._status(index, override))
            for index, override in enumerate(self.all)
        )

    def _status(self, index: int, override: Override) -> OverrideStatus:
        if override.rule not in self.known:
            return "unknown"
        if override.expires < self.today:
            return "expired"
        return "used" if index in self.used else "unused"


def override_findings(
    results: Iterable[OverrideResult], known: Sequence[str], environments: tuple[str, ...]
) -> Iterator[Finding]:
    """What is to be told of the overrides themselves."""
    for result in results:
        what = f"the override of {result.rule} for {result.models}"
        if result.status == "unknown":
            yield Finding(
                code=OverrideUnknown.code,
                severity="warning",
                environments=environments,
                message=f"{what}: there is no such rule",
                hint=f"there are {', '.join(known)}",
            )
        elif result.status == "expired":
            yield Finding(
                code=OverrideExpired.code,
                severity="warning",
                environments=environments,
                message=f"{what} expired on {result.expires} and no longer holds ({result.reason})",
                hint="take it out, or renew it",
            )
        elif result.status == "unused":
            yield Finding(
                code=OverrideUnused.code,
                severity="note",
                environments=environments,
                message=f"{what} is not needed: nothing breaks the rule there",
                hint="take it out",
            )
