"""The governance of a manifest as floe's rules."""

from __future__ import annotations

from typing import Any, Final

from floe_contracts.dialects.conversion import Draft
from floe_contracts.dialects.manifest_models import ManifestGates, ManifestGovernance, ManifestRule
from floe_contracts.documents.yaml_tree import Path

_PLACE: Final[Path] = ("governance",)
_ELSEWHERE: Final = {
    "pii_encryption": "stores encrypt, not floe; what happens to pii is said by an environment's policies",
    "audit_logging": "every change of state is an event",
    "data_retention_days": "nothing applied it",
    "default_ttl_hours": "nothing applied it",
    "snapshot_keep_last": "the catalog service's settings say it",
    "stale_table_recovery_mode": "a table that is gone is made again",
    "policy_overrides": "rules have other codes here; write governance.overrides",
    "data_contracts": "contracts that output ports name are always checked",
    "rbac": "the deployment says who may do what",
    "secret_scanning": "both documents are always scanned",
    "network_policies": "the deployment writes them",
    "policies": "write governance.required",
}


def put_governance(draft: Draft, governance: ManifestGovernance | None) -> None:
    """Take the rules of a manifest over."""
    if governance is None:
        return
    draft.move((*_PLACE, "policy_enforcement_level"), (*_PLACE, "level"))
    if governance.naming is not None:
        _naming(draft, governance)
    if governance.quality_gates is not None:
        _gates(draft, governance.quality_gates)
    _rules(draft, governance.custom_rules or [])
    for name, why in _ELSEWHERE.items():
        draft.drop((*_PLACE, name), f"no home in floe: {why} (manifest-governance)")


def _naming(draft: Draft, governance: ManifestGovernance) -> None:
    naming = governance.naming
    if naming is None:
        return
    place: Path = (*_PLACE, "naming")
    draft.put((*place, "convention"), naming.pattern, (*place, "pattern"))
    draft.put((*place, "level"), naming.enforcement, (*place, "enforcement"))
    if naming.pattern == "custom":
        draft.move((*place, "custom_patterns"), (*place, "patterns"))
    else:
        draft.drop((*place, "custom_patterns"), f"left out: the pattern is {naming.pattern} (manifest-governance)")


def _gates(draft: Draft, gates: ManifestGates) -> None:
    place: Path = (*_PLACE, "quality_gates")
    coverage: Path = (*_PLACE, "coverage")
    percent = 80 if gates.minimum_test_coverage is None else gates.minimum_test_coverage
    draft.put((*coverage, "minimumPercent"), percent, (*place, "minimum_test_coverage"))
    tiers = {} if gates.layer_thresholds is None else {"bronze": 50, "silver": 80, "gold": 100}
    tiers |= draft.written((*place, "layer_thresholds")) or {}
    draft.put((*coverage, "byTier"), tiers, (*place, "layer_thresholds"))
    sections = [coverage]
    if gates.require_descriptions or gates.require_column_descriptions:
        documentation: Path = (*_PLACE, "documentation")
        draft.put((*documentation, "models"), gates.require_descriptions, (*place, "require_descriptions"))
        origin: Path = (*place, "require_column_descriptions")
        draft.put((*documentation, "columns"), gates.require_column_descriptions, origin)
        sections.append(documentation)
    if not gates.block_on_failure:
        for section in sections:
            draft.put((*section, "level"), "warn", (*place, "block_on_failure"))
    zero = "models without columns are reported as not checked (manifest-governance)"
    draft.drop((*place, "zero_column_coverage_behavior"), zero)


def _rules(draft: Draft, rules: list[ManifestRule]) -> None:
    found: dict[str, list[dict[str, Any]]] = {"tags": [], "meta": [], "tests": []}
    for index, rule in enumerate(rules):
        applies: dict[str, Any] = {} if rule.applies_to is None else {"appliesTo": rule.applies_to}
        if rule.type == "require_tags_for_prefix":
            found["tags"].append({"prefix": rule.prefix or "", "tags": rule.required_tags or [], **applies})
        elif rule.type == "require_meta_field":
            found["meta"].append({"fields": [rule.field] if rule.field else [], **applies})
        else:
            columns = {} if rule.min_columns is None else {"minColumns": rule.min_columns}
            found["tests"] += [{"test": test, **columns, **applies} for test in rule.test_types or []]
        draft.drop((*_PLACE, "custom_rules", index, "required"), "an empty value counts as none (manifest-governance)")
    for name, entries in found.items():
        if entries:
            draft.put((*_PLACE, "required", name), entries, (*_PLACE, "custom_rules"))
