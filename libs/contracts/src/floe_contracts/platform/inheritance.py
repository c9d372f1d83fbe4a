"""How a platform document stands to those above it: enterprise, domain, product."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from floe_contracts.sections import RelativePath, Section

Scope = Literal["enterprise", "domain", "product"]
SCOPES: tuple[Scope, ...] = ("enterprise", "domain", "product")
"""From the widest to the narrowest; a parent is wider than its child."""

FieldPath = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_.*-]{1,200}$")]


class Parent(Section):
    """The document above."""

    file: RelativePath = Field(description="The parent's file, from this document's folder.")


class Inheritance(Section):
    """What documents below may do to this one."""

    forbid: tuple[FieldPath, ...] = Field(
        default=(), description="Fields that no document below may set, as in bus or compute.warehouse; * is any name."
    )
