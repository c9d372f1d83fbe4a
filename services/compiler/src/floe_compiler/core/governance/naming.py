"""Whether models are named as the conventions say."""

from __future__ import annotations

from typing import Final

from floe_compiler.core.governance.errors import NameAgainstConvention
from floe_compiler.core.governance.looking import Broken, Look, Model, Rule, listed
from floe_contracts.governance.rules import GovernanceRules, NamingConvention, matches_name

_PREFIXES: Final = {
    "medallion": ("bronze", "silver", "gold"),
    "kimball": ("dim", "fact", "bridge", "hub", "link", "sat"),
}


def _names(rules: GovernanceRules, model: Model) -> Look:
    conventions = [one for one in rules.naming.conventions if model.is_meant_by(one.applies_to)] if rules.naming else []
    broken = [_broken(one, model.node.name) for one in conventions if not _follows(one, model.node.name)]
    return Look(checked=1 if conventions else 0, broken=broken)


def _follows(convention: NamingConvention, name: str) -> bool:
    return any(matches_name(pattern, name) for pattern in _patterns(convention))


def _patterns(convention: NamingConvention) -> tuple[str, ...]:
    prefixes = _PREFIXES.get(convention.convention)
    built_in = (f"({'|'.join(prefixes)})_[a-z][a-z0-9_]*",) if prefixes else ()
    return (*built_in, *convention.patterns)


def _broken(convention: NamingConvention, name: str) -> Broken:
    prefixes = _PREFIXES.get(convention.convention)
    allowed = []
    if prefixes:
        allowed.append(f"{', '.join(f'{prefix}_' for prefix in prefixes)} first, then lower-case letters and digits")
    if convention.patterns:
        allowed.append(f"names like {listed(convention.patterns)}")
    return Broken(f"the name {name!r} does not follow the {convention.convention} convention", "; or ".join(allowed))


RULES: Final = (Rule(NameAgainstConvention, "naming", _names),)
