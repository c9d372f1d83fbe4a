"""The root of everything that crosses a boundary: frozen, strict for its writer, tolerant for its readers."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from floe_contracts.errors import ContractError

FirstMajor = Annotated[str, StringConstraints(pattern=r"^1\.\d+$")]
"""The version of a stored document: any minor of the first major is read, another major is refused."""


class Data(BaseModel):
    """Frozen data that crosses a boundary."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, document: object) -> Self:
        """Read what another version of floe may have written: unknown fields are ignored.

        Raises:
            ContractError: the document does not fulfil the contract.
        """
        try:
            return cls.model_validate(document, extra="ignore")
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the document"
            raise ContractError(f"{cls.__name__}: {place}: {first['msg']}") from error
