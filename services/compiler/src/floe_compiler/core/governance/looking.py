"""What a rule is: a look at one model, which tells how many things it looked at and which of them do not follow it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from floe_contracts.errors import Permanent
from floe_contracts.governance.rules import Family, GovernanceRules, matches_model
from floe_contracts.nodes import Node

_TIERS: Final = ("bronze", "silver", "gold")


@dataclass(frozen=True, slots=True)
class Model:
    """A model in one environment.

    Attributes:
        node: the model; its tier and tags are those of floe.yaml where that says any.
        policies: the classifications that the environment has a policy for.
    """

    node: Node
    policies: Collection[str] = ()

    @property
    def tier(self) -> str | None:
        """The tier that is said, or else the one that the name begins with."""
        if self.node.tier:
            return self.node.tier.casefold()
        prefix = self.node.name.split("_")[0]
        return prefix if prefix in _TIERS else None

    def is_meant_by(self, glob: str) -> bool:
        """Whether a glob of a rule means this model."""
        return matches_model(glob, name=self.node.name, path=self.node.path)


@dataclass(frozen=True, slots=True)
class Broken:
    """One thing that does not follow a rule: a column, or the model itself."""

    message: str
    hint: str | None = None
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a rule saw of one model.

    Attributes:
        checked: how many things it looked at; 0 if the rule has nothing to say of the model.
        broken: those that do not follow it.
    """

    checked: int = 0
    broken: Sequence[Broken] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        error: what a finding of it is.
        family: the group whose level counts.
        look: looks at one model; called only when the rules have that group.
        only_noted: whether its findings are notes at every level.
        asked: whether rules of that group ask for it; one that is not asked for is off.
    """

    error: type[Permanent]
    family: Family
    look: Callable[[GovernanceRules, Model], Look]
    only_noted: bool = False
    asked: Callable[[GovernanceRules], bool] = lambda _: True


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names for a message: the first ones, and how many more there are."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
