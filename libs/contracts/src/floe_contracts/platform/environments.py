"""The environments of a platform: their Git refs, their profiles, their policies."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from floe_contracts.nodes import ClassificationName
from floe_contracts.sections import ProfileName, Section

PolicyAction = Literal["none", "mask", "redact", "restrict", "synthesize"]


class Profiles(Section):
    """What one logical name means in one environment."""

    compute: ProfileName = Field(description="Name below `compute`.")
    storage: ProfileName = Field(description="Name below `storage`.")
    catalog: ProfileName = Field(description="Name below `catalogs`.")


class Policy(Section):
    """What happens to columns of one classification when they are served."""

    action: PolicyAction = Field(
        description="none: shown. mask: a fixed text instead. redact: null instead. restrict: not there. "
        "synthesize: made-up values; denied where nothing makes them up."
    )
    requires_role: tuple[str, ...] = Field(default=(), description="Roles, any of which sees the column as it is.")


class Environment(Section):
    """One environment: its Git refs, its profiles, its policies."""

    refs: tuple[str, ...] = Field(default=("*",), description="Git refs that build in this environment; globs.")
    profiles: dict[ProfileName, Profiles] = Field(
        min_length=1, description="What the logical names of floe.yaml stand for."
    )
    policies: dict[ClassificationName, Policy] = Field(
        default={}, description="What happens to a classification; one that is left out is shown as it is."
    )
