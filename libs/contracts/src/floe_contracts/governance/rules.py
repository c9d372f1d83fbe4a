"""The rules of governance, as floe.yaml and platform.yaml write them, and what holds where the two meet.

Every scope may add rules and tighten those above it; none can loosen them (`governance_scopes`). Names are compared
with globs, and with regular expressions of the engine that pydantic has: it takes linear time, so that no pattern of a
project can hold up the compiler.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import SchemaError, SchemaValidator, core_schema

from floe_contracts.nodes import CLASSIFICATIONS, ClassificationName
from floe_contracts.product.transforms import Tier
from floe_contracts.sections import RULE_OR_ANY_PATTERN, RULE_PATTERN, IsoDate, Section, Sentence

Level = Literal["off", "warn", "strict"]
Family = Literal["naming", "coverage", "documentation", "required", "classification"]

LEVELS: Final[tuple[Level, ...]] = ("off", "warn", "strict")
"""From the mildest to the strictest."""
DEFAULT_LEVEL: Final[Level] = "warn"
ANY_RULE: Final = "*"


@lru_cache(maxsize=512)
def _matcher(pattern: str) -> SchemaValidator:
    SchemaValidator(core_schema.str_schema(pattern=pattern))  # by itself too: `a)|(?:b` is whole only in brackets
    return SchemaValidator(core_schema.str_schema(pattern=f"^(?:{pattern})$"))


def matches_name(pattern: str, name: str) -> bool:
    """Whether the whole of `name` matches a pattern of `NamingConvention.patterns`."""
    return _matcher(pattern).isinstance_python(name)


def matches_model(glob: str, *, name: str, path: str) -> bool:
    """Whether `glob` means a model: by its path from the dbt project's folder if it has a slash, else by its name."""
    return fnmatchcase(path if "/" in glob else name, glob)


def _pattern(pattern: str) -> str:
    try:
        _matcher(pattern)
    except SchemaError as error:
        reason = str(error).strip().splitlines()[-1].removeprefix("error: ")
        raise ValueError(f"{pattern!r} is not a regular expression that floe reads: {reason}") from None
    return pattern


NamePattern = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_pattern)]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Percent = Annotated[int, Field(ge=0, le=100)]
RuleCode = Annotated[str, StringConstraints(pattern=RULE_PATTERN)]
RuleCodeOrAny = Annotated[str, StringConstraints(pattern=RULE_OR_ANY_PATTERN)]

_APPLIES: Final = "Which models: a glob over their names, or over their paths if it has a slash."
_LEVEL: Final = "off: not looked at. warn: told in the report. strict: refused. Left out, the level of all rules."


class NamingConvention(Section):
    """How models are named."""

    convention: Literal["medallion", "kimball", "custom"] = Field(
        description="medallion: bronze_, silver_ or gold_ first. kimball: dim_, fact_, bridge_, hub_, link_ or sat_ "
        "first. custom: as the patterns say."
    )
    patterns: tuple[NamePattern, ...] = Field(
        default=(), max_length=50, description="Regular expressions for whole names that are allowed as well."
    )
    applies_to: Glob = Field(default="*", description=_APPLIES)

    @model_validator(mode="after")
    def _has_patterns(self) -> Self:
        if self.convention == "custom" and not self.patterns:
            raise ValueError("a custom convention needs patterns")
        return self


class Naming(NamingConvention):
    """How models are named, and how much that counts."""

    further: tuple[NamingConvention, ...] = Field(
        default=(), description="More conventions; a name follows each that applies to it."
    )
    level: Level | None = Field(default=None, description=_LEVEL)

    @property
    def conventions(self) -> tuple[NamingConvention, ...]:
        """All of them, the first one first."""
        first = NamingConvention.model_construct(
            convention=self.convention, patterns=self.patterns, applies_to=self.applies_to
        )
        return (first, *self.further)


class Coverage(Section):
    """How many of the columns that a model documents have a test."""

    minimum_percent: Percent = Field(default=80, description="For models of no tier that `byTier` names.")
    by_tier: dict[Tier, Percent] = Field(
        default={"bronze": 50, "silver": 80, "gold": 100}, description="For models of a tier."
    )
    level: Level | None = Field(default=None, description=_LEVEL)

    def minimum_of(self, tier: str | None) -> int:
        """The per cent that a model of `tier` needs."""
        return next((percent for name, percent in self.by_tier.items() if name == tier), self.minimum_percent)


