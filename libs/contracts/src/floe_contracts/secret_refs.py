"""References to secrets. A document names a secret and never holds one (DESIGN section 4)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from floe_contracts.sections import SECRET_PATTERN, Section

SecretName = Annotated[str, StringConstraints(pattern=SECRET_PATTERN)]


class SecretRef(Section):
    """The name of a secret, looked up at run time where the run is."""

    secret_ref: SecretName = Field(description="Name of the secret, not its value.")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """Refuse a text without repeating it: it may be the secret itself."""
        if isinstance(value, str):
            raise ValueError("a secret is named, not written: put {secretRef: NAME} here")  # noqa: TRY004  # pydantic reports ValueErrors
        return value
