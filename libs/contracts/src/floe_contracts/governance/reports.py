"""What the rules of governance found in a project: the report that the compiler writes."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from floe_contracts.data import Data, FirstMajor
from floe_contracts.governance.rules import Family, Level

Severity = Literal["error", "warning", "note"]
RuleStatus = Literal["passed", "warned", "failed", "not_checked", "off"]
OverrideStatus = Literal["used", "unused", "expired", "unknown"]
ContractStatus = Literal["passed", "failed", "not_checked"]
ReportStatus = Literal["passed", "warned", "failed", "not_checked"]


class Place(Data):
    """Where a finding is to be mended."""

    file: str = Field(description="The file, from the product's folder.")
    line: int = Field(description="From 1.")
    column: int | None = Field(default=None, description="From 1, where it is known.")


class Finding(Data):
    """One thing that a rule found."""

    code: str = Field(description="FLOE-GOV-<nnn>, see the reference of errors.")
    severity: Severity = Field(description="error: refused. warning and note: told.")
    environments: tuple[str, ...] = Field(description="The environments in which it was found.")
    node: str | None = Field(default=None, description="dbt's id of the node that it speaks of.")
    column: str | None = Field(default=None, description="The column that it speaks of.")
    message: str = Field(description="What is wrong, in one sentence.")
    hint: str | None = Field(default=None, description="How to mend it.")
    where: Place | None = Field(default=None, description="The place, if there is one.")
    override: str | None = Field(default=None, description="Why it is milder than its rule, if an override says so.")


class RuleResult(Data):
    """What one rule did in one environment."""

    code: str = Field(description="FLOE-GOV-<nnn>, see the reference of errors.")
    title: str = Field(description="What the rule finds.")
    family: Family = Field(description="The group that the rule belongs to.")
    environment: str = Field(description="Name of the environment.")
    level: Level = Field(description="How much it counts.")
    status: RuleStatus = Field(description="not_checked: there was nothing to look at, which is not passed.")
    checked: int = Field(description="Things that it looked at: models or columns.")
    found: int = Field(description="Things that do not follow it.")
    excluded: int = Field(description="Things that it passed over because an override says so.")


class OverrideResult(Data):
    """What became of one override."""

    rule: str = Field(description="Code of the rule.")
    models: str = Field(description="Glob of the models that it means.")
    action: str = Field(description="downgrade or exclude")
    reason: str = Field(description="Why, as the document says.")
    expires: date = Field(description="The last day on which it holds.")
    status: OverrideStatus = Field(
        description="used: a finding counts less for it. unused: none does. expired: it no longer holds. "
        "unknown: there is no such rule."
    )


class ContractResult(Data):
    """What came of holding a project against one data contract in one environment."""

    contract: str = Field(description="Id of the contract.")
    environment: str = Field(description="Name of the environment.")
    status: ContractStatus = Field(description="not_checked: there was nothing to compare, which is not passed.")
    checked: int = Field(description="Promises that were compared with the project.")
    not_checked: tuple[str, ...] = Field(description="Promises of which the project says nothing, each with its place.")


class EnforcementReport(Data):
    """What all rules did in all environments."""

    version: FirstMajor = Field(default="1.0", description="Version of this document's form.")
    product: str = Field(description="Name of the product.")
    today: date = Field(description="The day that overrides were compared with.")
    status: ReportStatus = Field(description="The worst of all rules; not_checked if none looked at anything.")
    rules: tuple[RuleResult, ...] = Field(description="What each rule did in each environment, sorted.")
    overrides: tuple[OverrideResult, ...] = Field(default=(), description="Every override, in the order of the rules.")
    findings: tuple[Finding, ...] = Field(description="Everything found, sorted by place.")
    data_contracts: tuple[ContractResult, ...] = Field(default=(), description="Every contract in every environment.")


class EnforcementSummary(Data):
    """A report as an event carries it; the whole of it is in the blob store."""

    status: ReportStatus = Field(description="The worst of all rules; not_checked if none looked at anything.")
    errors: int = Field(description="Findings that are refused.")
    warnings: int = Field(description="Findings that are told.")
    notes: int = Field(description="Findings that are mentioned.")
    not_checked: tuple[str, ...] = Field(description="Codes of rules that are on and had nothing to look at anywhere.")
    findings: tuple[Finding, ...] = Field(description="The first findings, the severest first.")
    report_digest: str = Field(description="Digest of the EnforcementReport.")
    sarif_digest: str = Field(description="Digest of the same as SARIF 2.1.0.")
