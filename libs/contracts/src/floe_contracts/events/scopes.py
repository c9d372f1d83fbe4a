"""What events share: whom they speak of, where it came from, and problems as they travel."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field

from floe_contracts.data import Data
from floe_contracts.errors import ContractError, FloeError
from floe_contracts.subjects import EventKind, EventSubject


class Problem(Data):
    """A `FloeError` as it travels in an event."""

    code: str = Field(description="FLOE-<AREA>-<nnn>, see the reference of errors.")
    message: str = Field(description="What is wrong, in one sentence.")
    file: str | None = Field(default=None, description="The file that it speaks of.")
    line: int | None = Field(default=None, description="From 1.")
    column: int | None = Field(default=None, description="From 1.")
    path: str | None = Field(default=None, description="The field, as in metadata.name.")
    hint: str | None = Field(default=None, description="How to mend it.")

    @classmethod
    def of(cls, error: FloeError) -> Self:
        """The problem that `error` tells of."""
        where = error.where
        return cls(
            code=error.code,
            message=error.message,
            hint=error.hint,
            file=where.file if where else None,
            line=where.line if where else None,
            column=where.column if where else None,
            path=where.path if where else None,
        )


class SourceReference(Data):
    """Where a submission came from. Stands in events only, never in the artifact."""

    repository: str = Field(description="Address or name of the Git repository.")
    ref: str | None = Field(default=None, description="The Git ref, as in refs/heads/main.")
    commit: str | None = Field(default=None, description="The commit's full hash.")
    folder: str | None = Field(
        default=None, description="Where floe.yaml lies, from the root of the repository; left out: at the root."
    )


class Event(Data):
    """What all events share: the tenant that they speak of."""

    kind: ClassVar[EventKind]

    tenant: str = Field(description="Whom the product belongs to.")

    def subject(self) -> str:
        """The subject that this event is published on."""
        names = {name: self.detail() if name == "detail" else getattr(self, name) for name in self.kind.scope.names}
        return str(EventSubject(self.kind, **names))

    def detail(self) -> str:
        """The last name of the subject, for the kinds that have one."""
        raise ContractError(f"{self.kind} has no detail")


class ProductEvent(Event):
    """An event that speaks of one product."""

    product: str = Field(description="Name of the product, as floe.yaml says.")


class EnvironmentEvent(ProductEvent):
    """An event of one environment."""

    environment: str = Field(description="Name of the environment, as platform.yaml says.")