class Documented(Section):
    """What has to be described."""

    models: bool = Field(default=True, description="Every model.")
    columns: bool = Field(default=False, description="Every column; a model without any column is not enough.")


class Documentation(Documented):
    """What has to be described, and how much that counts."""

    by_tier: dict[Tier, Documented] = Field(default={}, description="Instead, for models of a tier.")
    refuse_placeholders: bool = Field(default=True, description="Whether TBD, TODO, N/A and the like count as none.")
    level: Level | None = Field(default=None, description=_LEVEL)

    def of_tier(self, tier: str | None) -> Documented:
        """What has to be described of a model of `tier`."""
        return next((wanted for name, wanted in self.by_tier.items() if name == tier), self)


class RequiredTags(Section):
    """Tags that models must have."""

    prefix: str = Field(default="", description="Only models whose names begin so.")
    tags: tuple[Word, ...] = Field(min_length=1, description="Tags; a model has all of them.")
    applies_to: Glob = Field(default="*", description=_APPLIES)


class RequiredMeta(Section):
    """Meta that models must have."""

    fields: tuple[Word, ...] = Field(min_length=1, description="Fields of meta, as in owner or floe.owner.")
    applies_to: Glob = Field(default="*", description=_APPLIES)


class RequiredTests(Section):
    """Tests that models must have."""

    test: Word = Field(description="Name of a generic test, as in not_null or dbt_utils.not_constant.")
    min_columns: Annotated[int, Field(ge=1)] = Field(
        default=1, description="On how many columns; a test on the model itself counts as one."
    )
    applies_to: Glob = Field(default="*", description=_APPLIES)


class Required(Section):
    """What certain models must have."""

    tags: tuple[RequiredTags, ...] = Field(default=(), description="Tags, by prefix and glob.")
    meta: tuple[RequiredMeta, ...] = Field(default=(), description="Fields of meta, by glob.")
    tests: tuple[RequiredTests, ...] = Field(default=(), description="Tests of a type, by glob.")
    level: Level | None = Field(default=None, description=_LEVEL)


class ClassificationRules(Section):
    """Where columns must say what sort of data they hold."""

    exposed: bool = Field(default=True, description="Every documented column of a model that Cube serves.")
    tiers: tuple[Tier, ...] = Field(default=(), description="Every documented column of the models of these tiers.")
    policies: bool = Field(
        default=False, description="Whether a classification in a served model needs a policy in each environment."
    )
    names: tuple[ClassificationName, ...] = Field(
        default=(), description="Names beside the ones that floe knows. In platform.yaml only."
    )
    level: Level | None = Field(default=None, description=_LEVEL)


class Override(Section):
    """An exception, for a while."""

    rule: RuleCode = Field(description="Code of the rule, as in FLOE-GOV-210.")
    models: Glob = Field(description=_APPLIES)
    action: Literal["downgrade", "exclude"] = Field(
        description="downgrade: an error becomes a warning, a warning a note. exclude: not looked at."
    )
    reason: Sentence = Field(min_length=1, description="Why.")
    expires: IsoDate = Field(description="The last day on which it holds.")


class GovernanceRules(Section):
    """The rules that a project's models have to follow. A group that is left out asks for nothing."""

    level: Level | None = Field(
        default=None, description="Of all rules that say none themselves; left out, their level is warn."
    )
    naming: Naming | None = None
    coverage: Coverage | None = None
    documentation: Documentation | None = None
    required: Required | None = None
    classification: ClassificationRules | None = None
    overrides: tuple[Override, ...] = Field(default=(), description="Exceptions, each for a while.")
    forbid_overrides: tuple[RuleCodeOrAny, ...] = Field(
        default=(), description="Codes of rules of which no document below may make exceptions; * is all of them."
    )

    def level_of(self, family: Family) -> Level:
        """The level that holds for a group of rules; one that is left out is off."""
        return (self.said_level(family) or DEFAULT_LEVEL) if getattr(self, family) is not None else "off"

    def said_level(self, family: Family) -> Level | None:
        """The level of a group as far as these rules say anything of it."""
        section = getattr(self, family)
        said: Level | None = section.level if section is not None else None
        return said or self.level or (DEFAULT_LEVEL if section is not None else None)


def known_classifications(platform: GovernanceRules | None) -> tuple[str, ...]:
    """The names that columns may be classified by: those of floe and those that the platform declares."""
    declared = platform.classification.names if platform and platform.classification else ()
    return tuple(dict.fromkeys((*CLASSIFICATIONS, *declared)))
