"""What the sections of both documents share: their form, their names, and the patterns of those names."""

from __future__ import annotations

import re
from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

PRODUCT_PATTERN: Final = r"^[a-z][a-z0-9-]{0,62}$"
PROFILE_PATTERN: Final = r"^[a-zA-Z][a-zA-Z0-9_-]{0,62}$"
SEMVER_PATTERN: Final = r"^[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$"
ENVIRONMENT_PATTERN: Final = r"^[a-z][a-z0-9-]{0,30}$"
IDENTIFIER_PATTERN: Final = r"^[a-zA-Z_][a-zA-Z0-9_]{0,126}$"
MODULE_PATTERN: Final = r"^[a-zA-Z_][a-zA-Z0-9_]*(\.[a-zA-Z_][a-zA-Z0-9_]*)*$"
MEMORY_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?(MB|GB)$"
SECRET_PATTERN: Final = r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,252}$"  # noqa: S105  # of a name
ARN_PATTERN: Final = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@/_-]{1,128}$"
RULE_PATTERN: Final = r"^FLOE-GOV-[0-9]{3}$"
RULE_OR_ANY_PATTERN: Final = r"^(\*|FLOE-GOV-[0-9]{3})$"
PATTERN_HINTS: Final[dict[str, str]] = {
    PRODUCT_PATTERN: "lower-case letters, digits and hyphens, a letter first, at most 63",
    PROFILE_PATTERN: "letters, digits, hyphens and underscores, a letter first, at most 63",
    SEMVER_PATTERN: "three numbers, as in 1.0.0",
    ENVIRONMENT_PATTERN: "lower-case letters, digits and hyphens, a letter first, at most 31",
    IDENTIFIER_PATTERN: "letters, digits and underscores, no digit first",
    ARN_PATTERN: "as in arn:aws:iam::123456789012:role/name",
    MODULE_PATTERN: "a Python module, as in transforms.scores",
    MEMORY_PATTERN: "a number and MB or GB, as in 2GB",
    RULE_PATTERN: "the code of a rule, as in FLOE-GOV-210",
    RULE_OR_ANY_PATTERN: "the code of a rule, as in FLOE-GOV-210, or *",
    SECRET_PATTERN: "the name of a secret, not its value: letters, digits, hyphens and underscores",
}
"""What a pattern wants, for people."""

ProductName = Annotated[str, StringConstraints(pattern=PRODUCT_PATTERN)]
ProfileName = Annotated[str, StringConstraints(pattern=PROFILE_PATTERN)]
EnvironmentName = Annotated[str, StringConstraints(pattern=ENVIRONMENT_PATTERN)]
Identifier = Annotated[str, StringConstraints(pattern=IDENTIFIER_PATTERN)]
ModuleName = Annotated[str, StringConstraints(pattern=MODULE_PATTERN)]
Semver = Annotated[str, StringConstraints(pattern=SEMVER_PATTERN)]
Memory = Annotated[str, StringConstraints(pattern=MEMORY_PATTERN)]
Sentence = Annotated[str, StringConstraints(max_length=500)]


def _inside(path: str) -> str:
    if not path:
        raise ValueError("must not be empty; the product's folder itself is .")
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path:
        raise ValueError("must be a path inside the product's folder, with forward slashes")
    return str(pure)


def _relative(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or "\\" in path or "\0" in path or ":" in path:
        raise ValueError("must be a relative path with forward slashes")
    return str(pure)


def _iso_date(value: Any) -> Any:
    """Refuse the numbers that pydantic reads as seconds since 1970."""
    if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError(f"{value!r} is no date, as in 2026-12-31")
    return value


IsoDate = Annotated[date, BeforeValidator(_iso_date)]
InnerPath = Annotated[str, AfterValidator(_inside)]
"""A path that stays inside the product's folder."""
RelativePath = Annotated[str, AfterValidator(_relative)]
"""A path that may go up, as in ../platform.yaml."""


class Section(BaseModel):
    """A part of a document: frozen, camelCase when written, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=False)
