"""What holds where the rules of two scopes meet: of an enterprise and a domain, of a platform and a product."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TypeVar

from floe_contracts.governance.rules import (
    ANY_RULE,
    DEFAULT_LEVEL,
    LEVELS,
    ClassificationRules,
    Coverage,
    Documentation,
    Documented,
    Family,
    GovernanceRules,
    Level,
    Naming,
    Override,
    Required,
)
from floe_contracts.product.transforms import Tier

ItemT = TypeVar("ItemT")


def refused_overrides(floor: GovernanceRules, own: GovernanceRules) -> tuple[Override, ...]:
    """The overrides of `own` that `floor` forbids; `stricter` leaves them out."""
    return tuple(override for override in own.overrides if {ANY_RULE, override.rule} & set(floor.forbid_overrides))


def stricter(floor: GovernanceRules, own: GovernanceRules) -> GovernanceRules:
    """The rules that hold in a scope with rules of its `own` below another one.

    Field by field the stricter value wins: levels and percentages only go up, what is asked for in one of both is
    asked for, lists are united. Overrides of `floor` stay; those of `own` join them unless `floor` forbids them.
    """
    refused = refused_overrides(floor, own)
    return GovernanceRules.model_construct(
        level=_higher(floor.level, own.level),
        naming=_naming(floor, own),
        coverage=_coverage(floor, own),
        documentation=_documentation(floor, own),
        required=_required(floor, own),
        classification=_classification(floor, own),
        overrides=_united(floor.overrides, (override for override in own.overrides if override not in refused)),
        forbid_overrides=_united(floor.forbid_overrides, own.forbid_overrides),
    )


def _higher(one: Level | None, other: Level | None) -> Level | None:
    return max((level for level in (one, other) if level is not None), key=LEVELS.index, default=None)


def _level(floor: GovernanceRules, own: GovernanceRules, family: Family) -> Level | None:
    """What the united group has to say so that neither scope's level is lost: nothing where that is enough."""
    wanted = _higher(floor.said_level(family), own.said_level(family))
    sections = [section for section in (getattr(floor, family), getattr(own, family)) if section is not None]
    unsaid = all(section.level is None for section in sections)
    return None if unsaid and wanted == (_higher(floor.level, own.level) or DEFAULT_LEVEL) else wanted


def _naming(floor: GovernanceRules, own: GovernanceRules) -> Naming | None:
    found = [rules.naming for rules in (floor, own) if rules.naming is not None]
    if not found:
        return None
    first, *further = _united(*(naming.conventions for naming in found))
    return Naming.model_construct(**dict(first), further=tuple(further), level=_level(floor, own, "naming"))


def _coverage(floor: GovernanceRules, own: GovernanceRules) -> Coverage | None:
    found = [rules.coverage for rules in (floor, own) if rules.coverage is not None]
    if not found:
        return None
    tiers = _united(*(coverage.by_tier for coverage in found))
    return Coverage.model_construct(
        minimum_percent=max(coverage.minimum_percent for coverage in found),
        by_tier={tier: max(coverage.minimum_of(tier) for coverage in found) for tier in tiers},
        level=_level(floor, own, "coverage"),
    )


def _documentation(floor: GovernanceRules, own: GovernanceRules) -> Documentation | None:
    found = [rules.documentation for rules in (floor, own) if rules.documentation is not None]
    if not found:
        return None
    by_tier: dict[Tier, Documented] = {}
    for tier in _united(*(documentation.by_tier for documentation in found)):
        of_tier = [documentation.of_tier(tier) for documentation in found]
        by_tier[tier] = Documented(
            models=any(one.models for one in of_tier), columns=any(one.columns for one in of_tier)
        )
    return Documentation.model_construct(
        models=any(documentation.models for documentation in found),
        columns=any(documentation.columns for documentation in found),
        by_tier=by_tier,
        refuse_placeholders=any(documentation.refuse_placeholders for documentation in found),
        level=_level(floor, own, "documentation"),
    )


def _required(floor: GovernanceRules, own: GovernanceRules) -> Required | None:
    found = [rules.required for rules in (floor, own) if rules.required is not None]
    if not found:
        return None
    return Required.model_construct(
        tags=_united(*(required.tags for required in found)),
        meta=_united(*(required.meta for required in found)),
        tests=_united(*(required.tests for required in found)),
        level=_level(floor, own, "required"),
    )


def _classification(floor: GovernanceRules, own: GovernanceRules) -> ClassificationRules | None:
    found = [rules.classification for rules in (floor, own) if rules.classification is not None]
    if not found:
        return None
    return ClassificationRules.model_construct(
        exposed=any(classification.exposed for classification in found),
        tiers=_united(*(classification.tiers for classification in found)),
        policies=any(classification.policies for classification in found),
        names=_united(*(classification.names for classification in found)),
        level=_level(floor, own, "classification"),
    )


def _united(*lists: Iterable[ItemT]) -> tuple[ItemT, ...]:
    """The items of all lists, each once, in their order."""
    found: list[ItemT] = []
    for item in itertools.chain(*lists):
        if item not in found:
            found.append(item)
    return tuple(found)
